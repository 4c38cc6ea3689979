"""A stage of a run: the model and its training-only helpers, what one step computes, and where it can be continued."""

import math
import os
import random
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Qwen2Tokenizer

from reader import model as models
from reader.batches import IGNORED
from reader.tokenizer import SPECIAL_TOKENS

from . import TRAINING, Sides, batches
from .batches import Asked, Characters, Prompts
from .model import Oracle, Spelling, first_position, remember, reply
from .recipe import Recipe, Stage


NOISE = 0.15  # at most, of the spread of the oracle's cells
LEVELS = (((2, 3), (6, 10)), ((4, 6), (9, 12)))  # rows and columns of the pages that a curriculum begins with


class Learner:
    """One stage: everything it trains, its optimiser, and how far it has come."""

    def __init__(self, recipe: Recipe, stage: Stage, tokenizer: Qwen2Tokenizer, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.stage, self.device = recipe, stage, device
        ids = {t: tokenizer.convert_tokens_to_ids(t) for t in SPECIAL_TOKENS}
        self.model = models.build(recipe.model, ids).to(device)
        self.spelling = Spelling(recipe.model).to(device)
        self.oracle = Oracle(recipe.model).to(device)
        self.prompts = Prompts(tokenizer)
        self.step = 0
        self.level, self.smoothed = 0, 0.0
        moving = self.moving()
        for p in self.parts()["all"].parameters():
            p.requires_grad_(False)
        for p in moving:
            p.requires_grad_(True)
        self.optimiser = torch.optim.AdamW([
            {"params": [p for p in moving if p.dim() > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in moving if p.dim() < 2], "weight_decay": 0.0},
        ], lr=stage.learning_rate, betas=recipe.betas)

    def parts(self) -> dict[str, nn.Module]:
        """The parts that a stage may learn, the helpers, and all together."""
        vision, language = self.model.model.visual, self.model.model.language_model
        return {"vision": nn.ModuleList([vision.patch_embed, vision.blocks]), "projector": vision.merger,
                "language": language, "spelling": self.spelling, "oracle": self.oracle,
                "all": nn.ModuleList([self.model, self.spelling, self.oracle])}

    def moving(self) -> list[nn.Parameter]:
        """The parameters that this stage trains; helpers go with the task that needs them."""
        parts = self.parts()
        names = [*self.stage.learns]
        if self.stage.task == "characters" or self.stage.characters:
            names.append("spelling")
        if self.stage.task == "oracle":
            names.append("oracle")
        seen: dict[int, nn.Parameter] = {}
        for name in names:
            seen.update((id(p), p) for p in parts[name].parameters())
        return list(seen.values())

    def rate(self) -> float:
        """Learning rate: warm-up, plateau, and a cosine at the end."""
        stage, done = self.stage, self.step / self.stage.steps
        rate = stage.learning_rate * min(1.0, (self.step + 1) / stage.warm_up)
        if done > 1 - stage.decay:
            turn = min(1.0, (done - 1 + stage.decay) / stage.decay)
            rate *= stage.floor + (1 - stage.floor) * 0.5 * (1 + math.cos(math.pi * turn))
        return rate

    def losses(self, batch: Characters | Asked) -> dict[str, Tensor]:
        """The loss of a batch and what to report of it; `exact` is the share of answers that a greedy decoder would get."""
        if isinstance(batch, Characters):
            features, hidden = models.look(self.model, self._tensor(batch.pixels), batch.grid)
            return self.spelling(features, hidden, self._tensor(batch.slots))
        result: dict[str, Tensor] = {}
        loss = torch.zeros((), device=self.device)
        if batch.pixels is None:
            cells = self.oracle(self._tensor(batch.oracle))
            if self.model.training:
                cells = cells + NOISE * torch.rand((), device=self.device) * cells.detach().std() * torch.randn_like(cells)
        else:
            features, hidden = models.look(self.model, self._tensor(batch.pixels), batch.grid)
            cells = self.model.model.visual.merger.mlp[2](hidden)
            if self.stage.characters:
                spelled = self.spelling(features, hidden, self._tensor(batch.slots))
                result["characters"] = spelled["characters"]
                loss = loss + self.stage.characters * spelled["loss"]
            if weight := self.stage.oracle * max(0.0, 1 - 1.2 * self.step / self.stage.steps):
                with torch.no_grad():
                    told = self.oracle(self._tensor(batch.slots))
                result["oracle"] = F.mse_loss(cells, told) / told.var()
                loss = loss + weight * result["oracle"]
        before, after = (self._tensor(np.array(ids)) for ids in (self.prompts.before, self.prompts.after))
        turns, targets = self._tensor(batch.turns), self._tensor(batch.targets).flatten(0, 1)
        keys = remember(self.model, cells, batch.grid, before, after)
        states = reply(self.model, keys, first_position(batch.grid, len(before), len(after)), turns)
        wanted = targets != IGNORED
        logits = F.linear(states[wanted], self.model.model.language_model.embed_tokens.weight)
        answer = F.cross_entropy(logits, targets[wanted])
        hit = torch.ones_like(wanted)
        hit[wanted] = logits.argmax(-1) == targets[wanted]
        exact = hit.all(1)
        result |= {"loss": loss + answer, "answer": answer.detach(), "tokens": hit[wanted].float().mean(),
                   "exact": exact.float().mean()}
        for kind in set(batch.types):
            chosen = torch.tensor([t == kind for t in batch.types], device=self.device)
            result[f"exact {kind}"] = exact[chosen].float().mean()
        return result

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.device, non_blocking=True)

    def advance(self, batch: Any) -> dict[str, float]:
        """One step of the optimiser on the batch of this step."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        result = self.losses(batch)
        self.optimiser.zero_grad()
        result["loss"].backward()
        torch.nn.utils.clip_grad_norm_([p for g in self.optimiser.param_groups for p in g["params"]], 1.0)
        self.optimiser.step()
        self.step += 1
        reported = {name: value.item() for name, value in result.items()}
        self._rise(reported.get("tokens", 0.0), batch)
        return reported

    def _rise(self, tokens: float, batch: Characters | Asked) -> None:
        """To larger pages once enough answer tokens are right on those of this level."""
        if self.level < len(self.stage.levels) and batch.level == self.level:
            self.smoothed = 0.98 * self.smoothed + 0.02 * tokens
            if self.smoothed > self.stage.levels[self.level]:
                self.level, self.smoothed = self.level + 1, 0.0

    @torch.no_grad()
    def solve(self, pages: int = 240, ridge: float = 1e-5) -> float:
        """Sets the merger's last layer to the ridge regression from its hidden states to the oracle's cells; the share of the
        spread of these that it explains."""
        last = self.model.model.visual.merger.mlp[2]
        hidden, told, seen = [], [], 0
        for index in range(pages):
            batch = draw(self.recipe.seed, self.stage, self.stage.steps + index, self.prompts, len(self.stage.levels))
            hidden.append(models.look(self.model, self._tensor(batch.pixels), batch.grid)[1].flatten(0, 1))
            told.append(self.oracle(self._tensor(batch.slots)).flatten(0, 1))
            seen += len(batch.slots)
            if seen >= pages:
                break
        x, y = torch.cat(hidden).double(), torch.cat(told).double()
        x = torch.cat((x, torch.ones_like(x[:, :1])), 1)
        solution = torch.linalg.solve(x.T @ x + ridge * len(x) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device), x.T @ y)
        last.weight.copy_(solution[:-1].T)
        last.bias.copy_(solution[-1])
        return 1 - (((x @ solution - y) ** 2).sum() / ((y - y.mean(0)) ** 2).sum()).item()

    @torch.no_grad()
    def validate(self, count: int = 3, **sides: bool) -> dict[str, float]:
        """Means over batches that training never draws."""
        found: dict[str, list[float]] = {}
        self.model.eval()
        for index in range(count):
            batch = draw(-1, self.stage, index, self.prompts, len(self.stage.levels), Sides(**sides))
            for name, value in self.losses(batch).items():
                found.setdefault(name, []).append(value.item())
        self.model.train()
        return {name: sum(values) / len(values) for name, values in sorted(found.items())}

    def state(self) -> dict[str, Any]:
        return {"recipe": asdict(self.recipe), "stage": self.stage.name, "progress": [self.step, self.level, self.smoothed],
                "model": self.model.state_dict(), "spelling": self.spelling.state_dict(), "oracle": self.oracle.state_dict()}

    def save(self, path: Path) -> None:
        torch.save({**self.state(), "optimiser": self.optimiser.state_dict()}, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)

    def restore(self, path: Path) -> None:
        """Goes on from this stage's own checkpoint."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        for name in ("model", "spelling", "oracle", "optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.level, self.smoothed = state["progress"]

    def start_from(self, states: Iterable[dict[str, Any]]) -> None:
        """Takes from earlier stages' states the parts that they trained."""
        for state in states:
            trained = next(s for s in state["recipe"]["stages"] if s["name"] == state["stage"])
            prefixes = {"vision": ("model.visual.patch_embed.", "model.visual.blocks."), "projector": ("model.visual.merger.",),
                        "language": ("model.language_model.", "lm_head.")}
            taken = {name: tensor for name, tensor in state["model"].items()
                     if any(name.startswith(p) for part in trained["learns"] for p in prefixes[part])}
            self.model.load_state_dict(taken, strict=False)
            if trained["task"] == "characters" or trained["characters"]:
                self.spelling.load_state_dict(state["spelling"])
            if trained["task"] == "oracle":
                self.oracle.load_state_dict(state["oracle"])


def draw(seed: int, stage: Stage, step: int, prompts: Prompts, level: int, sides: Sides = TRAINING) -> Characters | Asked:
    """The batch of a step of a stage: the same for the same arguments, whatever came before. A negative seed is for
    measuring: whole pages, and an oracle without noise."""
    training = seed >= 0
    rng = random.Random(f"{seed}/{stage.name}/{step}" + ("" if training else f"/{sides}"))
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
        rng, stage.kinds, grid, count if whole else min(count, 8), stage.turns if whole else min(stage.turns, 4), prompts, sides,
        pictures=stage.task == "answers", noise=training, lookups=lookups, **options), level=level)
