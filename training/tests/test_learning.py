"""Training on documents: the forward over several turns is transformers' own; every stage learns its parts and no other."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from documents import batches, learning
from documents import recipe as recipes
from documents import tokenizer as tokenizers
from documents.batches import IGNORED, Prompts
from documents.learning import Learner
from documents.model import first_position, remember, reply
from reader import model as models
from reader.tokenizer import IMAGE_PAD, prompt

RECIPE = recipes.load(Path(__file__).parents[1] / "recipes" / "documents.toml")
SMALL = models.Size(vision_width=64, vision_layers=2, vision_heads=2, width=96, layers=2, heads=3, kv_heads=3, mlp=128,
                    rope_theta=10.0, mrope_section=(2, 7, 7), vocabulary=RECIPE.model.vocabulary)
KINDS = {"ticket": 1.0}


@pytest.fixture(scope="module")
def words():
    return tokenizers.build()


def small(stage: str, words, **changes) -> Learner:
    changed = replace(RECIPE.stage(stage), warm_up=1, **{"cells": 120, "rows": (7, 7), "columns": (9, 9), "turns": 3, **changes})
    return Learner(replace(RECIPE, model=SMALL, stages=(changed,)), changed, words, torch.device("cpu"))


def bits(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in learner.parts()["all"].state_dict().items()}


@pytest.mark.parametrize("stage", [s.name for s in RECIPE.stages])
def test_a_stage_learns_its_parts_and_no_other(stage: str, words) -> None:
    learner = small(stage, words)
    batch = learning.draw(1, learner.stage, 0, learner.prompts, 0)
    before = bits(learner)
    losses = [learner.advance(batch)["loss"] for _ in range(6)]
    assert losses[-1] < losses[0]
    after = bits(learner)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    learned = {id(p) for p in learner.moving()}
    names = {name for name, p in learner.parts()["all"].named_parameters(remove_duplicate=False) if id(p) in learned}
    assert moved and moved <= names
    vision = {n for n in moved if ".visual." in n}
    language = {n for n in moved if "language_model" in n}
    assert bool(vision) == ("vision" in learner.stage.learns) and bool(language) == ("language" in learner.stage.learns)


def test_turns_about_a_page_are_seen_as_transformers_sees_them(words) -> None:
    learner = small("joint", words)
    model, prompts = learner.model.eval(), Prompts(words)
    batch = batches.draw_asked(random.Random(1), KINDS, (7, 9), 2, 2, prompts, pictures=True)
    before, after = torch.tensor(prompts.before), torch.tensor(prompts.after)
    image = words.convert_tokens_to_ids(IMAGE_PAD)
    with torch.no_grad():
        _, cells = models.see(model, torch.from_numpy(batch.pixels), batch.grid)
        keys = remember(model, cells, batch.grid, before, after)
        states = reply(model, keys, first_position(batch.grid, len(before), len(after)), torch.from_numpy(batch.turns))
        ours = model.lm_head(states).view(2, 2, batch.turns.shape[2], -1)
        for page in range(2):
            pixels = torch.from_numpy(batch.pixels[page]).view(-1, 3, 1, 196).expand(-1, 3, 2, 196).reshape(-1, 1176)
            for turn in range(2):
                ids = torch.cat((before, torch.full((63,), image), after, torch.from_numpy(batch.turns[page, turn])))[None]
                theirs = model(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels,
                               image_grid_thw=torch.tensor([[1, 14, 18]]), mm_token_type_ids=(ids == image).int()).logits[0]
                assert (ours[page, turn] - theirs[-batch.turns.shape[2]:]).abs().max() < 1e-4


def test_training_sees_the_prompts_that_serving_renders(words) -> None:
    prompts, image = Prompts(words), words.convert_tokens_to_ids(IMAGE_PAD)
    for question in ("What is the total?", 'How much is "Oat latte"?', "Which item costs £1.20?"):
        ids = [*prompts.before, image, *prompts.after, *prompts.question(question)]
        assert ids == words.encode(prompt(words, question))


def test_targets_are_answers_behind_their_questions(words) -> None:
    prompts = Prompts(words)
    batch = batches.draw_asked(random.Random(2), KINDS, (7, 9), 3, 4, prompts, pictures=False)
    assert batch.pixels is None and len(batch.types) == 12
    for ids, targets in zip(batch.turns.reshape(12, -1), batch.targets.reshape(12, -1)):
        wanted = targets[targets != IGNORED]
        assert wanted[-1] == prompts.end and (wanted[:-1] != prompts.end).all()
        start = int((targets != IGNORED).argmax())
        assert (ids[start + 1:start + len(wanted)] == wanted[:-1]).all()


def test_words_of_questions_are_whole_and_values_are_spelled(words) -> None:
    pieces = [words.decode([i]) for i in words.encode('What is the total of "Therapist 12"?')]
    assert pieces == [*"What", " is", " the", " total", " of", " ", '"', *"Therapist", " ", *"12", '"', "?"]
    assert len(words) <= RECIPE.model.vocabulary


def test_the_ridge_solution_comes_closer_to_the_oracle(words) -> None:
    learner = small("joint", words)

    def distance() -> float:
        with torch.no_grad():
            batch = learning.draw(7, learner.stage, 3, learner.prompts, 0)
            hidden = models.look(learner.model, torch.from_numpy(batch.pixels), batch.grid)[1]
            told = learner.oracle(torch.from_numpy(batch.slots))
            return ((learner.model.model.visual.merger.mlp[2](hidden) - told) ** 2).mean().item()

    before = distance()
    frozen = {n: t for n, t in bits(learner).items() if "merger.mlp.2" not in n}
    explained = learner.solve(pages=24)
    assert 0 < explained <= 1 and distance() < before
    assert all(torch.equal(t, frozen[n]) for n, t in bits(learner).items() if n in frozen)


def test_a_restored_stage_goes_on_alike(words, tmp_path) -> None:
    one, other = small("language", words), small("language", words)
    for _ in range(2):
        one.advance(learning.draw(1, one.stage, one.step, one.prompts, one.level))
    one.save(tmp_path / "language.pt")
    other.restore(tmp_path / "language.pt")
    batch = learning.draw(1, one.stage, one.step, one.prompts, one.level)
    torch.manual_seed(3)
    expected = one.advance(batch)
    torch.manual_seed(3)
    assert other.advance(batch) == pytest.approx(expected, rel=1e-4)


def test_a_stage_starts_from_what_earlier_ones_trained(words) -> None:
    vision, language, joint = small("vision", words), small("language", words), small("joint", words)
    for earlier in (vision, language):
        for p in earlier.parts()["all"].parameters():
            p.data.add_(0.01)
    joint.start_from([vision.state(), language.state()])
    made, seen, told = bits(joint), bits(vision), bits(language)
    for name in made:
        source = told if "language_model" in name or "lm_head" in name or name.startswith("2.") else seen
        assert torch.equal(made[name], source[name]), name


def test_the_curriculum_rises_with_the_share_of_right_tokens(words) -> None:
    learner = small("language", words, levels=(0.5,))
    batch = learning.draw(1, learner.stage, 0, learner.prompts, 0)
    for _ in range(60):
        learner._rise(1.0, batch)
    assert learner.level == 1
    assert learning.draw(1, learner.stage, 0, learner.prompts, 1).level in (0, 1)


def test_an_unknown_task_or_part_is_an_error() -> None:
    with pytest.raises(ValueError, match="oracles"):
        replace(RECIPE.stage("language"), task="oracles")
    with pytest.raises(ValueError, match="decoder"):
        replace(RECIPE.stage("language"), learns=("decoder",))
