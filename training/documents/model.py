"""What documents add to the model: heads that spell cells, an oracle in place of vision, and several turns about one
page.

The model itself is transformers' Qwen2-VL, built and run batched by `reader.model`.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

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
class Spread:
    """Packed ids in rows: where each is put (`at` [n]) among `shape`, rows and places in each."""

    at: Tensor
    shape: tuple[int, int]

    @staticmethod
    def of(row: np.ndarray, place: np.ndarray) -> "Spread":
        shape = int(row.max()) + 1, int(place.max()) + 1
        return Spread(torch.from_numpy(row * shape[1] + place), shape)

    def to(self, device: torch.device) -> "Spread":
        return Spread(onto(device, self.at), self.shape)

    def rows(self, states: Tensor) -> Tensor:
        """[n, heads, head] -> [R, heads, T, head], zeros where nothing is put."""
        _, heads, head = states.shape
        out = states.new_zeros(math.prod(self.shape), heads * head).index_copy(0, self.at, states.flatten(1))
        return out.view(*self.shape, heads, head).transpose(1, 2)

    def packed(self, rows: Tensor) -> Tensor:
        """[R, heads, T, values] -> [n, heads, values]."""
        return rows.transpose(1, 2).flatten(0, 1).index_select(0, self.at)


@dataclass(frozen=True)
class Packed:
    """All turns of a batch, one behind the other, so that nothing is padded: `ids` [N], the `targets` behind them and
    their `pointers` [N]; which `turn` each id belongs to [N], counted over all pages, and its `place` in that [N].

    Turns of about one length stand together, so that rows of one turn each are hardly padded either: `by_turn` spreads
    the ids of one length after the other, `by_page` all ids into one row for each page.
    """

    ids: Tensor
    targets: Tensor
    pointers: Tensor
    turn: Tensor
    place: Tensor
    by_turn: tuple[Spread, ...]
    by_page: Spread

    def wanted(self) -> Tensor:
        """Which ids have a target behind them, turn by turn."""
        wanted = torch.nonzero(self.targets != IGNORED)[:, 0]
        return wanted[self.turn[wanted].argsort(stable=True)]


def pack(turns: np.ndarray, targets: np.ndarray, pointers: np.ndarray) -> Packed:
    """The turns [B, K, T] about each page. Of a turn nothing is kept behind its last target."""
    _, each, length = turns.shape
    turns, targets, pointers = (a.reshape(-1, length) for a in (turns, targets, pointers))
    lengths = length - (targets != IGNORED)[:, ::-1].argmax(1)
    size = np.ceil(2 * np.log2(lengths))  # 1.4 times as long is of another size
    order = np.argsort(size, kind="stable")
    row, place = np.nonzero(np.arange(length) < lengths[order, None])
    turn = order[row]
    by_turn = []
    for one in np.unique(size):
        inside = size[turn] == one
        by_turn.append(Spread.of(row[inside] - row[inside][0], place[inside]))
    page = turn // each
    by_page = np.empty_like(page)
    by_page[np.argsort(page, kind="stable")] = np.concatenate([np.arange(n) for n in np.bincount(page)])
    return Packed(*(torch.from_numpy(a) for a in (turns[turn, place], targets[turn, place], pointers[turn, place], turn,
                                                  place)), tuple(by_turn), Spread.of(page, by_page))


def reply(model: Qwen2VLForConditionalGeneration, keys: Keys, start: int, packed: Packed, first_cell: int = 0,
          pointing: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
    """The language model's last states [N, D] of packed turns, each of which sees its page and itself; and how far some
    heads are from looking where the next character is printed, see `_pointing`.

    `keys`: from `remember`; `start`: the position of the first id of a turn; `first_cell`: which of the keys is the
    picture's first; `pointing`: the layers of these heads.
    """
    language, device = model.model.language_model, keys[0][0].device
    places = torch.arange(start, start + int(packed.place.max()) + 1, device=device)
    cos, sin = (table[onto(device, packed.place)] for table in rotation(model, places.expand(3, -1)))
    by_page, by_turn = packed.by_page.to(device), [spread.to(device) for spread in packed.by_turn]
    sizes = [len(spread.at) for spread in by_turn]
    pointed = Pointed.of(packed, first_cell, device) if pointing and (packed.pointers >= 0).any() else None
    x, away = language.embed_tokens(onto(device, packed.ids))[None], torch.zeros((), device=device)
    for index, (layer, (page_keys, page_values)) in enumerate(zip(language.layers, keys)):
        q, k, v = (states[0].transpose(0, 1) for states in _attention(model, layer, x, cos, sin))
        q = q / math.sqrt(q.shape[-1])
        # One softmax in two parts: a fused kernel would want a copy of the page's keys for every turn about it.
        scores = by_page.rows(q) @ page_keys.transpose(2, 3)
        of_page = Part.of(scores, page_values, by_page)
        own = []
        for spread, *states in zip(by_turn, q.split(sizes), k.split(sizes), v.split(sizes)):
            rows, row_keys, row_values = map(spread.rows, states)
            ahead = torch.ones(spread.shape[1], spread.shape[1], dtype=torch.bool, device=device).triu(1)
            own.append(Part.of((rows @ row_keys.transpose(2, 3)).masked_fill(ahead, -1e9), row_values, spread))
        seen, total = joined(of_page, Part(*map(torch.cat, zip(*own))))
        if pointed and index in pointing:
            away = away + _pointing(scores, total, pointed) / len(pointing)
        x = _rest(layer, x, seen.transpose(0, 1)[None])
    return norm(language.norm, x[0]), away


class Part(NamedTuple):
    """Attention of packed ids to some of their keys, not yet divided: the `sum` of values [n, heads, head], weighed by
    what their scores are above the `top` one [n, heads, 1], and the `total` of these weights [n, heads, 1]."""

    sum: Tensor
    top: Tensor
    total: Tensor

    @staticmethod
    def of(scores: Tensor, values: Tensor, spread: Spread) -> "Part":
        """From scores [R, heads, T, C] for values [R, heads, C, head]."""
        top = scores.detach().amax(-1, keepdim=True)
        weights = (scores - top).exp()
        return Part(*map(spread.packed, (weights @ values, top, weights.sum(-1, keepdim=True))))


def joined(one: Part, other: Part) -> tuple[Tensor, Tensor]:
    """Attention to both parts [n, heads, head], and the logarithm of the total of all weights [n, heads, 1]."""
    top = torch.maximum(one.top, other.top)
    scales = [(part.top - top).float().exp() for part in (one, other)]
    total = one.total * scales[0] + other.total * scales[1]
    return (one.sum * scales[0] + other.sum * scales[1]) / total, top + total.log()


@dataclass(frozen=True)
class Pointed:
    """Where characters that are printed once are wanted: the `id` that each is wanted behind, the `page` that it is
    printed on and the `place` that the id has among all about that page, the `key` of the cell that it is printed in,
    and its `patch` in that, all [characters]."""

    id: Tensor
    page: Tensor
    place: Tensor
    key: Tensor
    patch: Tensor

    @staticmethod
    def of(packed: Packed, first_cell: int, device: torch.device) -> "Pointed":
        ids = torch.nonzero(packed.pointers >= 0)[:, 0]
        at, patches = packed.by_page.at[ids], packed.pointers[ids]
        longest = packed.by_page.shape[1]
        return Pointed(*(onto(device, t) for t in (ids, at // longest, at % longest, patches // 4 + first_cell,
                                                   patches % 4)))


def _pointing(scores: Tensor, total: Tensor, at: Pointed) -> Tensor:
    """Training only: one of the first four heads should look at the cell of the next character, a head for each of its
    patches; the other three should rest on the first key. Negative log-likelihood, a mean over characters.

    `scores` [B, heads, T, C] of the pages' keys; `total` [N, heads, 1]: the logarithm of what all keys of an id add up
    to.
    """
    looks = (at.patch[:, None] == torch.arange(4, device=at.patch.device)).long()
    found = scores[at.page, :4, at.place].gather(2, (at.key[:, None] * looks)[..., None]).float() - total[at.id, :4]
    return -(found[..., 0] * torch.where(looks > 0, 1.0, 0.25)).sum(1).mean()


def first_position(grid: tuple[int, int], before: int, after: int) -> int:
    """The position of the first id of a turn behind a picture with `before` and `after` ids around it."""
    return before + max(grid) + after
