"""Tiny random checkpoints of LLaVA-1.5 and LLaVA-NeXT, in the layouts in which people meet them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from safetensors.torch import save_file

from .. import llama_vocabulary, weights
from ..checkpoint import CLIP_MEAN, CLIP_STD, save_shards
from ..files import write_json, write_text


@dataclass
class Recipe:
    """
    make: a model of this configuration.
    added: special tokens behind the vocabulary, in their order.
    extra: keys of the configuration beside text_config and vision_config.
    """

    name: str
    seed: int
    merges: int
    make: Callable
    text: dict
    vision: dict
    dtype: torch.dtype
    legacy: bool
    template: str
    added: list[str] = field(default_factory=lambda: ["<image>", "<pad>"])
    extra: dict = field(default_factory=dict)
    tied: bool = False
    vocab_padding: int = 2
    eos_gain: float = 1.2
    gains: weights.Gains = field(default_factory=weights.Gains)
    processor: dict = field(default_factory=dict)
    generation: dict = field(default_factory=dict)

    def __post_init__(self):
        self.tokenizer = llama_vocabulary.tokenizer_json(self.merges, self.added, self.legacy)
        self.ids = {t["content"]: t["id"] for t in self.tokenizer["added_tokens"]}
        self.tokens = len(self.tokenizer["model"]["vocab"]) + len(self.added)
        self.rows = self.tokens + self.vocab_padding


def _row_gains(recipe: Recipe) -> np.ndarray:
    """How loudly each token speaks: the end of the turn often, bytes and markers seldom, rows without a token never."""
    gains = np.ones(recipe.rows)
    gains[: 3 + 256] = 0.3
    for index in recipe.ids.values():
        gains[index] = 0.3
    gains[recipe.tokens :] = 0.0
    gains[recipe.ids["</s>"]] = recipe.eos_gain
    return gains


def build(recipe: Recipe):
    model = recipe.make(recipe).to(torch.float32).eval()
    weights.fill(model, recipe.seed, recipe.dtype, recipe.tied, recipe.gains, _row_gains(recipe))
    model.tie_weights()
    return model


def generation_config(recipe: Recipe) -> dict:
    return {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": recipe.ids["<pad>"]} | recipe.generation


def image_processor(recipe: Recipe, kind: str) -> dict:
    side = recipe.vision["image_size"]
    return {
        "crop_size": {"height": side, "width": side},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": CLIP_MEAN,
        "image_processor_type": kind,
        "image_std": CLIP_STD,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": side},
    } | recipe.processor


def processor(recipe: Recipe, kind: str) -> dict:
    return {
        "image_token": "<image>",
        "num_additional_image_tokens": 1,
        "patch_size": recipe.vision["patch_size"],
        "processor_class": kind,
        "vision_feature_select_strategy": recipe.extra.get("vision_feature_select_strategy", "default"),
    }


def old_names(model) -> dict[str, torch.Tensor]:
    """The names of the Hub's checkpoints: the language model with its head, and the towers, stand side by side."""
    found = {}
    for name, parameter in model.named_parameters():
        if name.startswith("model.language_model."):
            name = "language_model.model." + name.removeprefix("model.language_model.")
        elif name == "lm_head.weight":
            name = "language_model.lm_head.weight"
        elif name.startswith("model.vision_tower.") and not name.startswith("model.vision_tower.vision_model."):
            name = "vision_tower.vision_model." + name.removeprefix("model.vision_tower.")
        else:
            name = name.removeprefix("model.")
        found[name] = parameter
    return found


def write_hub(recipe: Recipe, folder: Path, config: dict, image_kind: str, processor_kind: str, shards: int = 1):
    """As the Hub ships it: few keys, old tensor names, settings in preprocessor_config.json, chat_template.json."""
    tensors = {
        name: parameter.detach().to(recipe.dtype).contiguous()
        for name, parameter in old_names(build(recipe)).items()
        if not (recipe.tied and "lm_head" in name)
    }
    folder.mkdir(parents=True, exist_ok=True)
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        save_shards(tensors, folder, shards)
    write_json(folder / "config.json", config, indent=2)
    write_json(folder / "generation_config.json", generation_config(recipe), indent=2)
    llama_vocabulary.write(recipe.tokenizer, folder)
    write_json(
        folder / "tokenizer_config.json",
        llama_vocabulary.tokenizer_config(recipe.tokenizer, recipe.legacy, "<pad>"),
        indent=2,
    )
    write_json(folder / "preprocessor_config.json", image_processor(recipe, image_kind), indent=2)
    write_json(folder / "processor_config.json", processor(recipe, processor_kind), indent=2)
    write_json(folder / "chat_template.json", {"chat_template": recipe.template}, indent=2)


def write_saved(recipe: Recipe, folder: Path, image_kind: str, processor_kind: str, original: bool, shard_size=None):
    """As transformers 5 saves model and processor: everything of the processor in processor_config.json."""
    model = build(recipe)
    model.generation_config.update(**generation_config(recipe))
    sizes = {} if shard_size is None else {"max_shard_size": shard_size}
    model.to(recipe.dtype).save_pretrained(folder, save_original_format=original, **sizes)
    write_json(folder / "generation_config.json", generation_config(recipe), indent=2)
    llama_vocabulary.write(recipe.tokenizer, folder)
    write_json(
        folder / "tokenizer_config.json",
        llama_vocabulary.tokenizer_config(recipe.tokenizer, recipe.legacy, "<pad>"),
        indent=2,
    )
    write_text(folder / "chat_template.jinja", recipe.template)
    write_json(
        folder / "processor_config.json",
        {"image_processor": image_processor(recipe, image_kind)} | processor(recipe, processor_kind),
        indent=2,
    )
