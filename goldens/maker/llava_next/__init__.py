"""LLaVA-NeXT: checkpoints, cases, and the reference's answers."""

from pathlib import Path

from ..llava import write_tokens
from ..llava.reference import LlavaNextReference
from ..reference import write_cases
from .cases import CASES
from .recipes import RECIPES, WRITERS

CHECKPOINTS = tuple(RECIPES)


def write(name: str, folder: Path, goldens: Path):
    """The checkpoint, its cases and its tokens below `folder`."""
    checkpoint = folder / "checkpoint"
    WRITERS[name](RECIPES[name], checkpoint)
    write_cases(LlavaNextReference(checkpoint, goldens), name, CASES[name], folder / "cases")
    write_tokens(RECIPES[name], folder)
