"""Keeps what a stage has learned so far in a small file, to go on from elsewhere.

    python training/compact.py training/runs/documents --stage vision kept/vision.pt

To go on, put the file into a run's folder under the name of its stage, with the run's `tokenizer/` beside it.
"""

import argparse
from pathlib import Path

import torch
from transformers import AutoTokenizer

from documents.learning import Learner
from documents.recipe import from_values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--stage", required=True)
    args = parser.parse_args()
    checkpoint = args.run / f"{args.stage}.pt"
    recipe = from_values(torch.load(checkpoint, map_location="cpu", weights_only=True)["recipe"])
    tokenizer = AutoTokenizer.from_pretrained(args.run / "tokenizer")
    learner = Learner(recipe, recipe.stage(args.stage), tokenizer, torch.device("cpu"))
    learner.restore(checkpoint)
    args.file.parent.mkdir(parents=True, exist_ok=True)
    learner.save_compact(args.file)
    print(f"{args.file}: stage {args.stage} at step {learner.step:,} of {learner.stage.steps:,}, "
          f"{args.file.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
