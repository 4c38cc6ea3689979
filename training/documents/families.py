"""The families of models that recipes train: how each sees pages and answers turns, in parts that stages freeze or
move.

`Qwen2VL` runs batched over its modules, with several turns about one page and an oracle in place of vision. `Llava` and
`PaliGemma` run transformers' own forward, picture and turn by turn, which is slower and needs no second implementation.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PreTrainedTokenizerBase,
)

import export
from reader import model as models
from reader.batches import DEVIATION, IGNORED, MEAN
from reader.model import Size
from reader.pictures import PATCH
from reader.tokenizer import IMAGE_PAD, SPECIAL_TOKENS, TURN_END, prompt

from . import tokenizer as tokenizers
from .batches import Asked, Characters, Prompts
from .model import Oracle, Spelling, first_position, onto, patches, remember, reply
from .recipe import Recipe, Stage

NOISE = 0.15  # at most, of the spread of the oracle's cells


def scored(logits: Tensor, targets: np.ndarray, types: tuple[str, ...]) -> dict[str, Tensor]:
    """The loss of the wanted ids and how many of them, and of whole answers, a greedy decoder would get.

    `logits` [wanted, vocabulary] at the positions where `targets` [turns, T] are not ignored; `types` of the turns.
    """
    device = logits.device
    turn, place = np.nonzero(targets != IGNORED)
    wanted = onto(device, targets[turn, place])
    answer = F.cross_entropy(logits.float(), wanted)
    hit = logits.argmax(-1) == wanted
    exact = (torch.zeros(len(targets), device=device).index_add_(0, onto(device, turn), (~hit).float()) == 0).float()
    result = {"loss": answer, "answer": answer.detach(), "tokens": hit.float().mean(), "exact": exact.mean()}
    names, kind, counts = np.unique(np.array(types), return_inverse=True, return_counts=True)
    shares = torch.zeros(len(names), device=device).index_add_(0, onto(device, kind), exact) / onto(device, counts)
    return result | {f"exact {name}": share for name, share in zip(names, shares)}


class Qwen2VL(nn.Module):
    """Qwen2-VL at any resolution, with heads that spell cells and an oracle that vision is joined to."""

    def __init__(self, size: Size, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        self.size, self.tokenizer = size, tokenizer
        ids = {t: tokenizer.convert_tokens_to_ids(t) for t in SPECIAL_TOKENS}
        self.model = models.build(size, ids)
        self.spelling = Spelling(size)
        self.oracle = Oracle(size)
        whole = tokenizer.encode(prompt(tokenizer, ""))
        at = whole.index(ids[IMAGE_PAD])
        self.prompts = Prompts(tokenizer, whole[:at], whole[at + 1:at + 2], whole[at + 2:], ids[TURN_END])

    @staticmethod
    def words() -> PreTrainedTokenizerBase:
        return tokenizers.build()

    def parts(self) -> dict[str, nn.Module]:
        """What stages learn, by name, and the helpers that go with a task."""
        vision, language = self.model.model.visual, self.model.model.language_model
        return {"vision": nn.ModuleList([vision.patch_embed, vision.blocks]), "projector": vision.merger,
                "language": language, "spelling": self.spelling, "oracle": self.oracle}

    def losses(self, batch: Characters | Asked, stage: Stage, done: float) -> dict[str, Tensor]:
        """The loss of a batch and what to report of it, with the share `done` of the stage behind it."""
        if isinstance(batch, Characters):
            features, hidden = self._looked(batch)
            return self.spelling(features, hidden, self.tensor(batch.slots))
        loss, reported = torch.zeros((), device=self.oracle.table.device), {}
        if batch.images is None:
            cells = self.oracle(self.tensor(batch.oracle))
            if self.training:
                strength = NOISE * torch.rand((), device=cells.device) * cells.detach().std()
                cells = cells + strength * torch.randn_like(cells)
        else:
            features, hidden = self._looked(batch)
            cells = self.model.model.visual.merger.mlp[2](hidden)
            if stage.characters:
                spelled = self.spelling(features, hidden, self.tensor(batch.slots))
                reported["characters"] = spelled["characters"]
                loss = loss + stage.characters * spelled["loss"]
            if weight := stage.oracle * max(0.0, 1 - 1.2 * done):
                with torch.no_grad():
                    told = self.oracle(self.tensor(batch.slots))
                apart = F.mse_loss(cells, told) / told.var()
                reported["oracle"] = apart.detach()
                loss = loss + weight * apart
        before, after = (self.tensor(np.array(ids)) for ids in (self.prompts.before, self.prompts.after))
        packed = batch.packed
        keys = remember(self.model, cells, batch.grid, before, after)
        states, away = reply(self.model, keys, first_position(batch.grid, len(before), len(after)), packed,
                             len(before), stage.pointing_layers if stage.pointing else ())
        if stage.pointing:
            reported["away"] = away.detach()
            loss = loss + stage.pointing * away
        wanted = states[self.tensor(packed.wanted())]
        logits = F.linear(wanted, self.model.model.language_model.embed_tokens.weight)
        result = scored(logits, batch.targets.reshape(-1, batch.targets.shape[2]), batch.types)
        return {**result, **reported, "loss": result["loss"] + loss}

    def tensor(self, array: np.ndarray | Tensor) -> Tensor:
        return onto(self.oracle.table.device, array)

    def _looked(self, batch: Characters | Asked) -> tuple[Tensor, Tensor]:
        return models.look(self.model, patches(self.tensor(batch.images)), batch.grid)

    @torch.no_grad()
    def solve(self, drawn: list[Asked], ridge: float = 1e-5) -> float:
        """Sets the merger's last layer to the ridge regression from its hidden states to the oracle's cells; the share
        of the spread of these that it explains."""
        last = self.model.model.visual.merger.mlp[2]
        x = torch.cat([self._looked(batch)[1].flatten(0, 1) for batch in drawn]).double()
        y = torch.cat([self.oracle(self.tensor(batch.slots)).flatten(0, 1) for batch in drawn]).double()
        x = torch.cat((x, torch.ones_like(x[:, :1])), 1)
        penalty = ridge * len(x) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        solution = torch.linalg.solve(x.T @ x + penalty, x.T @ y)
        last.weight.copy_(solution[:-1].T)
        last.bias.copy_(solution[-1])
        return 1 - (((x @ solution - y) ** 2).sum() / ((y - y.mean(0)) ** 2).sum()).item()

    def export(self, folder: Path, dtype: torch.dtype) -> None:
        """A plain Qwen2-VL checkpoint in the Hub's layout."""
        export.export(self.model, self.size, self.tokenizer, folder, dtype, max_new_tokens=128)


class _Hub(nn.Module):
    """A family that runs transformers' own forward on square pictures: one sequence for every turn about a page."""

    IMAGE = "<image>"
    MEAN: tuple[float, ...]
    DEVIATION: tuple[float, ...]

    def __init__(self, size: Size, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        self.size, self.tokenizer = size, tokenizer
        self.image = tokenizer.convert_tokens_to_ids(self.IMAGE)
        self.model: nn.Module
        self.prompts: Prompts
        self.patch = nn.Sequential(nn.LayerNorm(size.vision_width),
                                   nn.Linear(size.vision_width, models.SLOTS * models.CLASSES))

    def parts(self) -> dict[str, nn.Module]:
        """What stages learn, by name, and the helper that goes with characters."""
        inner = self.model.model
        return {"vision": inner.vision_tower, "projector": inner.multi_modal_projector,
                "language": nn.ModuleList([inner.language_model, self.model.lm_head]), "spelling": self.patch,
                "oracle": nn.ModuleList()}

    def losses(self, batch: Characters | Asked, stage: Stage, done: float) -> dict[str, Tensor]:
        """The loss of a batch, on answers only, and what to report of it."""
        if isinstance(batch, Characters):
            return self._spelled(batch)
        count, each, _ = batch.turns.shape
        device = self.patch[1].weight.device
        front = [*self.prompts.before, *[self.image] * self.cells(batch.grid), *self.prompts.after]
        turns, targets = (torch.from_numpy(a).flatten(0, 1) for a in (batch.turns, batch.targets))
        rows = count * each
        ids = torch.cat((torch.tensor(front).expand(rows, -1), turns, torch.full((rows, 1), self.prompts.padding)), 1)
        labels = torch.full_like(ids, IGNORED)
        labels[:, len(front) + 1:] = targets
        # Turns end before their last id, which is only a target; a forward with labels wants it in its place.
        ids = torch.where(labels != IGNORED, labels, ids)
        end = (labels != IGNORED).int().cumsum(1).argmax(1, keepdim=True)
        places = torch.arange(ids.shape[1]).expand_as(ids)
        start = (labels != IGNORED).int().argmax(1, keepdim=True)
        pixels = self.pixels(torch.from_numpy(batch.images)).repeat_interleave(each, 0)
        out = self.model(**{k: v.to(device) for k, v in {
            "input_ids": ids, "attention_mask": (places <= end).long(), "pixel_values": pixels, "labels": labels,
            **self.kinds((places >= start).long())}.items()})
        shifted = labels[:, 1:]
        result = scored(out.logits[:, :-1][(shifted != IGNORED).to(device)].float(), shifted.numpy(), batch.types)
        return {**result, "loss": out.loss}

    def cells(self, grid: tuple[int, int]) -> int:
        """Image tokens of a page of `grid` merged cells; these families merge none."""
        return 4 * grid[0] * grid[1]

    def kinds(self, answers: Tensor) -> dict[str, Tensor]:
        """What else the forward is told: which ids [rows, T] belong to `answers`."""
        return {}

    def pixels(self, images: Tensor) -> Tensor:
        """[B, H, W, 3] of uint8 -> [B, 3, H, W] normalised."""
        mean, deviation = torch.tensor(self.MEAN), torch.tensor(self.DEVIATION)
        return ((images.float() / 255 - mean) / deviation).permute(0, 3, 1, 2)

    def _spelled(self, batch: Characters) -> dict[str, Tensor]:
        """Characters in each patch, from the vision tower's last states in raster order."""
        device = self.patch[1].weight.device
        seen = self.model.model.vision_tower(self.pixels(torch.from_numpy(batch.images)).to(device)).last_hidden_state
        rows, columns = batch.grid
        raster = torch.from_numpy(batch.slots).view(-1, rows, columns, 2, 2, models.SLOTS).transpose(2, 3).reshape(
            len(batch.slots), 4 * rows * columns, models.SLOTS).to(device)
        scores = self.patch(seen[:, -raster.shape[1]:]).view(*raster.shape, models.CLASSES)
        weight = torch.where(raster > 0, 1.0, 0.25).flatten()
        printed = (raster > 0).sum().clamp(min=1)
        loss = (F.cross_entropy(scores.flatten(0, 2), raster.flatten(), reduction="none") * weight).sum() / printed
        return {"loss": loss, "characters": (((scores.argmax(-1) == raster) & (raster > 0)).sum() / printed).detach()}

    def solve(self, drawn: list[Asked]) -> float:
        raise ValueError(f"{type(self).__name__} has no oracle to be solved for; leave `solve` out of its stages")

    def _written(self, folder: Path, dtype: torch.dtype, files: dict[str, dict[str, Any]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.model.to(dtype).save_pretrained(folder)
        self.model.float()
        self.tokenizer.save_pretrained(folder)
        for name, values in files.items():
            _write(folder / name, values)


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n")


class Llava(_Hub):
    """LLaVA: a CLIP tower, a projector on its states before the last layer, and a Llama. Square pictures of one size.

    The `projector` is "linear" as in the first paper, or an "mlp" of two layers as in LLaVA-1.5.
    """

    MEAN, DEVIATION = tuple(map(float, MEAN)), tuple(map(float, DEVIATION))
    TEMPLATE = ("<s>{% for message in messages %}{{ message.role.upper() + ': ' }}{% for part in message.content %}"
                "{% if part.type == 'image' %}{{ '<image>\n' }}{% else %}{{ part.text }}{% endif %}{% endfor %}"
                "{{ ' ' if message.role == 'user' else '</s>' }}{% endfor %}"
                "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")

    def __init__(self, size: Size, tokenizer: PreTrainedTokenizerBase, side: int, projector: str) -> None:
        super().__init__(size, tokenizer)
        if projector not in ("linear", "mlp"):
            raise ValueError(f'projector {projector!r}; expected "linear" or "mlp"')
        end, padding = tokenizer.eos_token_id, tokenizer.pad_token_id
        self.model = LlavaForConditionalGeneration(LlavaConfig(
            vision_config=dict(
                model_type="clip_vision_model", hidden_size=size.vision_width, intermediate_size=4 * size.vision_width,
                num_hidden_layers=size.vision_layers, num_attention_heads=size.vision_heads, image_size=side,
                patch_size=PATCH,
                projection_dim=size.width),
            text_config=dict(
                model_type="llama", vocab_size=size.vocabulary, hidden_size=size.width, intermediate_size=size.mlp,
                num_hidden_layers=size.layers, num_attention_heads=size.heads, num_key_value_heads=size.kv_heads,
                max_position_embeddings=4096, rms_norm_eps=1e-5,
                rope_parameters=dict(rope_type="default", rope_theta=size.rope_theta),
                bos_token_id=tokenizer.bos_token_id, eos_token_id=end, pad_token_id=padding, tie_word_embeddings=False),
            image_token_index=self.image, image_seq_length=(side // PATCH) ** 2, projector_hidden_act="gelu",
            vision_feature_layer=-2, vision_feature_select_strategy="default", tie_word_embeddings=False)).float()
        if projector == "linear":
            self.model.model.multi_modal_projector = nn.Linear(size.vision_width, size.width)
        spelled = tokenizer.encode
        self.prompts = Prompts(tokenizer, [tokenizer.bos_token_id, *spelled("USER: ")], spelled("\n"),
                               spelled(" ASSISTANT:"), end)

    @staticmethod
    def words() -> PreTrainedTokenizerBase:
        return tokenizers.plain("<s>", "</s>", "<pad>", Llava.IMAGE, Llava.TEMPLATE)

    def export(self, folder: Path, dtype: torch.dtype) -> None:
        """A LLaVA-1.5 checkpoint as transformers writes it; or, since transformers knows no linear projector, one in
        the layout of LLaVA's own repository, with the vision tower in `vision-tower/`."""
        if isinstance(self.model.model.multi_modal_projector, nn.Linear):
            self._export_original(folder, dtype)
            return
        side = self.model.config.vision_config.image_size
        self._written(folder, dtype, {
            "preprocessor_config.json": self._pictures(side),
            "processor_config.json": {
                "processor_class": "LlavaProcessor", "image_token": self.IMAGE, "patch_size": PATCH,
                "num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"}})

    def _export_original(self, folder: Path, dtype: torch.dtype) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        inner, config = self.model.model, self.model.config
        side, text = config.vision_config.image_size, config.text_config
        tensors = {f"model.{name}": tensor for name, tensor in inner.language_model.state_dict().items()}
        tensors |= {f"model.mm_projector.{name}": tensor
                    for name, tensor in inner.multi_modal_projector.state_dict().items()}
        tensors["lm_head.weight"] = self.model.lm_head.weight
        save_file({name: tensor.detach().to(dtype).contiguous() for name, tensor in tensors.items()},
                  folder / "model.safetensors", metadata={"format": "pt"})
        self.tokenizer.save_pretrained(folder)
        inner.vision_tower.save_pretrained(folder / "vision-tower")
        _write(folder / "vision-tower" / "preprocessor_config.json", self._pictures(side))
        _write(folder / "config.json", {
            "architectures": ["LlavaLlamaForCausalLM"], "model_type": "llava", "bos_token_id": text.bos_token_id,
            "eos_token_id": text.eos_token_id, "pad_token_id": text.pad_token_id, "hidden_act": "silu",
            "hidden_size": text.hidden_size, "intermediate_size": text.intermediate_size,
            "num_hidden_layers": text.num_hidden_layers, "num_attention_heads": text.num_attention_heads,
            "num_key_value_heads": text.num_key_value_heads, "max_position_embeddings": text.max_position_embeddings,
            "rms_norm_eps": text.rms_norm_eps, "rope_theta": self.size.rope_theta, "tie_word_embeddings": False,
            "torch_dtype": str(dtype).removeprefix("torch."), "use_cache": True, "vocab_size": text.vocab_size,
            "mm_hidden_size": self.size.vision_width, "mm_projector_type": "linear", "mm_use_im_start_end": False,
            "mm_use_im_patch_token": False, "mm_vision_select_feature": "patch", "mm_vision_select_layer": -2,
            "mm_vision_tower": "vision-tower", "use_mm_proj": True})
        _write(folder / "generation_config.json", {
            "bos_token_id": text.bos_token_id, "eos_token_id": text.eos_token_id, "pad_token_id": text.pad_token_id})

    def _pictures(self, side: int) -> dict[str, Any]:
        """What CLIP's image processor is told."""
        return {"image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True, "do_resize": True, "resample": 3,
                "size": {"shortest_edge": side}, "do_center_crop": True, "crop_size": {"height": side, "width": side},
                "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": list(self.MEAN),
                "image_std": list(self.DEVIATION)}


class PaliGemma(_Hub):
    """PaliGemma: a SigLIP tower, a linear projector and a Gemma that sees picture and question both ways
    (prefix-LM)."""

    MEAN = DEVIATION = (0.5, 0.5, 0.5)

    def __init__(self, size: Size, tokenizer: PreTrainedTokenizerBase, side: int) -> None:
        super().__init__(size, tokenizer)
        end, start, padding = tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id
        self.model = PaliGemmaForConditionalGeneration(PaliGemmaConfig(
            vision_config=dict(
                model_type="siglip_vision_model", hidden_size=size.vision_width,
                intermediate_size=4 * size.vision_width,
                num_hidden_layers=size.vision_layers, num_attention_heads=size.vision_heads, image_size=side,
                patch_size=PATCH,
                projection_dim=size.width, vision_use_head=False),
            text_config=dict(
                model_type="gemma", vocab_size=size.vocabulary, hidden_size=size.width, intermediate_size=size.mlp,
                num_hidden_layers=size.layers, num_attention_heads=size.heads, num_key_value_heads=size.kv_heads,
                head_dim=size.width // size.heads, max_position_embeddings=4096, hidden_activation="gelu_pytorch_tanh",
                rope_parameters=dict(rope_type="default", rope_theta=size.rope_theta), bos_token_id=start,
                eos_token_id=end,
                pad_token_id=padding, tie_word_embeddings=True),
            image_token_index=self.image, projection_dim=size.width, hidden_size=size.width, bos_token_id=start,
            eos_token_id=end,
            pad_token_id=padding, tie_word_embeddings=True)).float()
        self.prompts = Prompts(tokenizer, [], [start], tokenizer.encode("\n"), end)

    @staticmethod
    def words() -> PreTrainedTokenizerBase:
        return tokenizers.plain("<bos>", "<eos>", "<pad>", PaliGemma.IMAGE, None)

    def kinds(self, answers: Tensor) -> dict[str, Tensor]:
        return {"token_type_ids": answers}

    def export(self, folder: Path, dtype: torch.dtype) -> None:
        """A PaliGemma checkpoint as transformers writes it."""
        side = self.model.config.vision_config.image_size
        self._written(folder, dtype, {
            "preprocessor_config.json": {
                "image_processor_type": "SiglipImageProcessor", "processor_class": "PaliGemmaProcessor",
                "do_convert_rgb": True,
                "do_resize": True, "resample": 3, "size": {"height": side, "width": side}, "do_rescale": True,
                "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": list(self.MEAN),
                "image_std": list(self.DEVIATION),
                "image_seq_length": (side // PATCH) ** 2}})


Family = Qwen2VL | Llava | PaliGemma
FAMILIES: dict[str, type[Family]] = {"qwen2-vl": Qwen2VL, "llava": Llava, "paligemma": PaliGemma}


def words(family: str) -> PreTrainedTokenizerBase:
    """A new tokenizer of a family."""
    return FAMILIES[family].words()


def build(recipe: Recipe, stage: Stage, tokenizer: PreTrainedTokenizerBase) -> Family:
    """A new model; the families of one resolution take that of the stage's pages, which must be squares."""
    family = recipe.family
    if family == "qwen2-vl":
        return Qwen2VL(recipe.model, tokenizer)
    if stage.rows != stage.columns or stage.rows[0] != stage.rows[1] or stage.tiles:
        raise ValueError(f"stage {stage.name} of {family} has pages of {stage.rows} x {stage.columns} cells and tiles "
                         f"{stage.tiles}; "
                         "expected squares of one size, for instance rows = columns = [8, 8], and no tiles")
    side = 2 * PATCH * stage.rows[0]
    if family == "llava":
        return Llava(recipe.model, tokenizer, side, recipe.projector)
    return PaliGemma(recipe.model, tokenizer, side)


def fitted(name: str, tensor: Tensor, like: Tensor) -> Tensor:
    """A vision tower's learned positions [N, E], interpolated for another resolution; anything else as it is."""
    if tensor.shape == like.shape or not name.endswith("position_embedding.weight"):
        return tensor
    extra = len(like) - int(len(like) ** 0.5) ** 2  # CLIP has a class token in front
    old, new = int((len(tensor) - extra) ** 0.5), int((len(like) - extra) ** 0.5)
    grid = tensor[extra:].view(1, old, old, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, (new, new), mode="bicubic", align_corners=False)
    return torch.cat((tensor[:extra], grid.flatten(2)[0].T))
