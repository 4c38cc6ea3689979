"""LLaVA in the layout of its original repository: checkpoints with a vision tower beside them, cases, and the reference's answers."""

from pathlib import Path

from .. import llama_vocabulary, tokens
from ..reference import write_cases
from .cases import CASES
from .checkpoints import RECIPES, write_checkpoint
from .reference import OriginalReference

CHECKPOINTS = tuple(RECIPES)


def write(name: str, folder: Path, goldens: Path):
    """The checkpoint, the tower beside it, its cases and its tokens below `folder`."""
    recipe = RECIPES[name]
    write_checkpoint(recipe, folder / "checkpoint", folder / "tower")
    reference = OriginalReference(folder / "checkpoint", folder / "tower", goldens)
    write_cases(reference, name, CASES[name], folder / "cases")
    tokenizer = reference.tokenizer
    tokens.write(
        folder / "tokens.json",
        tokenizer,
        rows=recipe.rows,
        seed=recipe.seed,
        byte_ids={b: tokenizer.convert_tokens_to_ids(llama_vocabulary.byte_token(b)) for b in range(256)},
        control=("</s>", "<s>"),
    )
