"""Requests as the original repository answers them, with transformers' parts: CLIP, one linear layer or two, Llama."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPVisionModel, LlamaConfig, LlamaForCausalLM, LlamaTokenizer, PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from .. import llama_vocabulary
from ..checkpoint import image_processor_settings, load_json
from ..reference import Picture, Prepared, Reference
from ..requests import Case
from .checkpoints import projector

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
PLACEHOLDER = "<image>"
UNKNOWN = 0  # stands in input_ids where the original has -200, which is no token


def conversation(messages: list, picture: str) -> tuple[str, list[str]]:
    """
    The prompt of the conversation "vicuna v1", and the pictures' files: roles with a colon, a space behind what the user said
    and </s> behind an answer, pictures of a message before its text and each on a line of its own.
    """
    messages = list(messages)
    system = SYSTEM
    if messages and messages[0]["role"] == "system":
        system = _text(messages.pop(0)["content"])
    prompt, files = system + " ", []
    for message in messages:
        content = message["content"]
        said = ""
        for part in content if isinstance(content, list) else []:
            if part["type"] == "image_url":
                files.append(part["image_url"]["url"])
                said += picture + "\n"
        said += _text(content)
        role, end = {"user": ("USER", " "), "assistant": ("ASSISTANT", "</s>")}[message["role"]]
        prompt += f"{role}: {said}{end}" if said else f"{role}:"
    return prompt + "ASSISTANT:", files


def _text(content) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


def padded(image: Image.Image, colour: tuple) -> Image.Image:
    """A square as large as the longer side, the picture in the middle."""
    side = max(image.size)
    square = Image.new(image.mode, (side, side), colour)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def _state(checkpoint: Path) -> dict[str, torch.Tensor]:
    if (checkpoint / "model.safetensors").exists():
        return load_file(checkpoint / "model.safetensors")
    if (checkpoint / "pytorch_model.bin").exists():
        return torch.load(checkpoint / "pytorch_model.bin", weights_only=True)
    state = {}
    for file in sorted(set(load_json(checkpoint / "pytorch_model.bin.index.json")["weight_map"].values())):
        state |= torch.load(checkpoint / file, weights_only=True)
    return state


def _below(state: dict, prefix: str) -> dict:
    return {name.removeprefix(prefix): t.to(torch.float32) for name, t in state.items() if name.startswith(prefix)}


class OriginalReference(Reference):
    def __init__(self, checkpoint: Path, tower: Path, goldens: Path):
        self.config = load_json(checkpoint / "config.json")
        state = _state(checkpoint)
        keys = {k: v for k, v in self.config.items() if not k.startswith("mm_") and k not in ("model_type", "architectures")}
        config = LlamaConfig(**keys)
        config._attn_implementation = "eager"
        model = LlamaForCausalLM(config).to(torch.float32).eval()
        missing, unexpected = model.load_state_dict(
            {n: t.to(torch.float32) for n, t in state.items()}, strict=False
        )
        assert set(missing) <= ({"lm_head.weight"} if config.tie_word_embeddings else set()), missing
        assert all("mm_projector" in n or "vision_tower" in n or "inv_freq" in n for n in unexpected), unexpected
        model.tie_weights()
        if (checkpoint / "generation_config.json").exists():
            model.generation_config.update(**load_json(checkpoint / "generation_config.json"))
        if (checkpoint / "tokenizer.json").exists():
            tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint)
        else:
            tokenizer = LlamaTokenizer.from_pretrained(checkpoint)
        super().__init__(goldens, model, tokenizer, {2})
        self.tower = CLIPVisionModel.from_pretrained(tower, dtype=torch.float32, attn_implementation="eager").eval()
        self.vision = self.tower.config
        if self.config.get("unfreeze_mm_vision_tower"):
            own = _below(state, "model.vision_tower.vision_tower.")
            if not any(name.startswith("vision_model.") for name, _ in self.tower.named_parameters()):
                own = {name.removeprefix("vision_model."): t for name, t in own.items()}
            self.tower.load_state_dict(own, strict=False)
            for name, parameter in self.tower.named_parameters():
                assert torch.equal(parameter, own[name]), name
        kind = self.config.get("mm_projector_type", "linear")
        depth = 1 if kind == "linear" else int(kind.removeprefix("mlp").removesuffix("x_gelu"))
        self.projector = projector(depth, self.config["mm_hidden_size"], self.config["hidden_size"]).eval()
        self.projector.load_state_dict(_below(state, "model.mm_projector."))
        self.images = CLIPImageProcessorPil(**image_processor_settings(tower))
        self.start, self.end = ("<im_start>", "<im_end>") if self.config["mm_use_im_start_end"] else ("", "")

    def token_bytes(self, piece: str) -> bytes:
        return llama_vocabulary.token_bytes(piece)

    def square(self, image: Image.Image) -> Image.Image:
        if self.config.get("image_aspect_ratio") != "pad":
            return image
        return padded(image, tuple(int(mean * 255) for mean in self.images.image_mean))

    def features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        hidden = self.tower(pixel_values, output_hidden_states=True).hidden_states[self.config["mm_vision_select_layer"]]
        return hidden if self.config.get("mm_vision_select_feature", "patch") == "cls_patch" else hidden[:, 1:]

    def patches(self, values: np.ndarray) -> np.ndarray:
        """[patches, 3 · side · side], row by row: the convolution's operands, one beside the other."""
        side = self.vision.patch_size
        n, c, h, w = values.shape
        cut = values.reshape(n, c, h // side, side, w // side, side).transpose(0, 2, 4, 1, 3, 5)
        return cut.reshape(-1, c * side * side)

    def prepare(self, case: Case, messages: list) -> Prepared:
        prompt, files = conversation(messages, self.start + PLACEHOLDER + self.end)
        # Each piece of text is tokenised by itself, and only the first keeps its beginning-of-text token.
        pieces = [self.tokenizer(piece, add_special_tokens=False).input_ids for piece in prompt.split(PLACEHOLDER)]
        assert len(pieces) == len(files) + 1
        embed = self.model.get_input_embeddings()
        ids, embedded, pictures, arrays = [1], [embed(torch.tensor([1]))], [], {}
        outputs, projections, values = [], [], []
        with torch.no_grad():
            for index, piece in enumerate(pieces):
                if index > 0:
                    image = self.square(self.load(files[index - 1]))
                    pixel_values = self.images(image, return_tensors="pt")["pixel_values"]
                    features = self.features(pixel_values)
                    rows = self.projector(features)[0]
                    pictures.append(self.picture(files[index - 1], image, len(rows), len(ids)))
                    values.append(pixel_values.numpy())
                    outputs.append(features[0])
                    projections.append(rows)
                    ids += [UNKNOWN] * len(rows)
                    embedded.append(rows)
                ids += piece
                embedded.append(embed(torch.tensor(piece, dtype=torch.long)))
        arrays["position_ids"] = np.arange(len(ids))[None]
        if pictures:
            arrays["pixel_values"] = self.patches(np.concatenate(values))
            arrays["encoder_output"] = torch.cat(outputs).numpy()
            arrays["projector_output"] = torch.cat(projections).numpy()
        inputs = {"inputs_embeds": torch.cat(embedded).detach()[None]}
        inputs["attention_mask"] = torch.ones(inputs["inputs_embeds"].shape[:2], dtype=torch.long)
        return Prepared(prompt, ids, pictures, inputs, len(ids), arrays)

    def picture(self, file: str, image: Image.Image, tokens: int, first: int) -> Picture:
        original = self.load(file)
        raw = np.asarray(self.images(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"])[0]
        assert raw.min() >= 0 and raw.max() <= 255 and np.array_equal(raw, np.floor(raw))
        tile = raw.astype(np.uint8).transpose(1, 2, 0)
        side = self.vision.image_size // self.vision.patch_size
        return Picture(
            files=[file],
            width=original.width,
            height=original.height,
            resized_width=tile.shape[1],
            resized_height=tile.shape[0],
            grids=[[1, side, side]],
            tokens=tokens,
            projector_rows=tokens,
            tiles=[tile],
            first_token=first,
        )

    def generate(self, prepared: Prepared, max_tokens: int) -> tuple[list[int], list[torch.Tensor]]:
        out = self.model.generate(
            **prepared.inputs,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            max_new_tokens=max_tokens,
            return_dict_in_generate=True,
            output_logits=True,
        )
        return out.sequences[0].tolist(), [logits[0] for logits in out.logits]

    def without_cache(self, prepared: Prepared, generated: list[int]) -> torch.Tensor:
        prompt = prepared.inputs["inputs_embeds"]
        more = self.model.get_input_embeddings()(torch.tensor([generated[:-1]], dtype=torch.long))
        return self.model(inputs_embeds=torch.cat([prompt, more], dim=1), use_cache=False).logits[0, prompt.shape[1] - 1 :]
