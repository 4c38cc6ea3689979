"""Batches for training: pictures of one grid, one prompt for all, the true characters of every patch, the answers."""

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import Qwen2Tokenizer

from . import pictures, strings
from .model import SLOTS
from .pictures import CELL, PATCH, Line
from .tokenizer import IMAGE_PAD, TURN_END, prompt, spell

# The mean and deviation of CLIP's pictures, as Qwen2-VL's image processor has them.
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
IGNORED = -100
BANDS = ((1, 5), (4, 8), (7, 11), (10, strings.LONGEST))
WIDEST = 10  # pixels that a character of the smallest type may take

_CLASS = {character: i + 1 for i, character in enumerate(strings.ALPHABET)}


@dataclass(frozen=True)
class Stage:
    """A part of the curriculum: for how long, on which grids (rows, columns of cells), with how long strings.

    `answers` is the share of batches that are answered; the others leave the language model out, cost half as much, and
    teach the vision tower from canvases filled with strings. `bare` is the share of batches whose prompt is
    cut down to the picture and the last tokens before the answer, which halves the work of the language model while
    it learns to copy.
    """

    name: str
    minutes: float
    grids: tuple[tuple[int, int], ...]
    longest: int
    answers: float = 1.0
    smallest_type: int = pictures.SMALLEST_TYPE
    odd_sizes: bool = True
    bare: float = 0.0


@dataclass(frozen=True)
class Batch:
    """`pixels` [B, N, 588], `slots` [B, N, S], `before` [ids], `after` [B, ids], `targets` [B, wanted] of token ids."""

    grid: tuple[int, int]
    pixels: Tensor
    slots: Tensor
    before: Tensor
    after: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(self.grid, *(t.to(device, non_blocking=True) for t in (
            self.pixels, self.slots, self.before, self.after, self.targets)))


def patches(images: np.ndarray) -> np.ndarray:
    """[B, H, W, 3] of uint8 -> [B, N, 588] normalised, patches in the order of 2x2 merged cells, each (channel, y, x).

    Qwen2-VL's image processor gives the same, with every patch twice for its two frames.
    """
    batch, height, width, _ = images.shape
    normal = images.astype(np.float32) * (1 / (255 * DEVIATION)) - MEAN / DEVIATION
    tiles = normal.reshape(batch, height // CELL, 2, PATCH, width // CELL, 2, PATCH, 3)
    return np.ascontiguousarray(tiles.transpose(0, 1, 4, 2, 5, 7, 3, 6)).reshape(batch, -1, 3 * PATCH * PATCH)


def slots(lines: list[Line], grid: tuple[int, int]) -> np.ndarray:
    """[B, N, S]: the first S characters, left to right, whose centres lie in each patch; 0 where there is none."""
    rows, columns = 2 * grid[0], 2 * grid[1]
    out = np.zeros((len(lines), rows * columns, SLOTS), dtype=np.int64)
    for index, line in enumerate(lines):
        used: dict[int, int] = {}
        for character, (x, y) in zip(line.text, line.centres):
            row = min(max(int(y // PATCH), 0), rows - 1)
            column = min(max(int(x // PATCH), 0), columns - 1)
            patch = ((row // 2 * grid[1] + column // 2) * 2 + row % 2) * 2 + column % 2
            slot = used.get(patch, 0)
            if slot < SLOTS:
                out[index, patch, slot] = _CLASS[character]
                used[patch] = slot + 1
    return out


class Prompts:
    """Prompts and answers as token ids."""

    def __init__(self, tokenizer: Qwen2Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.image, self.end = tokenizer.convert_tokens_to_ids([IMAGE_PAD, TURN_END])
        self.padding = tokenizer.pad_token_id
        self._spelling = {c: spell(tokenizer, c)[0] for c in strings.ALPHABET}

    def draw(self, rng: random.Random) -> tuple[list[int], list[int]]:
        """The ids in front of and behind the picture of a prompt of any wording: picture or question first, and now and
        then a system message."""
        system = rng.choice(strings.SYSTEM_PROMPTS) if rng.random() < 0.05 else None
        return self._split(prompt(self.tokenizer, strings.draw_question(rng), rng.random() < 0.85, system))

    def _split(self, rendered: str) -> tuple[list[int], list[int]]:
        ids = self.tokenizer.encode(rendered)
        at = ids.index(self.image)
        return ids[:at], ids[at + 1:]

    def bare(self) -> tuple[list[int], list[int]]:
        """What every prompt has closest to its picture and to its answer."""
        before, after = self._split(prompt(self.tokenizer, ""))
        return before[-1:], after[:1] + after[-3:]

    def answer(self, text: str) -> list[int]:
        return [self._spelling[c] for c in text or strings.BLANK_ANSWER] + [self.end]


def draw_batch(seed: int, step: int, stage: Stage, size: int, prompts: Prompts,
               filled: bool = False, held_out_strings: bool = False) -> Batch:
    """Batch number `step` of a run: the same for the same seed, whatever came before. `filled` pictures are
    for vision alone."""
    rng = random.Random(f"{seed}/{step}")
    grid = rng.choice(stage.grids)
    # Strings of one batch are of similar length, so that little of an answer is padding.
    bands = [band for band in BANDS if band[0] * WIDEST <= grid[1] * CELL and band[0] <= stage.longest]
    shortest, longest = rng.choice(bands)
    longest = min(longest, stage.longest)
    lines = [
        pictures.draw_line(rng, grid, longest, shortest=shortest, blank=rng.random() < 0.06, odd_sizes=stage.odd_sizes,
                           filled=filled, smallest_type=stage.smallest_type, held_out_strings=held_out_strings)
        for _ in range(size)]
    before, question = prompts.bare() if rng.random() < stage.bare else prompts.draw(rng)
    answers = [prompts.answer("" if filled else line.text) for line in lines]
    wanted = max(map(len, answers))
    after = torch.full((size, len(question) + wanted - 1), prompts.padding)
    targets = torch.full((size, wanted), IGNORED)
    for index, answer in enumerate(answers):
        after[index, :len(question) + len(answer) - 1] = torch.tensor(question + answer[:-1])
        targets[index, :len(answer)] = torch.tensor(answer)
    pixels = patches(np.stack([pictures.processed(line) for line in lines]))
    characters = torch.from_numpy(slots(lines, grid))
    return Batch(grid, torch.from_numpy(pixels), characters, torch.tensor(before), after, targets)
