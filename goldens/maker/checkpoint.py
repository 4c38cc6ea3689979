"""What every family's checkpoints have in common: reading their JSON files, and writing weights in several files."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from .files import write_json

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]


def load_json(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def image_processor_settings(checkpoint: Path) -> dict:
    """The picture settings, nested in processor_config.json or in a file of their own, without class names."""
    if (checkpoint / "processor_config.json").exists():
        settings = load_json(checkpoint / "processor_config.json").get("image_processor")
    else:
        settings = None
    if settings is None:
        settings = load_json(checkpoint / "preprocessor_config.json")
    return {k: v for k, v in settings.items() if k not in ("image_processor_type", "processor_class")}


def chat_template(checkpoint: Path) -> str:
    if (checkpoint / "chat_template.jinja").exists():
        return (checkpoint / "chat_template.jinja").read_text(encoding="utf-8")
    if (checkpoint / "chat_template.json").exists():
        return load_json(checkpoint / "chat_template.json")["chat_template"]
    return load_json(checkpoint / "tokenizer_config.json")["chat_template"]


def save_shards(tensors: dict[str, torch.Tensor], folder: Path, shards: int):
    """Several safetensors files of about the same size, by sorted name, and their index."""
    names = sorted(tensors)
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    folder.mkdir(parents=True, exist_ok=True)
    weight_map, groups, size = {}, [[] for _ in range(shards)], 0
    for name in names:
        groups[min(shards - 1, size * shards // total)].append(name)
        size += tensors[name].numel() * tensors[name].element_size()
    for index, group in enumerate(groups):
        file = f"model-{index + 1:05d}-of-{shards:05d}.safetensors"
        save_file({name: tensors[name] for name in group}, folder / file, metadata={"format": "pt"})
        weight_map |= {name: file for name in group}
    write_json(
        folder / "model.safetensors.index.json",
        {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))},
        indent=2,
    )
