"""What optical character recognition with simple rules answers: Tesseract's lines, searched for labels and pieces.

The rules are told the type of a question and what it is about; they need not understand its wording.
"""

import io
import json
import re
import subprocess
from difflib import SequenceMatcher

from PIL import Image

from .content import FIELDS
from .phrasings import ABSENT, BLANK
from .testset import Item

_AMOUNT = re.compile(r"(?:(?:USD|CHF|[$£€])\s?)?\d[\d.,]*[.,]\d\d(?:\s?(?:EUR|€))?")
_ALIKE = 0.8


def recognised(png: bytes, scale: int = 2) -> list[str]:
    """The lines of text that Tesseract finds in an enlarged picture, top to bottom."""
    image = Image.open(io.BytesIO(png)).convert("L")
    file = io.BytesIO()
    image.resize((image.width * scale, image.height * scale), Image.Resampling.BICUBIC).save(file, "PNG")
    found = subprocess.run(["tesseract", "stdin", "stdout", "--psm", "6"], input=file.getvalue(), capture_output=True,
                           check=True)
    return [line for text in found.stdout.decode().splitlines() if (line := " ".join(text.split()))]


def answer(item: Item, lines: list[str]) -> str:
    """The answer of the rules to a question about recognised lines."""
    about = item.about
    match item.type:
        case "field" | "absent" if about in FIELDS:
            return field(about, lines) or ABSENT
        case "line" | "top" | "absent" if about.isdigit() and not item.question.count('"'):
            return lines[int(about) - 1] if int(about) <= len(lines) else ABSENT
        case "word":
            end, number = about.split()
            words = lines[int(number) - 1].split() if int(number) <= len(lines) else []
            return (words[0] if end == "first" else words[-1]) if words else ABSENT
        case "price" | "cell" | "chart" | "beside":
            return beside(about, lines) or ABSENT
        case "item" | "absent":
            return beside(about, lines) or ABSENT
        case "quantity":
            row = _row(about, lines)
            number = re.search(r"\b\d{1,2}\b", row.replace(about, "")) if row else None
            return number.group() if number else ABSENT
        case "all":
            return "\n".join(lines) or BLANK
        case "after":
            return next((line.partition(about)[2].strip() for line in lines if about in line), ABSENT)
        case "count":
            return str(len(lines) if about == "lines" else sum(bool(_AMOUNT.search(line)) for line in lines))
        case "yes or no":
            known = field(about, lines) if about in FIELDS else _row(about, lines)
            return "yes" if known else "no"
        case "json":
            return json.dumps({key: field(key, lines) for key in item.keys}, ensure_ascii=False)
        case "extreme" | "sum":
            amounts = [(float(re.sub(r"[^\d]", "", m.group())), line, m.group()) for line in lines
                       if (m := _AMOUNT.search(line))]
            if not amounts:
                return ABSENT
            _, line, amount = (min if about in ("cheapest", "lowest") else max)(amounts)
            return amount if about in ("highest", "lowest") else line.replace(amount, "").strip()
        case _:
            return ABSENT


def field(key: str, lines: list[str]) -> str | None:
    """The value behind a label of a field, or on the line below a label that stands alone."""
    if key in ("shop", "title", "event"):
        return lines[0] if lines else None
    for label in sorted(FIELDS[key], key=len, reverse=True):
        for number, line in enumerate(lines):
            if line.casefold().startswith(label.casefold()):
                rest = line[len(label):]
                if rest[:1].isalnum():
                    continue
                if value := rest.strip(" :.-_"):
                    return value
                if number + 1 < len(lines):
                    return lines[number + 1]
    return None


def beside(piece: str, lines: list[str]) -> str | None:
    """What else stands on the line of a piece."""
    row = _row(piece, lines)
    if row is None:
        return None
    amount = _AMOUNT.search(row)
    if amount and not _AMOUNT.fullmatch(piece):
        return amount.group()
    at = row.casefold().find(piece.casefold())
    rest = (row[:at] + row[at + len(piece):]) if at >= 0 else row
    return re.sub(r"^\d+ ?x |[.…]{3,}", "", rest.strip(" :.-_")).strip() or None


def _row(piece: str, lines: list[str]) -> str | None:
    """The line that has a piece, or else the one with words most like it."""
    for line in lines:
        if piece.casefold() in line.casefold():
            return line
    best = max(((SequenceMatcher(None, piece.casefold(), line[m.start():m.start() + len(piece)].casefold()).ratio(),
                 line)
                for line in lines for m in re.finditer(r"\S+", line)), default=(0.0, ""))
    return best[1] if best[0] >= _ALIKE else None
