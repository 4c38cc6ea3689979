"""The questions a model is measured with: pictures that training never draws, in memory or in a folder.

Reading a folder needs the standard library only.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Item:
    """One question: the set it belongs to, a PNG picture, the wording, the right answer."""

    set: str
    png: bytes
    question: str
    answer: str
    width: int
    height: int


def draw(each: int = 500, seed: int = 20_000) -> Iterator[Item]:
    """All sets, deterministically.

    strings   held-out strings in faces seen in training
    fonts     held-out strings in held-out families
    blank     empty pictures, a fifth as many
    small     held-out strings in type smaller than any in training, a fifth as many
    beyond    held-out strings on canvases larger than any in training, a fifth as many
    """
    import io

    from PIL import Image

    from . import pictures, strings

    trained = [(rows, columns) for rows in (1, 2) for columns in range(3, 9)]
    larger = [(rows, columns) for rows in (1, 2, 3) for columns in (9, 10, 12)]
    sets = (("strings", each, trained, {}), ("fonts", each, trained, {"held_out_fonts": True}),
            ("blank", each // 5, trained, {"blank": True}),
            ("small", each // 5, trained, {"smallest_type": 13, "largest_type": pictures.SMALLEST_TYPE - 1}),
            ("beyond", each // 5, larger, {}))
    for name, count, grids, options in sets:
        for index in range(count):
            rng = random.Random(f"{seed}/{name}/{index}")
            line = pictures.draw_line(rng, rng.choice(grids), held_out_strings=True, shortest=3, **options)
            file = io.BytesIO()
            Image.fromarray(line.pixels).save(file, "PNG")
            height, width, _ = line.pixels.shape
            question, answer = strings.draw_question(rng), line.text or strings.BLANK_ANSWER
            yield Item(name, file.getvalue(), question, answer, width, height)


def write(items: Iterator[Item], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "questions.jsonl", "w", encoding="utf-8") as index:
        for number, item in enumerate(items):
            name = f"{item.set}-{number:04}.png"
            (folder / name).write_bytes(item.png)
            entry = {"set": item.set, "picture": name, "question": item.question, "answer": item.answer,
                     "width": item.width, "height": item.height}
            index.write(json.dumps(entry, ensure_ascii=False) + "\n")


def load(folder: Path) -> Iterator[Item]:
    with open(folder / "questions.jsonl", encoding="utf-8") as index:
        for line in index:
            entry = json.loads(line)
            png = (folder / entry.pop("picture")).read_bytes()
            yield Item(png=png, **entry)
