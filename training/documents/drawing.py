"""What a placed document looks like: colours, turning, blur, grain, shade and compression, with the places of its
characters after all that."""

import io
import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from reader.pictures import CELL

from .layout import Page, Run, Shape, face

Colour = tuple[int, int, int]
_SERIES: tuple[Colour, ...] = ((70, 120, 180), (230, 130, 40), (80, 160, 80), (200, 70, 70), (140, 100, 180),
                               (120, 120, 120))


@dataclass(frozen=True)
class Picture:
    """`pixels` [H, W, 3] of uint8 as drawn; `grid` (rows, columns) of merged cells after the image processor; `text`,
    all characters of the page, with their `centres` [characters, 2] as (x, y) in pixels of the processed picture."""

    pixels: np.ndarray
    grid: tuple[int, int]
    text: str
    centres: np.ndarray


def draw_affine(rng: random.Random, width: int, height: int) -> np.ndarray:
    """[2, 3]: a small turn, stretch and shift about the middle of the canvas."""
    angle = math.radians(rng.gauss(0, 0.6)) if rng.random() < 0.6 else 0.0
    scale = rng.uniform(0.95, 1.01) if rng.random() < 0.5 else 1.0
    shift = np.array([rng.uniform(-3, 3), rng.uniform(-3, 3)]) if rng.random() < 0.7 else np.zeros(2)
    linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    middle = np.array([width / 2, height / 2])
    return np.column_stack([linear, middle - linear @ middle + shift])


def moved(centres: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return centres @ affine[:, :2].T + affine[:, 2]


def grid(page: Page) -> tuple[int, int]:
    """Rows and columns of merged cells that Qwen2-VL's image processor gives a page of this size."""
    return round(page.height / CELL), round(page.width / CELL)


def settled(page: Page, affine: np.ndarray) -> tuple[str, np.ndarray]:
    """All characters of a page, and their centres [characters, 2] as (x, y) in pixels of the processed picture."""
    text, centres = page.characters()
    rows, columns = grid(page)
    return text, moved(centres, affine) * (columns * CELL / page.width, rows * CELL / page.height)


def processed(picture: Picture) -> np.ndarray:
    """The picture [28 rows, 28 columns, 3] of uint8 that the image processor makes of it: bicubic, as in Pillow."""
    rows, columns = picture.grid
    if picture.pixels.shape[:2] == (rows * CELL, columns * CELL):
        return picture.pixels
    image = Image.fromarray(picture.pixels)
    return np.asarray(image.resize((columns * CELL, rows * CELL), Image.Resampling.BICUBIC))


def draw_picture(rng: random.Random, page: Page, affine: np.ndarray, *, illegible: bool = False) -> Picture:
    """A page as a picture of its own size."""
    paper, ink, accent = _colours(rng)
    image = Image.new("RGB", (page.width, page.height), paper)
    brush = ImageDraw.Draw(image)
    shade = tuple(round(p + (i - p) * 0.13) for p, i in zip(paper, ink))
    tones = {"ink": ink, "shade": shade, "accent": accent, "paper": paper}
    tones |= {f"colour {i}": colour for i, colour in enumerate(rng.sample(_SERIES, len(_SERIES)))}
    for shape in page.shapes:
        _draw_shape(brush, shape, tones)
    heading = accent if rng.random() < 0.3 else ink
    for run in page.runs:
        _draw_run(brush, run, paper if run.band else heading if run.size > (page.style.size if page.style else 99)
                  else ink)
    if not np.array_equal(affine, np.eye(2, 3)):
        linear = np.linalg.inv(affine[:, :2])
        inverse = np.column_stack([linear, -linear @ affine[:, 2]])
        image = image.transform(image.size, Image.Transform.AFFINE, tuple(inverse.flatten()), Image.Resampling.BICUBIC,
                                fillcolor=paper)
    if illegible:
        image = _smeared(rng, image)
    pixels = _worn(rng, image)
    return Picture(pixels, grid(page), *settled(page, affine))


def _draw_run(brush: ImageDraw.ImageDraw, run: Run, colour: Colour) -> None:
    typeface, edges, at = face(run.path, run.size), run.edges(), 0
    # Word by word, so that kerning cannot move characters far from where they are said to stand.
    for word in run.text.split(" "):
        if word:
            brush.text((round(edges[at]), round(run.baseline)), word, font=typeface.font, fill=colour, anchor="ls")
        at += len(word) + 1


def _draw_shape(brush: ImageDraw.ImageDraw, shape: Shape, tones: dict[str, Colour]) -> None:
    colour, points = tones[shape.tone], shape.points
    match shape.kind:
        case "area":
            brush.rectangle(points, fill=colour)
        case "outline":
            brush.rectangle(points, outline=colour)
        case "disc":
            brush.ellipse(points, fill=colour)
        case "wedge":
            brush.pieslice(points[:4], points[4], points[5], fill=colour)
        case "path":
            brush.line(points, fill=colour, width=2)
        case "solid":
            brush.line(points, fill=colour)
        case "double":
            brush.line(points, fill=colour)
            brush.line([points[0], points[1] + 3, points[2], points[3] + 3], fill=colour)
        case "dashed" | "dotted" | "leader" | "stars":
            dash, step = {"dashed": (6, 10), "dotted": (1, 4), "leader": (1, 6), "stars": (3, 9)}[shape.kind]
            x = points[0]
            while x < points[2]:
                if shape.kind == "stars":
                    brush.line([x, points[1] - 2, x + 4, points[1] + 2], fill=colour)
                    brush.line([x, points[1] + 2, x + 4, points[1] - 2], fill=colour)
                else:
                    brush.line([x, points[1], min(x + dash, points[2]), points[1]], fill=colour)
                x += step
        case _:
            raise ValueError(f"shape {shape.kind!r}: expected a kind that is drawn here")


def _colours(rng: random.Random) -> tuple[Colour, Colour, Colour]:
    """Paper, ink and accent, far enough apart to be read."""
    def near(level: int, tint: int) -> Colour:
        return tuple(min(255, max(0, level + rng.randint(-tint, tint))) for _ in range(3))

    kind = rng.random()
    if kind < 0.55:
        paper, ink = near(rng.randint(228, 255), 6), near(rng.randint(0, 60), 10)
    elif kind < 0.9:
        paper, ink = near(rng.randint(200, 240), 26), near(rng.randint(0, 90), 25)
    else:
        paper, ink = near(rng.randint(0, 60), 20), near(rng.randint(200, 250), 20)
    accents = ((160, 30, 40), (20, 60, 140), (10, 100, 60), (110, 40, 120), (30, 30, 30))
    return paper, ink, rng.choice(accents) if kind < 0.9 else ink


def _worn(rng: random.Random, image: Image.Image) -> np.ndarray:
    """[H, W, 3] of uint8: blurred, shaded, grained and compressed now and then."""
    if rng.random() < 0.12:
        small = rng.uniform(0.65, 0.9)
        image = image.resize((round(image.width * small), round(image.height * small)),
                             Image.Resampling.BILINEAR).resize(
            image.size, Image.Resampling.BICUBIC)
    elif rng.random() < 0.35:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8)))
    if rng.random() < 0.5:
        pixels = np.asarray(image).astype(np.int16)
        if rng.random() < 0.5:
            across, down = rng.uniform(-25, 25), rng.uniform(-25, 25)
            shade = np.linspace(-0.5, 0.5, image.width) * across + np.linspace(-0.5, 0.5, image.height)[:, None] * down
            pixels = pixels + shade.astype(np.int16)[..., None]
        if rng.random() < 0.7:
            pixels = pixels + _grain(rng, image.height, image.width, rng.uniform(2, 12))
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if rng.random() < 0.25:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=rng.randint(35, 90))
        image = Image.open(file).convert("RGB")
    return np.asarray(image)


_GRAIN = np.random.default_rng(0).standard_normal(1 << 19, dtype=np.float32)


def _grain(rng: random.Random, height: int, width: int, strength: float) -> np.ndarray:
    """[H, W, 1] of int16: a stretch of one long strip of noise, which is much quicker than fresh noise."""
    start = rng.randrange(len(_GRAIN) - height * width)
    return (_GRAIN[start:start + height * width] * strength).astype(np.int16).reshape(height, width, 1)


def _smeared(rng: random.Random, image: Image.Image) -> Image.Image:
    """So blurred or so pixelated that no character can be told."""
    if rng.random() < 0.5:
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(7, 12)))
    block = rng.randint(12, 20)
    return image.resize((max(1, image.width // block), max(1, image.height // block)), Image.Resampling.BOX).resize(
        image.size, Image.Resampling.NEAREST)
