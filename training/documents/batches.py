"""Batches of pages: pictures or oracle slots, the true characters of every patch, and turns about each page.

Everything depends on the seed, the stage's name and the number of the step only, so that a run can be continued, and
drawn ahead by worker processes.
"""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from transformers import PreTrainedTokenizerBase

from reader import strings
from reader.batches import IGNORED
from reader.model import SLOTS
from reader.pictures import CELL, PATCH

from . import TRAINING, Sides, drawing, generator
from .drawing import Picture
from .layout import Page
from .model import Packed, pack
from .phrasings import ABSENT
from .questions import LONGEST_ANSWER, Asking, Turn

TILE = 4  # cells on an edge of a tile
_CLASS = np.zeros(0x2100, dtype=np.int64)
for _index, _character in enumerate(strings.ALPHABET):
    _CLASS[ord(_character)] = _index + 1


def slots(text: str, centres: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """[N, S]: the classes of the first S characters, from left to right, whose centres lie in each patch; 0 where there
    is none. Patches are in the order of 2x2 merged cells. What lies off the canvas counts as nothing."""
    out = np.zeros((4 * grid[0] * grid[1], SLOTS), dtype=np.int64)
    codes = _CLASS[np.fromiter(map(ord, text), dtype=np.int64, count=len(text))]
    patch = patch_of(centres, grid)
    seen = patch >= 0
    codes, patch, x = codes[seen], patch[seen], centres[seen, 0]
    if not len(codes):
        return out
    order = np.lexsort((x, patch))
    patch, codes = patch[order], codes[order]
    starts = np.flatnonzero(np.r_[True, patch[1:] != patch[:-1]])
    rank = np.arange(len(patch)) - np.repeat(starts, np.diff(np.r_[starts, len(patch)]))
    kept = rank < SLOTS
    out[patch[kept], rank[kept]] = codes[kept]
    return out


def patch_of(centres: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The patch, in the order of 2x2 merged cells, of each of `centres` [characters, 2]; -1 off the canvas."""
    x, y = centres.T
    rows, columns = 2 * grid[0], 2 * grid[1]
    row, column = np.floor(y / PATCH).astype(np.int64), np.floor(x / PATCH).astype(np.int64)
    patch = ((row // 2 * grid[1] + column // 2) * 2 + row % 2) * 2 + column % 2
    return np.where((row >= 0) & (row < rows) & (column >= 0) & (column < columns), patch, -1)


@dataclass(frozen=True)
class Characters:
    """Pictures for vision alone: `images` [B, H, W, 3] of uint8 and `slots` [B, N, S] of pages or tiles of one
    grid."""

    grid: tuple[int, int]
    images: np.ndarray
    slots: np.ndarray
    level: int = 0


def draw_kind(rng: random.Random, kinds: dict[str, float]) -> str:
    return rng.choices(list(kinds), weights=list(kinds.values()))[0]


def draw_picture(rng: random.Random, kinds: dict[str, float], grid: tuple[int, int], sides: Sides = TRAINING,
                 **options) -> Picture:
    """A page whose picture has `grid` cells once it is processed."""
    page = generator.draw_page(rng, draw_kind(rng, kinds), *generator.draw_canvas(rng, grid), sides, **options)
    return drawing.draw_picture(rng, page, drawing.draw_affine(rng, page.width, page.height))


def draw_pages(rng: random.Random, kinds: dict[str, float], grid: tuple[int, int], count: int, sides: Sides = TRAINING,
               **options) -> Characters:
    drawn = [draw_picture(rng, kinds, grid, sides, **options) for _ in range(count)]
    return Characters(grid, np.stack([drawing.processed(p) for p in drawn]),
                      np.stack([slots(p.text, p.centres, grid) for p in drawn]))


def draw_tiles(rng: random.Random, kinds: dict[str, float], count: int, sides: Sides = TRAINING,
               **options) -> Characters:
    """Square tiles cut from pages, most of them full of text: attention over few patches is cheap."""
    grid = (rng.randint(8, 12), rng.randint(9, 13))
    images: list[np.ndarray] = []
    found: list[np.ndarray] = []
    while len(images) < count:
        picture = draw_picture(rng, kinds, grid, sides, **options)
        pixels = drawing.processed(picture)
        by_cell = slots(picture.text, picture.centres, grid).reshape(*grid, 4, SLOTS)
        top, left = rng.randint(0, grid[0] % TILE), rng.randint(0, grid[1] % TILE)
        for row in range(top, grid[0] - TILE + 1, TILE):
            for column in range(left, grid[1] - TILE + 1, TILE):
                tile = by_cell[row:row + TILE, column:column + TILE]
                if (tile > 0).sum() >= 8 or rng.random() < 0.1:
                    images.append(pixels[row * CELL:(row + TILE) * CELL, column * CELL:(column + TILE) * CELL])
                    found.append(tile.reshape(-1, SLOTS))
    # Not the first ones, which would leave the last page's lower part out.
    chosen = sorted(rng.sample(range(len(images)), count))
    return Characters((TILE, TILE), np.stack([images[i] for i in chosen]), np.stack([found[i] for i in chosen]))


class Prompts:
    """Turns as token ids. Each prompt is `before`, a picture's cells, `after`, and a turn: question, then answer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, before: list[int], after: list[int], asks: list[int],
                 end: int
                 ) -> None:
        """`asks`: the ids between a question and its answer; `end`: the id behind an answer."""
        self.tokenizer, self.before, self.after, self.end = tokenizer, before, after, end
        self.padding = tokenizer.pad_token_id
        self._asks = asks
        self._fixed = {ABSENT: tokenizer.encode(ABSENT)}
        self._spelling: dict[str, int] = {}

    def question(self, text: str) -> list[int]:
        return self.tokenizer.encode(text) + self._asks

    def answer(self, text: str) -> list[int]:
        """One character a token, so that what is copied lines up with what is seen; then the end of the turn."""
        if text in self._fixed:
            return [*self._fixed[text], self.end]
        for character in text:
            if character not in self._spelling:
                self._spelling[character], = self.tokenizer.encode(character)
        return [*(self._spelling[c] for c in text), self.end]


@dataclass(frozen=True)
class Asked:
    """Turns about pages of one grid: `images` [B, H, W, 3] of uint8 unless only an oracle is wanted, the true `slots`
    [B, N, S], the slots that the `oracle` tells [B, N, S], ids of `turns` [B, K, T], and the id that is wanted behind
    each of them (`targets` [B, K, T]); the patch that it is printed in (`pointers` [B, K, T]), -1 where it is not
    printed or in several places; `types` of the questions; the `level` of a curriculum that the pages are of."""

    grid: tuple[int, int]
    images: np.ndarray | None
    slots: np.ndarray
    oracle: np.ndarray
    turns: np.ndarray
    targets: np.ndarray
    pointers: np.ndarray
    types: tuple[str, ...]
    level: int = 0

    @cached_property
    def packed(self) -> Packed:
        """All turns without padding. Where a worker process has asked for it, it travels with the batch."""
        return pack(self.turns, self.targets, self.pointers)


_ALIKE = ("0OoQD", "1lIi|!", "5S$s", "8B3&", "2Zz", "6Gb", ".,:;'", "cCeo", "uvn", "mnrh", "wW", "kKxX", "4A", "7T/",
          "-_~", "9gq", "fty")
_LOOKALIKES = {c: [o for o in group if o != c] for group in _ALIKE for c in group}


def misread(rng: random.Random, text: str, centres: np.ndarray) -> tuple[str, np.ndarray]:
    """Characters as vision might see them: some mistaken, some missed, all a little out of place."""
    count = len(text)
    if not count:
        return text, centres
    noise = np.random.default_rng(rng.getrandbits(32))
    centres = centres + noise.normal(0, 0.8, (count, 2)) + (0, rng.gauss(0, 0.8))
    if rng.random() < 0.4:
        return text, centres
    rate = 0.1 * rng.random() ** 2
    read = list(text)
    for i in np.flatnonzero(noise.random(count) < rate):
        alike = _LOOKALIKES.get(text[i])
        read[i] = rng.choice(alike) if alike and rng.random() < 0.6 else rng.choice(strings.ALPHABET)
    kept = noise.random(count) > 0.3 * rate
    return "".join(c for c, k in zip(read, kept) if k), centres[kept]


def draw_asked(rng: random.Random, kinds: dict[str, float], grid: tuple[int, int], count: int, each: int,
               prompts: Prompts, sides: Sides = TRAINING, *, pictures: bool, noise: bool = True, lookups: float = 0.0,
               long_answers: bool = False, often: Mapping[str, float] | None = None, **options) -> Asked:
    """`count` pages with `each` turns about every one; `noise`: the oracle misreads as vision does; `long_answers`:
    whether answers may have more than 32 characters; `often`: see `Asking`."""
    longest = LONGEST_ANSWER if long_answers else 32
    images, true, told, turns, printed = [], [], [], [], []
    for _ in range(count):
        page = generator.draw_page(rng, draw_kind(rng, kinds), *generator.draw_canvas(rng, grid), sides, **options)
        state = generator.draw_state(rng)
        asking = Asking(rng, page, sides.phrasings, state, sides.values, sides.varied, often)
        asked = asking.turns(each, lookups, longest)
        turns += asked
        places = [traced(page, turn.answer) if state == "legible" else {} for turn in asked]
        if state == "blank":
            page = generator.emptied(page)
        affine = drawing.draw_affine(rng, page.width, page.height)
        text, centres = drawing.settled(page, affine)
        if pictures:
            images.append(drawing.processed(drawing.draw_picture(rng, page, affine, illegible=state == "illegible")))
        patches = patch_of(centres, grid)
        printed += [{at: int(patches[character]) for at, character in place.items()} for place in places]
        found = slots(text, centres, grid)
        # Nothing on an illegible page can be told, so the heads are not asked to.
        true.append(np.zeros_like(found) if state == "illegible" else found)
        if state == "illegible":
            told.append(slots(*_garbled(rng, text, centres), grid))
        else:
            told.append(slots(*misread(rng, text, centres), grid) if noise else found)
    ids, targets, pointers = (a.reshape(count, each, -1) for a in _padded(turns, printed, prompts))
    return Asked(grid, np.stack(images) if pictures else None, np.stack(true), np.stack(told), ids, targets, pointers,
                 tuple(t.type for t in turns))


def traced(page: Page, answer: str) -> dict[int, int]:
    """For the characters of an answer, or of a JSON answer's values, by their place in it: which of the page's
    characters they repeat. Nothing of what is printed nowhere, or more than once."""
    if answer.startswith("{"):
        out, at = {}, 0
        for key, value in json.loads(answer).items():
            at = answer.index(json.dumps(key, ensure_ascii=False), at) + len(key) + 2
            if isinstance(value, str):
                spelled = json.dumps(value, ensure_ascii=False)
                at = answer.index(spelled, at)
                if spelled == f'"{value}"':
                    out |= {at + 1 + i: character for i, character in traced(page, value).items()}
                at += len(spelled)
        return out
    text = " ".join(run.text for run in page.runs)
    piece = answer.replace("\n", " ")
    start = text.find(piece)
    if start < 0 or text.find(piece, start + 1) >= 0:
        return {}
    # Between two runs stands a space that is not among the page's characters.
    of_page = [i for n, i in enumerate(np.cumsum([0, *(len(run.text) for run in page.runs)])[:-1])
               for i in (*range(i, i + len(page.runs[n].text)), -1)]
    return {i: of_page[start + i] for i in range(len(piece)) if of_page[start + i] >= 0}


def _garbled(rng: random.Random, text: str, centres: np.ndarray) -> tuple[str, np.ndarray]:
    """What an oracle tells of an illegible page: random characters in some of the places."""
    kept = [i for i in range(len(text)) if rng.random() < 0.5]
    return "".join(rng.choice(strings.ALPHABET) for _ in kept), centres[kept]


def _padded(turns: list[Turn], printed: list[dict[int, int]], prompts: Prompts
            ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    asked = [(prompts.question(t.question), prompts.answer(t.answer)) for t in turns]
    length = max(len(q) + len(a) for q, a in asked) - 1
    ids = np.full((len(turns), length), prompts.padding, dtype=np.int64)
    targets = np.full((len(turns), length), IGNORED, dtype=np.int64)
    pointers = np.full((len(turns), length), -1, dtype=np.int64)
    for row, (question, answer) in enumerate(asked):
        whole = question + answer
        ids[row, :len(whole) - 1] = whole[:-1]
        targets[row, len(question) - 1:len(whole) - 1] = answer
        for at, patch in printed[row].items():
            pointers[row, len(question) - 1 + at] = patch
    return ids, targets, pointers
