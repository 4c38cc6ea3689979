"""The checkpoints of LLaVA-1.5."""

from pathlib import Path

import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from ..weights import Gains
from . import chat
from .checkpoints import Recipe, write_hub, write_saved


def _make(recipe: Recipe) -> LlavaForConditionalGeneration:
    return LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(projection_dim=16, **recipe.vision).to_dict(),
            text_config=LlamaConfig(
                vocab_size=recipe.rows, pad_token_id=recipe.ids["<pad>"], **recipe.text
            ).to_dict(),
            image_token_index=recipe.ids["<image>"],
            tie_word_embeddings=recipe.tied,
            image_seq_length=(recipe.vision["image_size"] // recipe.vision["patch_size"]) ** 2,
            **recipe.extra,
        )
    )


RECIPES = {
    "vicuna-hub": Recipe(
        name="vicuna-hub",
        seed=101,
        merges=120,
        make=_make,
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
            image_size=56,
            patch_size=14,
        ),
        dtype=torch.float16,
        legacy=True,
        template=chat.VICUNA,
    ),
    "saved-sharded": Recipe(
        name="saved-sharded",
        seed=102,
        merges=110,
        make=_make,
        text=dict(
            hidden_size=96,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=6,
            num_key_value_heads=2,
            max_position_embeddings=1024,
            rms_norm_eps=1e-6,
            tie_word_embeddings=True,
            rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 50000.0},
        ),
        vision=dict(
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=3,
            image_size=48,
            patch_size=8,
            hidden_act="gelu",
        ),
        dtype=torch.bfloat16,
        legacy=False,
        template=chat.VICUNA,
        tied=True,
        gains=Gains(embed=0.35, branch=0.6),
        processor={"do_pad": True, "size": {"shortest_edge": 48}},
        generation={"eos_token_id": [2]},
    ),
    "layers-full": Recipe(
        name="layers-full",
        seed=103,
        merges=120,
        make=_make,
        text=dict(
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
            max_position_embeddings=1024,
            rope_parameters={
                "rope_type": "llama3",
                "rope_theta": 10000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 128,
            },
        ),
        vision=dict(
            hidden_size=32,
            intermediate_size=80,
            num_hidden_layers=3,
            num_attention_heads=4,
            image_size=42,
            patch_size=14,
        ),
        dtype=torch.float32,
        legacy=False,
        template=chat.VICUNA,
        extra={
            "vision_feature_layer": [1, -2, -1],
            "vision_feature_select_strategy": "full",
            "multimodal_projector_bias": False,
            "projector_hidden_act": "gelu",
        },
    ),
}


def write_vicuna_hub(recipe: Recipe, folder: Path):
    write_hub(
        recipe,
        folder,
        {
            "architectures": ["LlavaForConditionalGeneration"],
            "ignore_index": -100,
            "image_token_index": recipe.ids["<image>"],
            "model_type": "llava",
            "pad_token_id": recipe.ids["<pad>"],
            "projector_hidden_act": "gelu",
            "text_config": {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
            | recipe.text
            | {"torch_dtype": "float16", "vocab_size": recipe.rows},
            "tie_word_embeddings": False,
            "torch_dtype": "float16",
            "transformers_version": "4.36.0.dev0",
            "vision_config": {"model_type": "clip_vision_model", "projection_dim": 16} | recipe.vision,
            "vision_feature_layer": -2,
            "vision_feature_select_strategy": "default",
            "vocab_size": recipe.rows,
        },
        "CLIPImageProcessor",
        "LlavaProcessor",
    )


def write_saved_sharded(recipe: Recipe, folder: Path):
    write_saved(recipe, folder, "LlavaImageProcessor", "LlavaProcessor", original=False, shard_size="120KB")


def write_layers_full(recipe: Recipe, folder: Path):
    write_saved(recipe, folder, "CLIPImageProcessor", "LlavaProcessor", original=True)


WRITERS = {
    "vicuna-hub": write_vicuna_hub,
    "saved-sharded": write_saved_sharded,
    "layers-full": write_layers_full,
}
