"""Tiny random Qwen2-VL checkpoints, in the layouts in which people meet them."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import Qwen2Tokenizer, Qwen2VLConfig, Qwen2VLForConditionalGeneration

from ..checkpoint import CLIP_MEAN, CLIP_STD, save_shards
from ..files import write_json, write_text
from . import chat, vocabulary


@dataclass
class Recipe:
    name: str
    seed: int
    merges: int
    text: dict
    vision: dict
    tied: bool
    dtype: torch.dtype
    processor: dict
    video_processor: dict | None = None
    vocab_padding: int = 2
    eos_gain: float = 1.5
    byte_gain: float = 1.0
    head_std: float = 0.35
    embed_std: float = 1.0
    branch_gain: float = 1.0
    ids: dict = field(default_factory=dict)


RECIPES = {
    "nested-untied": Recipe(
        name="nested-untied",
        seed=11,
        merges=176,
        text=dict(
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            rms_norm_eps=1e-6,
            max_position_embeddings=4096,
            rope_parameters={"rope_type": "default", "rope_theta": 1000000.0, "mrope_section": [2, 3, 3]},
        ),
        vision=dict(depth=2, embed_dim=32, num_heads=2, mlp_ratio=2, patch_size=14, spatial_merge_size=2, temporal_patch_size=2),
        tied=False,
        dtype=torch.float32,
        processor={"size": {"shortest_edge": 3136, "longest_edge": 12544}},
        video_processor={"size": {"shortest_edge": 1568, "longest_edge": 9408}, "fps": 2.0, "max_frames": 12},
        byte_gain=0.6,
    ),
    "flat-tied": Recipe(
        name="flat-tied",
        seed=22,
        merges=144,
        text=dict(
            hidden_size=96,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=6,
            num_key_value_heads=3,
            rms_norm_eps=1e-5,
            max_position_embeddings=32768,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]},
        ),
        vision=dict(depth=3, embed_dim=32, num_heads=1, mlp_ratio=4, patch_size=14, spatial_merge_size=2, temporal_patch_size=2),
        tied=True,
        dtype=torch.bfloat16,
        processor={"min_pixels": 1568, "max_pixels": 9408},
        embed_std=0.35,
        branch_gain=0.6,
    ),
    "half-merged": Recipe(
        name="half-merged",
        seed=33,
        merges=160,
        text=dict(
            hidden_size=64,
            intermediate_size=160,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=2,
            rms_norm_eps=1e-6,
            max_position_embeddings=2048,
            rope_parameters={"rope_type": "default", "rope_theta": 500000.0, "mrope_section": [6, 5, 5]},
        ),
        vision=dict(depth=1, embed_dim=64, num_heads=4, mlp_ratio=2, patch_size=8, spatial_merge_size=2, temporal_patch_size=2),
        tied=True,
        dtype=torch.float16,
        processor={"size": {"shortest_edge": 256, "longest_edge": 6400}, "patch_size": 8},
        # 40 tokens of 16 x 16 pixels for a whole video: more frames get fewer pixels each.
        video_processor={
            "size": {"shortest_edge": 512, "longest_edge": 6400},
            "patch_size": 8,
            "cap_pixels_per_frame": True,
            "max_video_tokens": 40,
        },
        embed_std=0.35,
        branch_gain=0.6,
    ),
}


def _config(recipe: Recipe, tokenizer: Tokenizer) -> Qwen2VLConfig:
    vocab_size = tokenizer.get_vocab_size() + recipe.vocab_padding
    ids = {t: tokenizer.token_to_id(t) for t in vocabulary.SPECIAL_TOKENS}
    recipe.ids = ids
    return Qwen2VLConfig(
        text_config=dict(
            vocab_size=vocab_size,
            bos_token_id=ids["<|endoftext|>"],
            eos_token_id=ids["<|im_end|>"],
            use_sliding_window=False,
            **{k: (dict(v) if isinstance(v, dict) else v) for k, v in recipe.text.items()},
        ),
        vision_config=dict(hidden_size=recipe.text["hidden_size"], **recipe.vision),
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=recipe.tied,
    )


def _row_gains(recipe: Recipe, tokenizer: Tokenizer, rows: int) -> np.ndarray:
    """How loudly each token speaks: the end of the turn often, markers seldom, rows beyond the tokenizer never."""
    gains = np.ones(rows, dtype=np.float64)
    gains[tokenizer.get_vocab_size() :] = 0.0
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    back = {c: b for b, c in bytes_to_unicode().items()}
    for token, index in tokenizer.get_vocab(with_added_tokens=False).items():
        if len(token) == 1 and back[token] >= 128:
            gains[index] = recipe.byte_gain
        if len(token) == 1 and back[token] < 32:
            gains[index] = 0.3
    for token in vocabulary.SPECIAL_TOKENS:
        gains[tokenizer.token_to_id(token)] = 0.3
    gains[tokenizer.token_to_id("<|im_end|>")] = recipe.eos_gain
    return gains


def _fill(model, recipe: Recipe, tokenizer: Tokenizer):
    """Weights large enough that attention is sharp, positions matter and pictures are seen."""
    for index, (name, parameter) in enumerate(sorted(model.named_parameters())):
        rng = np.random.default_rng([recipe.seed, index])
        shape = tuple(parameter.shape)
        noise = rng.standard_normal(shape)
        if "embed_tokens" in name or "lm_head" in name:
            std = recipe.embed_std if "embed_tokens" in name else recipe.head_std
            value = noise * std
            if "lm_head" in name or recipe.tied:
                value = value * _row_gains(recipe, tokenizer, shape[0])[:, None]
        elif "norm" in name or "ln_q" in name:
            value = (1.0 if name.endswith("weight") else 0.0) + 0.15 * noise
            if recipe.tied and name == "model.language_model.norm.weight":
                # Signs at random: with a tied head a token would otherwise call itself, over and over.
                value = value * np.where(rng.integers(0, 2, size=shape) == 0, -1.0, 1.0)
        elif name.endswith("bias"):
            value = 0.2 * noise
        elif "patch_embed" in name:
            value = noise * 0.06
        else:
            fan_in = int(np.prod(shape[1:]))
            gain = 1.0
            if "q_proj" in name or "k_proj" in name:
                gain = 1.6
            elif "attn.qkv" in name:
                gain = 1.4
            elif "o_proj" in name or "down_proj" in name:
                gain = 1.5 * recipe.branch_gain
            elif "gate_proj" in name or "up_proj" in name:
                gain = 1.2
            elif "merger.mlp.2" in name:
                gain = 1.8 * recipe.embed_std
            value = noise * (gain / np.sqrt(fan_in))
        with torch.no_grad():
            # Through the checkpoint's own type, so that what is saved is what the reference computes with.
            parameter.copy_(torch.from_numpy(value.astype(np.float32)).to(recipe.dtype).to(torch.float32))


def build(recipe: Recipe):
    tokenizer = vocabulary.train(recipe.merges)
    config = _config(recipe, tokenizer)
    model = Qwen2VLForConditionalGeneration(config).to(torch.float32).eval()
    _fill(model, recipe, tokenizer)
    model.tie_weights()
    return tokenizer, config, model


def _generation_config(recipe: Recipe) -> dict:
    return {
        "bos_token_id": recipe.ids["<|endoftext|>"],
        "pad_token_id": recipe.ids["<|endoftext|>"],
        "do_sample": True,
        "eos_token_id": [recipe.ids["<|im_end|>"], recipe.ids["<|endoftext|>"]],
        "repetition_penalty": 1.0,
        "temperature": 0.01,
        "top_p": 0.001,
        "top_k": 1,
    }


def _image_processor(recipe: Recipe) -> dict:
    return {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": CLIP_MEAN,
        "image_processor_type": "Qwen2VLImageProcessor",
        "image_std": CLIP_STD,
        "merge_size": recipe.vision["spatial_merge_size"],
        "patch_size": recipe.vision["patch_size"],
        "resample": 3,
        "rescale_factor": 1 / 255,
        "temporal_patch_size": recipe.vision["temporal_patch_size"],
    }


def _video_processor(recipe: Recipe) -> dict:
    settings = {k: v for k, v in _image_processor(recipe).items() if k != "image_processor_type"}
    return settings | {"video_processor_type": "Qwen2VLVideoProcessor"} | recipe.video_processor


def write_nested_untied(recipe: Recipe, folder: Path):
    """As transformers 5 has it in memory: nested config, new tensor names, one file, a head of its own."""
    tokenizer, _, model = build(recipe)
    model.generation_config.update(**_generation_config(recipe))
    # By default save_pretrained goes back to the Hub's tensor names (see half-merged); other tools keep these.
    model.save_pretrained(folder, save_original_format=False)
    write_json(folder / "generation_config.json", _generation_config(recipe), indent=2)
    vocabulary.write(tokenizer, folder)
    write_json(folder / "tokenizer_config.json", vocabulary.tokenizer_config(tokenizer, None, False), indent=2)
    write_text(folder / "chat_template.jinja", chat.MANY_LINES)
    write_json(folder / "preprocessor_config.json", _image_processor(recipe) | recipe.processor, indent=2)
    write_json(folder / "video_preprocessor_config.json", _video_processor(recipe), indent=2)


def _old_name(name: str) -> str:
    if name.startswith("model.language_model."):
        return "model." + name.removeprefix("model.language_model.")
    if name.startswith("model.visual."):
        return name.removeprefix("model.")
    return name


def write_flat_tied(recipe: Recipe, folder: Path, shards: int = 3):
    """As the Hub ships it: flat config, old tensor names, tied head, bf16 in several files."""
    tokenizer, _, model = build(recipe)
    tensors = {
        _old_name(name): parameter.detach().to(recipe.dtype).contiguous()
        for name, parameter in model.named_parameters()
        if name != "lm_head.weight"
    }
    save_shards(tensors, folder, shards)
    rope = recipe.text["rope_parameters"]
    text = {k: v for k, v in recipe.text.items() if k != "rope_parameters"}
    # Keys and spelling of the Hub's config.json; vision's "hidden_size" is the language model's width.
    write_json(
        folder / "config.json",
        {
            "architectures": ["Qwen2VLForConditionalGeneration"],
            "attention_dropout": 0.0,
            "bos_token_id": recipe.ids["<|endoftext|>"],
            "eos_token_id": recipe.ids["<|im_end|>"],
            "vision_start_token_id": recipe.ids["<|vision_start|>"],
            "vision_end_token_id": recipe.ids["<|vision_end|>"],
            "vision_token_id": recipe.ids["<|vision_pad|>"],
            "image_token_id": recipe.ids["<|image_pad|>"],
            "video_token_id": recipe.ids["<|video_pad|>"],
            "hidden_act": "silu",
            "hidden_size": text["hidden_size"],
            "initializer_range": 0.02,
            "intermediate_size": text["intermediate_size"],
            "max_position_embeddings": text["max_position_embeddings"],
            "max_window_layers": text["num_hidden_layers"],
            "model_type": "qwen2_vl",
            "num_attention_heads": text["num_attention_heads"],
            "num_hidden_layers": text["num_hidden_layers"],
            "num_key_value_heads": text["num_key_value_heads"],
            "rms_norm_eps": text["rms_norm_eps"],
            "rope_theta": rope["rope_theta"],
            "sliding_window": 32768,
            "tie_word_embeddings": True,
            "torch_dtype": "bfloat16",
            "transformers_version": "4.41.2",
            "use_cache": True,
            "use_sliding_window": False,
            "vision_config": {
                "depth": recipe.vision["depth"],
                "embed_dim": recipe.vision["embed_dim"],
                "mlp_ratio": recipe.vision["mlp_ratio"],
                "num_heads": recipe.vision["num_heads"],
                "in_chans": 3,
                "hidden_size": text["hidden_size"],
                "patch_size": recipe.vision["patch_size"],
                "spatial_merge_size": recipe.vision["spatial_merge_size"],
                "spatial_patch_size": recipe.vision["patch_size"],
                "temporal_patch_size": recipe.vision["temporal_patch_size"],
            },
            "rope_scaling": {"type": "mrope", "mrope_section": rope["mrope_section"]},
            "vocab_size": tokenizer.get_vocab_size() + recipe.vocab_padding,
        },
        indent=2,
    )
    write_json(folder / "generation_config.json", _generation_config(recipe), indent=2)
    vocabulary.write(tokenizer, folder)
    write_json(
        folder / "tokenizer_config.json", vocabulary.tokenizer_config(tokenizer, chat.ONE_LINE, True), indent=2
    )
    write_json(folder / "chat_template.json", {"chat_template": chat.ONE_LINE}, indent=2)
    hub = {
        k: v
        for k, v in _image_processor(recipe).items()
        if k in ("patch_size", "temporal_patch_size", "merge_size", "image_mean", "image_std", "image_processor_type")
    }
    write_json(
        folder / "preprocessor_config.json",
        recipe.processor | hub | {"processor_class": "Qwen2VLProcessor"},
        indent=2,
    )


def write_half_merged(recipe: Recipe, folder: Path):
    """As transformers 5 saves model and processor: fp16, tied, only processor_config.json, no vocab.json."""
    tokenizer, _, model = build(recipe)
    model.generation_config.update(**_generation_config(recipe))
    model.to(recipe.dtype).save_pretrained(folder)
    write_json(folder / "generation_config.json", _generation_config(recipe), indent=2)
    # No normalizer in the file: Qwen2's tokenizer class applies NFC all the same.
    vocabulary.write(tokenizer, folder, normalizer=False, vocab_files=False)
    loaded = Qwen2Tokenizer.from_pretrained(folder)
    if loaded("e\u0301").input_ids != loaded("\u00e9").input_ids:
        raise SystemExit("this transformers takes the normalizer from tokenizer.json: the golden's premise is gone")
    write_json(folder / "tokenizer_config.json", vocabulary.tokenizer_config(tokenizer, None, False), indent=2)
    write_text(folder / "chat_template.jinja", chat.MANY_LINES)
    write_json(
        folder / "processor_config.json",
        {
            "image_processor": _image_processor(recipe) | recipe.processor,
            "processor_class": "Qwen2VLProcessor",
            "video_processor": _video_processor(recipe),
        },
        indent=2,
    )


WRITERS = {
    "nested-untied": write_nested_untied,
    "flat-tied": write_flat_tied,
    "half-merged": write_half_merged,
}


def write(name: str, folder: Path):
    WRITERS[name](RECIPES[name], folder)

