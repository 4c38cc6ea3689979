"""Writes each checkpoint, imports it in turns with cp, asks one a question, and deletes it. Results go to standard output."""

import argparse
import base64
import dataclasses
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from . import check, checkpoint, processes
from .models import MODELS, QWEN2_VL_2B, Model

ROOT = Path(__file__).resolve().parents[2]
PRECISIONS = ("int8", "int4")
QUESTION = "What does it say?"
ANSWER_TOKENS = 64
SERVICES = ("broker", "vision-encoder", "projector", "decoder", "gateway")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks/true-sizes")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(MODELS)}; all by default")
    parser.add_argument("--folder", type=Path, default=ROOT / "benchmarks" / "runs",
                        help="holds one checkpoint, its copy and a bundle at a time: up to 40 GB")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is done, in turns")
    parser.add_argument("--no-ask", action="store_true", help=f"do not serve {QWEN2_VL_2B.name}")
    parser.add_argument("--check", action="store_true", help="only hold names and shapes against transformers")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.models if name not in MODELS]
    if unknown:
        parser.error(f"no model {', '.join(unknown)}; expected some of {', '.join(MODELS)}")
    models = [MODELS[name] for name in arguments.models or MODELS]
    if arguments.check:
        found = [f"{model.name}: {line}" for model in models for line in check.differences(model)]
        print("\n".join(found) or f"{len(models)} models as in transformers")
        raise SystemExit(1 if found else 0)
    for model in models:
        folder = arguments.folder / model.name
        shutil.rmtree(folder, ignore_errors=True)
        try:
            measure(model, folder, arguments.rounds, ask=model is QWEN2_VL_2B and not arguments.no_ask)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def measure(model: Model, folder: Path, rounds: int, ask: bool) -> None:
    environment = {**os.environ, "VLM_HOME": str(folder / "home")}
    subprocess.run([ROOT / "bin/vlm", "--help"], check=True, env=environment, stdout=subprocess.DEVNULL)
    source = folder / "checkpoint"
    begin = time.monotonic()
    size = checkpoint.write(model, source)
    show(f"{model.name}: {size / 1e9:.2f} GB of weights written in {time.monotonic() - begin:.0f} s")
    runs: dict[str, list[processes.Run]] = {}
    for number in range(1, rounds + 1):
        drop(source)
        begin = time.monotonic()
        copied = processes.run(["cp", "-r", str(source), str(folder / "copy")])
        flush(folder / "copy")
        # An import ends when its files are on the disk; so does this.
        copied = dataclasses.replace(copied, seconds=time.monotonic() - begin)
        runs.setdefault("cp", []).append(copied)
        shutil.rmtree(folder / "copy")
        for precision in PRECISIONS:
            bundle = folder / precision
            shutil.rmtree(bundle, ignore_errors=True)
            drop(source)
            words = [str(ROOT / "bin/vlm"), "import", str(source), str(bundle), "--precision", precision]
            runs.setdefault(precision, []).append(processes.run(words, environment))
            if not (ask and precision == "int8"):
                shutil.rmtree(bundle)
        show(f"round {number} of {rounds}: "
             + ", ".join(f"{way} {size / 1e6 / done[-1].seconds:.0f} MB/s" for way, done in runs.items())
             + f"; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    rate = {way: size / statistics.median(run.seconds for run in done) for way, done in runs.items()}
    print(f"{model.name}, {size / 1e9:.2f} GB bf16, read from the disk, median of {rounds}:")
    for way, done in runs.items():
        print(f"  {way}: {rate[way] / 1e6:.0f} MB/s, {rate[way] / rate['cp']:.2f} of cp; "
              f"{statistics.median(run.processor_seconds for run in done):.1f} s of processor time; "
              f"anonymous memory at most {max(run.anonymous for run in done) / 2**30:.2f} GiB")
    sys.stdout.flush()
    if ask:
        serve(model, folder / "int8", environment)


def serve(model: Model, bundle: Path, environment: dict[str, str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begin = time.monotonic()
    vlm = str(ROOT / "bin/vlm")
    try:
        subprocess.run([vlm, "up", "--bundle", f"{model.name}={bundle}", "--port", str(port)], check=True,
                       env=environment, stdout=sys.stderr)
        print(f"{model.name} int8 through the suite on {os.cpu_count()} cores: up in {time.monotonic() - begin:.0f} s")
        for picture in ("price.png", "name.png", "word.png"):
            first, rate, tokens = question(model, ROOT / "models/line-reader-3m/examples" / picture, port)
            print(f"  {picture}: first token after {first:.2f} s, then {rate:.1f} tokens/s for {tokens} tokens")
        for name, held in memory_of_services(Path(environment["VLM_HOME"])).items():
            print(f"  {name}: " + ", ".join(f"{field} {size / 2**30:.2f} GiB" for field, size in held.items()))
        sys.stdout.flush()
    finally:
        subprocess.run([vlm, "down"], env=environment, stdout=sys.stderr)


def question(model: Model, picture: Path, port: int) -> tuple[float, float, int]:
    """Seconds to the first token, tokens a second after it, tokens of the answer."""
    url = "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
    body = {
        "model": model.name, "stream": True, "max_completion_tokens": ANSWER_TOKENS, "temperature": 0,
        "stream_options": {"include_usage": True}, "logprobs": True,
        "messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": QUESTION}]}],
    }
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(),
                                     {"content-type": "application/json"})
    begin = time.monotonic()
    first = last = None
    tokens = 0
    with urllib.request.urlopen(request, timeout=600) as answer:
        for line in answer:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[len(b"data: "):])
            if "error" in event:
                raise SystemExit(f"{model.name} answered {event['error']}")
            if event.get("usage"):
                tokens = event["usage"]["completion_tokens"]
            # Log-probabilities come with each token, also with one whose text is not whole yet.
            if any((choice.get("logprobs") or {}).get("content") for choice in event["choices"]):
                last = time.monotonic()
                first = first or last
    if first is None or tokens < 2:
        raise SystemExit(f"{model.name} answered {tokens} tokens, expected {ANSWER_TOKENS}")
    return first - begin, (tokens - 1) / (last - first), tokens


def memory_of_services(home: Path) -> dict[str, dict[str, int]]:
    """By the argument file that each was started with."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        words = f"{processes.command(int(entry.name))} "
        for service in SERVICES:
            if f"@{home / 'run' / service}.args " in words:
                found[service] = processes.memory(int(entry.name))
    return dict(sorted(found.items()))


def flush(folder: Path) -> None:
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def drop(folder: Path) -> None:
    """Takes the folder's files out of the page cache, so that the disk is read."""
    flush(folder)
    for file in (path for path in folder.rglob("*") if path.is_file()):
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def show(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
