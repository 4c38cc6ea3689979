"""Writes a checkpoint: bf16 in safetensors shards with an index. One block of random values is reused, so the disk sets the pace."""

import json
import random
import struct
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist

from .models import Model, Shape

SHARD = 5_000_000_000
BLOCK = 1 << 23
DEVIATION = 0.02


class Values:
    """Random bf16 values as bytes: matrices and biases are normal, the weights of norms are 1."""

    def __init__(self, seed: int = 1):
        self.rng = random.Random(seed)
        quantiles = NormalDist(0, DEVIATION)
        table = [bf16(quantiles.inv_cdf((i + 0.5) / 4096)) for i in range(4096)]
        self.block = memoryview(array("H", self.rng.choices(table, k=BLOCK)).tobytes())

    def write(self, file, name: str, elements: int) -> None:
        if "norm" in name.rsplit(".", 2)[-2] and name.endswith("weight") or name.endswith("ln_q.weight"):
            file.write(struct.pack("<H", bf16(1.0)) * elements)
            return
        size = 2 * elements
        # Each tensor begins elsewhere in the block: no two are alike.
        at = 2 * self.rng.randrange(BLOCK)
        while size:
            length = min(size, len(self.block) - at)
            file.write(self.block[at:at + length])
            size -= length
            at = 0


def bf16(value: float) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0] >> 16


def count(shape: Shape) -> int:
    elements = 1
    for size in shape:
        elements *= size
    return elements


def write(model: Model, folder: Path, progress: Callable[[str], None] = lambda line: print(line, file=sys.stderr)) -> int:
    """Writes all of it to `folder`, which must not exist; returns bytes of the weights."""
    folder.mkdir(parents=True)
    for name, content in model.files.items():
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")
    (folder / "tokenizer.json").write_text(json.dumps(model.vocabulary(), ensure_ascii=False), encoding="utf-8")
    shards: list[list[tuple[str, Shape]]] = [[]]
    size = 0
    for name, shape in model.tensors():
        if size + 2 * count(shape) > SHARD:
            shards.append([])
            size = 0
        shards[-1].append((name, shape))
        size += 2 * count(shape)
    values = Values()
    places = {}
    total = 0
    for number, tensors in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        header: dict[str, dict] = {"__metadata__": {"format": "pt"}}
        end = 0
        for name, shape in tensors:
            begin, end = end, end + 2 * count(shape)
            header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
            places[name] = file
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(folder / file, "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for name, shape in tensors:
                values.write(out, name, count(shape))
        total += end
        progress(f"wrote {file}, {total / 1e9:.1f} GB so far")
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")
    return total
