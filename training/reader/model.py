"""The model: transformers' Qwen2-VL at a small size, a batched forward over its modules, and training-only heads.

`Qwen2VLForConditionalGeneration` runs its vision tower picture by picture. In training every picture of a batch has the
same grid and every prompt the same length, so the same modules run here on [B, N, E] and [B, T, D] at once.
`tests/test_model.py` holds both forwards equal.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from . import strings

SLOTS = 4
CLASSES = len(strings.ALPHABET) + 1


@dataclass(frozen=True)
class Size:
    """The sizes that a recipe chooses; widths are multiples of 32 and heads of 16, for 8-bit kernels."""

    vision_width: int = 128
    vision_layers: int = 4
    vision_heads: int = 4
    width: int = 192
    layers: int = 4
    heads: int = 6
    kv_heads: int = 2
    mlp: int = 384
    rope_theta: float = 100.0
    mrope_section: tuple[int, int, int] = (2, 4, 10)
    vocabulary: int = 352


def configuration(size: Size, tokens: dict[str, int]) -> Qwen2VLConfig:
    """transformers' configuration of a model whose special tokens have the ids `tokens`."""
    return Qwen2VLConfig(
        text_config=dict(
            vocab_size=size.vocabulary, hidden_size=size.width, intermediate_size=size.mlp,
            num_hidden_layers=size.layers, num_attention_heads=size.heads, num_key_value_heads=size.kv_heads,
            hidden_act="silu", rms_norm_eps=1e-6, max_position_embeddings=2048, use_sliding_window=False,
            tie_word_embeddings=True, bos_token_id=None, eos_token_id=tokens["<|im_end|>"],
            pad_token_id=tokens["<|endoftext|>"],
            rope_parameters=dict(rope_type="default", rope_theta=size.rope_theta,
                                 mrope_section=list(size.mrope_section))),
        vision_config=dict(
            depth=size.vision_layers, embed_dim=size.vision_width, hidden_size=size.width, mlp_ratio=4,
            num_heads=size.vision_heads, hidden_act="quick_gelu", in_channels=3, patch_size=14, spatial_merge_size=2,
            temporal_patch_size=2),
        image_token_id=tokens["<|image_pad|>"], video_token_id=tokens["<|video_pad|>"],
        vision_start_token_id=tokens["<|vision_start|>"], vision_end_token_id=tokens["<|vision_end|>"],
        tie_word_embeddings=True)


def initialise(model: Qwen2VLForConditionalGeneration) -> None:
    """Fan-in initialisation, with what writes to a residual stream scaled down by its depth."""
    vision, language = model.model.visual, model.model.language_model
    depths = {"visual": len(vision.blocks), "language_model": len(language.layers)}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            gain = 1.0
            if name.endswith(("attn.proj", "mlp.fc2", "o_proj", "down_proj")):
                gain = 1 / math.sqrt(2 * depths["visual" if ".visual." in name else "language_model"])
            nn.init.normal_(module.weight, std=gain / math.sqrt(module.in_features))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    # Both frames of a still picture are equal, so their weights add up.
    nn.init.normal_(vision.patch_embed.proj.weight, std=0.5 / math.sqrt(588))
    nn.init.normal_(language.embed_tokens.weight, std=0.1)
    model.tie_weights()


class CharacterHeads(nn.Module):
    """Training only: the characters whose centres lie in a patch or a merged cell, in ordered slots.

    One head reads patches [B, N, E], one reads merged cells [B, C, D]; the second makes the language model's input
    spell the cell's characters before the language model can tell what it needs.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.patch_norm = nn.LayerNorm(size.vision_width)
        self.patch = nn.Linear(size.vision_width, SLOTS * CLASSES)
        self.cell = nn.Linear(size.width, 4 * SLOTS * CLASSES)
        for head in (self.patch, self.cell):
            nn.init.normal_(head.weight, std=1 / math.sqrt(head.in_features))
            nn.init.zeros_(head.bias)

    def forward(self, patches: Tensor, cells: Tensor, slots: Tensor) -> tuple[Tensor, Tensor]:
        """Loss, and the share of characters right in the cell head, for the true `slots` [B, N, S]."""
        by_patch = self.patch(self.patch_norm(patches)).view(*slots.shape, CLASSES)
        by_cell = self.cell(cells).view(*slots.shape, CLASSES)
        weight = torch.where(slots > 0, 1.0, 0.25).flatten()
        printed = (slots > 0).sum().clamp(min=1)
        loss = sum(
            (F.cross_entropy(scores.flatten(0, 2), slots.flatten(), reduction="none") * weight).sum() / printed
            for scores in (by_cell, by_patch))
        right = ((by_cell.argmax(-1) == slots) & (slots > 0)).sum() / printed
        return loss, right


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin


def attended(q: Tensor, k: Tensor, v: Tensor, **how) -> Tensor:
    """Scaled dot-product attention, in float32 on CPUs: their fused kernel is slower in bfloat16, above all backward."""
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, **how)
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), **how)


@lru_cache(maxsize=64)
def _vision_rotation(rows: int, columns: int, head: int, theta: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """cos, sin [N, head] of a grid of `rows` x `columns` patches, in the order of 2x2 merged cells."""
    frequency = theta ** -(torch.arange(0, head // 2, 2, dtype=torch.float, device=device) / (head // 2))

    def merged(position: Tensor) -> Tensor:
        return position.reshape(rows // 2, 2, columns // 2, 2).permute(0, 2, 1, 3).reshape(-1, 1)

    row, column = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    angles = torch.cat((merged(row) * frequency, merged(column) * frequency), -1).repeat(1, 2)
    return angles.cos(), angles.sin()


def look(model: Qwen2VLForConditionalGeneration, pixels: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Patch features [B, N, E] and the merger's hidden state [B, C, 4E], which its last layer turns into cells.

    `pixels` [B, N, 588]: normalised patches (channel, y, x) of still pictures in the order of 2x2 merged cells; `grid`:
    (rows, columns) of merged cells.
    """
    vision = model.model.visual
    config = vision.config
    head = config.embed_dim // config.num_heads
    cos, sin = _vision_rotation(2 * grid[0], 2 * grid[1], head, config.rope_parameters["rope_theta"], pixels.device)
    x = pixels @ vision.patch_embed.proj.weight.sum(2).flatten(1).T
    batch, patches, width = x.shape
    for block in vision.blocks:
        qkv = block.attn.qkv(block.norm1(x)).view(batch, patches, 3, config.num_heads, head).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        seen = attended(rotated(q, cos, sin), rotated(k, cos, sin), v)
        x = x + block.attn.proj(seen.transpose(1, 2).reshape(batch, patches, width))
        x = x + block.mlp(block.norm2(x))
    merger = vision.merger
    return x, merger.mlp[:2](merger.ln_q(x).view(batch, patches // 4, 4 * width))


def see(model: Qwen2VLForConditionalGeneration, pixels: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Patch features [B, N, E] and the language model's input cells [B, C, D]; see `look`."""
    features, hidden = look(model, pixels, grid)
    return features, model.model.visual.merger.mlp[2](hidden)


def positions(before: int, grid: tuple[int, int], after: int, device: torch.device) -> Tensor:
    """M-RoPE positions [3, T] of `before` text tokens, the cells of one picture, and `after` text tokens."""
    rows, columns = grid
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    picture = before + torch.stack((torch.zeros(rows * columns, dtype=torch.long), row.flatten(), column.flatten()))
    end = before + max(rows, columns)
    return torch.cat((torch.arange(before).expand(3, before), picture,
                      torch.arange(end, end + after).expand(3, after)), 1).to(device)


def rotation(model: Qwen2VLForConditionalGeneration, places: Tensor) -> tuple[Tensor, Tensor]:
    """cos, sin [T, head] of M-RoPE for positions [3, T]."""
    config = model.model.language_model.config
    head = config.hidden_size // config.num_attention_heads
    inverse = config.rope_parameters["rope_theta"] ** -(torch.arange(0, head, 2, device=places.device) / head)
    parts = (places[..., None] * inverse).split(config.rope_parameters["mrope_section"], -1)
    angles = torch.cat([part[i % 3] for i, part in enumerate(parts)], -1).repeat(1, 2)
    return angles.cos(), angles.sin()


def norm(module: nn.Module, x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), module.weight, module.variance_epsilon)


def read(model: Qwen2VLForConditionalGeneration, cells: Tensor, grid: tuple[int, int], before: Tensor, after: Tensor,
         wanted: int) -> Tensor:
    """Logits [B, wanted, vocabulary] of the last `wanted` positions.

    `before` [ids] stands in front of the picture in every prompt of the batch; `after` [B, ids] behind it: the rest of
    the prompt and the answer, padded at its end, where a causal model does not look.
    """
    language = model.model.language_model
    config = language.config
    batch, _, width = cells.shape
    head = width // config.num_attention_heads
    embed = language.embed_tokens
    x = torch.cat((embed(before).expand(batch, -1, -1), cells, embed(after)), 1)
    length = x.shape[1]

    cos, sin = rotation(model, positions(len(before), grid, after.shape[1], x.device))

    def heads(states: Tensor) -> Tensor:
        return states.view(batch, states.shape[1], -1, head).transpose(1, 2)

    last = len(language.layers) - 1
    for index, layer in enumerate(language.layers):
        attention = layer.self_attn
        normed = norm(layer.input_layernorm, x)
        # Of the last layer only the wanted positions are used.
        start = length - wanted if index == last else 0
        q = rotated(heads(attention.q_proj(normed[:, start:])), cos[start:], sin[start:])
        k = rotated(heads(attention.k_proj(normed)), cos, sin)
        v = heads(attention.v_proj(normed))
        groups = config.num_attention_heads // config.num_key_value_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        if start:
            mask = torch.ones(wanted, length, dtype=torch.bool, device=x.device).tril(start)
            seen = attended(q, k, v, attn_mask=mask)
        else:
            seen = attended(q, k, v, is_causal=True)
        x = x[:, start:] + attention.o_proj(seen.transpose(1, 2).reshape(batch, -1, width))
        x = x + layer.mlp(norm(layer.post_attention_layernorm, x))
    return F.linear(norm(language.norm, x), embed.weight)


def build(size: Size, tokens: dict[str, int]) -> Qwen2VLForConditionalGeneration:
    """A freshly initialised model in float32."""
    model = Qwen2VLForConditionalGeneration(configuration(size, tokens)).float()
    initialise(model)
    return model
