"""Training on documents: the forward over several turns is transformers' own; every stage learns its parts and no
other."""

import json
import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as together
from safetensors.torch import load_file
from transformers import (
    AutoTokenizer,
    CLIPVisionModel,
    LlavaForConditionalGeneration,
    PaliGemmaForConditionalGeneration,
    Qwen2VLForConditionalGeneration,
)

from documents import Sides, batches, families, learning
from documents import recipe as recipes
from documents import source as source_of_batches
from documents.batches import IGNORED
from documents.learning import Learner
from documents.model import first_position, pack, patches, remember, reply
from documents.recipe import Recipe
from documents.source import Source
from reader import model as models
from reader import strings
from reader.batches import patches as line_patches
from reader.tokenizer import IMAGE_PAD, prompt

RECIPES = {path.stem: recipes.load(path) for path in (Path(__file__).parents[1] / "recipes").glob("*.toml")
           if path.stem != "line-reader"}
RECIPE = RECIPES["documents"]
SMALL = models.Size(vision_width=64, vision_layers=2, vision_heads=2, width=96, layers=2, heads=3, kv_heads=3, mlp=128,
                    rope_theta=10.0, mrope_section=(2, 7, 7), vocabulary=RECIPE.model.vocabulary)
KINDS = {"ticket": 1.0}
LARGE = ("documents-30m", "documents-33m")  # `documents` at another size
STAGES = [(name, stage.name) for name, recipe in RECIPES.items() for stage in recipe.stages if name not in LARGE]


@cache
def tokenizer(family: str):
    return families.words(family)


@pytest.fixture(scope="module")
def words():
    return tokenizer("qwen2-vl")


def small(name: str, recipe: Recipe = RECIPE, **changes) -> Learner:
    """A stage of a recipe at toy scale."""
    stage = recipe.stage(name)
    # Squares stay squares, at the same proportions between the stages.
    side = (stage.rows[0] // 2,) * 2 if stage.rows == stage.columns else None
    sizes = {"rows": side or (7, 7), "columns": side or (9, 9)}
    changed = replace(stage, **{
        "warm_up": 1, "vision_warm_up": 0, "cells": 120, "turns": 3, "smallest_type": 8, "largest_type": 14, **sizes, **changes})
    return Learner(replace(recipe, model=replace(SMALL, kv_heads=min(recipe.model.kv_heads, 3)), stages=(changed,)),
                   changed,
                   tokenizer(recipe.family), torch.device("cpu"))


def bits(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in learner.family.state_dict().items()}


@pytest.mark.parametrize("recipe, stage", STAGES)
def test_a_stage_learns_its_parts_and_no_other(recipe: str, stage: str) -> None:
    learner = small(stage, RECIPES[recipe])
    batch = learning.draw(1, learner.stage, 0, learner.prompts, 0)
    before = bits(learner)
    losses = [learner.advance(batch)["loss"] for _ in range(6)]
    assert losses[-1] < losses[0]
    after = bits(learner)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    learned = {id(p) for p in learner.moving()}
    assert moved and moved <= {n for n, p in learner.family.named_parameters(remove_duplicate=False)
                               if id(p) in learned}
    for part in ("vision", "projector", "language"):
        own = {id(p) for p in learner.family.parts()[part].parameters()}
        touched = any(id(p) in own for n, p in learner.family.named_parameters(remove_duplicate=False) if n in moved)
        # Vision on characters never uses the projector's last layers, but its first ones.
        assert touched == (part in learner.stage.learns), part


@pytest.mark.parametrize("recipe", ["llava", "paligemma"])
def test_the_loss_is_on_answers_only(recipe: str) -> None:
    learner = small(RECIPES[recipe].stages[-1].name, RECIPES[recipe])
    batch = learning.draw(1, learner.stage, 0, learner.prompts, 0)
    with torch.no_grad():
        result = learner.losses(batch)
    # transformers' own loss over its labels is that of the wanted ids alone.
    assert result["loss"].item() == pytest.approx(result["answer"].item(), rel=1e-4)


def test_a_prefix_is_seen_both_ways_and_an_answer_is_not() -> None:
    learner = small("transfer", RECIPES["paligemma"])
    model, prompts = learner.family.model.eval(), learner.prompts
    batch = batches.draw_asked(random.Random(1), KINDS, learner.stage.rows, 1, 1, prompts, pictures=True, smallest=8,
                               largest=12)
    seen: list[torch.Tensor] = []
    hook = model.register_forward_hook(lambda module, args, kwargs, out: seen.append(out.logits.detach()),
                                       with_kwargs=True)
    start = int((batch.targets[0, 0] != IGNORED).argmax())
    changed = batch.turns.copy()
    changed[0, 0, start - 1] = prompts.end  # the last id of the question
    later = batch.turns.copy()
    later[0, 0, -1] = prompts.end  # the last id of the answer that is given
    targets = batch.targets.copy()
    targets[0, 0, -2] = prompts.end
    with torch.no_grad():
        learner.losses(batch)
        learner.losses(replace(batch, turns=changed))
        learner.losses(replace(batch, turns=later, targets=targets))
    hook.remove()
    front = seen[0].shape[1] - batch.turns.shape[2] - 1
    assert (seen[0][0, :front] - seen[1][0, :front]).abs().max() > 1e-6
    assert torch.equal(seen[0][0, :-3], seen[2][0, :-3]) or (seen[0][0, :-3] - seen[2][0, :-3]).abs().max() < 1e-5


def test_a_higher_resolution_starts_from_interpolated_positions() -> None:
    recipe = RECIPES["paligemma"]
    low, high = small("multimodal", recipe), small("resolution", recipe)
    assert low.stage.rows < high.stage.rows
    table = low.family.model.model.vision_tower.embeddings.position_embedding.weight if hasattr(
        low.family.model.model.vision_tower,
        "embeddings") else low.family.model.model.vision_tower.vision_model.embeddings.position_embedding.weight
    with torch.no_grad():
        table.copy_(torch.arange(len(table), dtype=torch.float)[:, None].expand_as(table))
    high.start_from([low.state()])
    name = next(n for n, _ in high.family.named_parameters() if n.endswith("position_embedding.weight"))
    made = dict(high.family.named_parameters())[name]
    side = int(len(made) ** 0.5)
    rows = made[:, 0].view(side, side)
    assert len(made) > len(table) and (rows.diff(dim=0) > 0).all() and (rows.diff(dim=1) > 0).all()


def test_a_family_of_one_resolution_wants_squares() -> None:
    with pytest.raises(ValueError, match="squares"):
        small("alignment", RECIPES["llava"], rows=(5, 6))


def test_a_linear_projector_is_trained_and_exported_as_the_original_has_it(tmp_path) -> None:
    learner = small("alignment", replace(RECIPES["llava"], projector="linear"))
    batch = learning.draw(1, learner.stage, 0, learner.prompts, 0)
    losses = [learner.advance(batch)["loss"] for _ in range(4)]
    assert losses[-1] < losses[0] and len(learner.moving()) == 2
    learner.family.export(tmp_path, torch.float32)
    tensors, inner = load_file(tmp_path / "model.safetensors"), learner.family.model.model
    assert torch.equal(tensors["model.mm_projector.weight"], inner.multi_modal_projector.weight)
    assert torch.equal(tensors["model.embed_tokens.weight"], inner.language_model.embed_tokens.weight)
    assert {"lm_head.weight", "model.norm.weight", "model.layers.1.mlp.up_proj.weight"} <= set(tensors)
    tower = CLIPVisionModel.from_pretrained(tmp_path / "vision-tower").state_dict()
    assert all(torch.equal(tower[name], tensor) for name, tensor in inner.vision_tower.state_dict().items())
    assert json.loads((tmp_path / "config.json").read_text())["mm_projector_type"] == "linear"
    with pytest.raises(ValueError, match="resampler"):
        small("alignment", replace(RECIPES["llava"], projector="resampler"))


@pytest.mark.parametrize("recipe", ["llava", "paligemma", "qwen2-vl"])
def test_an_exported_checkpoint_is_what_was_trained(recipe: str, tmp_path) -> None:
    learner = small(RECIPES[recipe].stages[-1].name, RECIPES[recipe])
    learner.family.export(tmp_path, torch.float32)
    classes = {"llava": LlavaForConditionalGeneration, "paligemma": PaliGemmaForConditionalGeneration,
               "qwen2-vl": Qwen2VLForConditionalGeneration}
    loaded = classes[recipe].from_pretrained(tmp_path, dtype=torch.float32)
    given, own = loaded.state_dict(), learner.family.model.state_dict()
    assert set(given) == set(own) and all(torch.equal(given[n], own[n]) for n in own)
    names = {p.name for p in tmp_path.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
            "preprocessor_config.json"} <= names
    text = AutoTokenizer.from_pretrained(tmp_path)
    assert text.encode("What is the total?") == learner.family.tokenizer.encode("What is the total?")


def test_lower_precision_learns_alike() -> None:
    fine, coarse = small("joint"), small("joint")
    coarse.precision = torch.bfloat16
    batch = learning.draw(1, fine.stage, 0, fine.prompts, 0)
    ours, theirs = fine.advance(batch)["loss"], coarse.advance(batch)["loss"]
    assert theirs == pytest.approx(ours, rel=0.02) and theirs != ours
    assert coarse.advance(batch)["loss"] < theirs
    assert {p.dtype for p in coarse.moving()} == {torch.float32}


def learn_together(share: int, folder: str) -> None:
    torch.set_num_threads(1)
    together.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=share, world_size=2)
    learner = small("joint", lookups=0.0)
    learner.advance(learning.draw(1, learner.stage, 0, learner.prompts, 0, share=share))
    torch.save(learner.family.state_dict(), f"{folder}/{share}.pt")


def test_two_processes_take_the_step_of_both_batches(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(learn_together, (str(tmp_path),), 2)
    one, other = (torch.load(tmp_path / f"{share}.pt") for share in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    learner = small("joint", lookups=0.0)
    drawn = [learning.draw(1, learner.stage, 0, learner.prompts, 0, share=share) for share in range(2)]
    assert not np.array_equal(drawn[0].slots, drawn[1].slots)
    gradients = []
    for batch in drawn:
        learner.optimisers[0].zero_grad()
        learner.losses(batch)["loss"].backward()
        gradients.append([p.grad.clone() for p in learner.moving()])
    for p, *both in zip(learner.moving(), *gradients):
        p.grad = sum(both) / 2
    torch.nn.utils.clip_grad_norm_(learner.moving(), 1.0)
    for group in learner.optimisers[0].param_groups:
        group["lr"] = learner.rate(group["part"])
    learner.optimisers[0].step()
    for name, tensor in learner.family.state_dict().items():
        torch.testing.assert_close(tensor, one[name], rtol=1e-4, atol=1e-6)


def test_turns_about_a_page_are_seen_as_transformers_sees_them(words) -> None:
    learner = small("joint")
    model, prompts = learner.family.model.eval(), learner.prompts
    batch = batches.draw_asked(random.Random(1), KINDS, (7, 9), 2, 2, prompts, pictures=True)
    before, after = torch.tensor(prompts.before), torch.tensor(prompts.after)
    image = words.convert_tokens_to_ids(IMAGE_PAD)
    with torch.no_grad():
        _, cells = models.see(model, patches(torch.from_numpy(batch.images)), batch.grid)
        keys = remember(model, cells, batch.grid, before, after)
        packed = pack(batch.turns, batch.targets, batch.pointers)
        ours = model.lm_head(reply(model, keys, first_position(batch.grid, len(before), len(after)), packed)[0])
        for page in range(2):
            seen = patches(torch.from_numpy(batch.images[page:page + 1]))
            pixels = seen.view(-1, 3, 1, 196).expand(-1, 3, 2, 196).reshape(-1, 1176)
            for turn in range(2):
                ids = torch.cat((before, torch.full((63,), image), after,
                                 torch.from_numpy(batch.turns[page, turn])))[None]
                theirs = model(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels,
                               image_grid_thw=torch.tensor([[1, 14, 18]]),
                               mm_token_type_ids=(ids == image).int()).logits[0]
                own = ours[packed.turn == 2 * page + turn]
                behind = batch.turns.shape[2] - len(own)
                assert (own - theirs[-batch.turns.shape[2]:len(theirs) - behind]).abs().max() < 1e-4


def test_answers_are_traced_to_where_they_are_printed(words) -> None:
    prompts = small("joint").prompts
    batch = batches.draw_asked(random.Random(3), {"receipt": 1.0}, (12, 11), 4, 8, prompts, pictures=False, noise=False)
    pointed = batch.pointers >= 0
    assert pointed.sum() > (batch.targets != IGNORED).sum() / 4
    for page, turn, at in zip(*np.nonzero(pointed)):
        character = words.decode([batch.targets[page, turn, at]])
        assert strings.ALPHABET.index(character) + 1 in batch.slots[page, batch.pointers[page, turn, at]]


def test_heads_learn_to_look_where_the_next_character_is_printed() -> None:
    stage = replace(RECIPE.stage("language"), warm_up=1, cells=120, turns=3, levels=(), rows=(7, 7), columns=(9, 9))
    size = replace(SMALL, width=128, layers=4, heads=4, kv_heads=4)
    learner = Learner(replace(RECIPE, model=size, stages=(stage,)), stage, tokenizer("qwen2-vl"), torch.device("cpu"))
    batch = learning.draw(1, stage, 0, learner.prompts, 0)
    away = [learner.advance(batch)["away"] for _ in range(12)]
    assert 0 < away[-1] < away[0] - 0.5


def test_packed_turns_keep_their_ids_and_targets_in_order() -> None:
    turns = np.array([[[5, 6, 7, 0], [8, 9, 0, 0]], [[1, 2, 3, 4], [5, 0, 0, 0]]])
    targets = np.full_like(turns, IGNORED)
    targets[0, 0, 1:3], targets[0, 1, 1], targets[1, 0, 3], targets[1, 1, 0] = (70, 71), 90, 40, 50
    packed = pack(turns, targets, np.where(targets == IGNORED, -1, targets // 10))
    assert packed.ids.tolist() == [5, 8, 9, 5, 6, 7, 1, 2, 3, 4]
    assert packed.turn.tolist() == [3, 1, 1, 0, 0, 0, 2, 2, 2, 2]
    assert packed.place.tolist() == [0, 0, 1, 0, 1, 2, 0, 1, 2, 3]
    assert packed.pointers.tolist() == [5, -1, 9, -1, 7, 7, -1, -1, -1, 4]
    assert packed.targets[packed.wanted()].tolist() == targets[targets != IGNORED].tolist()
    assert packed.by_page.rows(packed.ids.view(-1, 1, 1)).flatten(1).tolist() == [[8, 9, 5, 6, 7], [5, 1, 2, 3, 4]]
    assert [spread.shape for spread in packed.by_turn] == [(1, 1), (1, 2), (2, 4)]
    spread, rows = packed.by_page, packed.by_page.rows(packed.ids.view(-1, 1, 1))
    assert spread.packed(rows).flatten().tolist() == packed.ids.tolist()


def test_training_sees_the_prompts_that_serving_renders(words) -> None:
    prompts, image = small("joint").prompts, words.convert_tokens_to_ids(IMAGE_PAD)
    for question in ("What is the total?", 'How much is "Oat latte"?', "Which item costs £1.20?"):
        ids = [*prompts.before, image, *prompts.after, *prompts.question(question)]
        assert ids == words.encode(prompt(words, question))


def test_llava_is_trained_on_the_prompts_that_its_template_renders() -> None:
    learner = small(RECIPES["llava"].stages[-1].name, RECIPES["llava"])
    prompts, words, question = learner.prompts, learner.family.tokenizer, "What is the total?"
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
    rendered = words.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    assert words.encode(rendered) == [*prompts.before, learner.family.image, *prompts.after, *prompts.question(question)]


def test_targets_are_answers_behind_their_questions(words) -> None:
    prompts = small("joint").prompts
    batch = batches.draw_asked(random.Random(2), KINDS, (7, 9), 3, 4, prompts, pictures=False)
    assert batch.images is None and len(batch.types) == 12
    for ids, targets in zip(batch.turns.reshape(12, -1), batch.targets.reshape(12, -1)):
        wanted = targets[targets != IGNORED]
        assert wanted[-1] == prompts.end and (wanted[:-1] != prompts.end).all()
        start = int((targets != IGNORED).argmax())
        assert (ids[start + 1:start + len(wanted)] == wanted[:-1]).all()


def test_words_of_questions_are_whole_and_values_are_spelled(words) -> None:
    pieces = [words.decode([i]) for i in words.encode('What is the total of "Therapist 12"?')]
    assert pieces == [*"What", " is", " the", " total", " of", " ", '"', *"Therapist", " ", *"12", '"', "?"]
    assert len(words) <= RECIPE.model.vocabulary


def test_a_stage_decides_how_often_answers_are_long() -> None:
    def lengths(share: float) -> set[bool]:
        learner = small("language", levels=(), long_answers=share, rows=(7, 7), columns=(9, 9), turns=12)
        return {bool(((learning.draw(1, learner.stage, step, learner.prompts, 0).targets != IGNORED).sum(-1) > 33).any())
                for step in range(8)}

    assert lengths(0.0) == {False} and True in lengths(1.0)


def test_a_stage_decides_how_often_a_type_is_asked() -> None:
    def share(absent: float) -> float:
        learner = small("language", levels=(), rows=(9, 9), columns=(10, 10), turns=30, often={"absent": absent})
        types = [t for step in range(4) for t in learning.draw(1, learner.stage, step, learner.prompts, 0).types]
        return types.count("absent") / len(types)

    assert share(4.0) > 2 * share(1.0) > 0
    with pytest.raises(ValueError, match="often has .'prices'.; expected some of"):
        small("language", often={"prices": 2.0})


def test_added_layers_change_nothing_at_first(words, tmp_path) -> None:
    one = small("language", pointing=0.0)
    one.family.export(tmp_path, torch.float32)
    stage = replace(one.stage, added_layers=(1, 2))
    size = replace(one.recipe.model, layers=one.recipe.model.layers + 2)
    other = Learner(replace(one.recipe, model=size, stages=(stage,)), stage, tokenizer("qwen2-vl"), torch.device("cpu"))
    other.start_from_exported(tmp_path)
    other.family.oracle.load_state_dict(one.family.oracle.state_dict())
    batch = learning.draw_held_out(one.stage, 0, one.prompts, Sides(values=True))
    assert other.validate([batch])["answer"] == pytest.approx(one.validate([batch])["answer"], rel=1e-5)
    other.advance(batch)
    assert other.family.model.model.language_model.layers[1].mlp.down_proj.weight.any()
    with pytest.raises(ValueError, match="has 2 layers of language; expected 1"):
        small("language", added_layers=(1,)).start_from_exported(tmp_path)


def test_the_ridge_solution_comes_closer_to_the_oracle(words) -> None:
    learner = small("joint")

    def distance() -> float:
        with torch.no_grad():
            batch = learning.draw(7, learner.stage, 3, learner.prompts, 0)
            hidden = models.look(learner.family.model, patches(torch.from_numpy(batch.images)), batch.grid)[1]
            told = learner.family.oracle(torch.from_numpy(batch.slots))
            return ((learner.family.model.model.visual.merger.mlp[2](hidden) - told) ** 2).mean().item()

    before = distance()
    frozen = {n: t for n, t in bits(learner).items() if "merger.mlp.2" not in n}
    explained = learner.solve([learning.draw(1, learner.stage, 100 + i, learner.prompts, 0) for i in range(8)])
    assert 0 < explained <= 1 and distance() < before
    assert all(torch.equal(t, frozen[n]) for n, t in bits(learner).items() if n in frozen)


def test_muon_moves_inner_matrices_only_and_goes_on_where_it_was(words, tmp_path) -> None:
    learner = small("language", muon=True)
    adamw, muon = learner.optimisers
    inner = {id(p) for group in muon.param_groups for p in group["params"]}
    language = learner.family.model.model.language_model
    assert id(language.embed_tokens.weight) not in inner and id(language.norm.weight) not in inner
    assert {id(layer.mlp.up_proj.weight) for layer in language.layers} <= inner
    assert len(learner.moving()) == len({id(p) for p in learner.moving()}) == len(small("language").moving())
    batch = learning.draw(1, learner.stage, 0, learner.prompts, 0)
    first = [learner.advance(batch)["answer"] for _ in range(8)][0]
    learner.save(tmp_path / "stage.pt")
    other = small("language", muon=True)
    other.restore(tmp_path / "stage.pt")
    again = []
    for one in (learner, other):
        torch.manual_seed(1)  # of the oracle's noise
        again.append(one.advance(batch)["answer"])
    assert again[0] == again[1] < first
    assert all(torch.equal(a, b) for a, b in zip(learner.moving(), other.moving()))


def test_a_restored_stage_goes_on_alike(words, tmp_path) -> None:
    one, other = small("language"), small("language")
    for _ in range(2):
        one.advance(learning.draw(1, one.stage, one.step, one.prompts, one.level))
    one.save(tmp_path / "language.pt")
    other.restore(tmp_path / "language.pt")
    batch = learning.draw(1, one.stage, one.step, one.prompts, one.level)
    torch.manual_seed(3)
    expected = one.advance(batch)
    torch.manual_seed(3)
    assert other.advance(batch) == pytest.approx(expected, rel=1e-4)


def test_a_compact_state_is_small_and_goes_on_with_a_warm_up(tmp_path) -> None:
    one, other, joint = small("language"), small("language", warm_up=10), small("joint")
    for _ in range(2):
        one.advance(learning.draw(1, one.stage, one.step, one.prompts, one.level))
    one.save(tmp_path / "whole.pt")
    one.save_compact(tmp_path / "language.pt")
    assert (tmp_path / "language.pt").stat().st_size < 0.2 * (tmp_path / "whole.pt").stat().st_size
    other.restore(tmp_path / "language.pt")
    assert other.step == 2 and other.rate() == pytest.approx(other.stage.learning_rate / 10)
    given, own = other.family.parts()["language"].state_dict(), one.family.parts()["language"].state_dict()
    assert all(torch.allclose(given[n], own[n], atol=1e-3) for n in own)
    joint.start_from([torch.load(tmp_path / "language.pt", weights_only=True)])
    assert joint.family.parts()["oracle"].state_dict().keys() == one.family.parts()["oracle"].state_dict().keys()


def test_a_stage_starts_from_what_earlier_ones_trained(words) -> None:
    vision, language, joint = small("vision"), small("language"), small("joint")
    for earlier in (vision, language):
        for p in earlier.family.parameters():
            p.data.add_(0.01)
    joint.start_from([vision.state(), language.state()])
    made, seen, told = bits(joint), bits(vision), bits(language)
    for name in made:
        source = told if "language_model" in name or "lm_head" in name or name.startswith("oracle") else seen
        assert torch.equal(made[name], source[name]), name


def test_the_curriculum_rises_with_the_share_of_right_tokens(words) -> None:
    learner = small("language", levels=(0.5,))
    batch = learning.draw(1, learner.stage, 0, learner.prompts, 0)
    for _ in range(60):
        learner.rise(1.0, batch.level)
    assert learner.level == 1
    assert learning.draw(1, learner.stage, 0, learner.prompts, 1).level in (0, 1)


def test_a_stage_starts_from_an_exported_checkpoint(tmp_path) -> None:
    one, other = small("joint"), small("joint", learns=("language",))
    one.advance(learning.draw(1, one.stage, 0, one.prompts, 0))
    one.family.export(tmp_path, torch.float32)
    other.start_from_exported(tmp_path)
    given, own = other.family.model.state_dict(), one.family.model.state_dict()
    assert all(torch.equal(given[name], own[name]) for name in own)
    with torch.no_grad():
        assert other.losses(learning.draw(1, one.stage, 1, one.prompts, 0))["answer"] == pytest.approx(
            one.losses(learning.draw(1, one.stage, 1, one.prompts, 0))["answer"], abs=1e-4)


def test_a_stage_can_follow_the_clock(monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(learning.time, "monotonic", lambda: now[0])
    learner = small("language", decay=0.5, steps=1000)
    learner.step = 100
    learner.follow_clock(60)
    now[0] += 500
    assert learner.done() == pytest.approx(0.1)  # the clock starts with the next step
    learner.advance(learning.draw(1, learner.stage, 0, learner.prompts, 0))
    full = learner.rate()
    now[0] += 30
    assert learner.done() == pytest.approx(0.55) and 0.9 * full < learner.rate() < full
    now[0] += 30
    assert learner.done() == 1 and learner.rate() == pytest.approx(full * learner.stage.floor)


def test_workers_draw_the_same_batches_and_some_are_taken_again(monkeypatch) -> None:
    monkeypatch.setattr(source_of_batches, "KEPT", 2)
    learner = small("language", levels=(), steps=6)
    expected = [learning.draw(1, learner.stage, step, learner.prompts, 0) for step in range(6)]

    def known(batch) -> int:
        return next(i for i, other in enumerate(expected) if np.array_equal(batch.turns, other.turns))

    with Source(learner, 0, 1, 0) as source:
        alone = []
        for batch in source:
            alone.append(known(batch))
            learner.step += 1
    assert alone == list(range(6))
    learner.step = 0
    with Source(learner, 1, 3, 0) as source:
        ahead = []
        for batch in source:
            ahead.append(known(batch))
            learner.step += 1
        assert source.drawn == len(set(ahead)) and max(map(ahead.count, ahead)) <= 3
        assert {name: len(drawn) for name, drawn in source.held_out().items()} == {"values": 3, "values, fonts": 3}
    assert sorted(set(ahead)) == list(range(len(set(ahead))))


def test_an_unknown_task_or_part_is_an_error() -> None:
    with pytest.raises(ValueError, match="oracles"):
        replace(RECIPE.stage("language"), task="oracles")
    with pytest.raises(ValueError, match="decoder"):
        replace(RECIPE.stage("language"), learns=("decoder",))


def test_patches_are_those_of_the_line_reader() -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 56, 84, 3), dtype=np.uint8)
    assert np.abs(patches(torch.from_numpy(images)).numpy() - line_patches(images)).max() < 1e-5
