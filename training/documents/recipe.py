"""A recipe for documents: a model's size and the stages of its training, read from TOML."""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path

from reader.model import Size

from .questions import TYPES

TASKS = ("characters", "oracle", "answers")
PARTS = ("vision", "projector", "language")


@dataclass(frozen=True)
class Stage:
    """A part of a run, with a checkpoint of its own.

    `task`: what is learned: "characters" where they stand, by vision alone; answers over the "oracle" of true
    characters, by the language model alone; "answers" about pictures. `learns`: the parts whose parameters move; all
    others keep every bit. `after`: stages whose parts this one starts from; `solve`: find the projector's last layer by
    ridge regression onto the oracle first. `steps` are steps of the optimiser with about `cells` merged cells each; the
    learning rate warms up over `warm_up` steps and falls to `floor` of itself over the last part, `decay`.
    """

    name: str
    task: str
    learns: tuple[str, ...]
    steps: int
    cells: int
    learning_rate: float
    kinds: dict[str, float]
    after: tuple[str, ...] = ()
    solve: bool = False
    warm_up: int = 150
    muon: bool = False  # orthogonal steps for inner matrices (Jordan 2024), scaled to AdamW's (arXiv:2502.16982)
    vision_warm_up: int = 0  # of the vision tower alone, if it differs
    decay: float = 0.4
    floor: float = 0.03
    tiles: float = 0.0  # share of the steps, from the first on, on tiles instead of pages
    turns: int = 8  # about one page
    early_pages: int = 8  # of a batch, at most, and turns about each, before pages are whole: small ones are quick to
    early_turns: int = 4  # see, but not to draw
    long_answers: float = 0.15  # share of batches whose answers may have more than 32 characters
    often: dict[str, float] = field(default_factory=dict)  # how many times as often as in measuring a type is asked
    varied: bool = False  # questions in many more wordings, whose words are spelled
    lookups: float = 0.0  # share of turns that only read on after a quoted piece, at first; half as many at the end
    characters: float = 0.0  # weight of the character heads beside answers
    oracle: float = 0.0  # weight of the distance to the oracle's cells beside answers, falling to nothing
    pointing: float = 0.0  # weight of heads that look where the next character is printed, the first four of some layers
    pointing_layers: tuple[int, ...] = (2, 3)
    added_layers: tuple[int, ...] = ()  # of the language model, that an exported checkpoint to start from lacks
    # Shares of answer tokens at which pages grow: two of them from strips to half pages to whole ones, one of them from
    # half pages to whole ones. Only receipts, tickets and forms fit on strips.
    levels: tuple[float, ...] = ()
    smallest_type: int = 16
    largest_type: int = 28
    rows: tuple[int, int] = (7, 16)  # of merged cells on a whole page
    columns: tuple[int, int] = (9, 13)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ValueError(f"stage {self.name}: task {self.task!r}; expected one of {TASKS}")
        if unknown := set(self.learns) - set(PARTS):
            raise ValueError(f"stage {self.name} learns {sorted(unknown)}; expected some of {PARTS}")
        if unknown := set(self.often) - set(TYPES):
            raise ValueError(f"stage {self.name}: often has {sorted(unknown)}; expected some of {TYPES}")


@dataclass(frozen=True)
class Recipe:
    seed: int
    family: str
    model: Size
    stages: tuple[Stage, ...]
    projector: str = ""  # of LLaVA: "linear" as in the first paper, or "mlp"
    weight_decay: float = 0.02
    betas: tuple[float, float] = field(default=(0.9, 0.98))

    def stage(self, name: str) -> Stage:
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise ValueError(f"no stage {name!r}; the recipe has {[s.name for s in self.stages]}")


def load(path: str | Path) -> Recipe:
    """The recipe in a file; an unknown or missing key is an error."""
    with open(path, "rb") as file:
        values = tomllib.load(file)
    values["stages"] = values.pop("stage")
    return from_values(values)


def from_values(values: dict) -> Recipe:
    """A recipe from plain values, as a checkpoint keeps it."""
    return _made(Recipe, {**values, "model": _made(Size, values["model"]),
                          "stages": tuple(_made(Stage, stage) for stage in values["stages"])})


def _made(kind: type, values: dict):
    known = {f.name for f in fields(kind)}
    if unknown := set(values) - known:
        raise ValueError(f"{kind.__name__} has no key {sorted(unknown)}; it has {sorted(known)}")

    def frozen(value):
        return tuple(map(frozen, value)) if isinstance(value, list) else value

    return kind(**{key: frozen(value) for key, value in values.items()})
