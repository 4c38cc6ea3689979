"""Pictures of one printed line, with the place of every character.

A picture is drawn as a coverage mask on its canvas, turned and blurred a little, coloured, and, when the canvas is no
multiple of 28, resized as Qwen2-VL's image processor would resize it.
"""

import itertools
import math
import random
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from . import fonts, strings

PATCH = 14
CELL = 28
SMALLEST_TYPE, LARGEST_TYPE = 18, 34
MARGIN = 2


@dataclass(frozen=True)
class Line:
    """One picture: `pixels` [H, W, 3] of uint8 as it was drawn; `grid` (rows, columns) of merged cells after the image
    processor; `centres` [characters, 2] as (x, y) in pixels of the processed picture."""

    text: str
    pixels: np.ndarray
    grid: tuple[int, int]
    centres: np.ndarray


@cache
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@cache
def _metrics(path: str) -> dict[str, tuple[float, float, float]]:
    """For every character its advance and the top and bottom of its box, downwards from the baseline, in type sizes."""
    font = _font(path, 100)
    boxes = {c: font.getbbox(c, anchor="ls") for c in strings.ALPHABET}
    return {c: (font.getlength(c) / 100, box[1] / 100, box[3] / 100) for c, box in boxes.items()}


def draw_line(rng: random.Random, grid: tuple[int, int], longest: int = strings.LONGEST, *, shortest: int = 1,
              held_out_strings: bool = False, held_out_fonts: bool = False, blank: bool = False,
              filled: bool = False, odd_sizes: bool = True, smallest_type: int = SMALLEST_TYPE,
              largest_type: int = LARGEST_TYPE) -> Line:
    """A picture whose processed form has `grid` (rows, columns) cells of 28 pixels.

    A `filled` picture is covered with strings instead, for vision alone: it has no answer.
    """
    rows, columns = grid
    height, width = rows * CELL, columns * CELL
    if odd_sizes and rng.random() < 0.2:
        # Within half a cell of the multiple the processor snaps back to it; ties round to even, so stay off them.
        height, width = height + rng.randint(-6, 13), width + rng.randint(-13, 13)
    if blank:
        mask, centres, text = Image.new("L", (width, height), 0), np.zeros((0, 2)), ""
    elif filled:
        mask, centres, text = _filled(rng, width, height, smallest_type)
    else:
        mask, centres, text = _printed(
            rng, width, height, longest, shortest, held_out_strings, held_out_fonts, smallest_type, largest_type)
    pixels = _coloured(rng, mask)
    scale = np.array([columns * CELL / width, rows * CELL / height])
    return Line(text, pixels, grid, centres * scale)


def processed(line: Line) -> np.ndarray:
    """The picture [28 rows, 28 columns, 3] of uint8 that the image processor makes of it: bicubic, as in Pillow."""
    height, width = line.grid[0] * CELL, line.grid[1] * CELL
    if line.pixels.shape[:2] == (height, width):
        return line.pixels
    return np.asarray(Image.fromarray(line.pixels).resize((width, height), Image.Resampling.BICUBIC))


def _printed(rng: random.Random, width: int, height: int, longest: int, shortest: int, held_out_strings: bool,
             held_out_fonts: bool, smallest_type: int, largest_type: int) -> tuple[Image.Image, np.ndarray, str]:
    """Mask, centres [characters, 2] and text of a line that fits the canvas."""
    for attempt in itertools.count():
        path = rng.choice(fonts.faces(held_out_fonts))
        face = _metrics(path)
        # A narrow canvas may not hold the wanted length in any face.
        text = strings.draw_string(rng, longest, held_out_strings, shortest if attempt < 20 else min(shortest, 3))
        text_width = sum(face[c][0] for c in text)
        tops, bottoms = min(face[c][1] for c in text), max(face[c][2] for c in text)
        fits = min((width - 2 * MARGIN) / text_width, (height - 2 * MARGIN) / max(bottoms - tops, 0.6))
        if fits >= smallest_type:
            break
    largest = min(int(fits), largest_type)
    size = rng.randint(max(smallest_type, int(largest * 0.45)), largest)

    scratch = Image.new("L", (width + 2 * size, 3 * size), 0)
    ImageDraw.Draw(scratch).text((size, 2 * size), text, font=_font(path, size), fill=255, anchor="ls")
    left, top, right, bottom = scratch.getbbox()
    ink = scratch.crop((left, top, right, bottom))
    text_width, text_height = ink.size
    # The box is relative to the pen's origin from here on.
    left, top = left - size, top - 2 * size

    angle = 0.0
    if rng.random() < 0.5:
        steepest = min(math.radians(4), max(0, height - 2 * MARGIN - text_height) / text_width)
        angle = rng.uniform(-steepest, steepest)
    rise = abs(math.sin(angle)) * text_width / 2
    x = round(rng.uniform(MARGIN, max(MARGIN, width - MARGIN - text_width)))
    y = round(rng.uniform(MARGIN + rise, max(MARGIN + rise, height - MARGIN - rise - text_height)))

    mask = Image.new("L", (width, height), 0)
    mask.paste(ink, (x, y))
    centres = _centres(face, size, text, x - left, y - top)
    if angle:
        mask, centres = _turned(mask, centres, angle, x + text_width / 2, y + text_height / 2)
    return _blurred(rng, mask, size), centres, text


def _filled(rng: random.Random, width: int, height: int, smallest_type: int) -> tuple[Image.Image, np.ndarray, str]:
    """Mask, centres [characters, 2] and text of as many strings, in one or two lines, as the canvas holds."""
    path = rng.choice(fonts.faces(False))
    face = _metrics(path)
    lines = rng.randint(1, max(1, height // round(1.3 * smallest_type)))
    size = rng.randint(smallest_type, max(smallest_type, min(LARGEST_TYPE, int(height / lines / 1.15))))
    mask = Image.new("L", (width, height), 0)
    brush, text, centres = ImageDraw.Draw(mask), "", []
    slack = max(0.0, height - lines * 1.15 * size) / lines
    for index in range(lines):
        words, room = [], (width - 2 * MARGIN) / size
        for _ in range(12):
            word = strings.draw_string(rng, 12)
            needed = sum(face[c][0] for c in word) + face[" "][0]
            if needed <= room:
                words.append(word)
                room -= needed
        line = " ".join(words)
        x = MARGIN + rng.uniform(0, max(0.0, room * size))
        y = (index + rng.random()) * slack + (index * 1.15 + 0.85) * size
        brush.text((round(x), round(y)), line, font=_font(path, size), fill=255, anchor="ls")
        centres.append(_centres(face, size, line, round(x), round(y)))
        text += line
    places = np.concatenate(centres)
    if rng.random() < 0.4:
        mask, places = _turned(mask, places, rng.uniform(-0.03, 0.03), width / 2, height / 2)
    return _blurred(rng, mask, size), places, text


def _centres(face: dict[str, tuple[float, float, float]], size: int, text: str, x: float, y: float) -> np.ndarray:
    """[characters, 2]: the middle of every character of a line whose pen starts at (x, y).

    Kerning is left out: over sixteen characters it moves a centre by a pixel or two.
    """
    ends = np.cumsum([0.0] + [face[c][0] * size for c in text])
    return np.stack([x + (ends[:-1] + ends[1:]) / 2, np.full(len(text), y - 0.33 * size)], axis=1)


def _blurred(rng: random.Random, mask: Image.Image, size: int) -> Image.Image:
    if rng.random() < 0.3:
        return mask.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.03 * size + 0.1)))
    return mask


def _turned(mask: Image.Image, centres: np.ndarray, angle: float, x: float, y: float) -> tuple[Image.Image, np.ndarray]:
    """Mask and centres rotated by `angle` radians about (x, y)."""
    cos, sin = math.cos(angle), math.sin(angle)
    inverse = (cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y)
    forward = np.array([[cos, sin], [-sin, cos]])
    return mask.transform(mask.size, Image.Transform.AFFINE, inverse, Image.Resampling.BICUBIC), \
        (centres - (x, y)) @ forward + (x, y)


def _luma(colour: np.ndarray) -> float:
    return float(colour @ (0.299, 0.587, 0.114))


def _colours(rng: random.Random) -> tuple[np.ndarray, np.ndarray]:
    """Background and ink, [3] each, at least 80 steps of luma apart."""
    def grey(low: int, high: int) -> np.ndarray:
        return np.clip(rng.randint(low, high) + np.array([rng.randint(-8, 8) for _ in range(3)]), 0, 255)

    kind = rng.random()
    if kind < 0.4:
        return grey(225, 255), grey(0, 60)
    if kind < 0.5:
        return grey(0, 50), grey(200, 255)
    while True:
        background, ink = (np.array([rng.randint(0, 255) for _ in range(3)]) for _ in range(2))
        if abs(_luma(background) - _luma(ink)) >= 80:
            return background, ink


def _coloured(rng: random.Random, mask: Image.Image) -> np.ndarray:
    """[H, W, 3] of uint8: ink on a plain, shaded or grainy background."""
    coverage = np.asarray(mask, dtype=np.float32)[..., None] / 255
    background, ink = _colours(rng)
    height, width = coverage.shape[:2]
    paper = background.astype(np.float32)[None, None]
    if rng.random() < 0.15:
        shade = rng.uniform(-25, 25) * np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :, None]
        paper = paper + shade
    pixels = paper + (ink.astype(np.float32) - paper) * coverage
    if rng.random() < 0.2:
        grain = np.random.default_rng(rng.getrandbits(32)).standard_normal((height, width, 1), dtype=np.float32)
        pixels = pixels + rng.uniform(1, 8) * grain
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
