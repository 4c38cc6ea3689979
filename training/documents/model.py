"""What documents add to the model: heads that spell cells, an oracle in place of vision, and several turns about one
page.

The model itself is transformers' Qwen2-VL, built and run batched by `reader.model`.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Qwen2VLForConditionalGeneration

from reader.batches import DEVIATION, IGNORED, MEAN
from reader.model import CLASSES, SLOTS, Size, attended, norm, positions, rotated, rotation
from reader.pictures import CELL, PATCH

Keys = list[tuple[Tensor, Tensor]]


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=1 / math.sqrt(inputs))
    nn.init.zeros_(layer.bias)
    return layer


def onto(device: torch.device, array: np.ndarray | Tensor) -> Tensor:
    """An array on a device. A GPU copies it while the program goes on, which takes memory that stays in its place."""
    tensor = torch.as_tensor(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def patches(images: Tensor) -> Tensor:
    """[B, H, W, 3] of uint8 -> [B, N, 588], as `reader.batches.patches` has them, on the images' device."""
    batch, height, width, _ = images.shape
    mean, deviation = (torch.from_numpy(a).to(images.device) for a in (MEAN, DEVIATION))
    normal = images.float() * (1 / (255 * deviation)) - mean / deviation
    tiles = normal.view(batch, height // CELL, 2, PATCH, width // CELL, 2, PATCH, 3)
    return tiles.permute(0, 1, 4, 2, 5, 7, 3, 6).reshape(batch, -1, 3 * PATCH * PATCH)


class Spelling(nn.Module):
    """Training only: the characters whose centres lie in each patch and in each cell, in ordered slots.

    The head of cells reads the merger's hidden state [B, C, 4E] and not the cells, so that the merger's last layer
    stays free to be solved.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.patch_norm = nn.LayerNorm(size.vision_width)
        self.patch = _linear(size.vision_width, SLOTS * CLASSES)
        self.cell = nn.Sequential(_linear(4 * size.vision_width, size.width), _linear(size.width, 4 * SLOTS * CLASSES))

    def forward(self, features: Tensor, hidden: Tensor, slots: Tensor) -> dict[str, Tensor]:
        """The loss for the true `slots` [B, N, S]; the share of characters that each head gets right."""
        scores = {"cell": self.cell(hidden).view(*slots.shape, CLASSES),
                  "patch": self.patch(self.patch_norm(features)).view(*slots.shape, CLASSES)}
        weight = torch.where(slots > 0, 1.0, 0.25).flatten()
        printed = (slots > 0).sum().clamp(min=1)
        losses = {name: (F.cross_entropy(s.flatten(0, 2), slots.flatten(), reduction="none") * weight).sum() / printed
                  for name, s in scores.items()}
        right = ((scores["cell"].argmax(-1) == slots) & (slots > 0)).sum() / printed
        return {"loss": losses["cell"] + 0.5 * losses["patch"], "characters": right.detach()}


class Oracle(nn.Module):
    """The language model's input cells from the true contents of their slots: a sum of one vector per slot and
    character."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        letters = 0.1 * torch.randn(CLASSES, size.width)
        table = torch.stack([letters @ torch.linalg.qr(torch.randn(size.width, size.width))[0]
                             for _ in range(4 * SLOTS)])
        self.table = nn.Parameter(table)
        self.empty = nn.Parameter(0.02 * torch.randn(size.width))

    def forward(self, slots: Tensor) -> Tensor:
        """Cells [B, C, D] of slots [B, N, S]."""
        batch, patches, _ = slots.shape
        index = slots.view(batch * patches // 4, 4 * SLOTS)
        weight = (index > 0).to(self.table.dtype)
        index = index + torch.arange(4 * SLOTS, device=index.device) * CLASSES
        cells = F.embedding_bag(index, self.table.flatten(0, 1), mode="sum", per_sample_weights=weight)
        return cells.view(batch, patches // 4, -1) + self.empty


def _attention(model: Qwen2VLForConditionalGeneration, layer: nn.Module, x: Tensor, cos: Tensor, sin: Tensor
               ) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values [B, heads, T, head] of a layer's input, turned to their places."""
    config = model.model.language_model.config
    head = config.hidden_size // config.num_attention_heads
    groups = config.num_attention_heads // config.num_key_value_heads
    attention, normed = layer.self_attn, norm(layer.input_layernorm, x)

    def heads(states: Tensor) -> Tensor:
        return states.view(*states.shape[:2], -1, head).transpose(1, 2)

    q, k, v = heads(attention.q_proj(normed)), heads(attention.k_proj(normed)), heads(attention.v_proj(normed))
    return rotated(q, cos, sin), rotated(k, cos, sin).repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)


def _rest(layer: nn.Module, x: Tensor, seen: Tensor) -> Tensor:
    x = x + layer.self_attn.o_proj(seen.transpose(1, 2).reshape(*x.shape[:2], -1))
    return x + layer.mlp(norm(layer.post_attention_layernorm, x))


def remember(model: Qwen2VLForConditionalGeneration, cells: Tensor, grid: tuple[int, int], before: Tensor, after: Tensor
             ) -> Keys:
    """Keys and values of what all turns about a page have in common: the ids `before` the picture, its cells [B, C, D],
    and the ids `after` it."""
    language = model.model.language_model
    batch = len(cells)
    x = torch.cat((language.embed_tokens(before).expand(batch, -1, -1), cells,
                   language.embed_tokens(after).expand(batch, -1, -1)), 1)
    cos, sin = rotation(model, positions(len(before), grid, len(after), cells.device))
    keys: Keys = []
    for index, layer in enumerate(language.layers):
        q, k, v = _attention(model, layer, x, cos, sin)
        keys.append((k, v))
        if index + 1 < len(language.layers):
            x = _rest(layer, x, attended(q, k, v, is_causal=True))
    return keys


@dataclass(frozen=True)
class Packed:
    """Turns about each page, one behind the other in a row, so that short ones are not padded to the longest: `ids`
    [B, L], the `targets` behind them and their `pointers` [B, L], the `turn` that each id belongs to [B, L], -1 for
    padding, and its `place` in it [B, L]."""

    ids: Tensor
    targets: Tensor
    pointers: Tensor
    turn: Tensor
    place: Tensor


def pack(turns: np.ndarray, targets: np.ndarray, pointers: np.ndarray) -> Packed:
    """Rows of the turns [B, K, T] about each page. Of a turn nothing is kept behind its last target."""
    length = turns.shape[2]
    kept = (targets != IGNORED)[..., ::-1].argmax(-1)
    inside = np.arange(length) < (length - kept)[..., None]
    pages, turn, place = np.nonzero(inside)
    sizes = inside.sum((1, 2))
    column = np.arange(len(pages)) - np.repeat(np.cumsum(sizes) - sizes, sizes)

    def rows(values: np.ndarray, padding: int) -> Tensor:
        out = np.full((len(turns), sizes.max()), padding, dtype=np.int64)
        out[pages, column] = values
        return torch.from_numpy(out)

    return Packed(rows(turns[inside], 0), rows(targets[inside], IGNORED), rows(pointers[inside], -1), rows(turn, -1),
                  rows(place, 0))


def reply(model: Qwen2VLForConditionalGeneration, keys: Keys, start: int, packed: Packed, first_cell: int = -1
          ) -> tuple[Tensor, Tensor]:
    """The language model's last states [B, L, D] of packed turns, each of which sees its page and itself; and how far
    some heads are from looking where the next character is printed, see `_pointing`.

    `keys`: from `remember`; `start`: the position of the first id of a turn; `first_cell`: which of the keys is the
    picture's first, or below 0 for no pointing.
    """
    language = model.model.language_model
    device, known = keys[0][0].device, keys[0][0].shape[2]
    batch, turns, longest = len(packed.ids), int(packed.turn.max()) + 1, int(packed.place.max()) + 1
    # A turn sees its page and itself, so attention runs over rows of one turn each; all else runs over packed ids.
    inside = packed.turn >= 0
    in_rows = (packed.turn * longest + packed.place).clamp(min=0)
    in_pack = torch.zeros(batch, turns * longest, dtype=torch.long)
    page, column = torch.nonzero(inside, as_tuple=True)
    in_pack[page, in_rows[page, column]] = column
    ids, place, in_rows, in_pack = (onto(device, t) for t in (packed.ids, packed.place, in_rows, in_pack))

    def taken(states: Tensor, at: Tensor) -> Tensor:
        return states.gather(2, at[:, None, :, None].expand(-1, states.shape[1], -1, states.shape[3]))

    def rows(states: Tensor) -> Tensor:
        """[B, heads, L, head] -> [B K, heads, T, head]."""
        heads, head = states.shape[1], states.shape[3]
        return taken(states, in_pack).view(batch, heads, turns, longest, head).transpose(1, 2).flatten(0, 1)

    def behind_page(of_page: Tensor, own: Tensor) -> Tensor:
        """[B K, heads, known + T, head]."""
        return torch.cat((of_page[:, None].expand(-1, turns, -1, -1, -1).flatten(0, 1), rows(own)), 2)

    pointed = Pointed.of(packed, turns, first_cell, device) if first_cell >= 0 and (packed.pointers >= 0).any() else None
    x, away = language.embed_tokens(ids), torch.zeros((), device=device)
    cos, sin = (table[place][:, None] for table in rotation(
        model, torch.arange(start, start + longest, device=device).expand(3, longest)))
    # What pads a row stands behind its turn, where a causal mask hides it.
    mask = torch.ones(longest, known + longest, dtype=torch.bool, device=device).tril(known)
    for index, (layer, (page_keys, page_values)) in enumerate(zip(language.layers, keys)):
        q, k, v = _attention(model, layer, x, cos, sin)
        q, k, v = rows(q), behind_page(page_keys, k), behind_page(page_values, v)
        if pointed and index in POINTING:
            away = away + _pointing(q, k, mask, pointed) / len(POINTING)
        seen = attended(q, k, v, attn_mask=mask).unflatten(0, (batch, turns)).transpose(1, 2).flatten(2, 3)
        x = _rest(layer, x, taken(seen, in_rows))
    return norm(language.norm, x), away


POINTING = (2, 3)  # layers


@dataclass(frozen=True)
class Pointed:
    """Where characters that are printed once are wanted: the `row` of each one's turn, its `place` there, the `key` of the
    cell that it is printed in, and its `patch` in that, all [characters]."""

    row: Tensor
    place: Tensor
    key: Tensor
    patch: Tensor

    @staticmethod
    def of(packed: Packed, turns: int, first_cell: int, device: torch.device) -> "Pointed":
        at = torch.nonzero(packed.pointers >= 0, as_tuple=True)
        patches = packed.pointers[at]
        return Pointed(*(onto(device, t) for t in (at[0] * turns + packed.turn[at], packed.place[at],
                                                   patches // 4 + first_cell, patches % 4)))


def _pointing(q: Tensor, k: Tensor, mask: Tensor, at: Pointed) -> Tensor:
    """Training only: one of the first four heads should look at the cell of the next character, a head for each of its
    patches; the other three should rest on the first key. Negative log-likelihood, a mean over characters."""
    q, k = q[:, :4].float(), k[:, :4].float()
    scores = (q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])).masked_fill(~mask, -1e9).log_softmax(-1)
    looks = (at.patch[:, None] == torch.arange(4, device=at.patch.device)).long()
    found = scores.permute(0, 2, 1, 3)[at.row, at.place].gather(2, (at.key[:, None] * looks)[..., None])[..., 0]
    return -(found * torch.where(looks > 0, 1.0, 0.25)).sum(1).mean()


def first_position(grid: tuple[int, int], before: int, after: int) -> int:
    """The position of the first id of a turn behind a picture with `before` and `after` ids around it."""
    return before + max(grid) + after
