"""Requests as PaliGemma's processor and model take them."""

import re
from pathlib import Path

import numpy as np
import torch
from transformers import GemmaTokenizer, PaliGemmaForConditionalGeneration, PaliGemmaProcessor
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from ..checkpoint import image_processor_settings
from ..reference import Picture, Prepared, Reference, Rejected
from ..requests import Case
from .vocabulary import IMAGE


BOX = re.compile(r"(?:<loc\d{4}>){4} *[^<; ]")


class PaliGemmaReference(Reference):
    prefill = "whole_prefix"

    def __init__(self, checkpoint: Path, goldens: Path):
        # Other implementations of attention drop Gemma 2's soft capping.
        model = PaliGemmaForConditionalGeneration.from_pretrained(
            checkpoint, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        tokenizer = GemmaTokenizer.from_pretrained(checkpoint)
        eos = model.generation_config.eos_token_id
        super().__init__(goldens, model, tokenizer, {eos} if isinstance(eos, int) else set(eos))
        # Locations and segments are added tokens, but none that decoding leaves out.
        self.special = set(tokenizer.all_special_ids)
        self.images = SiglipImageProcessorPil(**image_processor_settings(checkpoint))
        self.processor = PaliGemmaProcessor(self.images, tokenizer)
        self.patch = model.config.vision_config.patch_size

    def token_bytes(self, piece: str) -> bytes:
        if piece.startswith("<0x") and piece.endswith(">") and len(piece) == 6:
            return bytes([int(piece[3:5], 16)])
        return piece.replace("▁", " ").encode()

    def _patches(self, pixels: np.ndarray) -> np.ndarray:
        """[3, H, W] → [patches, 3 · patch · patch], as the kernel of the patch embedding sees them."""
        _, height, width = pixels.shape
        rows, columns, p = height // self.patch, width // self.patch, self.patch
        cut = pixels[:, : rows * p, : columns * p].reshape(3, rows, p, columns, p)
        return cut.transpose(1, 3, 0, 2, 4).reshape(rows * columns, 3 * p * p)

    def prepare(self, case: Case, messages: list) -> Prepared:
        assert len(messages) == 1 and messages[0]["role"] == "user", "it has no chat template: one turn is the prompt"
        parts = messages[0]["content"]
        files = [p["image_url"]["url"] for p in parts if p["type"] == "image_url"]
        question = "".join(p["text"] for p in parts if p["type"] == "text")
        assert IMAGE not in question, "a user's text must not hold the picture token in a golden"
        loaded = [self.load(file) for file in files]
        inputs = self.processor(images=[loaded], text=IMAGE * len(files) + question, return_tensors="pt")
        inputs = {k: inputs[k] for k in ("input_ids", "attention_mask", "token_type_ids", "pixel_values")}
        ids = inputs["input_ids"]
        assert not inputs["token_type_ids"].any(), "all of a prompt is its prefix"
        side = self.images.size["height"]
        grid = side // self.patch
        pictures = []
        for index, (file, picture) in enumerate(zip(files, loaded)):
            seen = self.images(picture, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
            pixels = seen.transpose(1, 2, 0)
            assert np.array_equal(pixels, np.clip(np.floor(pixels), 0, 255))
            pictures.append(
                Picture(
                    files=[file],
                    width=picture.width,
                    height=picture.height,
                    resized_width=side,
                    resized_height=side,
                    grids=[[1, grid, grid]],
                    tokens=grid * grid,
                    projector_rows=grid * grid,
                    tiles=[pixels.astype(np.uint8)],
                    first_token=index * grid * grid,
                )
            )
        length = ids.shape[1]
        placeholders = (ids[0] == self.model.config.image_token_id).nonzero().flatten().tolist()
        assert placeholders == list(range(len(files) * grid * grid))
        with torch.no_grad():
            vision = self.model.get_image_features(inputs["pixel_values"])
        arrays = {
            "pixel_values": np.concatenate([self._patches(p) for p in inputs["pixel_values"].numpy()]),
            "encoder_output": vision.last_hidden_state.flatten(0, 1).numpy(),
            "projector_output": vision.pooler_output.flatten(0, 1).numpy(),
            # Positions start at 1, as PaliGemmaModel.forward and prepare_inputs_for_generation have them.
            "position_ids": np.arange(1, length + 1)[None],
        }
        prompt = IMAGE * len(files) + self.tokenizer.bos_token + question + "\n"
        return Prepared(prompt, ids[0].tolist(), pictures, inputs, length + 1, arrays)

    def without_cache(self, prepared: Prepared, generated: list[int]) -> torch.Tensor:
        """What is generated is no part of the prefix: its token types are 1."""
        extra = torch.tensor([generated[:-1]], dtype=torch.long)
        ids = torch.cat([prepared.inputs["input_ids"], extra], dim=1)
        types = torch.cat([prepared.inputs["token_type_ids"], torch.ones_like(extra)], dim=1)
        whole = dict(prepared.inputs, input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=types)
        return self.model(**whole, use_cache=False).logits[0, prepared.inputs["input_ids"].shape[1] - 1 :]

    def run(self, case: Case, suffix: str) -> tuple[dict, Prepared]:
        document, prepared = super().run(case, suffix)
        if case.name == "detect" and not BOX.search(document["expected"]["text"]):
            raise Rejected("no box in the answer")
        return document, prepared
