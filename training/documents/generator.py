"""Documents by kind, side and size: content and layout tried until they fit."""

import random
from collections.abc import Callable
from dataclasses import replace

from reader.pictures import CELL

from . import TRAINING, Sides, charts, content, layout
from .content import Content
from .layout import Page
from .values import Values

KINDS: dict[str, Callable[[Values, int], Content]] = {
    "receipt": content.receipt,
    "ticket": content.ticket,
    "invoice": content.invoice,
    "form": content.form,
    "table": content.table,
    "letter": content.letter,
    "price list": content.price_list,
    "chart": content.chart,
    "scattered": content.scattered,
}
BLANK_SHARE, ILLEGIBLE_SHARE, ODD_SHARE = 0.02, 0.01, 0.2
TRIES = 3000  # a receipt on the narrowest strip takes some hundreds now and then


def draw_page(rng: random.Random, kind: str, width: int, height: int, sides: Sides = TRAINING,
              smallest: int = layout.SMALLEST_TYPE, largest: int = layout.LARGEST_TYPE) -> Page:
    """A document of a kind on a canvas of `width` x `height` pixels; an error if the kind wants more room."""
    reduction = 0
    for _ in range(TRIES):
        style = layout.draw_style(rng, sides.fonts, smallest, largest)
        rows = int((height - 10) / (style.size * style.pitch))
        stated = KINDS[kind](Values(rng, sides.values), max(2, int(rows * rng.uniform(0.6, 1.1)) - reduction))
        if stated.kind == "chart":
            page = charts.place(rng, stated, style, width, height, smallest, sides.layouts)
        else:
            program = rng.choice(layout.programs(sides.layouts))
            page = layout.place(rng, stated, layout.compose(rng, stated, program, style), style, width, height,
                                smallest)
            page = page and replace(page, program=program.name)
        if page is not None:
            return page
        reduction = min(reduction + 1, rows)
    raise ValueError(f"no {kind} fits on {width} x {height} pixels in {TRIES} tries; give it a larger canvas or smaller type")


def draw_canvas(rng: random.Random, grid: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a picture that the image processor gives `grid` (rows, columns) cells: the very size, or now
    and then one within half a cell of it. Ties round to even, so they are left out."""
    height, width = grid[0] * CELL, grid[1] * CELL
    if rng.random() < ODD_SHARE:
        height, width = height + rng.randint(-9, 13), width + rng.randint(-13, 13)
    return width, height


def draw_state(rng: random.Random) -> str:
    """Whether a page of the training mixture is legible, blank or illegible."""
    chance = rng.random()
    return "blank" if chance < BLANK_SHARE else "illegible" if chance < BLANK_SHARE + ILLEGIBLE_SHARE else "legible"


def emptied(page: Page) -> Page:
    """The same page with nothing on it."""
    return replace(page, runs=(), shapes=(), lines=())
