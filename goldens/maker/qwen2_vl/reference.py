"""Requests as Qwen2-VL's processor and model take them."""

import inspect
import re
from pathlib import Path

import numpy as np
import torch
from transformers import Qwen2Tokenizer, Qwen2VLForConditionalGeneration
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from ..checkpoint import chat_template, image_processor_settings
from ..reference import Picture, Prepared, Reference
from ..requests import Case
from . import video

_BACK = {c: b for b, c in bytes_to_unicode().items()}


class Qwen2VlReference(Reference):
    def __init__(self, checkpoint: Path, goldens: Path):
        model = Qwen2VLForConditionalGeneration.from_pretrained(
            checkpoint, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        tokenizer = Qwen2Tokenizer.from_pretrained(checkpoint)
        super().__init__(goldens, model, tokenizer, set(model.generation_config.eos_token_id))
        self.images = Qwen2VLImageProcessorPil(**image_processor_settings(checkpoint))
        self.videos = video.load(checkpoint)
        self.template = chat_template(checkpoint)

    def token_bytes(self, piece: str) -> bytes:
        return bytes(_BACK[c] for c in piece)

    def pictures(self, messages: list) -> tuple[list[Picture], list[torch.Tensor]]:
        """Every picture and video in order of its appearance; and the pixel_values of each."""
        found, values = [], []
        for message in messages:
            if isinstance(message["content"], str):
                continue
            for part in message["content"]:
                if part["type"] in ("image_url", "video"):
                    picture, pixel_values = self.video(part) if part["type"] == "video" else self.picture(part)
                    found.append(picture)
                    values.append(pixel_values)
        return found, values

    @staticmethod
    def _size(part: dict, processor) -> dict:
        """A picture's or video's own limits where it brings any."""
        return {
            "shortest_edge": part.get("min_pixels", processor.size["shortest_edge"]),
            "longest_edge": part.get("max_pixels", processor.size["longest_edge"]),
        }

    def picture(self, part: dict) -> tuple[Picture, torch.Tensor]:
        file = part["image_url"]["url"]
        picture = self.load(file)
        size = self._size(part, self.images)
        ready = self.images(picture, size=size, return_tensors="np")
        grid = [int(v) for v in ready["image_grid_thw"][0]]
        patches = self.images(picture, size=size, do_rescale=False, do_normalize=False, return_tensors="np")
        frames = self._unpatch(patches["pixel_values"], grid)
        assert np.array_equal(frames[0], frames[1])
        tokens = int(np.prod(grid)) // self.images.merge_size**2
        found = Picture(
            files=[file],
            width=picture.width,
            height=picture.height,
            limits={"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]},
            resized_width=frames.shape[2],
            resized_height=frames.shape[1],
            grids=[grid],
            tokens=tokens,
            projector_rows=tokens,
            tiles=[frames[0]],
        )
        return found, torch.from_numpy(ready["pixel_values"])

    def video(self, part: dict) -> tuple[Picture, torch.Tensor]:
        frames = np.stack([np.asarray(self.load(file)) for file in part["video"]])
        size = self._size(part, self.videos)
        ready = self.videos([frames], size=size, return_tensors="pt")
        grid = ready["video_grid_thw"][0].tolist()
        patches = self.videos([frames], size=size, do_rescale=False, do_normalize=False, return_tensors="pt")
        resized = self._unpatch(patches["pixel_values_videos"].numpy(), grid)
        pairs, rows, columns = grid
        tokens = int(np.prod(grid)) // self.videos.merge_size**2
        found = Picture(
            files=part["video"],
            medium="video",
            width=frames.shape[2],
            height=frames.shape[1],
            limits={"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]},
            resized_width=resized.shape[2],
            resized_height=resized.shape[1],
            # The encoder attends within a pair of frames only: each pair is a run of its own.
            grids=[[1, rows, columns]] * pairs,
            tokens=tokens,
            projector_rows=tokens,
            tiles=list(resized.reshape(pairs, -1, *resized.shape[1:])),
        )
        return found, ready["pixel_values_videos"]

    def _unpatch(self, patches: np.ndarray, grid: list) -> np.ndarray:
        """The frames [T, H, W, 3] out of the reference's patches: also a check of the patch order."""
        m, p, t = self.images.merge_size, self.images.patch_size, self.images.temporal_patch_size
        n, h, w = grid
        a = patches.reshape(n, h // m, w // m, m, m, 3, t, p, p)
        a = a.transpose(0, 6, 1, 3, 7, 2, 4, 8, 5).reshape(n * t, h * p, w * p, 3)
        assert a.min() >= 0 and a.max() <= 255 and np.array_equal(a, np.floor(a))
        return a.astype(np.uint8)

    def _vision(self, pictures: list[Picture], values: list[torch.Tensor], grids: list) -> tuple:
        """Encoder's and merger's rows in the order in which pictures and videos appear."""
        if all(p.medium == "picture" for p in pictures):
            runs = [(torch.cat(values), torch.tensor(grids))]
        else:
            runs = [(v, torch.tensor([g])) for v, g in zip(values, grids)]
        with torch.no_grad():
            outputs = [self.model.model.visual(v, grid_thw=g) for v, g in runs]
        return (
            torch.cat([o.last_hidden_state for o in outputs]).numpy(),
            torch.cat([o.pooler_output for o in outputs]).numpy(),
        )

    def prepare(self, case: Case, messages: list) -> Prepared:
        prompt = self.tokenizer.apply_chat_template(
            messages,
            chat_template=self.template,
            add_generation_prompt=True,
            tokenize=False,
            **case.template_arguments,
        )
        pictures, values = self.pictures(messages)
        pad = {"picture": "<|image_pad|>", "video": "<|video_pad|>"}
        places = re.split("|".join(f"({re.escape(token)})" for token in pad.values()), prompt)
        expanded, waiting = "", iter(pictures)
        for piece in places:
            if piece in pad.values():
                picture = next(waiting)
                assert pad[picture.medium] == piece, "a user's text must not hold a placeholder in a golden"
                piece *= picture.tokens
            expanded += piece or ""
        assert next(waiting, None) is None
        input_ids = self.tokenizer(expanded, return_tensors="pt").input_ids
        config = self.model.config
        types = (input_ids == config.image_token_id).int() + 2 * (input_ids == config.video_token_id).int()
        at = types[0].nonzero().flatten().tolist()
        for picture in pictures:
            picture.first_token = at[0]
            at = at[picture.tokens :]
        inputs = {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids), "mm_token_type_ids": types}
        arrays = {}
        length = input_ids.shape[1]
        if pictures:
            grids = [[sum(g[0] for g in p.grids), *p.grids[0][1:]] for p in pictures]
            layouts = {}
            for medium, pixels, layout in (
                ("picture", "pixel_values", "image_grid_thw"),
                ("video", "pixel_values_videos", "video_grid_thw"),
            ):
                own = [i for i, p in enumerate(pictures) if p.medium == medium]
                if own:
                    inputs[pixels] = torch.cat([values[i] for i in own])
                    inputs[layout] = layouts[layout] = torch.tensor([grids[i] for i in own])
            positions, delta = self.model.model.get_rope_index(
                input_ids, types, **layouts, attention_mask=inputs["attention_mask"]
            )
            positions, delta = positions[:, 0].numpy(), int(delta.flatten()[0])
            arrays["pixel_values"] = torch.cat(values).numpy()
            arrays["encoder_output"], arrays["projector_output"] = self._vision(pictures, values, grids)
        else:
            positions, delta = np.broadcast_to(np.arange(length), (3, length)), 0
        arrays["position_ids"] = positions
        return Prepared(prompt, input_ids[0].tolist(), pictures, inputs, length + delta, arrays)

    def without_cache(self, prepared: Prepared, generated: list[int]) -> torch.Tensor:
        self.model.model.rope_deltas = None
        return super().without_cache(prepared, generated)


assert "mm_token_type_ids" in inspect.signature(Qwen2VLForConditionalGeneration.forward).parameters
