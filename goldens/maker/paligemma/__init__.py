"""PaliGemma and PaliGemma 2: checkpoints, cases, and the reference's answers."""

from pathlib import Path

from .. import tokens
from ..reference import write_cases
from .cases import CASES
from .checkpoints import RECIPES
from .checkpoints import write as write_checkpoint
from .reference import PaliGemmaReference
from .vocabulary import BYTES

CHECKPOINTS = tuple(RECIPES)


def write(name: str, folder: Path, goldens: Path):
    """The checkpoint, its cases and its tokens below `folder`."""
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(parents=True)
    write_checkpoint(name, checkpoint)
    reference = PaliGemmaReference(checkpoint, goldens)
    write_cases(reference, name, CASES[name], folder / "cases")
    tokens.write(
        folder / "tokens.json",
        reference.tokenizer,
        rows=reference.model.config.text_config.vocab_size,
        seed=RECIPES[name].seed,
        byte_ids={b: reference.tokenizer.convert_tokens_to_ids(t) for b, t in enumerate(BYTES)},
        control=("<eos>", "<bos>"),
    )
