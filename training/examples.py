"""Writes example lines that a checkpoint reads correctly, and their answers.

    python training/examples.py models/line-reader-3m models/line-reader-3m/examples

They are examples, not a test set: of every kind the first picture that the model reads is kept; how many it misread
before is printed.
"""

import argparse
import io
import json
import random
import re
from pathlib import Path

from PIL import Image

from evaluate import in_transformers
from reader import pictures, strings
from reader.testset import Item

KINDS = {
    "price": r"\$\d{2,3}\.\d\d",
    "name": r"[A-Z][a-z]{2,} [A-Z][a-z]{2,}",
    "word": r"[A-Z][a-z]{4,7}",
    "date": r"\d\d/\d\d/\d{4}",
}
GRID = (2, 7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    answer = in_transformers(args.checkpoint, "cpu", 1)
    args.folder.mkdir(parents=True, exist_ok=True)
    answers = {}
    for kind, pattern in KINDS.items():
        rng, misread = random.Random(f"example {kind}"), 0
        while True:
            line = pictures.draw_line(rng, GRID, held_out_strings=True, shortest=5, odd_sizes=False, smallest_type=24)
            if not re.fullmatch(pattern, line.text):
                continue
            file = io.BytesIO()
            Image.fromarray(line.pixels).save(file, "PNG")
            question = strings.QUESTIONS[0]
            height, width, _ = line.pixels.shape
            if answer(Item(kind, file.getvalue(), question, line.text, width, height)) == line.text:
                break
            misread += 1
        (args.folder / f"{kind}.png").write_bytes(file.getvalue())
        answers[f"{kind}.png"] = {question: line.text}
        print(f"{kind}.png: {line.text} ({misread} misread before it)")
    (args.folder / "answers.json").write_text(json.dumps(answers, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
