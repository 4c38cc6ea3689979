"""A byte-level BPE tokenizer in Qwen2's style, small because merges serve the wording of prompts only.

Answers are spelled one character a token (`spell`), so that what is copied from a picture lines up with what is seen.
"""

import json

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from . import strings

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
VISION_START, VISION_END, VISION_PAD = "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"
IMAGE_PAD, VIDEO_PAD = "<|image_pad|>", "<|video_pad|>"
SPECIAL_TOKENS = (END_OF_TEXT, TURN_START, TURN_END, VISION_START, VISION_END, VISION_PAD, IMAGE_PAD, VIDEO_PAD)

# ChatML with Qwen2-VL's picture markers. No system message is invented: one is rendered only where one is given.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{%- if message.content is string -%}
{{- message.content -}}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' or part.type == 'image_url' -%}
{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
{%- elif part.type == 'video' -%}
{{- '<|vision_start|><|video_pad|><|vision_end|>' -}}
{%- elif part.type == 'text' -%}
{{- part.text -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


def empty(vocabulary: dict[str, int] | None = None, merges: list[tuple[str, str]] | None = None) -> Tokenizer:
    """Byte-level BPE as Qwen2 cuts text, over given pieces or none yet."""
    bpe = Tokenizer(models.BPE(vocabulary, merges))
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    bpe.decoder = decoders.ByteLevel()
    return bpe


def build(entries: int) -> Qwen2Tokenizer:
    """A tokenizer of at most `entries` tokens, special ones included, trained on the wording of prompts."""
    bpe = empty()
    wording = [*strings.QUESTIONS, *strings.SYSTEM_PROMPTS, "system\n", "user\n", "assistant\n"] * 4
    bpe.train_from_iterator(wording + rare_characters(), trainers.BpeTrainer(
        vocab_size=entries - len(SPECIAL_TOKENS), min_frequency=2, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(bpe.to_str())["model"]
    return assemble(model["vocab"], [tuple(m) for m in model["merges"]])


def rare_characters() -> list[str]:
    """Characters of more than one byte, often enough to become tokens."""
    return [c for c in strings.ALPHABET if len(c.encode()) > 1] * 20


def assemble(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Qwen2Tokenizer:
    """Qwen2's tokenizer and chat template over byte-level pieces and merges, with the special tokens behind them."""
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary, merges=merges,
        eos_token=TURN_END, pad_token=END_OF_TEXT, unk_token=None,
        additional_special_tokens=[t for t in SPECIAL_TOKENS if t not in (TURN_END, END_OF_TEXT)],
        clean_up_tokenization_spaces=False)
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def spell(tokenizer: Qwen2Tokenizer, answer: str) -> list[int]:
    """Ids of an answer, one character a token."""
    return [i for character in answer for i in tokenizer.encode(character)]


def prompt(tokenizer: Qwen2Tokenizer, question: str, picture_first: bool = True, system: str | None = None) -> str:
    """A user's turn with one picture, rendered by the chat template up to where the answer starts."""
    picture, text = {"type": "image"}, {"type": "text", "text": question}
    messages = [{"role": "user", "content": [picture, text] if picture_first else [text, picture]}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
