"""A stage of a run: what it trains, its optimiser, and where it can be continued."""

import math
import os
import random
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as together
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from . import TRAINING, Sides, batches, families
from .batches import Asked, Characters, Prompts
from .recipe import Recipe, Stage

LEVELS = (((2, 3), (6, 10)), ((4, 6), (9, 12)))  # rows and columns of the pages that a curriculum begins with


class Learner:
    """One stage: everything it trains, its optimiser, and how far it has come."""

    def __init__(self, recipe: Recipe, stage: Stage, tokenizer: PreTrainedTokenizerBase, device: torch.device,
                 precision: torch.dtype = torch.float32) -> None:
        """`precision`: of the products in forward and backward; weights and optimiser stay in float32."""
        torch.manual_seed(recipe.seed)
        self.recipe, self.stage, self.device, self.precision = recipe, stage, device, precision
        self.family = families.build(recipe, stage, tokenizer).to(device)
        self.prompts: Prompts = self.family.prompts
        self.step, self.level, self.smoothed = 0, 0, 0.0
        self.warmed = 0  # the step that the warm-up began at
        self.family.requires_grad_(False)
        groups = []
        for part in self.learned():
            parameters = list(self.family.parts()[part].parameters())
            for p in parameters:
                p.requires_grad_(True)
            groups += [
                {"params": [p for p in parameters if p.dim() > 1], "weight_decay": recipe.weight_decay, "part": part},
                {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0, "part": part}]
        self.optimiser = torch.optim.AdamW([g for g in groups if g["params"]], lr=stage.learning_rate,
                                           betas=recipe.betas)

    def learned(self) -> list[str]:
        """The parts that this stage moves; helpers go with the task that needs them."""
        helpers = ["spelling"] if self.stage.task == "characters" or self.stage.characters else []
        return [*self.stage.learns, *helpers, *(["oracle"] if self.stage.task == "oracle" else [])]

    def moving(self) -> list[nn.Parameter]:
        return [p for group in self.optimiser.param_groups for p in group["params"]]

    def rate(self, part: str = "") -> float:
        """Learning rate of a part: warm-up, plateau, and a cosine at the end."""
        stage, done = self.stage, self.step / self.stage.steps
        warm_up = stage.vision_warm_up if part == "vision" and stage.vision_warm_up else stage.warm_up
        rate = stage.learning_rate * min(1.0, (self.step - self.warmed + 1) / warm_up)
        if done > 1 - stage.decay:
            turn = min(1.0, (done - 1 + stage.decay) / stage.decay)
            rate *= stage.floor + (1 - stage.floor) * 0.5 * (1 + math.cos(math.pi * turn))
        return rate

    def losses(self, batch: Characters | Asked) -> dict[str, Tensor]:
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            return self.family.losses(batch, self.stage, self.step / self.stage.steps)

    def advance(self, batch: Characters | Asked) -> dict[str, float]:
        """One step of the optimiser on the batch of this step."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(group["part"])
        result = self.losses(batch)
        self.optimiser.zero_grad()
        result["loss"].backward()
        result |= self.shared(result)
        torch.nn.utils.clip_grad_norm_(self.moving(), 1.0)
        self.optimiser.step()
        self.step += 1
        reported = {name: value.item() for name, value in result.items()}
        self.rise(reported.get("tokens", 0.0), batch)
        return reported

    def shared(self, result: dict[str, Tensor]) -> dict[str, Tensor]:
        """Where several processes learn together: gives all of them the mean of their gradients, and returns the mean of
        what decides when pages grow, so that all of them take the same step."""
        if not together.is_initialized():
            return {}
        decides = [name for name in ("tokens",) if name in result]
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.moving()]
        flat = torch.cat([g.flatten() for g in gradients] + [result[name].detach().view(1) for name in decides])
        together.all_reduce(flat)
        flat /= together.get_world_size()
        sizes = [g.numel() for g in gradients]
        *means, rest = flat.split([*sizes, len(decides)])
        for p, mean in zip(self.moving(), means):
            p.grad = mean.view_as(p)
        return dict(zip(decides, rest))

    def rise(self, tokens: float, batch: Characters | Asked) -> None:
        """To larger pages once enough answer tokens are right on those of this level."""
        if self.level < len(self.stage.levels) and batch.level == self.level:
            self.smoothed = 0.98 * self.smoothed + 0.02 * tokens
            if self.smoothed > self.stage.levels[self.level]:
                self.level, self.smoothed = self.level + 1, 0.0

    def solve(self, pages: int = 240) -> float:
        """Joins vision to the oracle on pages that training does not draw; see `Qwen2VL.solve`."""
        drawn: list[Asked] = []
        while sum(len(batch.slots) for batch in drawn) < pages:
            step = self.stage.steps + len(drawn)
            drawn.append(draw(self.recipe.seed, self.stage, step, self.prompts, len(self.stage.levels)))
        return self.family.solve(drawn)

    @torch.no_grad()
    def validate(self, count: int = 3, **sides: bool) -> dict[str, float]:
        """Means over batches that training never draws."""
        found: dict[str, list[float]] = {}
        self.family.eval()
        for index in range(count):
            batch = draw(-1, self.stage, index, self.prompts, len(self.stage.levels), Sides(**sides))
            for name, value in self.losses(batch).items():
                found.setdefault(name, []).append(value.item())
        self.family.train()
        return {name: sum(values) / len(values) for name, values in sorted(found.items())}

    def state(self) -> dict[str, Any]:
        return {"recipe": asdict(self.recipe), "stage": self.stage.name,
                "progress": [self.step, self.level, self.smoothed],
                "parts": {name: part.state_dict() for name, part in self.family.parts().items()}}

    def save(self, path: Path) -> None:
        state = {**self.state(), "warmed": self.warmed, "optimiser": self.optimiser.state_dict()}
        torch.save(state, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)

    def save_compact(self, path: Path) -> None:
        """What this stage has learned, in half precision and without the optimiser: small enough to be kept and moved."""
        state = self.state()
        parts = {name: {key: tensor.half() for key, tensor in state["parts"][name].items()} for name in self.learned()}
        torch.save({**state, "parts": parts}, path)

    def restore(self, path: Path) -> None:
        """Goes on from this stage's own checkpoint. After a compact one the optimiser begins anew, with a warm-up."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        for name, tensors in state["parts"].items():
            self.family.parts()[name].load_state_dict(tensors)
        self.step, self.level, self.smoothed = state["progress"]
        self.warmed = self.step
        if "optimiser" in state:
            self.optimiser.load_state_dict(state["optimiser"])
            self.warmed = state.get("warmed", 0)

    def start_from(self, states: Iterable[dict[str, Any]]) -> None:
        """Takes from earlier stages' states the parts that they trained, the latest of each, whatever their
        resolution."""
        for state in states:
            trained = next(s for s in state["recipe"]["stages"] if s["name"] == state["stage"])
            names = set(trained["learns"]) | set(trained["after"] and state["parts"])
            if trained["task"] == "characters" or trained["characters"]:
                names.add("spelling")
            if trained["task"] == "oracle":
                names.add("oracle")
            for name in names:
                part = self.family.parts()[name]
                own = part.state_dict()
                part.load_state_dict({key: families.fitted(key, tensor, own[key]) for key,
                                      tensor in state["parts"][name].items()})


def draw(seed: int, stage: Stage, step: int, prompts: Prompts, level: int,
         sides: Sides = TRAINING, share: int = 0) -> Characters | Asked:
    """The batch of a step of a stage: the same for the same arguments, whatever came before. A negative seed is for
    measuring: whole pages, and an oracle without noise. `share`: which of several processes it is for."""
    training = seed >= 0
    rng = random.Random(f"{seed}/{stage.name}/{step}" + (f"/{share}" if share else "") + ("" if training else f"/{sides}"))
    options = {"smallest": stage.smallest_type, "largest": stage.largest_type}
    if stage.task == "characters" and training and step < stage.tiles * stage.steps:
        return batches.draw_tiles(rng, stage.kinds, max(1, stage.cells // batches.TILE**2), sides, **options)
    if training and level and rng.random() < 0.2:
        level = rng.randrange(level + 1)
    rows, columns = (LEVELS[:len(stage.levels)] + ((stage.rows, stage.columns),))[level]
    grid = rng.randint(*rows), rng.randint(*columns)
    count = max(2, round(stage.cells / (grid[0] * grid[1])))
    if stage.task == "characters":
        return batches.draw_pages(rng, stage.kinds, grid, count, sides, **options)
    lookups = stage.lookups * (1 - 0.5 * step / stage.steps) if training else 0.0
    whole = level == len(stage.levels)
    return replace(batches.draw_asked(
        rng, stage.kinds, grid, count if whole else min(count, 8), stage.turns if whole else min(stage.turns, 4),
        prompts, sides,
        pictures=stage.task == "answers", noise=training, lookups=lookups, **options), level=level)
