"""LLaVA-1.5 in the Hub's layout: checkpoints, cases, and the reference's answers."""

from pathlib import Path

from transformers import AutoTokenizer

from .. import llama_vocabulary, tokens
from ..reference import write_cases
from .cases import CASES
from .recipes import RECIPES, WRITERS
from .reference import ClipReference

CHECKPOINTS = tuple(RECIPES)


def write_tokens(recipe, folder: Path):
    tokenizer = AutoTokenizer.from_pretrained(folder / "checkpoint")
    tokens.write(
        folder / "tokens.json",
        tokenizer,
        rows=recipe.rows,
        seed=recipe.seed,
        byte_ids={b: tokenizer.convert_tokens_to_ids(llama_vocabulary.byte_token(b)) for b in range(256)},
        control=("</s>", "<image>"),
    )


def write(name: str, folder: Path, goldens: Path):
    """The checkpoint, its cases and its tokens below `folder`."""
    checkpoint = folder / "checkpoint"
    WRITERS[name](RECIPES[name], checkpoint)
    write_cases(ClipReference(checkpoint, goldens), name, CASES[name], folder / "cases")
    write_tokens(RECIPES[name], folder)
