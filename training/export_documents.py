"""Writes a stage's model of documents in the Hub's layout of its family.

    python training/export_documents.py training/runs/documents --stage joint models/documents
"""

import argparse
from pathlib import Path

import torch
from transformers import AutoTokenizer

from documents import families
from documents.recipe import from_values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--dtype", choices=("bfloat16", "float16", "float32"), default="bfloat16")
    args = parser.parse_args()
    state = torch.load(args.run / f"{args.stage}.pt", map_location="cpu", weights_only=True)
    recipe = from_values(state["recipe"])
    tokenizer = AutoTokenizer.from_pretrained(args.run / "tokenizer")
    family = families.build(recipe, recipe.stage(args.stage), tokenizer)
    for name, part in family.parts().items():
        if name not in ("spelling", "oracle"):  # helpers of training
            part.load_state_dict(state["parts"][name])
    family.export(args.folder, getattr(torch, args.dtype))
    total = sum(p.numel() for p in family.model.parameters())
    print(f"{args.folder}: {total:,} parameters of {recipe.family} after {state['progress'][0]:,} steps of "
          f"stage {args.stage}")


if __name__ == "__main__":
    main()
