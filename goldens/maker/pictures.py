"""The pictures that the cases show to the models: gradients, shapes and noise, always the same."""

import numpy as np
from PIL import Image, ImageDraw


def draw(width: int, height: int, seed: int, noise: int = 24) -> Image.Image:
    rng = np.random.default_rng(1000 + seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    corners = rng.integers(0, 256, size=(4, 3)).astype(np.float64)
    u = (x / max(1, width - 1))[..., None]
    v = (y / max(1, height - 1))[..., None]
    base = (1 - u) * (1 - v) * corners[0] + u * (1 - v) * corners[1] + (1 - u) * v * corners[2] + u * v * corners[3]
    picture = Image.fromarray(np.clip(np.floor(base), 0, 255).astype(np.uint8), "RGB")
    pen = ImageDraw.Draw(picture)
    for _ in range(5):
        x0, y0 = int(rng.integers(0, width)), int(rng.integers(0, height))
        w, h = int(rng.integers(1, max(2, width // 2))), int(rng.integers(1, max(2, height // 2)))
        colour = tuple(int(c) for c in rng.integers(0, 256, size=3))
        if rng.integers(0, 2):
            pen.rectangle([x0, y0, min(width - 1, x0 + w), min(height - 1, y0 + h)], fill=colour)
        else:
            pen.ellipse([x0, y0, x0 + w, y0 + h], fill=colour)
    array = np.asarray(picture).astype(np.int64)
    if noise:
        array = array + rng.integers(-noise, noise + 1, size=array.shape)
    return Image.fromarray(np.clip(array, 0, 255).astype(np.uint8), "RGB")


def with_alpha(width: int, height: int, seed: int) -> Image.Image:
    rgb = np.asarray(draw(width, height, seed))
    alpha = np.random.default_rng(seed).integers(0, 256, size=(height, width, 1)).astype(np.uint8)
    return Image.fromarray(np.concatenate([rgb, alpha], axis=2), "RGBA")


# name -> picture; sizes are width x height, as file names usually say it
PICTURES = {
    "exact-84x56.png": lambda: draw(84, 56, 1),
    "odd-61x37.png": lambda: draw(61, 37, 2),
    "odd-113x250.png": lambda: draw(113, 250, 3, noise=8),
    "tall-30x500.png": lambda: draw(30, 500, 4, noise=8),
    "wide-400x24.png": lambda: draw(400, 24, 5, noise=8),
    "tiny-10x7.png": lambda: draw(10, 7, 6),
    "dot-1x1.png": lambda: draw(1, 1, 7),
    "large-300x200.png": lambda: draw(300, 200, 8, noise=3),
    "square-56x56.png": lambda: draw(56, 56, 9),
    "half-70x98.png": lambda: draw(70, 98, 10),
    "grey-60x60.png": lambda: draw(60, 60, 11).convert("L"),
    "alpha-48x64.png": lambda: with_alpha(48, 64, 12),
    "palette-90x66.png": lambda: draw(90, 66, 13).quantize(32, dither=Image.Dither.NONE),
}


def film(count: int, width: int, height: int, seed: int) -> list[Image.Image]:
    """A scene in which two blocks move and the light changes."""
    scene = draw(width, height, seed, noise=6)
    frames = []
    for index in range(count):
        frame = scene.point(lambda value: value * (20 + index % 7) // 26)
        pen = ImageDraw.Draw(frame)
        side = max(3, min(width, height) // 3)
        x = (index * 11) % max(1, width - side)
        y = (index * 7) % max(1, height - side)
        pen.rectangle([x, y, x + side, y + side], fill=(230, 40 + 17 * index % 200, 60))
        pen.rectangle([width - x - side, height - y - side, width - x, height - y], fill=(30, 90, 255 - 19 * index % 200))
        frames.append(frame)
    return frames


# name -> frames, written as NAME/00.png, NAME/01.png …
FILMS = {
    "film-84x56": lambda: film(4, 84, 56, 21),
    "film-odd-61x37": lambda: film(5, 61, 37, 22),
    "film-one-56x56": lambda: film(1, 56, 56, 23),
    "film-long-30x58": lambda: film(13, 30, 58, 24),
    "film-narrow-300x20": lambda: film(3, 300, 20, 25),
    "film-large-200x150": lambda: film(2, 200, 150, 26),
    "film-tiny-10x7": lambda: film(2, 10, 7, 27),
}


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PICTURES.items():
        make().save(folder / name, format="PNG", optimize=True)
    for name, make in FILMS.items():
        (folder / name).mkdir()
        for index, frame in enumerate(make()):
            frame.save(folder / name / f"{index:02}.png", format="PNG", optimize=True)
