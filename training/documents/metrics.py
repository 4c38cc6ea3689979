"""How right answers are."""

import json


def edits(wanted: str, given: str) -> int:
    """Levenshtein's distance."""
    row = list(range(len(given) + 1))
    for i, w in enumerate(wanted, 1):
        corner, row[0] = row[0], i
        for j, g in enumerate(given, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (w != g))
    return row[-1]


def anls(wanted: str, given: str) -> float:
    """Normalised Levenshtein similarity of one answer, regardless of case, and 0 below a half, as in DocVQA."""
    wanted, given = wanted.strip().casefold(), given.strip().casefold()
    longest = max(len(wanted), len(given))
    similar = 1 - edits(wanted, given) / longest if longest else 1.0
    return similar if similar >= 0.5 else 0.0


def json_fields(wanted: str, given: str) -> tuple[int, int, int]:
    """Fields that are right, given, and wanted; a field counts where it has a value. What is no JSON object has
    none."""
    def entries(text: str) -> set[tuple[str, str]]:
        try:
            values = json.loads(text)
        except json.JSONDecodeError:
            return set()
        return {(k, str(v)) for k, v in values.items() if v is not None} if isinstance(values, dict) else set()

    right, said = entries(wanted), entries(given)
    return len(right & said), len(said), len(right)


def f1(right: int, given: int, wanted: int) -> float:
    return 2 * right / (given + wanted) if given + wanted else 1.0
