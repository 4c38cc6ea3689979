#!/usr/bin/env python3
"""Writes tiny random checkpoints and golden files made with Hugging Face transformers. See README.md."""

import argparse
import functools
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

from maker import generation, llava, llava_llama, llava_next, loading, paligemma, pictures, pixels, qwen2_vl, sentence_pieces, templates, tokenizers, torch_files  # noqa: E402
from maker.files import write_json  # noqa: E402


def make_pictures(out: Path):
    pictures.write(_fresh(out / "pictures"))


def make_family(family, out: Path):
    for name in family.CHECKPOINTS:
        family.write(name, _fresh(out / _folder(family) / name), out)


def make_pixels(out: Path):
    pixels.write(_fresh(out / "pixels"))


def make_templates(out: Path):
    templates.write(_fresh(out / "templates"))


def make_torch(out: Path):
    torch_files.write(_fresh(out / "torch"))


def make_loading(out: Path):
    loading.write(_fresh(out / "loading"), out)


def make_sentencepiece(out: Path):
    sentence_pieces.write(_fresh(out / "sentencepiece"))


def make_tokenizers(out: Path):
    tokenizers.write(_fresh(out / "tokenizers"))


def make_generation(out: Path):
    generation.write(_fresh(out / "generation"), out)


def _folder(family) -> str:
    """A family's folder and part has the name of its package, the checkpoints' `model_type`."""
    return family.__name__.rsplit(".", 1)[1]


FAMILIES = (qwen2_vl, llava, llava_next, llava_llama, paligemma)

PARTS = {
    "pictures": make_pictures,
    **{_folder(family): functools.partial(make_family, family) for family in FAMILIES},
    "pixels": make_pixels,
    "templates": make_templates,
    "torch": make_torch,
    "sentencepiece": make_sentencepiece,
    "loading": make_loading,
    "tokenizers": make_tokenizers,
    "generation": make_generation,
}


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_versions(out: Path):
    files = {}
    for top in PARTS:
        for path in sorted((out / top).rglob("*")):
            if path.is_file():
                files[path.relative_to(out).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    versions = {"python": platform.python_version()}
    for package in (
        "torch",
        "transformers",
        "tokenizers",
        "sentencepiece",
        "safetensors",
        "pillow",
        "numpy",
        "jinja2",
    ):
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
