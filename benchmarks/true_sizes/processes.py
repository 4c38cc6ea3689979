"""What processes hold in memory, from /proc."""

import resource
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path


def memory(pid: int) -> dict[str, int]:
    """RssAnon, RssFile and VmRSS in bytes; empty for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) * 1024 for name in ("RssAnon", "RssFile", "VmRSS") if name in fields}


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


@dataclass(frozen=True)
class Run:
    """Seconds on the clock, seconds of all processors, and the most anonymous memory that it held at once with its children."""

    seconds: float
    processor_seconds: float
    anonymous: int


def run(words: list[str], environment: dict[str, str] | None = None, every: float = 0.05) -> Run:
    """Runs a command and shows what it prints."""
    peak = 0
    used = processor_seconds()
    begin = time.monotonic()
    process = subprocess.Popen(words, env=environment)
    done = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(every):
            peak = max(peak, sum(memory(pid).get("RssAnon", 0) for pid in descendants(process.pid)))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        code = process.wait()
    finally:
        done.set()
        sampler.join()
    if code:
        raise SystemExit(f"{' '.join(words)} ended with exit code {code}")
    return Run(time.monotonic() - begin, processor_seconds() - used, peak)


def processor_seconds() -> float:
    """Of the children that have ended, and theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
