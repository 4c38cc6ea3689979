"""The generator: deterministic, split before it draws, and seen by the model as transformers would show it."""

import random

import numpy as np
import pytest
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from export import MAX_PIXELS, MIN_PIXELS
from reader import batches, fonts, pictures, strings, testset
from reader.batches import Prompts, Stage

GRIDS = tuple((rows, columns) for rows in (1, 2) for columns in range(3, 9))
STAGE = Stage("test", 1, GRIDS, 16)


def lines(seed: int, count: int = 60, **options) -> list[pictures.Line]:
    rng = random.Random(seed)
    return [pictures.draw_line(rng, rng.choice(GRIDS), **options) for _ in range(count)]


def test_the_same_seed_gives_the_same_pictures() -> None:
    for one, other in zip(lines(7), lines(7), strict=True):
        assert one.text == other.text
        assert np.array_equal(one.pixels, other.pixels)
        assert np.array_equal(one.centres, other.centres)


def test_a_batch_depends_on_seed_and_step_only(tokenizer) -> None:
    prompts = Prompts(tokenizer)
    first = batches.draw_batch(3, 5, STAGE, 8, prompts)
    batches.draw_batch(3, 6, STAGE, 8, prompts)
    again = batches.draw_batch(3, 5, STAGE, 8, prompts)
    assert first.pixels.equal(again.pixels) and first.after.equal(again.after) and first.slots.equal(again.slots)


def test_strings_of_the_two_sides_are_disjoint() -> None:
    rng = random.Random(1)
    training = {strings.draw_string(rng) for _ in range(20_000)}
    held_out = {strings.draw_string(rng, held_out=True) for _ in range(2_000)}
    assert not training & held_out
    assert all(1 <= len(text) <= strings.LONGEST for text in training | held_out)
    assert {c for text in training for c in text} == set(strings.ALPHABET)


def test_fonts_of_the_two_sides_are_disjoint() -> None:
    training, held_out = fonts.faces(False), fonts.faces(True)
    assert not set(training) & set(held_out)
    assert not {f.name for f in fonts.TRAINING} & {f.name for f in fonts.HELD_OUT}
    assert len(fonts.TRAINING) >= 12 and len(fonts.HELD_OUT) >= 4


def test_the_test_set_is_never_drawn_in_training() -> None:
    for item in testset.draw(each=20):
        assert item.set == "blank" or strings.is_held_out(item.answer)


def test_a_blank_picture_has_no_characters() -> None:
    for line in lines(3, 5, blank=True):
        assert line.text == "" and len(line.centres) == 0


def test_a_line_that_no_face_can_print_is_shortened() -> None:
    rng = random.Random(2)
    assert all(pictures.draw_line(rng, (1, 3), shortest=16).text for _ in range(3))


@pytest.mark.parametrize("seed", range(3))
def test_characters_stand_where_they_are_said_to(seed: int) -> None:
    for line in lines(seed):
        height, width, _ = pictures.processed(line).shape
        x, y = line.centres.T
        assert (x > -1).all() and (x < width + 1).all() and (y > -1).all() and (y < height + 1).all()
        assert len(line.centres) == len(line.text) and (np.diff(x) > 0).all()


@pytest.mark.parametrize("filled", [False, True])
def test_slots_spell_the_line(filled: bool) -> None:
    for line in lines(11, filled=filled):
        rows, columns = line.grid
        found = batches.slots([line], line.grid)[0].reshape(rows, columns, 2, 2, -1)
        spelled = [i for i in found.transpose(1, 3, 0, 2, 4).flatten() if i]
        # Two rows of patches may share a column when a line is turned, so the order is not checked.
        assert sorted(strings.ALPHABET[i - 1] for i in spelled) == sorted(line.text)


def test_patches_are_those_of_the_image_processor() -> None:
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS})
    odd = 0
    for line in lines(5):
        seen = processor(Image.fromarray(line.pixels), return_tensors="np")
        assert seen["image_grid_thw"].tolist() == [[1, 2 * line.grid[0], 2 * line.grid[1]]]
        ours = batches.patches(pictures.processed(line)[None])[0].reshape(-1, 3, 1, 196)
        theirs = seen["pixel_values"].reshape(-1, 3, 2, 196)
        assert np.abs(ours - theirs).max() < 1e-5
        odd += line.pixels.shape[0] % 28 != 0 or line.pixels.shape[1] % 28 != 0
    assert odd > 3
