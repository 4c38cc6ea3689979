"""
transformers' video processor on arrays of frames, without torchvision.

The class is the reference's own: which settings count, the size of a frame, the bounds, patches, the repeated last frame, sampling.
It exists only on top of torchvision, which does two things for it: it resizes, and it subtracts and divides. Here Pillow resizes,
frame by frame, as it does for pictures; torch subtracts and divides as torchvision does.
"""

import importlib
import importlib.machinery
import sys
import types
from pathlib import Path

import numpy as np
import torch
from PIL import Image


def _importable_torchvision():
    """An empty torchvision, for the import alone: transformers has looked for it by now, and goes on without it."""
    from transformers.utils import is_torchvision_available

    if is_torchvision_available():
        raise SystemExit("torchvision is installed; the goldens are made without it")
    parent = None
    for name in ("torchvision", "transforms", "v2", "functional"):
        full = name if parent is None else f"{parent.__name__}.{name}"
        module = types.ModuleType(full)
        module.__spec__ = importlib.machinery.ModuleSpec(full, None)
        module.__path__ = []
        if parent is not None:
            setattr(parent, name, module)
        sys.modules[full] = parent = module


def _classes():
    importlib.import_module("transformers.models.qwen2_vl.image_processing_pil_qwen2_vl")
    _importable_torchvision()
    try:
        utils = importlib.import_module("transformers.video_processing_utils")
        own = importlib.import_module("transformers.models.qwen2_vl.video_processing_qwen2_vl")
    finally:
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
    return utils.BaseVideoProcessor, own.Qwen2VLVideoProcessor


_Base, _Reference = _classes()


class _WithoutTorchvision(_Base):
    """What the reference's class gets from torchvision: it calls these by `super()`."""

    def resize(self, image, size, resample=None, **kwargs):
        assert resample == Image.Resampling.BICUBIC and image.dtype == torch.uint8
        flat = image.reshape(-1, *image.shape[-3:]).permute(0, 2, 3, 1).numpy()
        done = [np.asarray(Image.fromarray(f).resize((size.width, size.height), Image.Resampling.BICUBIC)) for f in flat]
        return torch.from_numpy(np.stack(done)).permute(0, 3, 1, 2).reshape(*image.shape[:-2], size.height, size.width)

    def normalize(self, image, mean, std, **kwargs):
        shape = (-1, 1, 1)
        return image.sub(torch.as_tensor(mean).view(shape)).div(torch.as_tensor(std).view(shape))

    def convert_to_rgb(self, video):
        assert video.shape[-3] == 3
        return video


class VideoProcessor(_Reference, _WithoutTorchvision):
    pass


def load(checkpoint: Path) -> VideoProcessor:
    """Settings from where the reference takes them: nested, in a file of their own, or those of pictures."""
    return VideoProcessor.from_pretrained(checkpoint, local_files_only=True)
