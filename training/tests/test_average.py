"""The mean of checkpoints."""

import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

import average


def checkpoint(folder, **tensors: torch.Tensor):
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(f'{{"of": "{folder.name}"}}')
    return folder


def test_the_mean_is_of_all_and_its_files_are_of_the_last(tmp_path, monkeypatch) -> None:
    one = checkpoint(tmp_path / "one", w=torch.tensor([1.0, 4.0], dtype=torch.bfloat16))
    other = checkpoint(tmp_path / "other", w=torch.tensor([3.0, -4.0], dtype=torch.bfloat16))
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["average.py", str(one), str(other), str(out)])
    average.main()
    found = load_file(out / "model.safetensors")
    assert found.keys() == {"w"} and found["w"].dtype == torch.bfloat16 and found["w"].tolist() == [2.0, 0.0]
    assert "other" in (out / "config.json").read_text()


def test_checkpoints_of_different_models_have_no_mean(tmp_path) -> None:
    one, other = checkpoint(tmp_path / "one", w=torch.ones(2)), checkpoint(tmp_path / "other", w=torch.ones(3))
    with pytest.raises(ValueError, match=r"w is \(2,\); expected \(3,\)"):
        average.mean([one, other])
    third = checkpoint(tmp_path / "third", w=torch.ones(2), b=torch.ones(1))
    with pytest.raises(ValueError, match="b is None"):
        average.mean([one, third])
