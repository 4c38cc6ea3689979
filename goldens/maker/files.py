"""Small helpers: one way of writing JSON and arrays, so that two runs give the same bytes."""

import json
from pathlib import Path

import numpy as np


def write_json(path: Path, value, indent=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    if indent is not None:
        text = _compact_number_lists(text)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def _compact_number_lists(text: str) -> str:
    """Puts lists of plain numbers on one line; everything else keeps one element a line."""
    import re

    number = r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
    pattern = re.compile(r"\[\s*(" + number + r"(?:,\s*" + number + r")*)\s*\]")
    out, i, n = [], 0, len(text)
    # Strings are copied untouched: a list inside a string is not ours to reformat.
    string = re.compile(r'"(?:[^"\\]|\\.)*"')
    while i < n:
        char = text[i]
        if char == '"':
            match = string.match(text, i)
            out.append(match.group(0))
            i = match.end()
        elif char == "[" and (match := pattern.match(text, i)):
            out.append("[" + re.sub(r",\s*", ", ", match.group(1)) + "]")
            i = match.end()
        else:
            out.append(char)
            i += 1
    return "".join(out)


def write_text(path: Path, text: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def write_array(path: Path, array):
    """Writes `<f4`, `<i8` or `|u1`, C order, .npy version 1.0."""
    array = np.ascontiguousarray(array)
    if array.dtype == np.uint8:
        kind = "|u1"
    elif np.issubdtype(array.dtype, np.integer):
        kind = "<i8"
    elif np.issubdtype(array.dtype, np.floating):
        kind = "<f4"
    else:
        raise TypeError(f"no golden holds {array.dtype}")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array.astype(kind), allow_pickle=False)


def rounded(x: float) -> float:
    """Seven significant digits are what a float32 has."""
    return float(f"{float(x):.7g}")
