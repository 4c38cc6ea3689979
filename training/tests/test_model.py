"""The batched forward equals transformers' own; an exported checkpoint is what was trained; a step learns."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, Qwen2VLForConditionalGeneration

from export import export
from reader import model as models
from reader import recipe as recipes
from reader import strings
from reader import tokenizer as tokenizers
from reader.batches import IGNORED, Prompts, Stage, draw_batch
from train import Run

RECIPE = Path(__file__).parents[1] / "recipes" / "line-reader.toml"
SMALL = models.Size(vision_width=64, vision_layers=2, vision_heads=2, width=96, layers=2, heads=3, kv_heads=1, mlp=128)


@pytest.fixture(scope="module")
def model(tokens):
    torch.manual_seed(0)
    return models.build(SMALL, tokens).eval()


def reference(model, batch, image: int, wanted: int) -> torch.Tensor:
    """transformers' logits [B, wanted, vocabulary], one picture at a time."""
    rows = []
    for index in range(len(batch.pixels)):
        cells = batch.grid[0] * batch.grid[1]
        ids = torch.cat((batch.before, torch.full((cells,), image), batch.after[index]))[None]
        pixels = batch.pixels[index].view(-1, 3, 1, 196).expand(-1, 3, 2, 196).reshape(-1, 1176)
        rows.append(model(
            input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels,
            image_grid_thw=torch.tensor([[1, 2 * batch.grid[0], 2 * batch.grid[1]]]),
            mm_token_type_ids=(ids == image).int()).logits[0, -wanted:])
    return torch.stack(rows)


@pytest.mark.parametrize("grid", [(1, 3), (2, 4), (3, 2)])
@pytest.mark.parametrize("bare", [0.0, 1.0])
def test_the_batched_forward_equals_transformers(model, tokenizer, grid, bare) -> None:
    prompts = Prompts(tokenizer)
    batch = draw_batch(1, 2, Stage("test", 1, (grid,), 6, bare=bare), 4, prompts)
    wanted = batch.targets.shape[1]
    with torch.no_grad():
        _, cells = models.see(model, batch.pixels, batch.grid)
        ours = models.read(model, cells, batch.grid, batch.before, batch.after, wanted)
        theirs = reference(model, batch, prompts.image, wanted)
    assert (ours - theirs).abs().max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_exported_checkpoint_gives_the_same_logits(model, tokenizer, tmp_path, dtype) -> None:
    export(model, SMALL, tokenizer, tmp_path, dtype)
    loaded = Qwen2VLForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32).eval()
    rounded = models.build(SMALL, {t: tokenizer.convert_tokens_to_ids(t) for t in (
        "<|endoftext|>", "<|im_end|>", "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")})
    rounded.load_state_dict({name: tensor.to(dtype).float() for name, tensor in model.state_dict().items()})
    prompts = Prompts(AutoTokenizer.from_pretrained(tmp_path))
    batch = draw_batch(1, 3, Stage("test", 1, ((2, 5),), 8), 3, prompts)
    with torch.no_grad():
        _, cells = models.see(rounded, batch.pixels, batch.grid)
        ours = models.read(rounded, cells, batch.grid, batch.before, batch.after, batch.targets.shape[1])
        theirs = reference(loaded, batch, prompts.image, batch.targets.shape[1])
    assert (ours - theirs).abs().max() < 1e-4


def test_an_exported_checkpoint_looks_like_a_published_one(model, tokenizer, tmp_path) -> None:
    export(model, SMALL, tokenizer, tmp_path, torch.bfloat16)
    names = set(load_file(tmp_path / "model.safetensors"))
    assert {"model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.bias", "visual.patch_embed.proj.weight",
            "visual.blocks.1.attn.qkv.weight", "visual.merger.mlp.2.weight", "model.norm.weight"} <= names
    assert not any("head" in name or "slot" in name for name in names)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["hidden_size"] == SMALL.width and len(config["rope_scaling"]["mrope_section"]) == 3
    assert {p.name for p in tmp_path.iterdir()} >= {
        "config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json",
        "vocab.json", "merges.txt", "chat_template.jinja", "model.safetensors"}


def test_an_exported_tokenizer_is_the_trained_one(model, tokenizer, tmp_path) -> None:
    export(model, SMALL, tokenizer, tmp_path, torch.bfloat16)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for question in strings.QUESTIONS:
        rendered = tokenizers.prompt(loaded, question, system="Be brief.")
        assert rendered == tokenizers.prompt(tokenizer, question, system="Be brief.")
        assert loaded.encode(rendered) == tokenizer.encode(rendered)
        assert loaded.decode(loaded.encode(rendered), skip_special_tokens=True) == tokenizer.decode(
            tokenizer.encode(rendered), skip_special_tokens=True)
    assert (loaded.eos_token, loaded.pad_token) == (tokenizer.eos_token, tokenizer.pad_token)


def small_run(tokenizer) -> Run:
    recipe = recipes.load(RECIPE)
    stage = Stage("test", 1, ((1, 3),), 5)
    return Run(replace(recipe, model=SMALL, batch=8, warm_up_steps=1, stages=(stage,)), torch.device("cpu"), tokenizer)


def test_a_step_lowers_the_loss_of_its_batch(tokenizer) -> None:
    run = small_run(tokenizer)
    batch = draw_batch(run.recipe.seed, 0, run.stage, run.recipe.batch, run.prompts)
    before = run.losses(batch, True)["loss"].item()
    run.advance()
    assert run.losses(batch, True)["loss"].item() < before


def test_a_restored_run_goes_on_alike(tokenizer, tmp_path) -> None:
    run, other = small_run(tokenizer), small_run(tokenizer)
    for _ in range(2):
        run.advance()
    run.save(tmp_path / "checkpoint.pt")
    other.restore(tmp_path / "checkpoint.pt")
    other.seconds = run.seconds
    one, two = run.advance(), other.advance()
    assert one["loss"] == pytest.approx(two["loss"], rel=1e-4)


def test_padding_is_no_target(tokenizer) -> None:
    prompts = Prompts(tokenizer)
    batch = draw_batch(1, 4, Stage("test", 1, ((1, 4),), 8), 8, prompts)
    ends = (batch.targets == prompts.end).sum(1)
    assert ends.eq(1).all()
    after_end = (batch.targets == prompts.end).cumsum(1) - (batch.targets == prompts.end).int()
    assert batch.targets[after_end > 0].eq(IGNORED).all()


def test_the_recipe_fits_8_bit_kernels() -> None:
    size = recipes.load(RECIPE).model
    assert size.width % 32 == size.vision_width % 32 == size.mlp % 32 == 0
    assert size.width // size.heads % 16 == size.vision_width // size.vision_heads % 16 == 0
    assert sum(size.mrope_section) == size.width // size.heads // 2


def test_an_unknown_key_of_a_recipe_is_an_error(tmp_path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.read_text().replace("seed = 1", "seed = 1\nseeds = 2"))
    with pytest.raises(ValueError, match="seeds"):
        recipes.load(path)
