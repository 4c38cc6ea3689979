"""Tiny random checkpoints in the layout of LLaVA's original repository, and CLIP towers in directories of their own."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

from .. import llama_vocabulary, sentence_pieces, weights
from ..checkpoint import CLIP_MEAN, CLIP_STD
from ..files import write_json


@dataclass
class Recipe:
    """
    added: special tokens behind the vocabulary, in their order.
    config: keys of config.json beside Llama's own.
    shards: files of `torch.save`; None for one of safetensors.
    whole_clip: whether the tower's directory holds a whole CLIP model, its text encoder too.
    own_tower: whether the checkpoint has weights of the tower in it, other than the directory's.
    """

    seed: int
    model_type: str
    text: dict
    vision: dict
    dtype: torch.dtype
    config: dict
    shards: int | None
    sentence_piece: bool
    legacy: bool
    added: list[str] = field(default_factory=list)
    tied: bool = False
    whole_clip: bool = False
    own_tower: bool = False
    projector: int = 1
    eos_gain: float = 1.2
    gains: weights.Gains = field(default_factory=weights.Gains)
    tokenizer_config: dict = field(default_factory=dict)
    generation: dict | None = None

    def __post_init__(self):
        if self.sentence_piece:
            self.model = sentence_pieces.train(vocab_size=520)
            self.pieces = 520
        else:
            self.document = llama_vocabulary.tokenizer_json(120, self.added, self.legacy)
            self.pieces = len(self.document["model"]["vocab"])
        self.tokens = self.pieces + len(self.added)
        self.rows = self.tokens + 1


def llama_config(recipe: Recipe) -> LlamaConfig:
    return LlamaConfig(vocab_size=recipe.rows, tie_word_embeddings=recipe.tied, **recipe.text)


def projector(recipe_or_depth: int, features: int, hidden: int) -> torch.nn.Module:
    """One linear layer, or several with GELU between them, as the original builds it."""
    if recipe_or_depth == 1:
        return torch.nn.Linear(features, hidden)
    layers = [torch.nn.Linear(features, hidden)]
    for _ in range(1, recipe_or_depth):
        layers += [torch.nn.GELU(), torch.nn.Linear(hidden, hidden)]
    return torch.nn.Sequential(*layers)


class _Renamed:
    """Parameters under the names by which `weights.fill` knows how loud each is."""

    def __init__(self, **parts: torch.nn.Module):
        self.parts = parts

    def named_parameters(self):
        for part, module in self.parts.items():
            for name, parameter in module.named_parameters():
                if part == "projector":
                    last = name in ("weight", "bias") or name.startswith("2.")
                    name = f"projector.linear_{2 if last else 1}.{name.rsplit('.', 1)[-1]}"
                elif part == "text":
                    name = name.replace("model.", "language_model.", 1) if name.startswith("model.") else name
                else:
                    name = f"{part}.{name}"
                yield name, parameter


def _row_gains(recipe: Recipe) -> np.ndarray:
    """How loudly each token speaks: the end of the answer often, bytes and markers seldom, rows without a token never."""
    gains = np.ones(recipe.rows)
    gains[: 3 + 256] = 0.3
    gains[recipe.pieces : recipe.tokens] = 0.3
    gains[recipe.tokens :] = 0.0
    gains[2] = recipe.eos_gain
    return gains


def _save_torch(tensors: dict[str, torch.Tensor], folder: Path, shards: int):
    if shards == 1:
        torch.save(tensors, folder / "pytorch_model.bin")
        return
    names = list(tensors)
    weight_map = {}
    for index in range(shards):
        part = names[index * len(names) // shards : (index + 1) * len(names) // shards]
        file = f"pytorch_model-{index + 1:05d}-of-{shards:05d}.bin"
        torch.save({name: tensors[name] for name in part}, folder / file)
        weight_map |= {name: file for name in part}
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    write_json(folder / "pytorch_model.bin.index.json", index, indent=2)


def _write_tower(recipe: Recipe, tower: CLIPVisionModel, folder: Path):
    """As the Hub has CLIP: the vision tower alone, or a whole model whose text encoder nobody needs here."""
    side = recipe.vision["image_size"]
    names = {
        name if name.startswith("vision_model.") else f"vision_model.{name}": parameter.detach().contiguous()
        for name, parameter in tower.named_parameters()
    }
    if recipe.whole_clip:
        text = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=16)
        config = CLIPConfig(text_config=text, vision_config=recipe.vision, projection_dim=8)
        clip = CLIPModel(config)
        others = {n: torch.zeros_like(p) for n, p in clip.named_parameters() if not n.startswith("vision_model.")}
        ids = {"vision_model.embeddings.position_ids": torch.arange((side // recipe.vision["patch_size"]) ** 2 + 1)[None]}
        torch.save(names | others | ids, folder / "pytorch_model.bin")
        write_json(
            folder / "config.json",
            {
                "architectures": ["CLIPModel"],
                "model_type": "clip",
                "projection_dim": 8,
                "text_config": {"model_type": "clip_text_model"} | text,
                "vision_config": {"model_type": "clip_vision_model"} | recipe.vision,
            },
            indent=2,
        )
    else:
        save_file({n: t.to(torch.float16) for n, t in names.items()}, folder / "model.safetensors", {"format": "pt"})
        write_json(
            folder / "config.json",
            {"architectures": ["CLIPVisionModel"], "model_type": "clip_vision_model"} | recipe.vision,
            indent=2,
        )
    # The first CLIP checkpoints name a feature extractor, and sizes as plain numbers.
    settings = {"crop_size": side, "feature_extractor_type": "CLIPFeatureExtractor", "size": side}
    if not recipe.whole_clip:
        settings = {
            "crop_size": {"height": side, "width": side},
            "image_processor_type": "CLIPImageProcessor",
            "size": {"shortest_edge": side},
        }
    write_json(
        folder / "preprocessor_config.json",
        {
            "do_center_crop": True,
            "do_normalize": True,
            "do_resize": True,
            "image_mean": CLIP_MEAN,
            "image_std": CLIP_STD,
            "resample": 3,
        }
        | settings,
        indent=2,
    )


def write_checkpoint(recipe: Recipe, folder: Path, tower_folder: Path):
    folder.mkdir(parents=True)
    tower_folder.mkdir(parents=True)
    text = LlamaForCausalLM(llama_config(recipe)).to(torch.float32)
    tower = CLIPVisionModel(CLIPVisionConfig(**recipe.vision)).to(torch.float32)
    layers = projector(recipe.projector, recipe.vision["hidden_size"], recipe.text["hidden_size"])
    parts = _Renamed(text=text, vision_tower=tower, projector=layers)
    weights.fill(parts, recipe.seed, recipe.dtype, recipe.tied, recipe.gains, _row_gains(recipe))
    text.tie_weights()
    tensors = {n: p.detach() for n, p in text.named_parameters() if not (recipe.tied and n.startswith("lm_head"))}
    tensors |= {f"model.mm_projector.{n}": p.detach() for n, p in layers.named_parameters()}
    if recipe.own_tower:
        for name, parameter in tower.named_parameters():
            name = name if name.startswith("vision_model.") else f"vision_model.{name}"
            tensors[f"model.vision_tower.vision_tower.{name}"] = parameter.detach()
    tensors = {n: t.to(recipe.dtype).clone() for n, t in tensors.items()}
    if recipe.shards is None:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        # Checkpoints of that time have these buffers among their weights.
        for layer in range(recipe.text["num_hidden_layers"]):
            tensors[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
        _save_torch(tensors, folder, recipe.shards)
    if recipe.own_tower:
        weights.fill(_Renamed(vision_tower=tower), recipe.seed + 1, torch.float16, False, recipe.gains, np.ones(1))
    _write_tower(recipe, tower, tower_folder)

    config = {
        "architectures": ["LlavaLlamaForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "mm_hidden_size": recipe.vision["hidden_size"],
        "mm_vision_tower": "openai/clip-vit-large-patch14",
        "model_type": recipe.model_type,
        "pad_token_id": 0,
        "tie_word_embeddings": recipe.tied,
        "torch_dtype": str(recipe.dtype).removeprefix("torch."),
        "transformers_version": "4.31.0",
        "use_cache": True,
        "use_mm_proj": True,
        "vocab_size": recipe.rows,
    }
    write_json(folder / "config.json", config | recipe.text | recipe.config, indent=2)
    if recipe.generation is not None:
        write_json(folder / "generation_config.json", recipe.generation, indent=2)
    if recipe.sentence_piece:
        (folder / "tokenizer.model").write_bytes(recipe.model)
        if recipe.added:
            numbers = {token: recipe.pieces + i for i, token in enumerate(recipe.added)}
            write_json(folder / "added_tokens.json", numbers, indent=2)
        write_json(
            folder / "special_tokens_map.json",
            {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<unk>", "unk_token": "<unk>"},
            indent=2,
        )
    else:
        llama_vocabulary.write(recipe.document, folder)
    if recipe.tokenizer_config:
        write_json(folder / "tokenizer_config.json", recipe.tokenizer_config, indent=2)


RECIPES = {
    # As LLaVA v1 was published: half precision in shards, SentencePiece, one linear layer that the config need not name.
    "v1-shards": Recipe(
        seed=201,
        model_type="llava",
        text=dict(
            hidden_size=64,
            intermediate_size=112,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=2048,
            rms_norm_eps=1e-6,
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
        config={
            "mm_vision_select_layer": -2,
            "mm_use_im_start_end": False,
            "image_aspect_ratio": "pad",
        },
        shards=2,
        sentence_piece=True,
        legacy=True,
        tokenizer_config={
            "add_bos_token": True,
            "add_eos_token": False,
            "legacy": True,
            "model_max_length": 2048,
            "padding_side": "right",
            "tokenizer_class": "LlamaTokenizer",
        },
        generation={"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "transformers_version": "4.31.0"},
    ),
    # Start and end tokens around each picture; a whole CLIP as the tower; no generation config.
    "start-end": Recipe(
        seed=202,
        model_type="llava_llama",
        text=dict(
            hidden_size=96,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=6,
            num_key_value_heads=2,
            max_position_embeddings=1024,
            rms_norm_eps=1e-5,
        ),
        vision=dict(
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=3,
            image_size=48,
            patch_size=8,
            hidden_act="quick_gelu",
        ),
        dtype=torch.bfloat16,
        config={
            "mm_projector_type": "linear",
            "mm_vision_select_layer": -2,
            "mm_vision_select_feature": "patch",
            "mm_use_im_start_end": True,
            "mm_use_im_patch_token": False,
        },
        shards=None,
        sentence_piece=False,
        legacy=False,
        added=["<im_start>", "<im_end>"],
        tied=True,
        whole_clip=True,
        gains=weights.Gains(embed=0.35, branch=0.6),
        tokenizer_config={"legacy": False, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    ),
    # The original layout of LLaVA-1.5: two layers, a tower that was trained along, the class token kept.
    "mlp-own-tower": Recipe(
        seed=203,
        model_type="llava_llama",
        text=dict(
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=1024,
            rms_norm_eps=1e-5,
            rope_theta=50000.0,
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
        config={
            "mm_projector_type": "mlp2x_gelu",
            "mm_vision_select_layer": -1,
            "mm_vision_select_feature": "cls_patch",
            "mm_use_im_start_end": False,
            "unfreeze_mm_vision_tower": True,
            "image_aspect_ratio": "square",
        },
        shards=1,
        sentence_piece=True,
        legacy=False,
        added=["<im_patch>"],
        own_tower=True,
        projector=2,
        tokenizer_config={"legacy": False, "add_bos_token": True, "tokenizer_class": "LlamaTokenizer"},
    ),
}
