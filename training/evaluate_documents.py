"""Measures free-running answers about documents on held-out values, fonts, layouts and phrasings.

In transformers, through any OpenAI-compatible REST API (from a folder of questions this needs only Python's standard
library), or the baseline, Tesseract with simple rules:

    python training/evaluate_documents.py --checkpoint models/documents
    python training/evaluate_documents.py --write questions
    python training/evaluate_documents.py --questions questions --base-url http://127.0.0.1:8080/v1 --model documents
    python training/evaluate_documents.py --baseline
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from documents import metrics, testset
from documents.phrasings import ABSENT, BLANK, ILLEGIBLE
from documents.testset import Item
from evaluate import in_transformers, through_rest

MAX_TOKENS = 112
READ = ("line", "top", "word", "all")  # questions that ask for text by its place
NOTHING = (ABSENT, BLANK, ILLEGIBLE)
Answer = Callable[[Item], str]


class Score:
    """Counts of the answers of one set and type."""

    def __init__(self) -> None:
        self.questions = self.exact = self.edits = self.length = self.absent = self.invented = 0
        self.anls = 0.0
        self.fields = [0, 0, 0]

    def add(self, item: Item, given: str) -> None:
        self.questions += 1
        self.exact += given == item.answer
        # A fixed answer is right or wrong; half of its letters are worth nothing.
        self.anls += float(given == item.answer) if item.answer in NOTHING else metrics.anls(item.answer, given)
        if item.type in READ and item.answer not in NOTHING:
            self.edits += metrics.edits(item.answer, given)
            self.length += len(item.answer)
        if item.answer in (ABSENT, BLANK):
            self.absent += 1
            self.invented += given not in NOTHING
        if item.type == "json":
            for place, count in enumerate(metrics.json_fields(item.answer, given)):
                self.fields[place] += count

    def values(self) -> dict[str, float]:
        """The measures that have something to measure."""
        out: dict[str, float] = {"questions": self.questions, "exact": self.exact / self.questions,
                                 "anls": self.anls / self.questions}
        if self.length:
            out["cer"] = self.edits / self.length
        if self.fields[2]:
            out["json f1"] = metrics.f1(*self.fields)
        if self.absent:
            out["invented"] = self.invented / self.absent
        return out


def measure(items: Iterable[Item], answer: Answer, total: int, log: Path | None) -> dict[tuple[str, str], Score]:
    """Scores by set and type of question, with the type "" for whole sets; progress goes to stderr."""
    scores: dict[tuple[str, str], Score] = {}
    started = shown = time.monotonic()
    with open(log or os.devnull, "w", encoding="utf-8") as file:
        for done, item in enumerate(items, 1):
            given = answer(item)
            for kind in ("", item.type):
                scores.setdefault((item.set, kind), Score()).add(item, given)
            file.write(json.dumps({"set": item.set, "kind": item.kind, "page": item.page, "type": item.type, "question": item.question,
                                   "answer": item.answer, "given": given}, ensure_ascii=False) + "\n")
            if time.monotonic() - shown > 10 or done == total:
                shown = time.monotonic()
                pace = done / (shown - started)
                print(f"{done}/{total}, {pace:.1f}/s, {(total - done) / pace:.0f} s left", file=sys.stderr, flush=True)
    return scores


def table(scores: dict[tuple[str, str], Score], by_type: bool) -> str:
    """The scores as a table in Markdown."""
    heads = ("questions", "exact", "anls", "cer", "json f1", "invented")
    lines = ["| Set | Type | Questions | Exact | ANLS | CER | JSON F1 | Invented |",
             "|---|---|---:|---:|---:|---:|---:|---:|"]
    sets = list(dict.fromkeys(name for name, _ in scores))
    for (name, kind), score in sorted(scores.items(), key=lambda entry: (sets.index(entry[0][0]), entry[0][1])):
        if kind and not by_type:
            continue
        values = score.values()
        written = {head: str(value) if head == "questions" else f"{value:.3f}" for head, value in values.items()}
        cells = [written.get(head, "") for head in heads]
        lines.append(f"| {name} | {kind or '**all**'} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def by_rules() -> Answer:
    """The baseline's answers; a picture is recognised once for all of its questions."""
    from documents import baseline

    known: tuple[bytes, list[str]] = (b"", [])

    def answer(item: Item) -> str:
        nonlocal known
        if known[0] != item.png:
            known = (item.png, baseline.recognised(item.png))
        return baseline.answer(item, known[1])

    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="a folder in the Hub's layout, run in transformers")
    parser.add_argument("--base-url", help="an OpenAI-compatible API, up to and with /v1")
    parser.add_argument("--model", help="the model's name there")
    parser.add_argument("--key", help="the API's key, if it wants one")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for one answer")
    parser.add_argument("--baseline", action="store_true", help="Debian's tesseract-ocr with simple rules")
    parser.add_argument("--questions", type=Path, help="take the questions from this folder instead of drawing them")
    parser.add_argument("--write", type=Path, help="only write the questions into this folder")
    parser.add_argument("--each", type=int, default=500, help="questions in each of the four main sets")
    parser.add_argument("--seed", type=int, default=30_000)
    parser.add_argument("--sets", nargs="*", help="only these sets")
    parser.add_argument("--at-least", type=float, help="fail if the ANLS of a set is lower")
    parser.add_argument("--log", type=Path, help="write every answer to this file")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    items = list(testset.load(args.questions) if args.questions else testset.draw(args.each, args.seed))
    if args.sets:
        items = [item for item in items if item.set in args.sets]
    if args.write:
        testset.write(items, args.write)
        print(f"{len(items)} questions in {args.write}")
        return
    if args.base_url and args.model:
        answer = through_rest(args.base_url, args.model, args.key, args.timeout, MAX_TOKENS)
    elif args.checkpoint:
        answer = in_transformers(args.checkpoint, args.device, args.threads, MAX_TOKENS)
    elif args.baseline:
        answer = by_rules()
    else:
        parser.error("give --checkpoint, or --base-url and --model, or --baseline, or --write")
    scores = measure(items, answer, len(items), args.log)
    print(table(scores, by_type=True))
    low = {name: score.values()["anls"] for (name, kind), score in scores.items() if not kind}
    low = {name: anls for name, anls in low.items() if args.at_least is not None and anls < args.at_least}
    if low:
        sys.exit(f"ANLS below {args.at_least}: " + ", ".join(f"{name} {anls:.3f}" for name, anls in low.items()))


if __name__ == "__main__":
    main()
