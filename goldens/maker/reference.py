"""The reference: what transformers answers to a case, step by step, in float32, and the files that hold it."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from transformers.image_utils import load_image

from .files import rounded, write_array, write_json
from .requests import Case

MARGIN = 0.01
TOP = 5


class Rejected(Exception):
    """The case gives no golden as it stands; it is tried again with another ending of the question."""


@dataclass
class Picture:
    """
    A picture of a request.

    tiles: 8-bit pixels of each encoder run, [height, width, 3] or [frames, height, width, 3].
    grids: for each of them, patches in time, height and width.
    projector_rows: how many rows of the projector's output are its own.
    splice: which row of the projector's output fills each placeholder, -1 for a learned newline; None for 0, 1, 2 …
    limits: min_pixels and max_pixels, in families that have them.
    """

    files: list[str]
    width: int
    height: int
    resized_width: int
    resized_height: int
    grids: list[list[int]]
    tokens: int
    projector_rows: int
    tiles: list[np.ndarray]
    splice: list[int] | None = None
    limits: dict = field(default_factory=dict)
    medium: str = "picture"
    first_token: int = -1


@dataclass
class Prepared:
    """
    A request as the model takes it.

    inputs: of `generate`, `input_ids` [1, S] among them.
    next_position: of the first generated token, in all channels.
    arrays: by name, what else is stored: `position_ids` [channels, S]; with pictures `encoder_output`,
    `projector_output`, `pixel_values`, and `picture_embeddings` where they differ from the projector's output.
    """

    prompt: str
    input_ids: list[int]
    pictures: list[Picture]
    inputs: dict
    next_position: int
    arrays: dict[str, np.ndarray]


class Reference:
    """transformers with one checkpoint, as a user would load it. A family says how a request becomes inputs."""

    prefill = "causal"

    def __init__(self, goldens: Path, model, tokenizer, eos: set[int]):
        self.goldens = goldens
        self.model = model
        self.tokenizer = tokenizer
        self.eos = eos
        self.special = set(tokenizer.all_special_ids) | set(tokenizer.get_added_vocab().values())

    # ---- What a family says ----

    def prepare(self, case: Case, messages: list) -> Prepared:
        raise NotImplementedError

    def token_bytes(self, piece: str) -> bytes:
        """What a token that is not special adds to the answer's UTF-8."""
        raise NotImplementedError

    def without_cache(self, prepared: Prepared, generated: list[int]) -> torch.Tensor:
        """Logits [len(generated), V] of one pass over the prompt and all but the last generated token."""
        extra = torch.tensor([generated[:-1]], dtype=torch.long)
        ids = torch.cat([prepared.inputs["input_ids"], extra], dim=1)
        whole = dict(prepared.inputs, input_ids=ids, attention_mask=torch.ones_like(ids))
        for name in ("mm_token_type_ids", "token_type_ids"):
            if name in whole:
                kinds = prepared.inputs[name]
                whole[name] = torch.cat([kinds, torch.zeros_like(extra, dtype=kinds.dtype)], dim=1)
        return self.model(**whole, use_cache=False).logits[0, prepared.inputs["input_ids"].shape[1] - 1 :]

    def generate(self, prepared: Prepared, max_tokens: int) -> tuple[list[int], list[torch.Tensor]]:
        """The greedy answer, and the raw logits [V] from which each of its tokens was chosen."""
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
        generated = out.sequences[0, prepared.inputs["input_ids"].shape[1] :].tolist()
        return generated, [logits[0] for logits in out.logits]

    # ---- What is the same for all ----

    def load(self, file: str):
        return load_image(str(self.goldens / file))

    def token(self, index: int) -> dict:
        if index >= len(self.tokenizer):
            return {"text": "", "bytes": []}
        piece = self.tokenizer.convert_ids_to_tokens(index)
        data = piece.encode() if index in self.special else self.token_bytes(piece)
        decoded = self.tokenizer.decode([index], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return {"text": decoded, "bytes": list(data)}

    def steps(self, generated: list[int], logits: list[torch.Tensor]) -> tuple[list, float]:
        """Each step's token with the five best, and the least distance between the two best."""
        steps, margins = [], []
        for index, raw in zip(generated, logits):
            logprobs = torch.log_softmax(raw.to(torch.float32), dim=-1)
            best = torch.topk(logprobs, TOP)
            margins.append(float(best.values[0] - best.values[1]))
            if margins[-1] < MARGIN:
                raise Rejected(f"two best logits {margins[-1]:.5f} apart at step {len(margins)}")
            assert int(best.indices[0]) == index
            steps.append(
                {
                    "id": index,
                    "logprob": rounded(logprobs[index]),
                    **self.token(index),
                    "top": [
                        {"id": int(i), "logprob": rounded(v), **self.token(int(i))}
                        for i, v in zip(best.indices, best.values)
                    ],
                }
            )
        return steps, min(margins)

    def run(self, case: Case, suffix: str) -> tuple[dict, Prepared]:
        """The case's document, and what was prepared for it."""
        messages = case.messages(suffix)
        prepared = self.prepare(case, messages)
        with torch.no_grad():
            generated, logits = self.generate(prepared, case.max_tokens)
            prepared.arrays["prompt_logits"] = logits[0].numpy()
            worst = float((self.without_cache(prepared, generated) - torch.stack(logits)).abs().max())
        if worst > 2e-4:
            raise Rejected(f"with and without the cache the logits differ by {worst}")
        steps, margin = self.steps(generated, logits)
        finish = "stop" if generated[-1] in self.eos else "length"
        if case.ends and finish != case.ends:
            raise Rejected(f"finished by {finish}")
        if case.max_tokens > 1:
            if len(generated) < 5:
                raise Rejected(f"only {len(generated)} tokens")
            if len(set(generated)) < 0.5 * len(generated):
                raise Rejected(f"{len(set(generated))} different tokens among {len(generated)}")
        names = [n for n in prepared.arrays if n != "pixel_values" or case.pixel_values]
        document = {
            "name": case.name,
            "about": case.about,
            "request": {
                "messages": messages,
                "max_tokens": case.max_tokens,
                "template_arguments": case.template_arguments,
            },
            "expected": {
                "prompt": prepared.prompt,
                "input_ids": prepared.input_ids,
                "prompt_tokens": len(prepared.input_ids),
                "picture_tokens": sum(p.tokens for p in prepared.pictures),
                "pictures": [_described(index, picture) for index, picture in enumerate(prepared.pictures)],
                "prefill": self.prefill,
                "next_position": prepared.next_position,
                "arrays": {name: f"{name}.npy" for name in sorted(names)},
                "generated_ids": generated,
                "text": self.tokenizer.decode(generated, skip_special_tokens=True, clean_up_tokenization_spaces=False),
                "finish_reason": finish,
                "smallest_margin": rounded(margin),
                "steps": steps,
            },
        }
        return document, prepared


def tile_file(picture: int, tile: int) -> str:
    return f"tile-{picture}-{tile}.npy"


def _described(index: int, picture: Picture) -> dict:
    described = {"files": picture.files}
    if picture.medium != "picture":
        described["medium"] = picture.medium
    described |= {
        "width": picture.width,
        "height": picture.height,
        **picture.limits,
        "resized_width": picture.resized_width,
        "resized_height": picture.resized_height,
        "grids": picture.grids,
        "tokens": picture.tokens,
        "first_token": picture.first_token,
        "projector_rows": picture.projector_rows,
        "tiles": [tile_file(index, tile) for tile in range(len(picture.tiles))],
    }
    if picture.splice is not None:
        described["splice"] = picture.splice
    return described


SUFFIXES = ["", " Please.", " Say it.", " Why?", " Be brief.", " And then?", " Tell me more.", " Now."]
SUFFIXES += [f" ({n})" for n in range(1, 60)]


def write_cases(reference: Reference, name: str, cases: list[Case], folder: Path, log=print):
    """One folder a case. Cases that must give the same go through the same suffixes, so they stop at the same one."""
    documents = {}
    for case in cases:
        for suffix in SUFFIXES:
            try:
                document, prepared = reference.run(case, suffix)
                break
            except Rejected as reason:
                log(f"  REJECTED {name}/{case.name} with suffix {suffix!r}: {reason}")
        else:
            raise SystemExit(f"no suffix serves {case.name}")
        expected = document["expected"]
        documents[case.name] = expected
        if case.same_as and any(
            expected[key] != documents[case.same_as][key] for key in ("input_ids", "generated_ids")
        ):
            raise SystemExit(f"{name}/{case.name} differs from {case.same_as}")
        here = folder / case.name
        for array, file in expected["arrays"].items():
            write_array(here / file, prepared.arrays[array])
        for index, picture in enumerate(prepared.pictures):
            for tile, pixels in enumerate(picture.tiles):
                write_array(here / tile_file(index, tile), pixels)
        write_json(here / "case.json", document)
        log(
            f"  {name}/{case.name}: {expected['prompt_tokens']} + {len(expected['steps'])} tokens, "
            f"{expected['finish_reason']}, margin {expected['smallest_margin']:.3f}: {expected['text']!r}"
        )
