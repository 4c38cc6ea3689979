"""State dicts as torch.save writes them, with what they hold, and files that have to be refused."""

import collections
import pickle
import re
import zipfile
from pathlib import Path

import torch
from torch.storage import _dtype_to_storage_type_map

from .files import write_json

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


class Hostile:
    """What unpickling it would run."""

    def __reduce__(self):
        import os

        return os.system, ("touch /tmp/a-checkpoint-ran-this",)


def _numbers(seed: int, *shape, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randint(-64, 64, shape, generator=generator) / 16).to(dtype)


def _module() -> torch.nn.Module:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4))
    with torch.no_grad():
        for i, parameter in enumerate(module.parameters()):
            parameter.copy_(_numbers(i, *parameter.shape))
    return module


def _views() -> dict:
    base = _numbers(10, 6, 5, dtype=torch.float16)
    cube = _numbers(11, 2, 3, 4)
    return {
        "whole": base,
        "transposed": base.t(),
        "part": base[2:5, 1:4],
        "column": base[:, 3],
        "every other": base[::2],
        "expanded": _numbers(12, 1, 4).expand(3, 4),
        "permuted": cube.permute(2, 0, 1),
        "last": cube[1, 2, 3],
        "one row": base[1:2],
        "nothing": base[3:3],
    }


def _types() -> dict:
    return {
        "f32": torch.tensor([[1.5, -2.0], [float("inf"), 1e-40]]),
        "f16": torch.tensor([0.25, -65504.0, 6e-8], dtype=torch.float16),
        "bf16": torch.tensor([3.0, -4.0, 1e38], dtype=torch.bfloat16),
        "scalar": torch.tensor(-7.25),
        "empty": torch.zeros(0, 3),
        # Between two floats, half way between two, too small and too large for one.
        "f64": torch.tensor([1 / 3, 1 + 2**-24, 1 + 3 * 2**-24, -1e-300, 1e300, -0.0], dtype=torch.float64),
        "i64": torch.arange(5),
        "i32": torch.arange(3, dtype=torch.int32),
        "i16": torch.arange(3, dtype=torch.int16),
        "i8": torch.arange(3, dtype=torch.int8),
        "u8": torch.arange(3, dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "c64": torch.zeros(1, dtype=torch.complex64),
        "a counter": 12,
        "a setting": {"nested": [1, 2.5, None, "text", (True, False)]},
    }


def _tied() -> dict:
    table = torch.nn.Parameter(_numbers(20, 5, 4, dtype=torch.bfloat16))
    return collections.OrderedDict(
        [("embed.weight", table), ("norm.weight", torch.nn.Parameter(_numbers(21, 4))), ("head.weight", table)]
    )


def _many() -> dict:
    """More than 256 values, so that the pickle numbers them with more than a byte."""
    return {f"layers.{i}.weight": _numbers(30 + i, 1 + i % 3, 2, dtype=torch.float16) for i in range(90)}


READ = {
    "module.bin": (lambda: _module().state_dict(), {}),
    "views.bin": (_views, {}),
    "types.bin": (_types, {}),
    "tied.bin": (_tied, {}),
    "many.bin": (_many, {}),
    "protocol-4.bin": (_tied, {"pickle_protocol": 4}),
    "protocol-5.bin": (_views, {"pickle_protocol": 5}),
    "legacy.bin": (_views, {"_use_new_zipfile_serialization": False}),
    "legacy-types.bin": (_types, {"_use_new_zipfile_serialization": False}),
    "legacy-tied.bin": (_tied, {"_use_new_zipfile_serialization": False}),
}


def _float8() -> dict:
    return {"a": torch.zeros(2, dtype=torch.float8_e4m3fn)}


REFUSED = {
    "hostile.bin": (lambda: {"a": _numbers(1, 2), "b": Hostile()}, {}, "posix.system"),
    "hostile-legacy.bin": (lambda: {"b": Hostile()}, {"_use_new_zipfile_serialization": False}, "posix.system"),
    "hostile-protocol-4.bin": (lambda: {"b": Hostile()}, {"pickle_protocol": 4}, "posix.system"),
    "whole-module.bin": (_module, {}, "torch.nn.modules.container.Sequential"),
    "float8.bin": (_float8, {}, "torch._utils._rebuild_tensor_v3"),
    "trainer.bin": (lambda: {"state_dict": {"a": _numbers(1, 2)}, "epoch": 3}, {}, "holds no tensor"),
    "list.bin": (lambda: [_numbers(1, 2)], {}, "a list"),
}


def _save(state, path: Path, arguments: dict):
    if arguments.get("_use_new_zipfile_serialization", True):
        torch.save(state, path, **arguments)
        return
    # The old format names storages by their addresses and sorts them by these names: numbers from 0 instead.
    torch.serialization.sorted = list
    try:
        torch.save(state, path, **arguments)
    finally:
        del torch.serialization.sorted
    numbers = {}
    path.write_bytes(
        re.sub(
            rb"X(.)\x00\x00\x00(\d{9,20})(?=q|h)",
            lambda m: b"X\x08\x00\x00\x00%08d" % numbers.setdefault(m[2], len(numbers)) if m[1][0] == len(m[2]) else m[0],
            path.read_bytes(),
            flags=re.DOTALL,
        )
    )


def _float_values(tensor) -> list:
    return [float(v) if torch.isfinite(v) else str(float(v)) for v in tensor.detach().float().contiguous().flatten()]


def write(folder: Path, log=print):
    files = []
    for name, (make, arguments) in READ.items():
        state = make()
        _save(state, folder / name, arguments)
        again = torch.load(folder / name, weights_only=False)
        tensors, others = [], []
        for key, value in again.items():
            if isinstance(value, torch.Tensor) and value.dtype not in FLOATS:
                others.append({"name": key, "storage": _dtype_to_storage_type_map()[value.dtype]})
            elif isinstance(value, torch.Tensor):
                tensors.append(
                    {
                        "name": key,
                        "dtype": str(value.dtype).removeprefix("torch."),
                        "shape": list(value.shape),
                        "contiguous": value.is_contiguous(),
                        "values": _float_values(value),
                    }
                )
        files.append({"file": name, "tensors": tensors, "others": others})
    refused = []
    for name, (make, arguments, names) in REFUSED.items():
        _save(make(), folder / name, arguments)
        refused.append({"file": name, "message": names})
    with zipfile.ZipFile(folder / "module.bin") as stored:
        with zipfile.ZipFile(folder / "deflated.bin", "w", zipfile.ZIP_DEFLATED) as deflated:
            for entry in stored.namelist():
                deflated.writestr(zipfile.ZipInfo(entry), stored.read(entry), zipfile.ZIP_DEFLATED)
    refused.append({"file": "deflated.bin", "message": "compressed"})
    (folder / "plain-pickle.bin").write_bytes(pickle.dumps({"a": [1.0]}, protocol=2))
    refused.append({"file": "plain-pickle.bin", "message": "does not begin as a file of torch.save does"})
    write_json(folder / "torch.json", {"files": files, "refused": refused})
    log(f"  {len(files)} files of torch.save, {len(refused)} to refuse")
