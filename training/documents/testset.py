"""The questions that a model of documents is measured with, in memory or in a folder.

Reading a folder needs the standard library only.
"""

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

SETS = ("values", "fonts", "layouts", "phrasings")
TURNS = 5  # about one page


@dataclass(frozen=True)
class Item:
    """One question about a picture in PNG: the set and the kind of document it belongs to, the type of question, what
    it is about, and the fields that a JSON answer has."""

    set: str
    kind: str
    page: int
    type: str
    about: str
    question: str
    answer: str
    keys: tuple[str, ...]
    png: bytes


def draw(each: int = 500, seed: int = 30_000) -> Iterator[Item]:
    """All sets, deterministically.

    values     receipts and tickets with held-out values
    fonts      the same, in held-out families
    layouts    the same, by held-out layout programs
    phrasings  the same, asked in held-out words
    blank      empty pages, a fifth as many
    KIND       every other kind of document with held-out values, a fifth as many
    """
    from . import Sides, generator

    others = [kind for kind in generator.KINDS if kind not in ("receipt", "ticket", "scattered")]
    for name in SETS:
        yield from _drawn(name, ("receipt", "ticket"), each, seed,
                          Sides(values=True, **({name: True} if name != "values" else {})))
    yield from _drawn("blank", ("receipt", "ticket"), each // 5, seed, Sides(values=True), blank=True)
    for kind in others:
        yield from _drawn(kind, (kind,), each // 5, seed, Sides(values=True))


def _drawn(name: str, kinds: tuple[str, ...], count: int, seed: int, sides, blank: bool = False) -> Iterator[Item]:
    import io

    import numpy as np
    from PIL import Image

    from . import drawing, generator
    from .questions import Asking

    for number in range(count // TURNS):
        rng = random.Random(f"{seed}/{name}/{number}")
        kind = kinds[number % len(kinds)]
        canvas = generator.draw_canvas(rng, (rng.randint(8, 16), rng.randint(9, 13)))
        page = generator.draw_page(rng, kind, *canvas, sides)
        turns = Asking(rng, page, sides.phrasings, "blank" if blank else "legible", sides.values).turns(TURNS)
        shown = generator.emptied(page) if blank else page
        affine = np.eye(2, 3) if blank else drawing.draw_affine(rng, page.width, page.height)
        file = io.BytesIO()
        Image.fromarray(drawing.draw_picture(rng, shown, affine).pixels).save(file, "PNG")
        for turn in turns:
            yield Item(name, kind, number, turn.type, turn.about, turn.question, turn.answer, turn.keys,
                       file.getvalue())


def write(items: Iterable[Item], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "questions.jsonl", "w", encoding="utf-8") as index:
        for item in items:
            name = f"{item.set.replace(' ', '-')}-{item.page:04}.png"
            (folder / name).write_bytes(item.png)
            entry = asdict(item) | {"png": name}
            index.write(json.dumps(entry, ensure_ascii=False) + "\n")


def load(folder: Path) -> Iterator[Item]:
    known = {f.name for f in fields(Item)}
    with open(folder / "questions.jsonl", encoding="utf-8") as index:
        for line in index:
            entry = json.loads(line)
            if set(entry) != known:
                raise ValueError(
                    f"{folder / 'questions.jsonl'}: an entry has {sorted(entry)}; expected {sorted(known)}")
            yield Item(**entry | {"png": (folder / entry["png"]).read_bytes(), "keys": tuple(entry["keys"])})
