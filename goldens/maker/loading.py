"""Which files and tensors transformers loads of a directory that leaves a choice.

A tiny checkpoint is written in many ways. What stands in its last norm says which file was read: each file has another number there.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen2VLForConditionalGeneration

from .files import write_json

CHECKPOINT = "qwen2_vl/nested-untied"
NORM = "model.language_model.norm.weight"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
BIN, BIN_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"


class Directory:
    """A checkpoint without weights, and the means to add some."""

    def __init__(self, source: Path, folder: Path):
        self.folder = folder
        self.tensors = load_file(source / SINGLE)
        folder.mkdir()
        for file in source.iterdir():
            if "safetensors" not in file.name:
                shutil.copy(file, folder)

    def filled(self, value: float, dtype=torch.float32) -> dict:
        return {**self.tensors, NORM: torch.full_like(self.tensors[NORM], value).to(dtype)}

    def safetensors(self, name: str, value: float):
        self.save(name, self.filled(value))

    def save(self, name: str, tensors: dict):
        (self.folder / name).parent.mkdir(exist_ok=True)
        save_file(tensors, self.folder / name, metadata={"format": "pt"})

    def bin(self, name: str, value: float):
        torch.save(self.filled(value), self.folder / name)

    def index(self, name: str, places: dict):
        (self.folder / name).write_text(json.dumps({"metadata": {}, "weight_map": places}), encoding="utf-8")

    def places(self, file: str) -> dict:
        return {name: file for name in self.tensors}

    def config(self, **keys):
        path = self.folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **keys}), encoding="utf-8")


def single_beside_index(d):
    d.safetensors(SINGLE, 1)
    d.safetensors("old.safetensors", 2)
    d.index(INDEX, d.places("old.safetensors"))


def single_beside_index_without_shards(d):
    d.safetensors(SINGLE, 1)
    d.index(INDEX, d.places("old.safetensors"))


def index_beside_bin(d):
    d.safetensors("new.safetensors", 1)
    d.index(INDEX, d.places("new.safetensors"))
    d.bin(BIN, 2)


def index_without_shards_beside_bin(d):
    d.index(INDEX, d.places("gone.safetensors"))
    d.bin(BIN, 2)


def bin_beside_its_index(d):
    d.bin(BIN, 1)
    d.bin("old.bin", 2)
    d.index(BIN_INDEX, d.places("old.bin"))


def single_beside_bin(d):
    d.safetensors(SINGLE, 1)
    d.bin(BIN, 2)


def variant(d):
    d.safetensors("model.fp16.safetensors", 1)


def consolidated(d):
    d.safetensors("consolidated.safetensors", 1)


def shard_without_index(d):
    d.safetensors("model-00001-of-00001.safetensors", 1)


def named_in_config(d):
    d.safetensors(SINGLE, 1)
    d.safetensors("other.safetensors", 2)
    d.config(transformers_weights="other.safetensors")


def named_in_config_and_missing(d):
    d.safetensors(SINGLE, 1)
    d.config(transformers_weights="other.safetensors")


def named_in_config_as_index(d):
    d.safetensors(SINGLE, 1)
    d.safetensors("other.safetensors", 2)
    d.index("other.safetensors.index.json", d.places("other.safetensors"))
    d.config(transformers_weights="other.safetensors.index.json")


def index_of_a_folder(d):
    d.safetensors("weights/one.safetensors", 1)
    d.index(INDEX, d.places("weights/one.safetensors"))


def index_lacks_a_tensor(d):
    d.safetensors("one.safetensors", 1)
    places = d.places("one.safetensors")
    del places[NORM]
    d.index(INDEX, places)


def index_names_the_wrong_shard(d):
    d.save("one.safetensors", {k: v for k, v in d.filled(1).items() if k != NORM})
    d.save("two.safetensors", {NORM: d.filled(2)[NORM]})
    places = {**d.places("one.safetensors"), "lm_head.weight": "two.safetensors"}
    d.index(INDEX, places)


def tensor_in_two_shards(d):
    d.safetensors("one.safetensors", 1)
    d.save("two.safetensors", {NORM: d.filled(2)[NORM]})
    d.index(INDEX, {**d.places("one.safetensors"), "lm_head.weight": "two.safetensors"})


def safetensors_index_of_bin(d):
    d.bin("one.bin", 1)
    d.index(INDEX, d.places("one.bin"))


def bin_index_of_safetensors(d):
    d.safetensors("one.safetensors", 1)
    d.index(BIN_INDEX, d.places("one.safetensors"))


def double(d):
    d.save(SINGLE, d.filled(1 / 3, torch.float64))


def base_names(d):
    d.save(SINGLE, {name.removeprefix("model."): tensor for name, tensor in d.filled(1).items()})


def two_names(d):
    d.save(SINGLE, {**d.filled(1), "model.norm.weight": d.filled(2)[NORM]})


def two_names_the_other_way_round(d):
    d.save(SINGLE, {**d.filled(1), "language_model.norm.weight": d.filled(2)[NORM]})


def not_finite_in_config(d):
    d.safetensors(SINGLE, 1)
    d.config(initializer_range=float("inf"), unknown=[float("nan"), float("-inf")])


def byte_order_mark(d):
    d.safetensors(SINGLE, 1)
    path = d.folder / "config.json"
    path.write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")


def key_twice(d):
    d.safetensors(SINGLE, 1)
    path = d.folder / "config.json"
    text = path.read_text(encoding="utf-8").strip()
    path.write_text('{"model_type": "another", ' + text[1:], encoding="utf-8")


SCENARIOS = (
    single_beside_index,
    single_beside_index_without_shards,
    index_beside_bin,
    index_without_shards_beside_bin,
    bin_beside_its_index,
    single_beside_bin,
    variant,
    consolidated,
    shard_without_index,
    named_in_config,
    named_in_config_and_missing,
    named_in_config_as_index,
    index_of_a_folder,
    index_lacks_a_tensor,
    index_names_the_wrong_shard,
    tensor_in_two_shards,
    safetensors_index_of_bin,
    bin_index_of_safetensors,
    double,
    base_names,
    two_names,
    two_names_the_other_way_round,
    not_finite_in_config,
    byte_order_mark,
    key_twice,
)


def _loaded(folder: Path) -> dict:
    try:
        model = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    except Exception:
        return {"refused": True}
    return {"norm": float(model.get_parameter(NORM)[0].detach())}


def write(folder: Path, out: Path, log=print):
    results = {}
    with tempfile.TemporaryDirectory() as place:
        for scenario in SCENARIOS:
            directory = Directory(out / CHECKPOINT / "checkpoint", Path(place) / scenario.__name__)
            scenario(directory)
            results[scenario.__name__] = _loaded(directory.folder)
    write_json(folder / "loading.json", {"checkpoint": CHECKPOINT, "norm": NORM, "scenarios": results})
    log(f"  {len(results)} directories that leave a choice")
