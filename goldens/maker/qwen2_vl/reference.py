"""Requests as Qwen2-VL's processor and model take them."""

import inspect
from pathlib import Path

import numpy as np
import torch
from transformers import Qwen2Tokenizer, Qwen2VLForConditionalGeneration
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from ..checkpoint import chat_template, image_processor_settings
from ..reference import Picture, Prepared, Reference
from ..requests import Case

_BACK = {c: b for b, c in bytes_to_unicode().items()}


class Qwen2VlReference(Reference):
    def __init__(self, checkpoint: Path, goldens: Path):
        model = Qwen2VLForConditionalGeneration.from_pretrained(
            checkpoint, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        tokenizer = Qwen2Tokenizer.from_pretrained(checkpoint)
        super().__init__(goldens, model, tokenizer, set(model.generation_config.eos_token_id))
        self.images = Qwen2VLImageProcessorPil(**image_processor_settings(checkpoint))
        self.template = chat_template(checkpoint)
        self.image_token_id = model.config.image_token_id

    def token_bytes(self, piece: str) -> bytes:
        return bytes(_BACK[c] for c in piece)

    def pictures(self, messages: list) -> tuple[list[Picture], list[np.ndarray]]:
        """Every picture in order of its appearance, with its own limits where it brings any; and its pixel_values."""
        found, values = [], []
        for message in messages:
            if isinstance(message["content"], str):
                continue
            for part in message["content"]:
                if part["type"] != "image_url":
                    continue
                file = part["image_url"]["url"]
                picture = self.load(file)
                size = {
                    "shortest_edge": part.get("min_pixels", self.images.size["shortest_edge"]),
                    "longest_edge": part.get("max_pixels", self.images.size["longest_edge"]),
                }
                ready = self.images(picture, size=size, return_tensors="np")
                grid = [int(v) for v in ready["image_grid_thw"][0]]
                patches = self.images(picture, size=size, do_rescale=False, do_normalize=False, return_tensors="np")
                resized = self._unpatch(patches["pixel_values"], grid)
                values.append(ready["pixel_values"])
                tokens = int(np.prod(grid)) // self.images.merge_size**2
                found.append(
                    Picture(
                        files=[file],
                        width=picture.width,
                        height=picture.height,
                        limits={"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]},
                        resized_width=resized.shape[1],
                        resized_height=resized.shape[0],
                        grids=[grid],
                        tokens=tokens,
                        projector_rows=tokens,
                        tiles=[resized],
                    )
                )
        return found, values

    def _unpatch(self, patches: np.ndarray, grid: list) -> np.ndarray:
        """The resized picture [H, W, 3] out of the reference's patches: also a check of the patch order."""
        m, p, t = self.images.merge_size, self.images.patch_size, self.images.temporal_patch_size
        _, h, w = grid
        a = patches.reshape(h // m, w // m, m, m, 3, t, p, p)[:, :, :, :, :, 0]
        a = a.transpose(0, 2, 5, 1, 3, 6, 4).reshape(h * p, w * p, 3)
        assert a.min() >= 0 and a.max() <= 255 and np.array_equal(a, np.floor(a))
        return a.astype(np.uint8)

    def prepare(self, case: Case, messages: list) -> Prepared:
        prompt = self.tokenizer.apply_chat_template(
            messages,
            chat_template=self.template,
            add_generation_prompt=True,
            tokenize=False,
            **case.template_arguments,
        )
        pictures, values = self.pictures(messages)
        pieces = prompt.split("<|image_pad|>")
        assert len(pieces) == len(pictures) + 1, "a user's text must not hold the picture token in a golden"
        expanded = pieces[0]
        for picture, piece in zip(pictures, pieces[1:]):
            expanded += "<|image_pad|>" * picture.tokens + piece
        input_ids = self.tokenizer(expanded, return_tensors="pt").input_ids
        types = (input_ids == self.image_token_id).to(torch.int32)
        at = (input_ids[0] == self.image_token_id).nonzero().flatten().tolist()
        for picture in pictures:
            picture.first_token = at[0]
            at = at[picture.tokens :]
        inputs = {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids), "mm_token_type_ids": types}
        arrays = {}
        length = input_ids.shape[1]
        if pictures:
            pixel_values = torch.from_numpy(np.concatenate(values))
            grid = torch.tensor([p.grids[0] for p in pictures])
            inputs |= {"pixel_values": pixel_values, "image_grid_thw": grid}
            positions, delta = self.model.model.get_rope_index(
                input_ids, types, image_grid_thw=grid, attention_mask=inputs["attention_mask"]
            )
            positions, delta = positions[:, 0].numpy(), int(delta.flatten()[0])
            with torch.no_grad():
                vision = self.model.model.visual(pixel_values, grid_thw=grid)
            arrays["pixel_values"] = pixel_values.numpy()
            arrays["encoder_output"] = vision.last_hidden_state.numpy()
            arrays["projector_output"] = vision.pooler_output.numpy()
        else:
            positions, delta = np.broadcast_to(np.arange(length), (3, length)), 0
        arrays["position_ids"] = positions
        return Prepared(prompt, input_ids[0].tolist(), pictures, inputs, length + delta, arrays)

    def without_cache(self, prepared: Prepared, generated: list[int]) -> torch.Tensor:
        self.model.model.rope_deltas = None
        return super().without_cache(prepared, generated)


assert "mm_token_type_ids" in inspect.signature(Qwen2VLForConditionalGeneration.forward).parameters
