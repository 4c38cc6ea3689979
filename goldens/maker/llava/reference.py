"""Requests as the processors and models of LLaVA-1.5 and LLaVA-NeXT take them."""

from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoTokenizer,
    LlavaForConditionalGeneration,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    LlavaProcessor,
)
from transformers.image_processing_utils import select_best_resolution
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

from .. import llama_vocabulary
from ..checkpoint import chat_template, image_processor_settings, load_json
from ..reference import Picture, Prepared, Reference
from ..requests import Case


def _image_processor_type(checkpoint: Path) -> str:
    for file in ("processor_config.json", "preprocessor_config.json"):
        if (checkpoint / file).exists():
            settings = load_json(checkpoint / file)
            settings = settings.get("image_processor", settings)
            if "image_processor_type" in settings:
                return settings["image_processor_type"].removesuffix("Fast")
    raise SystemExit(f"{checkpoint} names no image processor")


class ClipReference(Reference):
    """A CLIP tower, a projector of two layers, and Llama or Mistral."""

    model_class = LlavaForConditionalGeneration
    processor_class = LlavaProcessor

    def __init__(self, checkpoint: Path, goldens: Path):
        model = self.model_class.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="eager").eval()
        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        eos = model.generation_config.eos_token_id
        super().__init__(goldens, model, tokenizer, set(eos if isinstance(eos, list) else [eos]))
        self.images = self.image_processor(checkpoint)
        settings = {}
        if (checkpoint / "processor_config.json").exists():
            settings = load_json(checkpoint / "processor_config.json")
        self.processor = self.processor_class(
            image_processor=self.images,
            tokenizer=tokenizer,
            patch_size=settings.get("patch_size", model.config.vision_config.patch_size),
            vision_feature_select_strategy=settings.get(
                "vision_feature_select_strategy", model.config.vision_feature_select_strategy
            ),
            num_additional_image_tokens=settings.get("num_additional_image_tokens", 1),
            chat_template=chat_template(checkpoint),
        )

    def image_processor(self, checkpoint: Path):
        kinds = {"CLIPImageProcessor": CLIPImageProcessorPil, "LlavaImageProcessor": LlavaImageProcessorPil}
        return kinds[_image_processor_type(checkpoint)](**image_processor_settings(checkpoint))

    def token_bytes(self, piece: str) -> bytes:
        return llama_vocabulary.token_bytes(piece)

    def messages(self, messages: list) -> tuple[list, list[str]]:
        """What the templates expect, lists of parts, and the pictures' files."""
        found, files = [], []
        for message in messages:
            content = message["content"]
            parts = []
            for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
                if part["type"] == "image_url":
                    files.append(part["image_url"]["url"])
                    part = {"type": "image"}
                parts.append(part)
            found.append({"role": message["role"], "content": parts})
        return found, files

    def prepare(self, case: Case, messages: list) -> Prepared:
        chat, files = self.messages(messages)
        prompt = self.processor.apply_chat_template(
            chat, add_generation_prompt=True, tokenize=False, **case.template_arguments
        )
        images = [self.load(file) for file in files]
        # As apply_chat_template itself does when it tokenises.
        special = not prompt.startswith(self.tokenizer.bos_token)
        inputs = dict(
            self.processor(text=prompt, images=images or None, return_tensors="pt", add_special_tokens=special)
        )
        input_ids = inputs["input_ids"]
        length = input_ids.shape[1]
        arrays = {"position_ids": np.arange(length)[None]}
        pictures = []
        if images:
            pictures = [self.picture(file, image) for file, image in zip(files, images)]
            at = (input_ids[0] == self.model.config.image_token_id).nonzero().flatten().tolist()
            assert len(at) == sum(p.tokens for p in pictures)
            for picture in pictures:
                picture.first_token = at[0]
                at = at[picture.tokens :]
            with torch.no_grad():
                arrays |= self.stages(inputs, pictures)
        return Prepared(prompt, input_ids[0].tolist(), pictures, inputs, length, arrays)

    def pixels(self, image) -> np.ndarray:
        """[tiles, height, width, 3] of 8 bits: what the encoder sees before it is scaled."""
        raw = np.asarray(self.images(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"])
        raw = raw.reshape(-1, *raw.shape[-3:])
        assert raw.min() >= 0 and raw.max() <= 255 and np.array_equal(raw, np.floor(raw))
        return raw.astype(np.uint8).transpose(0, 2, 3, 1)

    def rows_per_tile(self) -> int:
        vision = self.model.config.vision_config
        kept = 0 if self.model.config.vision_feature_select_strategy == "default" else 1
        return (vision.image_size // vision.patch_size) ** 2 + kept

    def picture(self, file: str, image) -> Picture:
        tiles = self.pixels(image)
        side = self.model.config.vision_config.image_size // self.model.config.vision_config.patch_size
        width, height, splice = self.canvas(image, tiles)
        rows = self.rows_per_tile() * len(tiles)
        return Picture(
            files=[file],
            width=image.width,
            height=image.height,
            resized_width=width,
            resized_height=height,
            grids=[[1, side, side]] * len(tiles),
            tokens=rows if splice is None else len(splice),
            projector_rows=rows,
            tiles=list(tiles),
            splice=splice,
        )

    def canvas(self, image, tiles: np.ndarray):
        """Width and height before tiles are cut, and the splice."""
        return tiles.shape[2], tiles.shape[1], None

    def selected(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Features [tiles, rows, width] as the projector takes them."""
        config = self.model.config
        hidden = self.model.model.vision_tower(pixel_values, output_hidden_states=True).hidden_states
        layers = config.vision_feature_layer
        layers = [layers] if isinstance(layers, int) else layers
        features = torch.cat([hidden[layer] for layer in layers], dim=-1)
        return features[:, 1:] if config.vision_feature_select_strategy == "default" else features

    def tile_values(self, inputs: dict, pictures: list[Picture]) -> torch.Tensor:
        """pixel_values [tiles, 3, height, width] of all pictures."""
        return inputs["pixel_values"]

    def patches(self, values: np.ndarray) -> np.ndarray:
        """[patches, 3 · side · side], row by row: the convolution's operands, one beside the other."""
        side = self.model.config.vision_config.patch_size
        n, c, h, w = values.shape
        cut = values.reshape(n, c, h // side, side, w // side, side).transpose(0, 2, 4, 1, 3, 5)
        return cut.reshape(-1, c * side * side)

    def stages(self, inputs: dict, pictures: list[Picture]) -> dict[str, np.ndarray]:
        values = self.tile_values(inputs, pictures)
        features = self.selected(values)
        projected = self.model.model.multi_modal_projector(features).flatten(0, 1)
        packed = torch.cat(self.packed(inputs), dim=0)
        arrays = {
            "pixel_values": self.patches(values.numpy()),
            "encoder_output": features.flatten(0, 1).numpy(),
            "projector_output": projected.numpy(),
        }
        if any(p.splice is not None for p in pictures):
            arrays["picture_embeddings"] = packed.numpy()
        first, rows = 0, []
        for picture in pictures:
            splice = picture.splice if picture.splice is not None else range(picture.tokens)
            rows += [self.model.model.image_newline if r < 0 else projected[first + r] for r in splice]
            first += picture.projector_rows
        # One picture at a time or all at once, sums may differ in their last digits.
        assert torch.allclose(torch.stack(rows), packed, atol=1e-5), "the splice is not the reference's"
        return arrays

    def packed(self, inputs: dict) -> list[torch.Tensor]:
        return list(self.model.get_image_features(pixel_values=inputs["pixel_values"], return_dict=True).pooler_output)


class LlavaNextReference(ClipReference):
    model_class = LlavaNextForConditionalGeneration
    processor_class = LlavaNextProcessor

    def image_processor(self, checkpoint: Path):
        return LlavaNextImageProcessorPil(**image_processor_settings(checkpoint))

    def canvas(self, image, tiles: np.ndarray):
        rows = self.rows_per_tile()
        height, width = select_best_resolution((image.height, image.width), self.images.image_grid_pinpoints)
        # The reference's own packing, of row numbers in place of features.
        numbers = torch.arange(len(tiles) * rows, dtype=torch.float32).reshape(len(tiles), rows, 1)
        packed, _ = self.model.model.pack_image_features(
            [numbers],
            torch.tensor([[image.height, image.width]]),
            vision_feature_select_strategy=self.model.config.vision_feature_select_strategy,
            image_newline=torch.tensor([-1.0]),
        )
        return width, height, [int(v) for v in packed[0].flatten()]

    def tile_values(self, inputs: dict, pictures: list[Picture]) -> torch.Tensor:
        # A batch is filled up to the picture with most tiles.
        return torch.cat([v[: len(p.tiles)] for v, p in zip(inputs["pixel_values"], pictures)])

    def packed(self, inputs: dict) -> list[torch.Tensor]:
        return list(
            self.model.get_image_features(
                pixel_values=inputs["pixel_values"], image_sizes=inputs["image_sizes"], return_dict=True
            ).pooler_output
        )
