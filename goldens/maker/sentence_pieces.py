"""SentencePiece models, and what transformers makes of checkpoints that have no tokenizer.json beside them."""

import io
import json
import random
from pathlib import Path

import sentencepiece
from transformers import LlamaTokenizer

from .files import write_json
from .texts import SENTENCES

TRAINING = {
    "vocab_size": 500,
    "character_coverage": 0.98,
    "byte_fallback": True,
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
    "split_digits": True,
    "allow_whitespace_only_pieces": True,
    "num_threads": 1,
    "minloglevel": 2,
}

MODELS = {
    "plain": {},
    "symbols": {"user_defined_symbols": ["<box>", "▁▁▁", "0.5"], "control_symbols": ["<ctl>"]},
}


def token(content: str, special=True, normalized=False, **flags) -> dict:
    base = {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False}
    return base | {"special": special} | flags


def typed(content: str, normalized: bool) -> dict:
    flags = {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False}
    return {"__type": "AddedToken"} | flags


NAMED = {str(i): token(content) for i, content in enumerate(["<unk>", "<s>", "</s>"])}

# Name: the model, and the files beside it.
CHECKPOINTS = {
    "alone": ("plain", {}),
    "legacy": ("plain", {"tokenizer_config.json": {"legacy": True, "add_bos_token": True, "add_eos_token": False}}),
    "no-prefix": ("plain", {"tokenizer_config.json": {"legacy": False, "add_prefix_space": False}}),
    "added-tokens": (
        "plain",
        {
            "tokenizer_config.json": {
                "bos_token": typed("<s>", True),
                "eos_token": typed("</s>", True),
                "unk_token": typed("<unk>", True),
                "pad_token": None,
                "model_max_length": 2048,
                "padding_side": "right",
                "tokenizer_class": "LlamaTokenizer",
            },
            "special_tokens_map.json": {
                "bos_token": {k: v for k, v in typed("<s>", True).items() if k != "__type"},
                "eos_token": {k: v for k, v in typed("</s>", False).items() if k != "__type"},
                "pad_token": "[PAD]",
                "unk_token": "<unk>",
                "additional_special_tokens": ["<ignored>"],
            },
            "added_tokens.json": {"<im_end>": 503, "<im_patch>": 501, "[PAD]": 500, "<im_start>": 502},
        },
    ),
    "decoder": (
        "plain",
        {
            "tokenizer_config.json": {
                "added_tokens_decoder": NAMED
                | {
                    "501": token("<image>", lstrip=True),
                    "500": token("<pad>", special=False, normalized=True),
                    "510": token("<far>", rstrip=True),
                },
                "pad_token": "<pad>",
                "legacy": True,
                "image_token": "<image>",
                "extra_token": "<more>",
            },
            "special_tokens_map.json": {"pad_token": "<not read>"},
            "added_tokens.json": {"<not read either>": 500},
        },
    ),
    "symbols": ("symbols", {"tokenizer_config.json": {"legacy": False, "cls_token": "<cls>", "eos_token": None}}),
    "extra": (
        "symbols",
        {"tokenizer_config.json": {"legacy": True, "additional_special_tokens": ["<one>", "<ctl>", "<two>"]}},
    ),
}

TEXTS = [
    "",
    " ",
    "  ",
    "   ",
    "\n",
    "\n\n",
    " \n ",
    "\t",
    "a",
    " a",
    "  a  ",
    "Hello, world!",
    "The picture shows a red circle beside a blue square on a green field.",
    "two  spaces   three    four     five",
    "trailing   ",
    "▁a ▁ b▁",
    "lines\nof\r\ntext\n\n  indented\n",
    "0 12 3.14 1,000,000 0.5 10.55",
    "Das Bild zeigt einen großen Vogel, les élèves ont mangé",
    "cafe\u0301 caf\u00e9 \u2126 \ufb01",
    "图片中有一只猫和一只狗。",
    "この画像には赤い丸",
    "नमस्ते दुनिया।",
    "😀🎉👩\u200d👩\u200d👧 🇩🇪",
    "\u0000\u0001\u007f\u0085\u00a0\u2028\ufeff",
    "<s>",
    "a<s>b",
    "<s> a",
    "a </s> b",
    "</s>USER: hi ASSISTANT:",
    "ASSISTANT: yes.</s>USER: and\nnow?",
    "<unk> <unk>",
    "<0x41><0x0A>",
    "<im_start>x<im_end>\nWhat?",
    " <im_start> x <im_end> ",
    "a  <image>  b",
    "<pad>a<far>  b<more>",
    "[PAD][PAD]",
    "<box>1<box> ▁▁▁ <ctl>x",
    "<one><two><cls> <ctl>",
    "{{ 7*7 }} {% if x %}",
    "x" * 60,
]

POOL = [*"abcdefgh ABC 012 .,!?'-", "  ", "\n", "é", "ß", "я", "猫", "か\u3099", "😀", "▁", " the", "</s>", "<s>", "<box>", "ing "]


def train(**arguments) -> bytes:
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 2), model_writer=out, **(TRAINING | {"model_type": "bpe"} | arguments)
    )
    return out.getvalue()


def texts(seed: int) -> list:
    rng = random.Random(seed)
    return TEXTS + ["".join(rng.choices(POOL, k=rng.randint(1, 30))) for _ in range(40)]


def _check(model: bytes, tokenizer: LlamaTokenizer, rows: list):
    """SentencePiece itself must agree where no added token is in the text and no space in front: it adds a "▁" there all the same."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    contents = [token.content for token in tokenizer.backend_tokenizer.get_added_tokens_decoder().values()]
    for row in rows:
        text = row["text"]
        if text and text[0] != " " and not any(content in text for content in contents) and "\0" not in text and "▁" not in text:
            if processor.encode(text) != row["ids"]:
                raise SystemExit(f"SentencePiece and transformers differ at {text!r}: {processor.encode(text)} {row['ids']}")


def write(folder: Path, log=print):
    models = {name: train(**arguments) for name, arguments in MODELS.items()}
    for seed, (name, (model, files)) in enumerate(CHECKPOINTS.items()):
        checkpoint = folder / name
        checkpoint.mkdir()
        (checkpoint / "tokenizer.model").write_bytes(models[model])
        for file, content in files.items():
            write_json(checkpoint / file, content)
        tokenizer = LlamaTokenizer.from_pretrained(checkpoint)
        backend = tokenizer.backend_tokenizer
        expected = json.loads(backend.to_str())
        expected["post_processor"] = None  # what stands around a prompt is the family's business
        rows = []
        for text in texts(seed):
            ids = backend.encode(text, add_special_tokens=False).ids
            rows.append({"text": text, "ids": ids})
        if model == "plain" and files.get("tokenizer_config.json", {}).get("add_prefix_space", True):
            _check(models[model], tokenizer, rows)
        write_json(folder / f"{name}.json", {"tokenizer": expected, "texts": rows}, indent=None)
    (folder / "unigram.model").write_bytes(train(model_type="unigram", vocab_size=500))
    log(f"  {len(CHECKPOINTS)} checkpoints with a SentencePiece model only")
