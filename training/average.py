"""Writes the mean of checkpoints in the Hub's layout that were trained one from another.

    python training/average.py training/runs/before training/runs/after models/documents

A mean of what a model was before and after more training is often better than both, as noise of the last steps cancels
(Wortsman et al. 2022, arXiv:2203.05482). Everything but the weights is taken from the last one.
"""

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"


def mean(folders: list[Path]) -> dict[str, torch.Tensor]:
    """The mean of each tensor, taken in float32 and rounded to the last checkpoint's type."""
    checkpoints = [load_file(folder / WEIGHTS) for folder in folders]
    last = checkpoints[-1]
    for folder, checkpoint in zip(folders, checkpoints):
        for name in sorted(last.keys() | checkpoint.keys()):
            shapes = [tuple(c[name].shape) if name in c else None for c in (checkpoint, last)]
            if shapes[0] != shapes[1]:
                raise ValueError(f"{folder}: {name} is {shapes[0]}; expected {shapes[1]}, as in {folders[-1]}")
    return {name: (sum(c[name].float() for c in checkpoints) / len(checkpoints)).to(tensor.dtype)
            for name, tensor in last.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="+", help="folders of two checkpoints or more")
    parser.add_argument("folder", type=Path, help="where the mean is written")
    args = parser.parse_args()
    if len(args.checkpoints) < 2:
        parser.error("give two checkpoints or more, and the folder for their mean")
    weights = mean(args.checkpoints)
    shutil.copytree(args.checkpoints[-1], args.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(WEIGHTS))
    save_file(weights, args.folder / WEIGHTS, metadata={"format": "pt"})
    print(f"{args.folder}: the mean of {len(args.checkpoints)} checkpoints, {len(weights)} tensors")


if __name__ == "__main__":
    main()
