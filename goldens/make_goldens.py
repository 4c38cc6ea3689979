#!/usr/bin/env python3
"""Writes tiny random checkpoints and golden files made with Hugging Face transformers. See README.md."""

import argparse
import hashlib
import importlib.metadata
import os
import platform
import shutil
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch  # noqa: E402
import transformers  # noqa: E402

from maker import cases, checkpoints, pictures, pixels, templates, tokens  # noqa: E402
from maker.files import write_json  # noqa: E402


def make_pictures(out: Path):
    pictures.write(_fresh(out / "pictures"))


def make_qwen2_vl(out: Path):
    for name in checkpoints.RECIPES:
        folder = out / "qwen2_vl" / name
        checkpoints.write(name, _fresh(folder / "checkpoint"))
        cases.write(folder / "checkpoint", _fresh(folder / "cases"), out)


def make_tokens(out: Path):
    for name, recipe in checkpoints.RECIPES.items():
        checkpoint = out / "qwen2_vl" / name / "checkpoint"
        config = checkpoints.load_json(checkpoint / "config.json")
        rows = config.get("text_config", config)["vocab_size"]
        tokens.write(checkpoint, out / "qwen2_vl" / name / "tokens.json", recipe.seed, rows)


def make_pixels(out: Path):
    pixels.write(_fresh(out / "pixels"))


def make_templates(out: Path):
    templates.write(_fresh(out / "templates"))


PARTS = {
    "pictures": make_pictures,
    "qwen2_vl": make_qwen2_vl,
    "tokens": make_tokens,
    "pixels": make_pixels,
    "templates": make_templates,
}


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


WRITTEN = ("pictures", "qwen2_vl", "pixels", "templates")


def write_versions(out: Path):
    files = {}
    for top in WRITTEN:
        for path in sorted((out / top).rglob("*")):
            if path.is_file():
                files[path.relative_to(out).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    versions = {"python": platform.python_version()}
    for package in ("torch", "transformers", "tokenizers", "safetensors", "pillow", "numpy", "jinja2"):
        versions[package] = importlib.metadata.version(package)
    write_json(out / "versions.json", {"versions": versions, "sha256": dict(sorted(files.items()))})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the goldens folder to write into")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS), help="parts to make again")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # sums in one order
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        if part in arguments.only:
            print(part, flush=True)
            PARTS[part](arguments.out)
    write_versions(arguments.out)


if __name__ == "__main__":
    sys.exit(main())
