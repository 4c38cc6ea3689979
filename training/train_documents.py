"""Trains a model of documents by a recipe, stage by stage. Goes on where the run's folder left off.

    python training/train_documents.py training/recipes/documents.toml training/runs/documents
    python training/train_documents.py training/recipes/documents.toml training/runs/documents --stage vision

Stages that do not build on one another can run at the same time, each as a process of its own.
"""

import argparse
import json
import multiprocessing
import os
import pickle
import random
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.distributed as together
from transformers import AutoTokenizer

from documents import Sides, families, learning
from documents import recipe as recipes
from documents.learning import SOLVED, Learner
from documents.recipe import Recipe, Stage
from train import keep_freed_memory

SAVE_EVERY, REPORT_EVERY = 180, 15  # seconds
KEPT = 400  # batches at most that can be taken again
HELD_OUT = {"values": Sides(values=True), "values, fonts": Sides(values=True, fonts=True)}
MEASURED = 3  # batches of each


def run_stage(recipe: Recipe, stage: Stage, args: argparse.Namespace, share: int = 0) -> None:
    """`share`: the number of this process among those that learn together; the first one keeps the log and the state."""
    folder, device = args.run, torch.device(args.device)
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    learner = Learner(recipe, stage, tokenizer, device, getattr(torch, args.precision))
    checkpoint = folder / f"{stage.name}.pt"
    if checkpoint.exists():
        learner.restore(checkpoint)
    elif args.start:
        learner.start_from_exported(args.start)
    else:
        learner.start_from([torch.load(folder / f"{name}.pt", map_location=device, weights_only=True)
                            for name in stage.after])
    torch.manual_seed(recipe.seed + 1000 * share + learner.step)
    with open(folder / f"{stage.name}.jsonl" if not share else os.devnull, "a") as log, \
            Source(learner, args.workers, args.again, share) as source:
        def report(entry: dict) -> None:
            line = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in entry.items()})
            if not share:
                print(line, flush=True)
            log.write(line + "\n")
            log.flush()

        report({"stage": stage.name, "parameters": sum(p.numel() for p in learner.moving()), "from_step": learner.step,
                "steps": stage.steps})
        if stage.solve and not learner.step:
            report({"explained": learner.solve(source.pages_to_solve())})
        if args.minutes:
            learner.follow_clock(60 * args.minutes)
        saved = reported = validated = time.monotonic()
        window: list[dict[str, float]] = []
        used = time.process_time()
        for batch in source:
            window.append(learner.advance(batch))
            now = time.monotonic()
            if now - reported > REPORT_EVERY:
                means = {key: sum(w[key] for w in window if key in w) / sum(key in w for w in window)
                         for key in {k for w in window for k in w}}
                report({"step": learner.step, "done": learner.done(), "level": learner.level, "rate": learner.rate(),
                        "seconds_a_step": (now - reported) / len(window),
                        "cpu_a_step": (time.process_time() - used) / len(window), "drawn": source.drawn,
                        **dict(sorted(means.items()))})
                reported, window, used = now, [], time.process_time()
            if share:
                continue
            if now - validated > args.validate_every or learner.done() >= 1:
                for name, drawn in source.held_out().items():
                    report({"step": learner.step, "held_out": name, **learner.validate(drawn)})
                validated = time.monotonic()
            if now - saved > SAVE_EVERY:
                learner.save(checkpoint)
                saved = now
        if not share:
            learner.save(checkpoint)


class Source:
    """The batches of all steps that are left of a stage, drawn ahead by worker processes if there are any.

    With `again` above one, a batch that is not ready yet is not waited for: an earlier one is taken again, each up to
    `again` times in all. That is for machines whose GPU learns quicker than their cores draw.
    """

    def __init__(self, learner: Learner, workers: int, again: int, share: int) -> None:
        self.learner, self.again, self.share = learner, again, share
        self.drawn = 0
        self.ahead = 3 * workers
        self._pool, self._held_out, self._rng = None, None, random.Random(share)
        memory = Path("/dev/shm")
        self._folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        if workers:
            # A server that has imported everything once forks them; they must not have a GPU's context of their own.
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["documents.learning"])
            self._pool = context.Pool(workers, _remember,
                                      (learner.recipe.seed, learner.stage, learner.prompts, self._folder.name))
            self._held_out = self._pool.map_async(_draw_held_out, product(HELD_OUT.values(), range(MEASURED)), 1)

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.terminate()
            self._pool.join()
        self._folder.cleanup()

    def held_out(self) -> dict[str, list[Any]]:
        """Batches to measure with, by what is held out of them."""
        if not self._pool:
            return {name: [learning.draw_held_out(self.learner.stage, i, self.learner.prompts, sides)
                           for i in range(MEASURED)] for name, sides in HELD_OUT.items()}
        if not isinstance(self._held_out, list):
            self._held_out = [_taken(name) for name in self._held_out.get()]
        drawn = self._held_out
        return {name: drawn[i * MEASURED:(i + 1) * MEASURED] for i, name in enumerate(HELD_OUT)}

    def pages_to_solve(self) -> list[Any]:
        """Batches that training does not draw, of `SOLVED` pages or more, for `Learner.solve`."""
        level, drawn = len(self.learner.stage.levels), []
        while sum(len(batch.slots) for batch in drawn) < SOLVED:
            first = self.learner.stage.steps + len(drawn)
            jobs = [(first + i, level, self.share, 1.0) for i in range(max(1, self.ahead // 3))]
            drawn += map(_taken, self._pool.map(_draw, jobs, 1)) if self._pool else map(self._draw, jobs)
        return drawn

    def _draw(self, job: tuple[int, int, int, float]) -> Any:
        step, level, share, done = job
        return learning.draw(self.learner.recipe.seed, self.learner.stage, step, self.learner.prompts, level,
                             share=share, done=done)

    def __iter__(self) -> Iterator[Any]:
        learner, waiting, kept = self.learner, deque(), []
        first = learner.step
        while learner.done() < 1 and learner.step < learner.stage.steps:
            job = first + self.drawn + len(waiting), learner.level, self.share, learner.done()
            if not self._pool:
                self.drawn += 1
                yield self._draw(job)
                continue
            while len(waiting) < self.ahead:
                job = first + self.drawn + len(waiting), learner.level, self.share, learner.done()
                waiting.append(self._pool.apply_async(_draw, (job,)))
            if kept and not waiting[0].ready():
                at = self._rng.randrange(len(kept))
                batch, times = kept[at]
                kept[at] = batch, times + 1
                if times + 1 >= self.again:
                    kept[at] = kept[-1]
                    kept.pop()
                yield batch
                continue
            batch = _taken(waiting.popleft().get())
            self.drawn += 1
            if self.again > 1:
                if len(kept) == KEPT:
                    kept.pop(0)
                kept.append((batch, 1))
            yield batch


_drawing: tuple[int, Stage, Any] | None = None  # what a worker draws for
_folder = ""  # where it leaves what it has drawn


def _remember(seed: int, stage: Stage, prompts: Any, folder: str) -> None:
    global _drawing, _folder
    _drawing, _folder = (seed, stage, prompts), folder
    torch.set_num_threads(1)
    os.nice(10)  # the learning process comes first


def _draw(job: tuple[int, int, int, float]) -> str:
    (seed, stage, prompts), (step, level, share, done) = _drawing, job
    return _handed(learning.draw(seed, stage, step, prompts, level, share=share, done=done))


def _draw_held_out(job: tuple[Sides, int]) -> str:
    (_, stage, prompts), (sides, index) = _drawing, job
    return _handed(learning.draw_held_out(stage, index, prompts, sides))


# Batches go through files in memory: read in one piece they hold up the learning process far less than a pool's pipe, which
# takes its lock back for every 64 KiB.
def _handed(batch: Any) -> str:
    with tempfile.NamedTemporaryFile(dir=_folder, delete=False) as file:
        pickle.dump(batch, file, protocol=5)
    return file.name


def _taken(name: str) -> Any:
    content = Path(name).read_bytes()
    os.unlink(name)
    return pickle.loads(content)


def learn(share: int, args: argparse.Namespace, meeting: str) -> None:
    """One of `args.processes` processes, which meet by a file and take every step together."""
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    if args.processes > 1:
        together.init_process_group("gloo", init_method=f"file://{meeting}", rank=share, world_size=args.processes)
    recipe = recipes.load(args.recipe)
    for stage in recipe.stages:
        if args.stage in (None, stage.name):
            run_stage(recipe, stage, args, share)
            if args.processes > 1:
                together.barrier()  # the next stage reads what the first process has written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("run", type=Path, help="folder for checkpoints and logs; an existing one is continued")
    parser.add_argument("--stage", help="only this stage; all in turn otherwise")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of a process")
    parser.add_argument("--processes", type=int, default=1,
                        help="processes that learn together, each with a batch of its own: one for each core")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw batches ahead")
    parser.add_argument("--again", type=int, default=1,
                        help="take a batch up to so many times where the next one is not drawn yet; wants --workers")
    parser.add_argument("--minutes", type=float,
                        help="what is left of a stage takes so long, and its schedule follows the clock")
    parser.add_argument("--start", type=Path, help="an exported checkpoint of the same size to begin the stage from, "
                                                   "in place of earlier stages")
    parser.add_argument("--validate-every", type=float, default=600, help="seconds")
    args = parser.parse_args()
    if args.minutes and args.processes > 1:
        parser.error("--minutes with --processes: two clocks never agree; give the recipe another number of steps")
    args.run.mkdir(parents=True, exist_ok=True)
    if not (args.run / "tokenizer").exists():
        families.words(recipes.load(args.recipe).family).save_pretrained(args.run / "tokenizer")
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"{folder}/meeting"
        if args.processes == 1:
            learn(0, args, meeting)
        else:
            torch.multiprocessing.spawn(learn, (args, meeting), args.processes)


if __name__ == "__main__":
    main()
