"""A small Qwen2-VL that reads printed lines: pictures, tokenizer, model, training and measuring.

Shapes, in one notation for the whole package:
B pictures in a batch, N patches of 14x14 pixels, C = N / 4 merged cells of 28x28 pixels, S ordered character slots per
patch, V slot classes (0 = no character), T tokens of a prompt with its answer, D width of the language model,
E width of the vision tower.
"""
