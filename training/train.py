"""Trains a model by a recipe. Goes on where the run's folder left off.

    python training/train.py training/recipes/line-reader.toml training/runs/first
"""

import argparse
import ctypes
import json
import math
import os
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import Qwen2Tokenizer

from reader import model as models
from reader import recipe as recipes
from reader import tokenizer as tokenizers
from reader.batches import IGNORED, Batch, Prompts, Stage, draw_batch
from reader.recipe import Recipe

SAVE_EVERY, REPORT_EVERY, VALIDATE_EVERY = 120, 15, 120


class Run:
    """One training run: model, heads, optimiser, and how far it has come."""

    def __init__(self, recipe: Recipe, device: torch.device, tokenizer: Qwen2Tokenizer) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.device, self.tokenizer = recipe, device, tokenizer
        self.prompts = Prompts(self.tokenizer)
        ids = {t: self.tokenizer.convert_tokens_to_ids(t) for t in tokenizers.SPECIAL_TOKENS}
        self.model = models.build(recipe.model, ids).to(device)
        self.heads = models.CharacterHeads(recipe.model).to(device)
        self.parameters = [*self.model.parameters(), *self.heads.parameters()]
        self.optimiser = torch.optim.AdamW([
            {"params": [p for p in self.parameters if p.dim() > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in self.parameters if p.dim() < 2], "weight_decay": 0.0},
        ], lr=recipe.learning_rate, betas=(0.9, 0.98))
        self.step = self.samples = self.stage_steps = 0
        self.seconds = 0.0
        self.stage = recipe.stages[0]

    def rate(self) -> float:
        """Learning rate: a warm-up at the start of each stage that brings in new parameters, a plateau, a cosine."""
        done = self.seconds / 60 / self.recipe.minutes
        decay = 1.0
        if done > self.recipe.hold:
            turn = min(1.0, (done - self.recipe.hold) / (1 - self.recipe.hold))
            decay = self.recipe.floor + (1 - self.recipe.floor) * 0.5 * (1 + math.cos(math.pi * turn))
        return self.recipe.learning_rate * decay * min(1.0, (self.stage_steps + 1) / self.recipe.warm_up_steps)

    def losses(self, batch: Batch, answers: bool) -> dict[str, torch.Tensor]:
        """The loss of a batch and what to report of it; `exact` is the share of answers a greedy decoder would get."""
        features, cells = models.see(self.model, batch.pixels, batch.grid)
        characters, right = self.heads(features, cells, batch.slots)
        if not answers:
            return {"loss": characters, "characters": right}
        logits = models.read(self.model, cells, batch.grid, batch.before, batch.after, batch.targets.shape[1])
        answer = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED)
        hit = (logits.argmax(-1) == batch.targets) | (batch.targets == IGNORED)
        return {"loss": answer + self.recipe.character_loss * characters, "answer": answer, "characters": right,
                "tokens": 1 - (~hit).sum() / (batch.targets != IGNORED).sum(), "exact": hit.all(1).float().mean()}

    def advance(self) -> dict[str, float]:
        """One step of the optimiser."""
        started = time.monotonic()
        stage = self.recipe.stage_at(self.seconds / 60)
        if bool(stage.answers) != bool(self.stage.answers):
            self.stage_steps = 0
        self.stage = stage
        rate = self.rate()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        answers = random.Random(f"{self.recipe.seed}/{self.step}/answers").random() < stage.answers
        batch = draw_batch(self.recipe.seed, self.step, stage, self.recipe.batch, self.prompts, filled=not answers)
        result = self.losses(batch.to(self.device), answers)
        self.optimiser.zero_grad()
        result["loss"].backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.step += 1
        self.stage_steps += 1
        self.samples += self.recipe.batch
        self.seconds += time.monotonic() - started
        return {key: value.item() for key, value in result.items()}

    @torch.no_grad()
    def validate(self, batches: int = 6) -> dict[str, float]:
        """Means over batches of the stage that training never draws: same sides of the split, a seed of their own."""
        stage = self.stage
        total: dict[str, float] = {}
        for index in range(batches):
            batch = draw_batch(-1, index, stage, 32, self.prompts, held_out_strings=True).to(self.device)
            for key, value in self.losses(batch, stage.answers > 0).items():
                total[key] = total.get(key, 0.0) + value.item() / batches
        return total

    def save(self, path: Path) -> None:
        state = {"recipe": asdict(self.recipe), "model": self.model.state_dict(), "heads": self.heads.state_dict(),
                 "optimiser": self.optimiser.state_dict(),
                 "progress": (self.step, self.samples, self.stage_steps, self.seconds, self.stage.name)}
        torch.save(state, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)

    def restore(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.heads.load_state_dict(state["heads"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.samples, self.stage_steps, self.seconds, name = state["progress"]
        self.stage = next((s for s in self.recipe.stages if s.name == name), self.recipe.stages[-1])


def run_tokenizer(folder: Path, recipe: Recipe) -> Qwen2Tokenizer:
    """The run's tokenizer, trained once: its ids must outlive a change in the wording of prompts."""
    path = folder / "tokenizer"
    if not path.exists():
        tokenizers.build(recipe.tokenizer_entries).save_pretrained(path)
    return Qwen2Tokenizer.from_pretrained(path)


def keep_freed_memory() -> None:
    """Asks glibc to hold on to large blocks: taking them from the kernel anew costs a third of a step on CPU."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("run", type=Path, help="folder for checkpoint and log; an existing one is continued")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    args.run.mkdir(parents=True, exist_ok=True)
    recipe = recipes.load(args.recipe)
    run = Run(recipe, torch.device(args.device), run_tokenizer(args.run, recipe))
    checkpoint = args.run / "checkpoint.pt"
    if checkpoint.exists():
        run.restore(checkpoint)

    with open(args.run / "log.jsonl", "a") as log:
        def report(entry: dict) -> None:
            line = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in entry.items()})
            print(line, flush=True)
            log.write(line + "\n")
            log.flush()

        size = sum(p.numel() for p in run.model.parameters())
        report({"parameters": size, "from_step": run.step, "minutes": recipe.minutes})
        reported = saved = validated = run.seconds
        window: list[dict[str, float]] = []
        samples = run.samples
        while run.seconds < recipe.minutes * 60:
            window.append(run.advance())
            if run.seconds - reported >= REPORT_EVERY:
                means = {f"{kind}_{key}": sum(w[key] for w in part) / len(part)
                         for kind in ("seen", "answered")
                         if (part := [w for w in window if ("answer" in w) == (kind == "answered")])
                         for key in part[0]}
                report({"minutes": run.seconds / 60, "left": recipe.minutes - run.seconds / 60, "stage": run.stage.name,
                        "step": run.step, "samples": run.samples, "rate": run.rate(),
                        "per_second": (run.samples - samples) / (run.seconds - reported), **means})
                reported, samples, window = run.seconds, run.samples, []
            if run.seconds - validated >= VALIDATE_EVERY:
                report({"minutes": run.seconds / 60, "held_out_strings": True, **run.validate()})
                validated = run.seconds
            if run.seconds - saved >= SAVE_EVERY:
                run.save(checkpoint)
                saved = run.seconds
        run.save(checkpoint)


if __name__ == "__main__":
    main()
