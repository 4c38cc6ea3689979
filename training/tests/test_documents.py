"""The generator of documents: deterministic, true to what it says, and disjoint on its two sides."""

import json
import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from documents import Sides, batches, charts, content, drawing, fonts, generator, layout, phrasings, questions
from documents.layout import Page
from documents.questions import Asking
from documents.values import is_held_out
from export import MAX_PIXELS, MIN_PIXELS
from reader import strings
from reader.batches import patches
from reader.pictures import CELL

KINDS = tuple(kind for kind in generator.KINDS if kind != "scattered")


def pages(kind: str, count: int, sides: Sides = Sides(), seed: int = 1) -> list[Page]:
    drawn = []
    for index in range(count):
        rng = random.Random(f"{seed}/{kind}/{index}")
        drawn.append(generator.draw_page(rng, kind, CELL * rng.randint(10, 13), CELL * rng.randint(8, 15), sides))
    return drawn


@pytest.mark.parametrize("kind", generator.KINDS)
def test_the_same_seed_gives_the_same_pages(kind: str) -> None:
    def drawn() -> drawing.Picture:
        rng = random.Random(5)
        page = generator.draw_page(rng, kind, 12 * CELL, 12 * CELL)
        return drawing.draw_picture(rng, page, drawing.draw_affine(rng, page.width, page.height))

    one, other = drawn(), drawn()
    assert np.array_equal(one.pixels, other.pixels) and one.text == other.text
    assert np.array_equal(one.centres, other.centres)


@pytest.mark.parametrize("kind", KINDS)
def test_words_stand_on_the_page_apart_from_each_other(kind: str) -> None:
    for page in pages(kind, 8):
        words = page.words()
        assert words and " ".join(w.text for w in words) == " ".join(r.text for r in page.runs).replace("  ", " ")
        for w in words:
            left, top, right, bottom = w.box
            assert -1 <= left < right <= page.width + 1 and -4 <= top < bottom <= page.height + 4, (w, page.program)
        for one, other in zip(words, words[1:]):
            a, b = one.box, other.box
            apart = a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 6 or b[3] <= a[1] + 6
            assert apart, (one, other, page.program)


@pytest.mark.parametrize("kind", ["receipt", "ticket", "invoice", "form"])
def test_words_of_a_field_spell_its_value(kind: str) -> None:
    for page in pages(kind, 8):
        stated = {f.key: f.value for b in page.content.blocks if isinstance(b, content.Fields) for f in b.fields}
        for key, value in stated.items():
            if sum(f.key == key for b in page.content.blocks if isinstance(b, content.Fields) for f in b.fields) == 1:
                assert value in " ".join(w.text for w in page.words() if w.key == key)


def test_ink_lies_where_characters_are_said_to_stand() -> None:
    hits = total = 0
    for page in pages("receipt", 6):
        rng = random.Random(3)
        affine = drawing.draw_affine(rng, page.width, page.height)
        picture = drawing.draw_picture(rng, page, affine)
        paper = np.median(picture.pixels.reshape(-1, 3), 0)
        ink = np.abs(picture.pixels.astype(int) - paper).sum(2) > 90
        for character, (x, y) in zip(picture.text, picture.centres):
            if character.isalnum():
                x, y = int(x), int(y)
                total += 1
                hits += ink[max(0, y - 7):y + 8, max(0, x - 4):x + 5].any()
    assert hits > 0.97 * total


def test_slots_spell_a_page() -> None:
    for index in range(8):
        rng = random.Random(f"slots/{index}")
        page = generator.draw_page(rng, "ticket", *generator.draw_canvas(rng, (9, 11)))
        picture = drawing.draw_picture(rng, page, drawing.draw_affine(rng, page.width, page.height))
        found = batches.slots(picture.text, picture.centres, picture.grid)
        spelled = sorted(strings.ALPHABET[i - 1] for i in found.flatten() if i)
        assert picture.grid == (9, 11)
        on = [c for c, (x, y) in zip(picture.text, picture.centres) if 0 <= x < 11 * CELL and 0 <= y < 9 * CELL]
        assert len(spelled) >= 0.97 * len(on) and not set(spelled) - set(on)


def test_an_odd_size_is_processed_as_the_image_processor_does() -> None:
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS})
    odd = 0
    for index in range(24):
        rng = random.Random(f"odd/{index}")
        grid = rng.randint(2, 16), rng.randint(6, 13)
        page = generator.emptied(generator.draw_page(rng, "ticket", 300, 300))
        width, height = generator.draw_canvas(rng, grid)
        picture = drawing.draw_picture(rng, replace(page, width=width, height=height), np.eye(2, 3))
        seen = processor(Image.fromarray(picture.pixels), return_tensors="np")
        assert picture.grid == grid and seen["image_grid_thw"].tolist() == [[1, 2 * grid[0], 2 * grid[1]]]
        ours = patches(drawing.processed(picture)[None])[0].reshape(-1, 3, 1, 196)
        assert np.abs(ours - seen["pixel_values"].reshape(-1, 3, 2, 196)).max() < 1e-5
        odd += (width % CELL, height % CELL) != (0, 0)
    assert odd >= 3


def test_tiles_are_cut_where_their_characters_are() -> None:
    tiles = batches.draw_tiles(random.Random(1), {"receipt": 1.0, "scattered": 1.0}, 12)
    assert tiles.grid == (batches.TILE, batches.TILE) and tiles.images.shape == (12, 112, 112,
                                                                                 3) and tiles.slots.shape[:2] == (12,
                                                                                                                  64)
    assert (tiles.slots > 0).any((1, 2)).sum() >= 8


# Two sides.

@pytest.mark.parametrize("kind", KINDS)
def test_values_of_the_two_sides_are_disjoint(kind: str) -> None:
    def stated(held_out: bool) -> set[str]:
        found = set()
        for page in pages(kind, 12, Sides(values=held_out)):
            for block in page.content.blocks:
                match block:
                    case content.Fields(fields) | content.Text(_, fields):
                        found |= {f.value for f in fields if f.key != "terms"}
                    case content.Table():
                        found |= {cell for row in block.rows for cell in row}
                    case content.Chart():
                        found |= {*block.printed}
        return {v.casefold().lstrip("-") for v in found if len(v) >= 3}

    training, held_out = stated(False), stated(True)
    assert training and not training & held_out
    # Discounts may have a sign in front; values in capitals are split as they are without.
    assert not any(map(is_held_out, training)) and all(map(is_held_out, held_out))


def test_fonts_of_the_two_sides_are_disjoint() -> None:
    training, held_out = fonts.faces(False), fonts.faces(True)
    assert not set(training) & set(held_out)
    assert not {f.name for f in fonts.TRAINING} & {f.name for f in fonts.HELD_OUT}
    assert len(fonts.TRAINING) >= 40 and len(fonts.HELD_OUT) >= 10
    assert all(f.package and f.licence for f in (*fonts.TRAINING, *fonts.HELD_OUT))


def test_layout_programs_of_the_two_sides_are_disjoint() -> None:
    training, held_out = layout.programs(False), layout.programs(True)
    assert len(training) >= 8 and len(held_out) >= 3
    assert not {f for p in training for f in p.fields} & {f for p in held_out for f in p.fields}
    assert not set(charts.TRAINING) & set(charts.HELD_OUT)
    for kind in ("receipt", "ticket", "chart"):
        known = {p.name for p in training} | set(charts.TRAINING)
        assert {p.program for p in pages(kind, 6)} <= known
        assert not {p.program for p in pages(kind, 6, Sides(layouts=True))} & known


def test_phrasings_of_the_two_sides_are_disjoint() -> None:
    def wordings(side: phrasings.Wordings) -> set[str]:
        nested = [v for v in vars(side).values()]
        flat = [w for v in nested for w in (v if isinstance(v, tuple) else [w for words in v.values() for w in words])]
        return {w.casefold() for w in flat}

    assert wordings(phrasings.TRAINING) < wordings(phrasings.VARIED)
    assert not wordings(phrasings.VARIED) & wordings(phrasings.HELD_OUT)
    asked: dict[bool, set[str]] = {False: set(), True: set()}
    for held_out, found in asked.items():
        for kind in KINDS:
            for page in pages(kind, 4):
                found |= {t.question for t in Asking(random.Random(1), page, held_out).turns(20)}
    assert not asked[False] & asked[True]


# Questions.

@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sides", [Sides(), Sides(True, True, True, True)])
def test_answers_are_what_the_page_states(kind: str, sides: Sides) -> None:
    for page in pages(kind, 6, sides):
        asking = Asking(random.Random(2), page, sides.phrasings, held_out_values=sides.values)
        text = " ".join(page.lines)
        for turn in asking.turns(25):
            assert len(turn.answer) <= questions.LONGEST_ANSWER and turn.type in questions.TYPES
            match turn.type:
                case ("field" | "beside" | "price" | "item" | "quantity" | "cell" | "line" | "top" | "word" | "chart"):
                    assert turn.answer in text, (turn, page.lines)
                case "after":
                    line, = (line for line in page.lines if turn.about in line)
                    assert line.partition(turn.about)[2].strip() == turn.answer != ""
                case "absent":
                    assert turn.answer == phrasings.ABSENT
                case "yes or no":
                    assert turn.answer in ("yes", "no")
                case "count":
                    assert turn.answer.isdigit()
                case "all":
                    assert turn.answer == "\n".join(page.lines)
                case "json":
                    values = json.loads(turn.answer)
                    assert tuple(values) == turn.keys
                    assert all(v is None or v in text for v in values.values())
                case "extreme" | "sum":
                    assert turn.answer


def test_a_word_that_means_nothing_stands_apart_from_what_is_asked_about() -> None:
    def asked(varied: bool) -> list[questions.Turn]:
        return [turn for page in pages("receipt", 6) for turn in Asking(random.Random(2), page, varied=varied).turns(60)]

    known = {w.lower() for w in " ".join(phrasings.words(phrasings.VARIED)).split()}
    for turn in asked(True):
        if turn.type in ("price", "item", "beside"):
            before = turn.question.lower().split(turn.about.lower())[0].strip('" ').split(" ")
            assert before == [""] or before[-1] in known, turn
    unknown = {varied: [t for t in asked(varied) if t.type == "count" and set(t.question.lower().split()) - known]
               for varied in (False, True)}
    assert unknown[True] and not unknown[False]


def test_the_sum_is_of_what_is_printed() -> None:
    for page in pages("receipt", 12):
        sums = {f.key: f.value for b in page.content.blocks if isinstance(b, content.Fields) for f in b.fields
                if f.key == "subtotal"}
        table = next(b for b in page.content.blocks if isinstance(b, content.Table))
        assert [page.content.money(a) for a in table.amounts] == [row[table.column("price")] for row in table.rows]
        if sums:
            assert sums["subtotal"] == page.content.money(sum(table.amounts))


@pytest.mark.parametrize("state, allowed", [
    ("blank", {phrasings.ABSENT, phrasings.BLANK}), ("illegible", {phrasings.ILLEGIBLE})])
def test_a_page_without_text_has_no_answers(state: str, allowed: set[str]) -> None:
    page, = pages("receipt", 1)
    assert {t.answer for t in Asking(random.Random(1), page, state=state).turns(60)} <= allowed


def test_an_emptied_page_shows_nothing() -> None:
    page = generator.emptied(pages("receipt", 1)[0])
    picture = drawing.draw_picture(random.Random(1), replace(page), np.eye(2, 3))
    assert page.words() == [] and picture.text == "" and picture.pixels.std((0, 1)).max() < 30


def test_a_misreading_keeps_most_characters() -> None:
    rng, kept, total = random.Random(1), 0, 0
    for page in pages("receipt", 10):
        text, centres = page.characters()
        read, places = batches.misread(rng, text, centres)
        assert len(read) == len(places)
        kept, total = kept + (Counter(read) & Counter(text)).total(), total + len(text)
    assert 0.9 * total < kept < total


def test_the_readme_installs_every_font() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    installed = re.search(r"apt-get install (fonts-[a-z0-9 -]*)", readme).group(1).split()
    assert sorted(installed) == sorted({f.package for f in (*fonts.TRAINING, *fonts.HELD_OUT)})


def test_a_page_that_cannot_fit_is_an_error(monkeypatch) -> None:
    monkeypatch.setattr(generator, "TRIES", 20)
    with pytest.raises(ValueError, match="no invoice fits on 200 x 40 pixels"):
        generator.draw_page(random.Random(1), "invoice", 200, 40)
