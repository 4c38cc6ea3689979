"""Trains a model of documents by a recipe, stage by stage. Goes on where the run's folder left off.

    python training/train_documents.py training/recipes/documents.toml training/runs/documents
    python training/train_documents.py training/recipes/documents.toml training/runs/documents --stage vision

Stages that do not build on one another can run at the same time, each as a process of its own.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as together
from transformers import AutoTokenizer

from documents import families
from documents import recipe as recipes
from documents.learning import Learner
from documents.recipe import Recipe, Stage
from documents.source import Source
from train import keep_freed_memory

SAVE_EVERY, REPORT_EVERY = 180, 15  # seconds


def run_stage(recipe: Recipe, stage: Stage, args: argparse.Namespace, share: int = 0) -> None:
    """`share`: the number of this process among those that learn together; the first one keeps the log and the state."""
    folder, device = args.run, torch.device(args.device)
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    learner = Learner(recipe, stage, tokenizer, device, getattr(torch, args.precision))
    checkpoint = folder / f"{stage.name}.pt"
    if checkpoint.exists():
        learner.restore(checkpoint)
    elif args.start:
        learner.start_from_exported(args.start)
    else:
        learner.start_from([torch.load(folder / f"{name}.pt", map_location=device, weights_only=True)
                            for name in stage.after])
    torch.manual_seed(recipe.seed + 1000 * share + learner.step)
    with open(folder / f"{stage.name}.jsonl" if not share else os.devnull, "a") as log, \
            Source(learner, args.workers, args.again, share) as source:
        def report(entry: dict) -> None:
            line = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in entry.items()})
            if not share:
                print(line, flush=True)
            log.write(line + "\n")
            log.flush()

        def measure() -> None:
            for name, drawn in source.held_out().items():
                report({"step": learner.step, "held_out": name, **learner.validate(drawn)})

        report({"stage": stage.name, "parameters": sum(p.numel() for p in learner.moving()), "from_step": learner.step,
                "steps": stage.steps})
        if stage.solve and not learner.step:
            report({"explained": learner.solve(source.pages_to_solve())})
        if args.minutes:
            learner.follow_clock(60 * args.minutes)
        first = learner.step
        saved = reported = validated = time.monotonic()
        window: list[dict[str, float]] = []
        used = time.process_time()
        for batch in source:
            window.append(learner.advance(batch))
            now = time.monotonic()
            if now - reported > REPORT_EVERY:
                means = {key: sum(w[key] for w in window if key in w) / sum(key in w for w in window)
                         for key in {k for w in window for k in w}}
                report({"step": learner.step, "done": learner.done(), "level": learner.level, "rate": learner.rate(),
                        "seconds_a_step": (now - reported) / len(window),
                        "cpu_a_step": (time.process_time() - used) / len(window), "drawn": source.drawn,
                        **dict(sorted(means.items()))})
                reported, window, used = now, [], time.process_time()
            if share:
                continue
            if now - validated > args.validate_every:
                measure()
                validated = time.monotonic()
            if now - saved > SAVE_EVERY:
                learner.save(checkpoint)
                saved = now
        if not share:
            learner.save(checkpoint)
            if learner.step > first:
                measure()


def learn(share: int, args: argparse.Namespace, meeting: str) -> None:
    """One of `args.processes` processes, which meet by a file and take every step together."""
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    if args.processes > 1:
        together.init_process_group("gloo", init_method=f"file://{meeting}", rank=share, world_size=args.processes)
    recipe = recipes.load(args.recipe)
    for stage in recipe.stages:
        if args.stage in (None, stage.name):
            run_stage(recipe, stage, args, share)
            if args.processes > 1:
                together.barrier()  # the next stage reads what the first process has written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("run", type=Path, help="folder for checkpoints and logs; an existing one is continued")
    parser.add_argument("--stage", help="only this stage; all in turn otherwise")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of a process")
    parser.add_argument("--processes", type=int, default=1,
                        help="processes that learn together, each with a batch of its own: one for each core")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw batches ahead")
    parser.add_argument("--again", type=int, default=1,
                        help="take a batch up to so many times where the next one is not drawn yet; wants --workers")
    parser.add_argument("--minutes", type=float,
                        help="what is left of a stage takes so long, and its schedule follows the clock")
    parser.add_argument("--start", type=Path, help="an exported checkpoint of the same size to begin the stage from, "
                                                   "in place of earlier stages")
    parser.add_argument("--validate-every", type=float, default=600, help="seconds")
    args = parser.parse_args()
    if args.minutes and args.processes > 1:
        parser.error("--minutes with --processes: two clocks never agree; give the recipe another number of steps")
    if args.start and not args.stage:
        parser.error("--start without --stage: say which stage begins from it")
    args.run.mkdir(parents=True, exist_ok=True)
    if not (args.run / "tokenizer").exists():
        families.words(recipes.load(args.recipe).family).save_pretrained(args.run / "tokenizer")
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"{folder}/meeting"
        if args.processes == 1:
            learn(0, args, meeting)
        else:
            torch.multiprocessing.spawn(learn, (args, meeting), args.processes)


if __name__ == "__main__":
    main()
