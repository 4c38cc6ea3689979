"""A stage of a run: what it trains, its optimiser, and where it can be continued."""

import math
import os
import random
import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as together
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from . import TRAINING, Sides, batches, families
from .batches import Asked, Characters, Prompts
from .recipe import Recipe, Stage

LEVELS = (((2, 3), (6, 10)), ((5, 7), (9, 12)))  # rows and columns of the pages that a curriculum begins with


@dataclass(frozen=True)
class Measured:
    """What is reported of a step on a batch of `level`, on its way from the device."""

    names: tuple[str, ...]
    on_its_way: Tensor
    arrived: torch.cuda.Event | None
    level: int

    @staticmethod
    def of(result: dict[str, Tensor], level: int) -> "Measured":
        values = torch.stack([value.detach().float() for value in result.values()])
        if values.device.type != "cuda":
            return Measured(tuple(result), values, None, level)
        copied = values.to("cpu", non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record()
        return Measured(tuple(result), copied, arrived, level)

    def values(self) -> dict[str, float]:
        if self.arrived:
            self.arrived.synchronize()
        return dict(zip(self.names, self.on_its_way.tolist()))


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
        self.optimisers = self._optimisers([g for g in groups if g["params"]])
        self._seconds = self._began = self._behind = 0.0
        self._measured: Measured | None = None

    def learned(self) -> list[str]:
        """The parts that this stage moves; helpers go with the task that needs them."""
        helpers = ["spelling"] if self.stage.task == "characters" or self.stage.characters else []
        return [*self.stage.learns, *helpers, *(["oracle"] if self.stage.task == "oracle" else [])]

    def _optimisers(self, groups: list[dict[str, Any]]) -> list[torch.optim.Optimizer]:
        """AdamW for all parameters; or, with `stage.muon`, Muon for the matrices between the first and the last layer,
        whose steps are scaled to the size of AdamW's, so that one learning rate serves both."""
        stage, betas = self.stage, self.recipe.betas
        matrices = []
        if stage.muon:
            embeddings = {id(p) for m in self.family.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
            inner = [[p for p in g["params"] if p.dim() == 2 and id(p) not in embeddings] for g in groups]
            matrices = [{**g, "params": taken} for g, taken in zip(groups, inner) if taken]
            taken = {id(p) for group in matrices for p in group["params"]}
            groups = [{**g, "params": [p for p in g["params"] if id(p) not in taken]} for g in groups]
        optimisers = [torch.optim.AdamW([g for g in groups if g["params"]], lr=stage.learning_rate, betas=betas,
                                        fused=self.device.type == "cuda")]
        if matrices:
            optimisers.append(torch.optim.Muon(matrices, lr=stage.learning_rate, adjust_lr_fn="match_rms_adamw"))
        return optimisers

    def _groups(self) -> list[dict[str, Any]]:
        return [group for optimiser in self.optimisers for group in optimiser.param_groups]

    def moving(self) -> list[nn.Parameter]:
        return [p for group in self._groups() for p in group["params"]]

    def follow_clock(self, seconds: float) -> None:
        """Counted from its next step, the stage is over in `seconds`, however many steps that are: what is left of its
        schedule follows the clock."""
        self._seconds, self._behind = seconds, self.done()

    def done(self) -> float:
        """The share of the stage that is behind it."""
        return self.behind(self.step)

    def behind(self, step: int) -> float:
        """The share of the stage that is behind a step of it, or by now where the stage follows the clock."""
        if not self._seconds:
            return step / self.stage.steps
        spent = time.monotonic() - self._began if self._began else 0.0
        return min(1.0, self._behind + (1 - self._behind) * spent / self._seconds)

    def rate(self, part: str = "") -> float:
        """Learning rate of a part: warm-up, plateau, and a cosine at the end."""
        stage, done = self.stage, self.done()
        warm_up = stage.vision_warm_up if part == "vision" and stage.vision_warm_up else stage.warm_up
        rate = stage.learning_rate * min(1.0, (self.step - self.warmed + 1) / warm_up)
        if done > 1 - stage.decay:
            turn = min(1.0, (done - 1 + stage.decay) / stage.decay)
            rate *= stage.floor + (1 - stage.floor) * 0.5 * (1 + math.cos(math.pi * turn))
        return rate

    def losses(self, batch: Characters | Asked) -> dict[str, Tensor]:
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            return self.family.losses(batch, self.stage, self.done())

    def advance(self, batch: Characters | Asked) -> dict[str, float]:
        """One step of the optimiser on the batch of this step, and what is reported of it. A GPU is not waited for: there it
        is what is reported of the step before, so that the next step is prepared while this one runs."""
        self._began = self._began or time.monotonic()
        for group in self._groups():
            group["lr"] = self.rate(group["part"])
        result = self.losses(batch)
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        result["loss"].backward()
        result |= self.shared(result)
        torch.nn.utils.clip_grad_norm_(self.moving(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        measured = Measured.of(result, batch.level)
        if self.device.type == "cuda":
            measured, self._measured = self._measured or measured, measured
        reported = measured.values()
        self.rise(reported.get("tokens", 0.0), measured.level)
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

    def rise(self, tokens: float, level: int) -> None:
        """To larger pages once enough answer tokens are right on those of this level: `tokens`, the share of them on a
        batch of `level`."""
        if self.level < len(self.stage.levels) and level == self.level:
            self.smoothed = 0.98 * self.smoothed + 0.02 * tokens
            if self.smoothed > self.stage.levels[self.level]:
                self.level, self.smoothed = self.level + 1, 0.0

    def solve(self, drawn: list[Asked]) -> float:
        """Joins vision to the oracle on pages that training does not draw; see `Qwen2VL.solve`."""
        return self.family.solve(drawn)

    @torch.no_grad()
    def validate(self, drawn: Iterable[Characters | Asked]) -> dict[str, float]:
        """Means over batches that training never draws, see `draw_held_out`."""
        found: dict[str, list[float]] = {}
        self.family.eval()
        for batch in drawn:
            for name, value in self.losses(batch).items():
                found.setdefault(name, []).append(value.item())
        self.family.train()
        return {name: sum(values) / len(values) for name, values in sorted(found.items())}

    def state(self) -> dict[str, Any]:
        return {"recipe": asdict(self.recipe), "stage": self.stage.name,
                "progress": [self.step, self.level, self.smoothed],
                "parts": {name: part.state_dict() for name, part in self.family.parts().items()}}

    def save(self, path: Path) -> None:
        state = {**self.state(), "warmed": self.warmed, "optimisers": [o.state_dict() for o in self.optimisers]}
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
        if "optimisers" in state:
            for optimiser, its in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(its)
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

    @torch.no_grad()
    def start_from_exported(self, folder: Path) -> None:
        """Takes the model from a checkpoint in the Hub's layout; the helpers of training begin anew. Layers that it lacks,
        the stage's `added_layers`, begin as ones that change nothing."""
        model, added = self.family.model, self.stage.added_layers
        known = type(model).from_pretrained(folder, dtype=torch.float32).state_dict()
        layer = re.compile(r"(.*language_model\.layers\.)(\d+)(\..*)")
        has = 1 + max(int(found[2]) for name in known if (found := layer.fullmatch(name)))
        kept = [i for i in range(self.recipe.model.layers) if i not in added]
        if has != len(kept):
            raise ValueError(f"{folder} has {has} layers of language; expected {len(kept)}, the recipe's "
                             f"{self.recipe.model.layers} without the added {list(added)}")
        state = model.state_dict()
        for name, tensor in state.items():
            found = layer.fullmatch(name)
            if found and int(found[2]) in added:
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    tensor.zero_()
            else:
                tensor.copy_(known[f"{found[1]}{kept.index(int(found[2]))}{found[3]}" if found else name])


def draw_held_out(stage: Stage, index: int, prompts: Prompts, sides: Sides) -> Characters | Asked:
    """A batch to measure with: whole pages, and an oracle without noise."""
    return draw(-1, stage, index, prompts, len(stage.levels), sides)


def draw(seed: int, stage: Stage, step: int, prompts: Prompts, level: int,
         sides: Sides = TRAINING, share: int = 0, done: float | None = None) -> Characters | Asked:
    """The batch of a step of a stage: the same for the same arguments, whatever came before. A negative seed is for
    measuring. `share`: which of several processes it is for; `done`: the share of the stage behind it, if its steps
    do not tell."""
    training = seed >= 0
    done = step / stage.steps if done is None else done
    rng = random.Random(f"{seed}/{stage.name}/{step}" + (f"/{share}" if share else "") + ("" if training else f"/{sides}"))
    options = {"smallest": stage.smallest_type, "largest": stage.largest_type}
    if stage.task == "characters" and training and done < stage.tiles:
        return batches.draw_tiles(rng, stage.kinds, max(1, stage.cells // batches.TILE**2), sides, **options)
    if training and level and rng.random() < 0.2:
        level = rng.randrange(level + 1)
    rows, columns = (LEVELS[len(LEVELS) - len(stage.levels):] + ((stage.rows, stage.columns),))[level]
    grid = rng.randint(*rows), rng.randint(*columns)
    count = max(2, round(stage.cells / (grid[0] * grid[1])))
    if stage.task == "characters":
        return batches.draw_pages(rng, stage.kinds, grid, count, sides, **options)
    lookups = stage.lookups * (1 - 0.5 * done) if training else 0.0
    turns = stage.turns
    if level < len(stage.levels):
        count, turns = min(count, stage.early_pages), min(turns, stage.early_turns)
    sides = replace(sides, varied=stage.varied and training)
    # The same for all that learn together, or those with short answers would wait for the others.
    long_answers = random.Random(f"{seed}/{stage.name}/{step}/long").random() < stage.long_answers
    return replace(batches.draw_asked(rng, stage.kinds, grid, count, turns, prompts, sides,
                                      pictures=stage.task == "answers", noise=training, lookups=lookups,
                                      long_answers=long_answers, often=stage.often if training else None,
                                      **options),
                   level=level)
