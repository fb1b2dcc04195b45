"""The soak as a program: it ends everything that it has started, however it ends. What it finds is tested in tests/soak."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from support.local_functions import alive
from support.paths import PROJECT


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "soak", *arguments], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == parent:
                    found += [int(entry.name), *children(int(entry.name))]
            except (OSError, IndexError, ValueError):
                continue
    return found


def test_a_soak_that_is_stopped_leaves_nothing_behind():
    soak = start("--minutes", "5", "--seed", "1")
    assert soak.stdout
    lines = [soak.stdout.readline() for _ in range(2)]
    assert "seed 1" in lines[0] and "the storm begins" in lines[1], lines
    time.sleep(3)
    started = children(soak.pid)
    assert len(started) >= 3, "the local AWS and the functions"
    soak.send_signal(signal.SIGINT)
    out, _ = soak.communicate(timeout=60)
    assert soak.returncode == 128 + signal.SIGINT and "stopped, seed 1" in out, out
    deadline = time.monotonic() + 10
    while [pid for pid in started if alive(pid)] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in started if alive(pid)]
    assert not list((PROJECT / ".soak").glob(f"*-{soak.pid}"))


def test_without_binaries_it_says_what_to_build(tmp_path: Path):
    soak = start("--binaries", str(tmp_path))
    out, _ = soak.communicate(timeout=60)
    assert soak.returncode == 1 and "`make debug`" in out
