"""A byte-level BPE vocabulary in Qwen2's manner, trained on a few sentences of our own."""

import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

# In the order, and with the spelling, that every Qwen2-VL checkpoint has.
SPECIAL_TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]

SENTENCES = """
You are a helpful assistant. system user assistant
The picture shows a red circle beside a blue square on a green field.
What is in this picture? What do you see? Describe the image, please.
There are two dogs and three cats in the garden, and a bird over the house.
How many people are there? I can count seven of them; one is reading a book.
The first picture is larger than the second one, and the third is the smallest.
It's a quiet street in the evening. They're waiting, she's late, and we'll see what I've missed.
Read the text on the sign and tell me what it says, in one short sentence.
The answer is forty-two. The total of the bill is 18.75 and the date is 2024-11-23.
def main(): return "hello world"  # a comment
{"name": "value", "list": [1, 2, 3], "nested": {"key": true}}
Das Bild zeigt einen grünen Hügel, über dem ein großer Vogel kreist. Schöne Grüße aus Köln!
Les élèves ont mangé des gâteaux à la crème près de la forêt. Où est la bibliothèque?
El niño pequeño corrió por la montaña con su perro. ¿Qué ves en la imagen?
На картинке изображён красный круг рядом с синим квадратом. Что ты видишь?
图片中有一只猫和一只狗。你看到了什么？请描述这张图片。图片里的文字是什么？
この画像には赤い丸と青い四角があります。何が見えますか？
그림에는 빨간 원과 파란 사각형이 있습니다. 무엇이 보이나요?
नमस्ते दुनिया। यह एक चित्र है।
The temperature rose to 25 °C, the price to 30 € – “cheap”, they said… 😀 😀 🎉 👍
a naïve café, an über-cool façade, a jalapeño
""".strip().split("\n")


def train(merges: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=256 + merges,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    if tokenizer.get_vocab_size() != 256 + merges:
        raise SystemExit(f"the sentences give only {tokenizer.get_vocab_size() - 256} merges, not {merges}")
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL_TOKENS])
    return tokenizer


def write(tokenizer: Tokenizer, folder: Path, normalizer: bool = True, vocab_files: bool = True):
    """tokenizer.json, vocab.json and merges.txt as the Hub has them."""
    folder.mkdir(parents=True, exist_ok=True)
    document = json.loads(tokenizer.to_str())
    if not normalizer:
        document["normalizer"] = None
    (folder / "tokenizer.json").write_text(
        json.dumps(document, ensure_ascii=False, indent=None, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    if vocab_files:
        model = document["model"]
        vocab = dict(sorted(model["vocab"].items(), key=lambda item: item[1]))
        (folder / "vocab.json").write_text(
            json.dumps(vocab, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
        )
        lines = [" ".join(m) if isinstance(m, list) else m for m in model["merges"]]
        (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(lines) + "\n", encoding="utf-8")


def tokenizer_config(tokenizer: Tokenizer, chat_template: str | None, additional: bool) -> dict:
    """tokenizer_config.json as the Hub's Qwen2-VL checkpoints have it."""
    decoder = {}
    for token in SPECIAL_TOKENS:
        decoder[str(tokenizer.token_to_id(token))] = {
            "content": token,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
    config = {"add_prefix_space": False, "added_tokens_decoder": decoder}
    if additional:
        config["additional_special_tokens"] = [t for t in SPECIAL_TOKENS if t != "<|endoftext|>"]
    config["bos_token"] = None
    if chat_template is not None:
        config["chat_template"] = chat_template
    config |= {
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "padding_side": "left",
        "errors": "replace",
        "model_max_length": 32768,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    return config
