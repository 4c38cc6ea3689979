"""Random weights for towers, projectors and decoders, scaled so that attention is sharp and positions and pictures matter."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass
class Gains:
    """How loud the parts are; what makes answers of a tiny random model varied is found by trying."""

    embed: float = 1.0
    head: float = 0.35
    branch: float = 1.0
    projector: float = 1.8


def fill(model: torch.nn.Module, seed: int, dtype: torch.dtype, tied: bool, gains: Gains, row_gains: np.ndarray):
    """
    Every parameter, through the checkpoint's own type, so that what is saved is what the reference computes with.

    row_gains: [vocabulary], how loudly each token speaks.
    """
    for index, (name, parameter) in enumerate(sorted(model.named_parameters())):
        noise = np.random.default_rng([seed, index]).standard_normal(tuple(parameter.shape))
        value = noise * _scale(name, parameter, gains)
        if "norm" in name:
            value += 1.0 if name.endswith("weight") else 0.0
            if tied and name.endswith("language_model.norm.weight"):
                # Signs at random: with a tied head a token would otherwise call itself, over and over.
                signs = np.random.default_rng([seed, index, 1]).integers(0, 2, size=parameter.shape)
                value = value * np.where(signs == 0, -1.0, 1.0)
        if "lm_head" in name or tied and "embed_tokens" in name:
            value = value * row_gains[:, None]
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(value.astype(np.float32)).to(dtype).to(torch.float32))


def _scale(name: str, parameter: torch.Tensor, gains: Gains) -> float:
    if "embed_tokens" in name:
        return gains.embed
    if "lm_head" in name:
        return gains.head
    if "norm" in name:
        return 0.15
    if name.endswith("image_newline"):
        return gains.embed
    if "position_embedding" in name or "class_embedding" in name:
        return 0.3
    if name.endswith("bias"):
        return 0.2
    if "patch_embedding" in name:
        return 0.06
    gain = 1.0
    if "q_proj" in name or "k_proj" in name:
        gain = 1.6
    elif "o_proj" in name or "down_proj" in name:
        gain = 1.5 * gains.branch
    elif "gate_proj" in name or "up_proj" in name:
        gain = 1.2
    elif "projector" in name and "linear_2" in name:
        gain = gains.projector * gains.embed
    return gain / np.sqrt(int(np.prod(parameter.shape[1:])))
