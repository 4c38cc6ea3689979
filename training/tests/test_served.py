"""What every recipe exports passes the importer, and the suite answers as the trained model does."""

import base64
import io
import json
import os
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_learning import RECIPES, small

from documents import learning
from documents.learning import Learner
from documents.model import patches

VLM = Path(__file__).parents[2] / "bin" / "vlm"
QUESTION, TOKENS = "What is the total?", 8
CLOSE = 0.01  # between the two best logits: there a rounding may decide
EXPORTED = {
    "documents": ("documents", {}),
    "qwen2-vl": ("qwen2-vl", {}),
    "llava": ("llava", {}),
    "llava-linear": ("llava", {"projector": "linear"}),
    "paligemma": ("paligemma", {}),
}


@dataclass(frozen=True)
class Trained:
    """A model after some steps, and a picture that its image processor leaves as it is."""

    learner: Learner
    picture: np.ndarray
    grid: tuple[int, int]

    @torch.no_grad()
    def answer(self) -> list[tuple[int, float]]:
        """The greedy answer's ids and their log-probabilities, as long as they are clear of a tie."""
        family = self.learner.family.eval()
        prompts, images = family.prompts, torch.from_numpy(self.picture[None])
        rows, columns = self.grid
        square = hasattr(family, "pixels")
        cells = family.cells(self.grid) if square else rows * columns
        image = family.image if square else family.model.config.image_token_id
        ids = torch.tensor([[*prompts.before, *[image] * cells, *prompts.after, *prompts.question(QUESTION)]])
        given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if square:
            given |= {"pixel_values": family.pixels(images), **family.kinds(torch.zeros_like(ids))}
        else:
            pixels = patches(images).view(-1, 3, 1, 196).expand(-1, 3, 2, 196).reshape(-1, 1176)
            given |= {"pixel_values": pixels, "image_grid_thw": torch.tensor([[1, 2 * rows, 2 * columns]]),
                      "mm_token_type_ids": (ids == image).int()}
        out = family.model.generate(**given, max_new_tokens=TOKENS, do_sample=False, repetition_penalty=1.0,
                                    eos_token_id=prompts.end, pad_token_id=prompts.padding,
                                    return_dict_in_generate=True, output_logits=True)
        answer = []
        for logits, token in zip(out.logits, out.sequences[0, ids.shape[1]:].tolist()):
            best = logits[0].topk(2).values
            if best[0] - best[1] < CLOSE:
                break
            answer.append((token, logits[0].log_softmax(-1)[token].item()))
        return answer


def vlm(home: Path, *words: str) -> None:
    done = subprocess.run([VLM, *words], env={**os.environ, "VLM_HOME": str(home)}, capture_output=True, text=True,
                          timeout=600)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def trained() -> dict[str, Trained]:
    models = {}
    for name, (recipe, changes) in EXPORTED.items():
        learner = small(RECIPES[recipe].stages[-1].name, replace(RECIPES[recipe], **changes))
        batch = learning.draw(1, learner.stage, 0, learner.prompts, 0)
        for _ in range(10):
            learner.advance(batch)
        models[name] = Trained(learner, batch.images[0], batch.grid)
    return models


@pytest.fixture(scope="module")
def served(trained: dict[str, Trained], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a suite that serves all of them, in fp32."""
    folder = tmp_path_factory.mktemp("served")
    bundles = []
    for name, model in trained.items():
        model.learner.family.export(folder / name, torch.float32)
        vlm(folder / "home", "import", str(folder / name), str(folder / f"{name}-fp32"), "--precision", "fp32")
        bundles += ["--bundle", f"{name}={folder / f'{name}-fp32'}"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        vlm(folder / "home", "up", *bundles, "--port", str(port))
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        vlm(folder / "home", "down")


@pytest.mark.parametrize("name", EXPORTED)
def test_the_suite_answers_as_the_trained_model_does(name: str, trained: dict[str, Trained], served: str) -> None:
    model = trained[name]
    expected = model.answer()
    assert expected
    file = io.BytesIO()
    Image.fromarray(model.picture).save(file, "PNG")
    url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    body = {"model": name, "temperature": 0, "max_tokens": len(expected), "logprobs": True, "messages": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}},
                                     {"type": "text", "text": QUESTION}]}]}
    request = urllib.request.Request(f"{served}/chat/completions", json.dumps(body).encode(),
                                     {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as reply:
        answer = json.load(reply)
    family = model.learner.family
    assert answer["vlm"]["pictures"][0]["resized"] == {"width": model.picture.shape[1], "height": model.picture.shape[0]}
    text = family.tokenizer.decode([token for token, _ in expected], skip_special_tokens=True)
    assert answer["choices"][0]["message"]["content"] == text
    given = [token["logprob"] for token in answer["choices"][0]["logprobs"]["content"]]
    assert given == pytest.approx([logprob for _, logprob in expected], abs=1e-3)
