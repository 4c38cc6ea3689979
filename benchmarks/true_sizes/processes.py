"""What processes hold in memory, from /proc."""

import subprocess
import threading
import time
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


def run(words: list[str], environment: dict[str, str], every: float = 0.05) -> tuple[float, int]:
    """Runs a command and shows what it prints; seconds, and the most anonymous memory that it and its children held at once."""
    peak = 0
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
    return time.monotonic() - begin, peak
