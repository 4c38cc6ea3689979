"""Tiny random PaliGemma checkpoints, in the layouts in which people meet them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

from ..checkpoint import save_shards
from ..files import write_json
from . import vocabulary


@dataclass
class Recipe:
    """
    pieces: of the vocabulary that are learned.
    *_gain: how loudly the head speaks of the end, of bytes and of locations.
    """

    name: str
    seed: int
    pieces: int
    text: dict
    vision: dict
    tied: bool
    dtype: torch.dtype
    vocab_padding: int = 0
    eos_gain: float = 2.0
    byte_gain: float = 0.9
    location_gain: float = 0.8
    embed_std: float = 0.3
    head_std: float = 0.3
    branch_gain: float = 1.2


RECIPES = {
    "hub-multi-query": Recipe(
        name="hub-multi-query",
        seed=71,
        pieces=208,
        # head_dim is left out: Gemma's default of 256, far from hidden_size / heads
        text=dict(
            model_type="gemma",
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            hidden_act="gelu",
        ),
        vision=dict(
            hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=3, image_size=56, patch_size=14
        ),
        tied=True,
        dtype=torch.bfloat16,
    ),
    "saved-grouped": Recipe(
        name="saved-grouped",
        seed=82,
        pieces=200,
        text=dict(
            model_type="gemma",
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=24,
            rms_norm_eps=1e-5,
            max_position_embeddings=2048,
            rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
        ),
        vision=dict(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            image_size=84,
            patch_size=14,
            layer_norm_eps=1e-5,
        ),
        tied=True,
        dtype=torch.float32,
        vocab_padding=6,
        eos_gain=1.6,
    ),
    "gemma2-capped": Recipe(
        name="gemma2-capped",
        seed=73,
        pieces=190,
        # prompts of 20 tokens and more: the window is smaller than the prefix, and slides over the answer
        text=dict(
            model_type="gemma2",
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,
            query_pre_attn_scalar=20,
            sliding_window=16,
            attn_logit_softcapping=4.0,
            final_logit_softcapping=3.0,
        ),
        vision=dict(
            hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14
        ),
        tied=True,
        dtype=torch.float16,
    ),
    "gemma2-untied": Recipe(
        name="gemma2-untied",
        seed=74,
        pieces=200,
        text=dict(
            model_type="gemma2",
            hidden_size=48,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=3,
            num_key_value_heads=3,
            head_dim=16,
            query_pre_attn_scalar=16,
            sliding_window=4096,
            attn_logit_softcapping=None,
            layer_types=["full_attention", "sliding_attention"],
        ),
        vision=dict(
            hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2, image_size=40, patch_size=8
        ),
        tied=False,
        dtype=torch.bfloat16,
        vocab_padding=3,
        eos_gain=1.5,
        embed_std=0.4,
    ),
}


def config(recipe: Recipe, tokenizer: Tokenizer) -> PaliGemmaConfig:
    rows = tokenizer.get_vocab_size() + recipe.vocab_padding
    return PaliGemmaConfig(
        text_config=dict(vocab_size=rows, tie_word_embeddings=recipe.tied, **recipe.text),
        vision_config=dict(model_type="siglip_vision_model", vision_use_head=False, **recipe.vision),
        image_token_index=tokenizer.token_to_id(vocabulary.IMAGE),
        projection_dim=recipe.text["hidden_size"],
        hidden_size=recipe.text["hidden_size"],
        vocab_size=rows,
        tie_word_embeddings=recipe.tied,
    )


def _row_gains(recipe: Recipe, tokenizer: Tokenizer, rows: int) -> np.ndarray:
    """How loudly each token speaks: rows beyond the tokenizer never, markers seldom."""
    gains = np.ones(rows)
    gains[tokenizer.get_vocab_size() :] = 0
    for tokens, gain in (
        (vocabulary.BYTES, recipe.byte_gain),
        (vocabulary.LOCATIONS, recipe.location_gain),
        (vocabulary.SEGMENTS, 0.6),
        (vocabulary.CONTROL + [vocabulary.IMAGE], 0.2),
        (["<eos>"], recipe.eos_gain),
    ):
        gains[[tokenizer.token_to_id(t) for t in tokens]] = gain
    return gains


def _fill(model, recipe: Recipe, tokenizer: Tokenizer):
    """Weights large enough that attention is sharp, positions matter and pictures are seen."""
    hidden = recipe.text["hidden_size"]
    for index, (name, parameter) in enumerate(sorted(model.named_parameters())):
        rng = np.random.default_rng([recipe.seed, index])
        shape = tuple(parameter.shape)
        noise = rng.standard_normal(shape)
        if "embed_tokens" in name or "lm_head" in name:
            std = recipe.embed_std if "embed_tokens" in name else recipe.head_std
            value = noise * std
            if "lm_head" in name or recipe.tied:
                value = value * _row_gains(recipe, tokenizer, shape[0])[:, None]
        elif "language_model" in name and "norm" in name:
            # Gemma's norms multiply by 1 + w.
            value = 0.2 * noise
            if recipe.tied and name == "model.language_model.norm.weight":
                # Signs at random: with a tied head a token would otherwise call itself, over and over.
                value = (1 + value) * np.where(rng.integers(0, 2, size=shape) == 0, -1.0, 1.0) - 1
        elif "norm" in name:
            value = (1.0 if name.endswith("weight") else 0.0) + 0.15 * noise
        elif name.endswith("bias"):
            value = 0.2 * noise
        elif "patch_embedding" in name:
            value = noise * 0.06
        elif "position_embedding" in name:
            value = noise * 0.5
        elif "multi_modal_projector" in name:
            # As large as a text's embedding, which is multiplied by the root of the width.
            value = noise * (1.2 * recipe.embed_std * np.sqrt(hidden) / np.sqrt(shape[1]))
        else:
            gain = 1.0
            if "q_proj" in name or "k_proj" in name:
                gain = 1.5
            elif "o_proj" in name or "down_proj" in name:
                gain = 1.5 * recipe.branch_gain
            value = noise * (gain / np.sqrt(np.prod(shape[1:])))
        with torch.no_grad():
            # Through the checkpoint's own type, so that what is saved is what the reference computes with.
            parameter.copy_(torch.from_numpy(value.astype(np.float32)).to(recipe.dtype).to(torch.float32))


def build(recipe: Recipe):
    tokenizer = vocabulary.train(recipe.pieces)
    model = PaliGemmaForConditionalGeneration(config(recipe, tokenizer)).to(torch.float32).eval()
    _fill(model, recipe, tokenizer)
    model.tie_weights()
    return tokenizer, model


GENERATION = {"_from_model_config": True, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}


def _image_processor(recipe: Recipe) -> dict:
    side = recipe.vision["image_size"]
    return {
        "do_convert_rgb": None,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_processor_type": "SiglipImageProcessor",
        "image_seq_length": (side // recipe.vision["patch_size"]) ** 2,
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "PaliGemmaProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"height": side, "width": side},
    }


def _hub_name(name: str) -> str:
    for new, old in (
        ("model.language_model.", "language_model.model."),
        ("model.vision_tower.", "vision_tower.vision_model."),
        ("model.multi_modal_projector.", "multi_modal_projector."),
    ):
        if name.startswith(new):
            return old + name.removeprefix(new)
    return name


def write_hub(recipe: Recipe, folder: Path):
    """As the Hub ships it: old tensor names, shards, a terse config.json, settings in preprocessor_config.json."""
    tokenizer, model = build(recipe)
    tensors = {
        _hub_name(name): parameter.detach().to(recipe.dtype).contiguous()
        for name, parameter in model.named_parameters()
        if name != "lm_head.weight"
    }
    save_shards(tensors, folder, 3)
    rows = tokenizer.get_vocab_size() + recipe.vocab_padding
    hidden, patches = recipe.text["hidden_size"], _image_processor(recipe)["image_seq_length"]
    dtype = str(recipe.dtype).removeprefix("torch.")
    write_json(
        folder / "config.json",
        {
            "architectures": ["PaliGemmaForConditionalGeneration"],
            "bos_token_id": 2,
            "eos_token_id": 1,
            "hidden_size": hidden,
            "ignore_index": -100,
            "image_token_index": tokenizer.token_to_id(vocabulary.IMAGE),
            "model_type": "paligemma",
            "pad_token_id": 0,
            "projection_dim": hidden,
            "text_config": recipe.text | {"num_image_tokens": patches, "torch_dtype": dtype, "vocab_size": rows},
            "torch_dtype": dtype,
            "transformers_version": "4.42.0.dev0",
            "vision_config": recipe.vision
            | {
                "model_type": "siglip_vision_model",
                "num_image_tokens": patches,
                "projection_dim": hidden,
                "projector_hidden_act": "gelu_fast",
                "torch_dtype": dtype,
                "vision_use_head": False,
            },
            "vocab_size": rows,
        },
        indent=2,
    )
    write_json(folder / "generation_config.json", GENERATION, indent=2)
    write_json(folder / "tokenizer_config.json", vocabulary.tokenizer_config(), indent=2)
    write_json(folder / "preprocessor_config.json", _image_processor(recipe), indent=2)
    vocabulary.write(tokenizer, folder)


def write_saved(recipe: Recipe, folder: Path, save_original_format: bool):
    """As transformers 5 saves model and processor."""
    tokenizer, model = build(recipe)
    model.generation_config.update(**GENERATION)
    model.to(recipe.dtype).save_pretrained(folder, save_original_format=save_original_format)
    write_json(folder / "generation_config.json", GENERATION, indent=2)
    write_json(folder / "tokenizer_config.json", vocabulary.tokenizer_config(), indent=2)
    write_json(
        folder / "processor_config.json",
        {
            "image_processor": {k: v for k, v in _image_processor(recipe).items() if k != "processor_class"},
            "processor_class": "PaliGemmaProcessor",
        },
        indent=2,
    )
    vocabulary.write(tokenizer, folder)


def write(name: str, folder: Path):
    recipe = RECIPES[name]
    if name == "hub-multi-query":
        write_hub(recipe, folder)
    else:
        # "saved-grouped" and "gemma2-untied" keep the names in memory, which other tools write.
        write_saved(recipe, folder, save_original_format=name == "gemma2-capped")
