"""What the reference answers under the settings of generation_config.json, or of config.json where there is no such file."""

import inspect
import json
from pathlib import Path

import torch
from transformers import GenerationConfig

from .checkpoint import load_json
from .files import write_json
from .llava.reference import ClipReference
from .qwen2_vl.reference import Qwen2VlReference
from .requests import Case

MARGIN = 0.01

# Checkpoint, its reference, and those of its cases that are asked again.
ASKED = [
    ("qwen2_vl/nested-untied", Qwen2VlReference, ["text-only", "one-picture"]),
    ("llava/vicuna-hub", ClipReference, ["text-only"]),
]


def _settings(answer: list[int], prompt: int, end: int):
    """
    Yields a name, settings, and what the caller asks for. They are made of the answer without any, so that each changes it.

    answer: ids of the greedy answer, at least ten.
    prompt: the number of the prompt's tokens.
    """
    long = {"max_new_tokens": 12}
    yield "nothing", long, {}
    yield "max_new_tokens", {"max_new_tokens": 3}, {}
    yield "max_new_tokens that the caller raises", {"max_new_tokens": 3}, {"max_new_tokens": 9}
    yield "max_length", {"max_length": prompt + 4}, {}
    yield "max_length that the caller raises", {"max_length": prompt + 4}, {"max_new_tokens": 9}
    yield "max_length beside max_new_tokens", {"max_length": prompt + 2, "max_new_tokens": 5}, {}
    yield "max_length without room", {"max_length": prompt}, {}
    yield "end token of the answer", long | {"eos_token_id": answer[4]}, {}
    yield "min_new_tokens", long | {"eos_token_id": answer[2], "min_new_tokens": 6}, {}
    yield "min_length", long | {"eos_token_id": answer[2], "min_length": prompt + 6}, {}
    yield "min_length of the prompt alone", long | {"eos_token_id": answer[2], "min_length": prompt}, {}
    yield "min_length beside min_new_tokens", long | {"eos_token_id": answer[2], "min_length": prompt + 8, "min_new_tokens": 4}, {}
    for size in (1, 2, 3, 5):
        yield f"no_repeat_ngram_size {size}", long | {"no_repeat_ngram_size": size}, {}
    yield "suppress_tokens", long | {"suppress_tokens": [answer[0], answer[3], -1, 10**6]}, {}
    yield "begin_suppress_tokens", long | {"begin_suppress_tokens": [answer[0]]}, {}
    yield "begin_suppress_tokens of later tokens", long | {"begin_suppress_tokens": answer[1:4]}, {}
    yield "bad_words_ids of one token", long | {"bad_words_ids": [[answer[1]], [answer[5]]]}, {}
    yield "bad_words_ids of several", long | {"bad_words_ids": [answer[1:4], answer[0:2], [answer[6], answer[9]]]}, {}
    yield "bad_words_ids across the prompt's end", long | {"bad_words_ids": [["last"], ["last", answer[0]]]}, {}
    yield "bad_words_ids of the end token", long | {"eos_token_id": answer[3], "bad_words_ids": [[answer[3]]]}, {}
    yield "bad_words_ids that end in the end token", long | {"eos_token_id": answer[3], "bad_words_ids": [answer[2:4]]}, {}
    yield "sequence_bias", long | {"sequence_bias": [[[answer[0]], -30.0], [[answer[1]], 1.5]]}, {}
    yield "sequence_bias of a run", long | {"sequence_bias": [[answer[0:2], -30.0], [["last", answer[0]], -30.0]]}, {}
    yield "forced_eos_token_id", {"max_new_tokens": 6, "forced_eos_token_id": end}, {}
    yield "forced_eos_token_id of several", {"max_new_tokens": 6, "forced_eos_token_id": [end, answer[2]]}, {}
    yield "forced_eos_token_id, the caller's length", {"max_new_tokens": 6, "forced_eos_token_id": end}, {"max_new_tokens": 4}
    yield "forced_bos_token_id", long | {"forced_bos_token_id": answer[4]}, {}
    yield "repetition_penalty", long | {"repetition_penalty": 1.4}, {}
    yield "many at once", long | {
        "repetition_penalty": 1.2,
        "no_repeat_ngram_size": 2,
        "suppress_tokens": [answer[2]],
        "begin_suppress_tokens": [answer[0]],
        "bad_words_ids": [[answer[1]]],
        "min_new_tokens": 5,
    }, {}
    yield "renormalize_logits and what else has no effect", long | {
        "renormalize_logits": True,
        "length_penalty": 2.0,
        "early_stopping": True,
        "output_scores": True,
        "cache_implementation": "dynamic",
        "num_assistant_tokens": 3,
    }, {}


def _with_last(value, last: int):
    """`last` stands for the prompt's last token."""
    if isinstance(value, list):
        return [_with_last(item, last) for item in value]
    return last if value == "last" else value


def _answer(reference, inputs: dict, generation: GenerationConfig, asked: dict) -> dict:
    reference.model.generation_config = generation
    try:
        with torch.no_grad():
            out = reference.model.generate(
                **inputs, do_sample=False, return_dict_in_generate=True, output_scores=True, **asked
            )
    except ValueError as e:
        return {"error": type(e).__name__}
    # Among tokens that are forced the lowest is taken.
    best = [torch.topk(scores[0], 2).values.tolist() for scores in out.scores]
    margin = min([first - second for first, second in best if (first, second) != (0, 0)], default=1)
    generated = out.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    return {"generated_ids": generated, "margin": margin}


def _legacy(config: dict, length: int, end: int):
    """Settings in config.json, at its top and in text_config, with and without a generation_config.json beside it."""
    top = {"no_repeat_ngram_size": 2, "max_new_tokens": length, "eos_token_id": end}
    yield "at the top", config | top, None
    if "text_config" in config:
        yield "in text_config", config | {"text_config": config["text_config"] | top}, None
        other = config | {"text_config": config["text_config"] | {"no_repeat_ngram_size": 1, "max_new_tokens": 4}}
        yield "in both", other | top, None
    yield "beside the file", config | top, {"max_new_tokens": 5, "eos_token_id": end}


def _keys() -> list[str]:
    """Every key that the class takes."""
    known = set(GenerationConfig().to_dict()) | set(GenerationConfig._get_default_generation_params())
    source = inspect.getsource(GenerationConfig.__init__)
    known |= {line.split('kwargs.pop("')[1].split('"')[0] for line in source.splitlines() if 'kwargs.pop("' in line}
    return sorted(key for key in known if not key.startswith("_"))


def write(out: Path, goldens: Path, log=print):
    documents = []
    for checkpoint, kind, cases in ASKED:
        folder = goldens / checkpoint / "checkpoint"
        reference = kind(folder, goldens)
        end = sorted(reference.eos)[0]
        config = load_json(folder / "config.json")
        for name in cases:
            request = load_json(goldens / checkpoint / "cases" / name / "case.json")["request"]
            case = Case(name, "", lambda suffix: request["messages"], 20)
            inputs = reference.prepare(case, request["messages"]).inputs
            ids = inputs["input_ids"][0].tolist()
            plain = _answer(reference, inputs, GenerationConfig(eos_token_id=None), {"max_new_tokens": 20})
            assert len(set(plain["generated_ids"][:10])) > 5
            runs = []
            for about, settings, asked in _settings(plain["generated_ids"], len(ids), end):
                settings = {"eos_token_id": end} | {k: _with_last(v, ids[-1]) for k, v in settings.items()}
                generation = GenerationConfig.from_dict(json.loads(json.dumps(settings)))
                runs.append((about, {"generation_config": settings, "asked": asked}, generation, asked))
            for about, legacy, beside in _legacy(config, 7, end):
                generation = GenerationConfig.from_model_config(json.loads(json.dumps(legacy)))
                if beside is not None:
                    generation = GenerationConfig.from_dict(dict(beside))
                changed = {k: v for k, v in legacy.items() if config.get(k) != v}
                runs.append((f"config.json, {about}", {"config": changed, "generation_config": beside, "asked": {}}, generation, {}))
            for about, document, generation, asked in runs:
                result = _answer(reference, inputs, generation, asked)
                margin = result.pop("margin", 1)
                if margin < MARGIN:
                    log(f"  REJECTED {checkpoint}/{name}, {about}: two best {margin:.5f} apart")
                    continue
                documents.append({"name": about, "checkpoint": checkpoint, "case": name} | document | result)
    write_json(out / "cases.json", documents)
    write_json(out / "keys.json", _keys())
    log(f"  {len(documents)} answers")
