"""The checkpoints of LLaVA-NeXT."""

from pathlib import Path

import torch
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    MistralConfig,
)

from ..llava import chat
from ..llava.checkpoints import Recipe, write_hub, write_saved
from ..weights import Gains


def _pinpoints(side: int) -> list[list[int]]:
    """The Hub's five, in tiles of this side: height, width."""
    return [[h * side, w * side] for h, w in ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))]


def _make(text_class):
    def make(recipe: Recipe) -> LlavaNextForConditionalGeneration:
        return LlavaNextForConditionalGeneration(
            LlavaNextConfig(
                vision_config=CLIPVisionConfig(projection_dim=16, **recipe.vision).to_dict(),
                text_config=text_class(
                    vocab_size=recipe.rows, pad_token_id=recipe.ids["<pad>"], **recipe.text
                ).to_dict(),
                image_token_index=recipe.ids["<image>"],
                tie_word_embeddings=recipe.tied,
                image_seq_length=(recipe.vision["image_size"] // recipe.vision["patch_size"]) ** 2,
                **recipe.extra,
            )
        )

    return make


RECIPES = {
    "vicuna-tiles": Recipe(
        name="vicuna-tiles",
        seed=201,
        merges=115,
        make=_make(LlamaConfig),
        text=dict(
            hidden_size=64,
            intermediate_size=112,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=2048,
            rms_norm_eps=1e-5,
        ),
        vision=dict(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=28,
            patch_size=7,
        ),
        dtype=torch.bfloat16,
        legacy=True,
        template=chat.VICUNA,
        eos_gain=0.9,
        extra={"image_grid_pinpoints": _pinpoints(28)},
        processor={"do_pad": True, "image_grid_pinpoints": _pinpoints(28)},
    ),
    "mistral-saved": Recipe(
        name="mistral-saved",
        seed=202,
        merges=105,
        make=_make(MistralConfig),
        text=dict(
            hidden_size=96,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=6,
            num_key_value_heads=2,
            max_position_embeddings=1024,
            rms_norm_eps=1e-5,
            rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
            sliding_window=None,
        ),
        vision=dict(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=35,
            patch_size=7,
        ),
        dtype=torch.float16,
        legacy=False,
        template=chat.MISTRAL,
        extra={"image_grid_pinpoints": [[35, 70], [70, 35], [70, 70], [105, 35], [35, 105]]},
        processor={"do_pad": True, "image_grid_pinpoints": _pinpoints(35)},
    ),
    "mistral-window": Recipe(
        name="mistral-window",
        seed=203,
        merges=95,
        make=_make(MistralConfig),
        text=dict(
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=24,
            max_position_embeddings=512,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
            sliding_window=24,
            tie_word_embeddings=True,
        ),
        vision=dict(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=32,
            patch_size=8,
        ),
        dtype=torch.float32,
        legacy=True,
        template=chat.MISTRAL_BOS,
        tied=True,
        gains=Gains(embed=0.35, branch=0.6),
        extra={
            "image_grid_pinpoints": [[64, 64], [32, 128]],
            "vision_feature_layer": [-1, -2],
            "projector_hidden_act": "gelu",
        },
        processor={"image_grid_pinpoints": [[64, 64], [32, 128]]},
    ),
}


def write_vicuna_tiles(recipe: Recipe, folder: Path):
    write_hub(
        recipe,
        folder,
        {
            "architectures": ["LlavaNextForConditionalGeneration"],
            "ignore_index": -100,
            "image_grid_pinpoints": recipe.extra["image_grid_pinpoints"],
            "image_token_index": recipe.ids["<image>"],
            "model_type": "llava_next",
            "projector_hidden_act": "gelu",
            "text_config": {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
            | recipe.text
            | {"torch_dtype": "bfloat16", "vocab_size": recipe.rows},
            "torch_dtype": "bfloat16",
            "transformers_version": "4.39.0.dev0",
            "use_image_newline_parameter": True,
            "vision_config": {"model_type": "clip_vision_model", "projection_dim": 16} | recipe.vision,
            "vision_feature_layer": -2,
            "vision_feature_select_strategy": "default",
            "vocab_size": recipe.rows,
        },
        "LlavaNextImageProcessor",
        "LlavaNextProcessor",
        shards=3,
    )


def write_mistral_saved(recipe: Recipe, folder: Path):
    write_saved(recipe, folder, "LlavaNextImageProcessor", "LlavaNextProcessor", original=True)


def write_mistral_window(recipe: Recipe, folder: Path):
    write_saved(recipe, folder, "LlavaNextImageProcessor", "LlavaNextProcessor", original=False, shard_size="200KB")


WRITERS = {
    "vicuna-tiles": write_vicuna_tiles,
    "mistral-saved": write_mistral_saved,
    "mistral-window": write_mistral_window,
}
