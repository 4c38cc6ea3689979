"""Measuring answers about documents: the metrics, the sets of questions, and the baseline's rules."""

import pytest

import evaluate_documents
from documents import baseline, metrics, testset
from documents.phrasings import ABSENT, BLANK
from documents.testset import Item


@pytest.mark.parametrize("wanted, given, distance", [
    ("", "", 0), ("abc", "abc", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("12.50", "12.05", 2)])
def test_edits(wanted: str, given: str, distance: int) -> None:
    assert metrics.edits(wanted, given) == metrics.edits(given, wanted) == distance


@pytest.mark.parametrize("wanted, given, score", [
    ("Latte", "latte ", 1.0), ("12.50", "12.51", 0.8), ("abcd", "abxy", 0.5), ("abcd", "axyz", 0.0), ("", "", 1.0),
    ("a", "", 0.0)])
def test_anls(wanted: str, given: str, score: float) -> None:
    assert metrics.anls(wanted, given) == pytest.approx(score)


@pytest.mark.parametrize("given, counts", [
    ('{"a": "1", "b": "2"}', (2, 2, 2)), ('{"b": "2", "a": "3", "c": "4"}', (1, 3, 2)),
    ('{"a": "1", "b": null}', (1, 1, 2)),
    ("{", (0, 0, 2)), ("[1]", (0, 0, 2))])
def test_json_fields(given: str, counts: tuple[int, int, int]) -> None:
    assert metrics.json_fields('{"a": "1", "b": "2", "d": null}', given) == counts


def test_f1() -> None:
    assert metrics.f1(1, 2, 2) == 0.5 and metrics.f1(0, 0, 3) == 0.0 and metrics.f1(0, 0, 0) == 1.0


def item(type: str, question: str, answer: str, about: str = "", keys: tuple[str, ...] = (),
         set: str = "values") -> Item:
    return Item(set, "receipt", 0, type, about, question, answer, keys, b"")


def test_scores_count_what_they_name() -> None:
    asked = [item("field", "Total?", "12.50"), item("absent", "Tip?", ABSENT), item("line", "Read line 1.", "Cafe"),
             item("json", "Give total as JSON.", '{"total": "12.50"}', keys=("total",)),
             item("blank", "Total?", ABSENT, set="blank")]
    given = iter(["12.5", "3.00", "Cave", '{"total": "12.50"}', ABSENT])
    scores = evaluate_documents.measure(asked, lambda _: next(given), len(asked), None)
    whole = scores["values", ""].values()
    assert whole == {"questions": 4, "exact": 0.25, "anls": pytest.approx((0.8 + 0 + 0.75 + 1) / 4), "cer": 0.25,
                     "json f1": 1.0, "invented": 1.0}
    assert scores["values", "field"].values() == {"questions": 1, "exact": 0.0, "anls": pytest.approx(0.8)}
    assert scores["blank", ""].values() == {"questions": 1, "exact": 1.0, "anls": 1.0, "invented": 0.0}
    assert "| values | **all** | 4 | 0.250 |" in evaluate_documents.table(scores, by_type=False)


def test_the_sets_survive_a_folder(tmp_path) -> None:
    drawn = list(testset.draw(each=25))
    testset.write(drawn, tmp_path)
    assert list(testset.load(tmp_path)) == drawn
    counts = {name: sum(i.set == name for i in drawn) for name in dict.fromkeys(i.set for i in drawn)}
    assert {name: counts.pop(name) for name in testset.SETS} == dict.fromkeys(testset.SETS, 25)
    assert set(counts) == {"blank", "invoice", "form", "table", "letter", "price list",
                           "chart"} and set(counts.values()) == {5}
    assert {i.answer for i in drawn if i.set == "blank"} <= {ABSENT, BLANK}


LINES = ["Corner Cafe", "Date: 2024-01-02", "TOTAL DUE", "$12.50", "2 x Oat latte .... $4.20", "Bagel $8.30"]


@pytest.mark.parametrize("type, about, keys, answer", [
    ("field", "shop", (), "Corner Cafe"), ("field", "date", (), "2024-01-02"), ("field", "total", (), "$12.50"),
    ("field", "tip", (), ABSENT), ("line", "4", (), "$12.50"), ("line", "9", (), ABSENT),
    ("word", "last 5", (), "$4.20"),
    ("price", "Oat latte", (), "$4.20"), ("price", "Oat lotte", (), "$4.20"), ("item", "$8.30", (), "Bagel"),
    ("quantity", "Oat latte", (), "2"), ("count", "lines", (), "6"), ("extreme", "cheapest", (), "2 x Oat latte ...."),
    ("extreme", "highest", (), "$12.50"), ("yes or no", "date", (), "yes"), ("yes or no", "seat", (), "no"),
    ("json", "", ("date", "tip"), '{"date": "2024-01-02", "tip": null}')])
def test_the_rules_of_the_baseline(type: str, about: str, keys: tuple[str, ...], answer: str) -> None:
    assert baseline.answer(item(type, "?", "", about, keys), LINES) == answer
