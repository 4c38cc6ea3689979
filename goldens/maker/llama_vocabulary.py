"""A BPE vocabulary in the manner of Llama's: words begin with "▁", and bytes stand in for characters that it lacks."""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from .texts import SENTENCES

SPECIAL_TOKENS = ["<unk>", "<s>", "</s>"]


def byte_token(value: int) -> str:
    return f"<0x{value:02X}>"


def _learn(merges: int) -> tuple[list[str], list[list[str]]]:
    """Pieces, single characters first, and the merges that make the longer ones."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    letters = sorted(set("".join(chr(c) for c in range(33, 127)) + "▁éüßñàä"))
    trainer = trainers.BpeTrainer(
        vocab_size=len(letters) + merges,
        min_frequency=2,
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    pieces = [piece for piece, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    if len(pieces) != len(letters) + merges:
        raise SystemExit(f"the sentences give only {len(pieces) - len(letters)} merges, not {merges}")
    return pieces, [m.split(" ") if isinstance(m, str) else m for m in model["merges"]]


def tokenizer_json(merges: int, added: list[str], legacy: bool) -> dict:
    """
    tokenizer.json as the Hub has it.

    added: special tokens behind the vocabulary.
    legacy: the first converters put "▁" before every piece of text between special tokens; the later ones only before
        the first.
    """
    pieces, pairs = _learn(merges)
    vocabulary = SPECIAL_TOKENS + [byte_token(b) for b in range(256)] + pieces
    tokens = [(i, t) for i, t in enumerate(SPECIAL_TOKENS)]
    tokens += [(len(vocabulary) + i, t) for i, t in enumerate(added)]
    template = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    pair = template + [{"SpecialToken": {"id": "<s>", "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": index,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for index, token in tokens
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        }
        if legacy
        else None,
        "pre_tokenizer": None
        if legacy
        else {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": template,
            "pair": pair,
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(vocabulary)},
            "merges": pairs,
        },
    }


def write(document: dict, folder: Path):
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, ensure_ascii=False, indent=None, separators=(",", ":"))
    (folder / "tokenizer.json").write_text(text + "\n", encoding="utf-8")


def tokenizer_config(document: dict, legacy: bool, pad: str) -> dict:
    """tokenizer_config.json as the Hub's checkpoints have it."""
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": {
            str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in document["added_tokens"]
        },
        "bos_token": "<s>",
        "clean_up_tokenization_spaces": False,
        "eos_token": "</s>",
        "legacy": legacy,
        "model_max_length": 4096,
        "pad_token": pad,
        "padding_side": "left",
        "tokenizer_class": "LlamaTokenizer",
        "unk_token": "<unk>",
        "use_default_system_prompt": False,
    }


def token_bytes(piece: str) -> bytes:
    """What a token that is not special adds to the answer's UTF-8."""
    if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        return bytes([int(piece[3:5], 16)])
    return piece.replace("▁", " ").encode()
