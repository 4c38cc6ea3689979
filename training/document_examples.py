"""Writes example documents about which a model answers right, as it is served, their questions and answers.

    bin/vlm up
    python training/document_examples.py http://127.0.0.1:8080/v1 documents-30m examples

They are examples, not a test set: of every kind the first document is kept about which the model gets all of the chosen
questions right; how many it did not is printed. Values, and with them most words, are of the held-out side.
"""

import argparse
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from documents import Sides, drawing, generator
from documents.phrasings import NOUNS
from documents.questions import Asking
from documents.testset import Item
from evaluate import through_rest
from evaluate_documents import MAX_TOKENS

FIELDS = {  # of each kind, what is asked by its name
    "receipt": ("total", "date"),
    "ticket": ("event", "seat"),
    "invoice": ("due", "total"),
    "form": ("name", "phone"),
    "letter": ("date", "sender"),
}
OTHERS = {"table": ("cell", "item"), "price list": ("price", "extreme"), "chart": ("chart", "extreme")}
GRIDS = {"ticket": (9, 12), "chart": (10, 12), "table": (9, 13)}  # rows and columns of cells


def questions(rng: random.Random, page) -> dict[str, str] | None:
    """Two questions about a page and their answers; None if it does not allow them."""
    asking, kind = Asking(rng, page, held_out_values=True), page.content.kind
    if kind in FIELDS:
        if not set(FIELDS[kind]) <= set(asking.fields):
            return None
        return {f"What is the {NOUNS[key][0]}?": asking.fields[key].value for key in FIELDS[kind]}
    found: dict[str, tuple[str, str]] = {}
    for turn in asking.turns(40):
        if turn.type in OTHERS[kind] and turn.type not in found:
            found[turn.type] = turn.question, turn.answer
    return dict(found.values()) if len(found) == len(OTHERS[kind]) else None


def drawn(kind: str) -> Iterator[tuple[bytes, dict[str, str]]]:
    rng = random.Random(f"example {kind}")
    while True:
        page = generator.draw_page(rng, kind, *(28 * side for side in reversed(GRIDS.get(kind, (13, 11)))),
                                   Sides(values=True), smallest=17, largest=24)
        asked = questions(rng, page)
        if asked:
            file = io.BytesIO()
            affine = drawing.draw_affine(rng, page.width, page.height)
            Image.fromarray(drawing.draw_picture(rng, page, affine).pixels).save(file, "PNG")
            yield file.getvalue(), asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base_url", help="an OpenAI-compatible API, up to and with /v1")
    parser.add_argument("model", help="the model's name there")
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    answer = through_rest(args.base_url, args.model, None, 60, MAX_TOKENS)
    args.folder.mkdir(parents=True, exist_ok=True)
    answers = {}
    for kind in (*FIELDS, *OTHERS):
        name = f"{kind.replace(' ', '-')}.png"
        for tried, (png, asked) in enumerate(drawn(kind), 1):
            given = {q: answer(Item("example", kind, 0, "", "", q, a, (), png)) for q, a in asked.items()}
            if given == asked:
                break
        (args.folder / name).write_bytes(png)
        answers[name] = asked
        print(f"{name}: {asked} ({tried - 1} misread before it)", flush=True)
    (args.folder / "answers.json").write_text(json.dumps(answers, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
