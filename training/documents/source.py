"""Where a stage's batches come from: drawn as they are wanted, or ahead of that by worker processes."""

import multiprocessing
import os
import pickle
import random
import tempfile
from collections import deque
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import torch

from . import Sides, learning
from .batches import Asked, Characters, Prompts
from .learning import Learner
from .recipe import Stage

KEPT = 400  # batches at most that can be taken again
SOLVED = 240  # pages that the ridge regression is solved on
HELD_OUT = {"values": Sides(values=True), "values, fonts": Sides(values=True, fonts=True)}
MEASURED = 3  # batches of each

Batch = Characters | Asked
Job = tuple[int, int, int, float]  # step, level, share, and how much of the stage is behind the step


class Source:
    """The batches of all steps that are left of a stage, drawn ahead by worker processes if there are any.

    With `again` above one, a batch that is not ready yet is not waited for: an earlier one is taken again, each up to
    `again` times in all. That is for machines whose GPU learns quicker than their cores draw.
    """

    def __init__(self, learner: Learner, workers: int, again: int, share: int) -> None:
        self.learner, self.workers, self.again, self.share = learner, workers, again, share
        self.drawn = 0
        self._pool, self._held_out, self._rng = None, None, random.Random(share)
        if workers:
            memory = Path("/dev/shm")
            self._folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
            # A server that has imported everything once forks them; they must not have a GPU's context of their own.
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload([__name__])
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

    def held_out(self) -> dict[str, list[Batch]]:
        """Batches to measure with, by what is held out of them."""
        if not self._pool:
            return {name: [learning.draw_held_out(self.learner.stage, i, self.learner.prompts, sides)
                           for i in range(MEASURED)] for name, sides in HELD_OUT.items()}
        if not isinstance(self._held_out, list):
            self._held_out = [_taken(name) for name in self._held_out.get()]
        return {name: self._held_out[i * MEASURED:(i + 1) * MEASURED] for i, name in enumerate(HELD_OUT)}

    def pages_to_solve(self) -> list[Batch]:
        """Batches that training does not draw, of `SOLVED` pages or more, for `Learner.solve`."""
        level, drawn = len(self.learner.stage.levels), []
        while sum(len(batch.slots) for batch in drawn) < SOLVED:
            first = self.learner.stage.steps + len(drawn)
            jobs = [(first + i, level, self.share, 1.0) for i in range(max(1, self.workers))]
            drawn += map(_taken, self._pool.map(_draw, jobs, 1)) if self._pool else map(self._drawn_here, jobs)
        return drawn

    def __iter__(self) -> Iterator[Batch]:
        learner, first = self.learner, self.learner.step
        waiting: deque = deque()
        kept: list[tuple[Batch, int]] = []  # with how often each was taken

        def job() -> Job:
            step = first + self.drawn + len(waiting)
            return step, learner.level, self.share, learner.behind(step)

        while learner.done() < 1 and learner.step < learner.stage.steps:
            while self._pool and len(waiting) < 3 * self.workers:
                waiting.append(self._pool.apply_async(_draw, (job(),)))
            if kept and not waiting[0].ready():
                at = self._rng.randrange(len(kept))
                batch, times = kept[at]
                kept[at] = batch, times + 1
                if times + 1 >= self.again:
                    kept[at] = kept[-1]
                    kept.pop()
                yield batch
                continue
            batch = _taken(waiting.popleft().get()) if self._pool else self._drawn_here(job())
            self.drawn += 1
            if self._pool and self.again > 1:
                del kept[:max(0, len(kept) - KEPT + 1)]
                kept.append((batch, 1))
            yield batch

    def _drawn_here(self, job: Job) -> Batch:
        return _drawn(self.learner.recipe.seed, self.learner.stage, self.learner.prompts, job)


_drawing: tuple[int, Stage, Prompts] | None = None  # what a worker draws for
_folder = ""  # where it leaves what it has drawn


def _remember(seed: int, stage: Stage, prompts: Prompts, folder: str) -> None:
    global _drawing, _folder
    _drawing, _folder = (seed, stage, prompts), folder
    torch.set_num_threads(1)
    os.nice(10)  # the learning process comes first


def _drawn(seed: int, stage: Stage, prompts: Prompts, job: Job) -> Batch:
    step, level, share, done = job
    return learning.draw(seed, stage, step, prompts, level, share=share, done=done)


def _draw(job: Job) -> str:
    return _handed(_drawn(*_drawing, job))


def _draw_held_out(job: tuple[Sides, int]) -> str:
    (_, stage, prompts), (sides, index) = _drawing, job
    return _handed(learning.draw_held_out(stage, index, prompts, sides))


# Batches go through files in memory: read in one piece they hold up the learning process far less than a pool's pipe,
# which takes its lock back for every 64 KiB.
def _handed(batch: Batch) -> str:
    if isinstance(batch, Asked):
        _ = batch.packed  # so that the learning process need not
    with tempfile.NamedTemporaryFile(dir=_folder, delete=False) as file:
        pickle.dump(batch, file, protocol=5)
    return file.name


def _taken(name: str) -> Batch:
    content = Path(name).read_bytes()
    os.unlink(name)
    return pickle.loads(content)
