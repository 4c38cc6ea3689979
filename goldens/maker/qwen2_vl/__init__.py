"""Qwen2-VL: checkpoints, cases, and the reference's answers."""

from pathlib import Path

from transformers import Qwen2Tokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from .. import tokens
from ..checkpoint import load_json
from ..reference import write_cases
from .cases import CASES
from .checkpoints import RECIPES
from .checkpoints import write as write_checkpoint
from .reference import Qwen2VlReference

CHECKPOINTS = tuple(RECIPES)


def write(name: str, folder: Path, goldens: Path):
    """The checkpoint, its cases and its tokens below `folder`."""
    checkpoint = folder / "checkpoint"
    write_checkpoint(name, checkpoint)
    write_cases(Qwen2VlReference(checkpoint, goldens), name, CASES[name], folder / "cases")
    config = load_json(checkpoint / "config.json")
    tokenizer = Qwen2Tokenizer.from_pretrained(checkpoint)
    tokens.write(
        folder / "tokens.json",
        tokenizer,
        rows=config.get("text_config", config)["vocab_size"],
        seed=RECIPES[name].seed,
        byte_ids={b: tokenizer.convert_tokens_to_ids(c) for b, c in bytes_to_unicode().items()},
        control=("<|im_end|>", "<|vision_start|>"),
    )
