"""A recipe: everything that decides a run, read from TOML."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from .batches import Stage
from .model import Size


@dataclass(frozen=True)
class Recipe:
    seed: int
    batch: int
    learning_rate: float
    weight_decay: float
    warm_up_steps: int
    hold: float
    floor: float
    character_loss: float
    tokenizer_entries: int
    model: Size
    stages: tuple[Stage, ...]

    @property
    def minutes(self) -> float:
        return sum(stage.minutes for stage in self.stages)

    def stage_at(self, minutes: float) -> Stage:
        """The stage that a run is in after `minutes`; the last one for ever after."""
        for stage in self.stages:
            if minutes < stage.minutes:
                return stage
            minutes -= stage.minutes
        return self.stages[-1]


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
    known = {field.name for field in fields(kind)}
    if unknown := set(values) - known:
        raise ValueError(f"{kind.__name__} has no key {sorted(unknown)}; it has {sorted(known)}")

    def frozen(value):
        return tuple(map(frozen, value)) if isinstance(value, list) else value

    return kind(**{key: frozen(value) for key, value in values.items()})
