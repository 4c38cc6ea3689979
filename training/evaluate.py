"""Measures free-running answers: character error rate (CER) and exact matches.

In transformers, or through any OpenAI-compatible REST API (for that, only Python's standard library is used when the
questions come from a folder):

    python training/evaluate.py --checkpoint models/line-reader-3m
    python training/evaluate.py --write questions
    python training/evaluate.py --questions questions --base-url http://127.0.0.1:8080/v1 --model line-reader-3m
"""

import argparse
import base64
import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

from documents.metrics import edits
from reader import testset
from reader.testset import Item

MAX_TOKENS = 32
COMMON = " .,:'&/%#+-()$£€"
Answer = Callable[[Item], str]


def through_rest(base_url: str, model: str, key: str | None, timeout: float, max_tokens: int = MAX_TOKENS) -> Answer:
    """Answers from `POST {base_url}/chat/completions`, greedily."""
    def answer(item: Item) -> str:
        picture = "data:image/png;base64," + base64.b64encode(item.png).decode()
        body = {"model": model, "temperature": 0, "max_tokens": max_tokens, "messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": item.question}]}]}
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        request = urllib.request.Request(base_url.rstrip("/") + "/chat/completions", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.load(response)["choices"][0]["message"]["content"]

    return answer


def in_transformers(checkpoint: Path, device: str, threads: int, max_tokens: int = MAX_TOKENS) -> Answer:
    """Answers from transformers' own image processor, model and `generate`, in float32."""
    import io

    import torch
    from PIL import Image
    from transformers import AutoTokenizer, Qwen2VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    from reader import tokenizer as tokenizers

    torch.set_num_threads(threads)
    model = Qwen2VLForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32).to(device).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    processor = Qwen2VLImageProcessorPil.from_pretrained(checkpoint)
    merge = processor.merge_size**2

    @torch.inference_mode()
    def answer(item: Item) -> str:
        seen = processor(Image.open(io.BytesIO(item.png)), return_tensors="pt")
        cells = int(seen["image_grid_thw"].prod()) // merge
        text = tokenizers.prompt(tokenizer, item.question).replace(
            tokenizers.IMAGE_PAD, tokenizers.IMAGE_PAD * cells)
        ids = torch.tensor([tokenizer.encode(text)], device=device)
        out = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=seen["pixel_values"].to(device),
            image_grid_thw=seen["image_grid_thw"].to(device), max_new_tokens=max_tokens,
            mm_token_type_ids=(ids == model.config.image_token_id).int())
        return tokenizer.decode(out[0, ids.shape[1]:], skip_special_tokens=True)

    return answer


def measure(items: Iterable[Item], answer: Answer, total: int, log: Path | None) -> dict[str, dict[str, float]]:
    """CER and exact matches by set and by slices of the sets; progress goes to stderr."""
    counts: dict[str, list[int]] = {}
    started = shown = time.monotonic()
    with open(log or os.devnull, "w", encoding="utf-8") as file:
        for done, item in enumerate(items, 1):
            given = answer(item)
            distance = edits(item.answer, given)
            for name in slices(item):
                entry = counts.setdefault(name, [0, 0, 0, 0])
                for k, value in enumerate((1, given == item.answer, distance, len(item.answer))):
                    entry[k] += value
            file.write(json.dumps({"set": item.set, "answer": item.answer, "given": given, "width": item.width,
                                   "height": item.height, "question": item.question}, ensure_ascii=False) + "\n")
            if time.monotonic() - shown > 10 or done == total:
                shown = time.monotonic()
                pace = done / (shown - started)
                print(f"{done}/{total}, {pace:.1f}/s, {(total - done) / pace:.0f} s left", file=sys.stderr, flush=True)
    return {name: {"pictures": n, "exact": exact / n, "cer": distance / length}
            for name, (n, exact, distance, length) in counts.items()}


def slices(item: Item) -> list[str]:
    """The set an item counts for, and the parts of the two main sets that are reported beside it."""
    names = [item.set]
    if item.set in ("strings", "fonts"):
        if item.width >= 182:
            names.append(item.set + ", canvas of 196 to 224 pixels")
        if item.height >= 42:
            names.append(item.set + ", canvas of two rows of cells")
        if len(item.answer) >= 11:
            names.append(item.set + ", 11 to 16 characters")
        # Words, names, numbers and prices have none of these; most random mixtures of characters do.
        rare = any(character not in COMMON and not character.isalnum() for character in item.answer)
        names.append(item.set + (", with rare symbols" if rare else ", without rare symbols"))
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="a folder in the Hub's layout, run in transformers")
    parser.add_argument("--base-url", help="an OpenAI-compatible API, up to and with /v1")
    parser.add_argument("--model", help="the model's name there")
    parser.add_argument("--key", help="the API's key, if it wants one")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for one answer")
    parser.add_argument("--questions", type=Path, help="take the questions from this folder instead of drawing them")
    parser.add_argument("--write", type=Path, help="only write the questions into this folder")
    parser.add_argument("--each", type=int, default=500, help="pictures in each of the two main sets")
    parser.add_argument("--log", type=Path, help="write every answer to this file")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    items = list(testset.load(args.questions) if args.questions else testset.draw(args.each))
    if args.write:
        testset.write(iter(items), args.write)
        print(f"{len(items)} questions in {args.write}")
        return
    if args.base_url and args.model:
        answer = through_rest(args.base_url, args.model, args.key, args.timeout)
    elif args.checkpoint:
        answer = in_transformers(args.checkpoint, args.device, args.threads)
    else:
        parser.error("give --checkpoint, or --base-url and --model, or --write")
    for name, result in measure(items, answer, len(items), args.log).items():
        rates = f"CER {100 * result['cer']:6.2f} %  exact {100 * result['exact']:6.2f} %"
        print(f"{name:42} {result['pictures']:5}  {rates}")


if __name__ == "__main__":
    main()
