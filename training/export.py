"""Writes a run's model as a plain Qwen2-VL checkpoint in the Hub's layout.

    python training/export.py training/runs/first models/line-reader-3m
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import Qwen2Tokenizer, Qwen2VLForConditionalGeneration

from reader import model as models
from reader import tokenizer as tokenizers
from reader.batches import DEVIATION, MEAN
from reader.recipe import from_values

# Small canvases are not blown up (two cells suffice) and nothing up to a megapixel is scaled down.
MIN_PIXELS, MAX_PIXELS = 2 * 28 * 28, 1280 * 28 * 28


def hub_configuration(size: models.Size, tokens: dict[str, int], dtype: torch.dtype) -> dict:
    """config.json as published Qwen2-VL checkpoints have it: the language model's keys at the root."""
    return {
        "architectures": ["Qwen2VLForConditionalGeneration"],
        "model_type": "qwen2_vl",
        "attention_dropout": 0.0,
        "bos_token_id": tokens[tokenizers.END_OF_TEXT],
        "eos_token_id": tokens[tokenizers.TURN_END],
        "pad_token_id": tokens[tokenizers.END_OF_TEXT],
        "hidden_act": "silu",
        "hidden_size": size.width,
        "image_token_id": tokens[tokenizers.IMAGE_PAD],
        "initializer_range": 0.02,
        "intermediate_size": size.mlp,
        "max_position_embeddings": 2048,
        "num_attention_heads": size.heads,
        "num_hidden_layers": size.layers,
        "num_key_value_heads": size.kv_heads,
        "rms_norm_eps": 1e-6,
        "rope_scaling": {"type": "mrope", "mrope_section": list(size.mrope_section)},
        "rope_theta": size.rope_theta,
        "tie_word_embeddings": True,
        "torch_dtype": str(dtype).removeprefix("torch."),
        "use_cache": True,
        "use_sliding_window": False,
        "video_token_id": tokens[tokenizers.VIDEO_PAD],
        "vision_config": {
            "depth": size.vision_layers,
            "embed_dim": size.vision_width,
            "hidden_act": "quick_gelu",
            "hidden_size": size.width,
            "in_channels": 3,
            "in_chans": 3,
            "mlp_ratio": 4,
            "model_type": "qwen2_vl",
            "num_heads": size.vision_heads,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "spatial_patch_size": 14,
            "temporal_patch_size": 2,
        },
        "vision_end_token_id": tokens[tokenizers.VISION_END],
        "vision_start_token_id": tokens[tokenizers.VISION_START],
        "vision_token_id": tokens[tokenizers.VISION_PAD],
        "vocab_size": size.vocabulary,
    }


def tokenizer_configuration(tokenizer: Qwen2Tokenizer, tokens: dict[str, int]) -> dict:
    """tokenizer_config.json in the form that both older and newer transformers read."""
    added = sorted(tokens.items(), key=lambda entry: entry[1])
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    return {
        "add_prefix_space": False,
        "added_tokens_decoder": {str(i): {"content": t, **flags} for t, i in added},
        "additional_special_tokens": [t for t in tokens if t not in (tokenizers.END_OF_TEXT, tokenizers.TURN_END)],
        "bos_token": None,
        "chat_template": tokenizer.chat_template,
        "clean_up_tokenization_spaces": False,
        "eos_token": tokenizers.TURN_END,
        "errors": "replace",
        "model_max_length": 2048,
        "pad_token": tokenizers.END_OF_TEXT,
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }


def hub_name(name: str) -> str | None:
    """A tensor's name in published checkpoints; None for the tied output matrix."""
    if name == "lm_head.weight":
        return None
    return name.replace("model.visual.", "visual.").replace("model.language_model.", "model.")


def export(model: Qwen2VLForConditionalGeneration, size: models.Size, tokenizer: Qwen2Tokenizer, folder: Path,
           dtype: torch.dtype, max_new_tokens: int = 32) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tokens = {t: tokenizer.convert_tokens_to_ids(t) for t in tokenizers.SPECIAL_TOKENS}
    _write(folder / "config.json", hub_configuration(size, tokens, dtype))
    _write(folder / "generation_config.json", {
        "do_sample": False,
        "eos_token_id": [tokens[tokenizers.TURN_END], tokens[tokenizers.END_OF_TEXT]],
        "pad_token_id": tokens[tokenizers.END_OF_TEXT],
        "max_new_tokens": max_new_tokens,
    })
    _write(folder / "preprocessor_config.json", {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2VLProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [round(float(v), 8) for v in MEAN],
        "image_std": [round(float(v), 8) for v in DEVIATION],
        "min_pixels": MIN_PIXELS,
        "max_pixels": MAX_PIXELS,
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
    })
    tokenizer.save_pretrained(folder)
    _write(folder / "tokenizer_config.json", tokenizer_configuration(tokenizer, tokens))
    bpe = json.loads((folder / "tokenizer.json").read_text())["model"]
    _write(folder / "vocab.json", bpe["vocab"])
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in bpe["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    tensors = {hub_name(name): tensor.to(dtype).contiguous().cpu()
               for name, tensor in model.state_dict().items() if hub_name(name)}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)


def _write(path: Path, values: dict) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dtype", choices=("bfloat16", "float16", "float32"), default="bfloat16")
    args = parser.parse_args()
    state = torch.load(args.run / "checkpoint.pt", map_location="cpu", weights_only=True)
    size = from_values(state["recipe"]).model
    tokenizer = Qwen2Tokenizer.from_pretrained(args.run / "tokenizer")
    tokens = {t: tokenizer.convert_tokens_to_ids(t) for t in tokenizers.SPECIAL_TOKENS}
    model = models.build(size, tokens)
    model.load_state_dict(state["model"])
    export(model, size, tokenizer, args.folder, getattr(torch, args.dtype))
    step, samples, _, seconds, stage = state["progress"]
    total = sum(p.numel() for p in model.parameters())
    print(f"{args.folder}: {total:,} parameters after {step:,} steps, {samples:,} pictures, "
          f"{seconds / 60:.0f} minutes, in stage {stage}")


if __name__ == "__main__":
    main()
