"""Memory and open files of the function processes, from /proc, and the rule by which they are flat."""

from __future__ import annotations

import contextlib
import os
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from soak.stores import Invocation

PAGE = os.sysconf("SC_PAGE_SIZE")

# Under a constant load the median of the last fifth of the samples may exceed that of the second fifth by no more. The first fifth is for
# warming up. With 28 MB and two thousand invocations, a leak of half a kilobyte each is found.
MEMORY_GROWTH, MEMORY_SLACK_KB = 0.01, 256
FILES_SLACK = 2
# A shorter life shows nothing.
FEWEST_SAMPLES, FEWEST_INVOCATIONS = 25, 300


@dataclass(frozen=True)
class Sample:
    at: float
    memory_kb: int
    files: int


@dataclass(frozen=True)
class Life:
    """One function process, as far as it was measured."""

    function: str
    pid: int
    invocations: int
    samples: tuple[Sample, ...]

    @property
    def is_long(self) -> bool:
        return len(self.samples) >= FEWEST_SAMPLES and self.invocations >= FEWEST_INVOCATIONS

    def fifth(self, number: int) -> tuple[Sample, ...]:
        """That fifth of the samples, from 1 to 5."""
        count = len(self.samples)
        return self.samples[count * (number - 1) // 5:count * number // 5]


@dataclass(frozen=True)
class Growth:
    life: Life
    memory_kb: tuple[int, int]
    files: tuple[int, int]

    @property
    def is_flat(self) -> bool:
        before, after = self.memory_kb
        return after <= before * (1 + MEMORY_GROWTH) + MEMORY_SLACK_KB and self.files[1] <= self.files[0] + FILES_SLACK

    def __str__(self) -> str:
        return (f"{self.life.function} ({self.life.pid}): {self.life.invocations} invocations, memory {self.memory_kb[0]} -> "
                f"{self.memory_kb[1]} KB, open files {self.files[0]} -> {self.files[1]}")


def growth(life: Life) -> Growth:
    def median(values: Sequence[int]) -> int:
        return round(statistics.median(values))

    early, late = life.fifth(2), life.fifth(5)
    return Growth(life, (median([sample.memory_kb for sample in early]), median([sample.memory_kb for sample in late])),
                  (median([sample.files for sample in early]), median([sample.files for sample in late])))


def function_processes(parent: int) -> dict[int, str]:
    """The function processes that the local AWS has started, with the names of their functions."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError):
            # The second column is the command in parentheses and may contain anything.
            if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) != parent:
                continue
            variables = (entry / "environ").read_bytes().split(b"\0")
            names = [variable.partition(b"=")[2].decode() for variable in variables if variable.startswith(b"AWS_LAMBDA_FUNCTION_NAME=")]
            if names:
                found[int(entry.name)] = names[0]
    return found


def sample(pid: int) -> Sample | None:
    """Now; None if it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return Sample(time.time(), pages * PAGE // 1024, len(os.listdir(f"/proc/{pid}/fd")))
    except (OSError, IndexError):
        return None


@dataclass
class Sampler:
    """Samples all function processes until it is stopped."""

    parent: int
    every: float = 0.5
    samples: dict[tuple[int, str], list[Sample]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self.every):
            for pid, function in function_processes(self.parent).items():
                if now := sample(pid):
                    self.samples[pid, function].append(now)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def lives(self, invocations: Iterable[Invocation], since: float = 0.0, until: float = float("inf")) -> list[Life]:
        """Every process, with its samples and the number of its invocations between two moments."""
        counts = Counter(invocation.pid for invocation in invocations if since <= invocation.at <= until)
        return [Life(function, pid, counts[pid], tuple(each for each in samples if since <= each.at <= until))
                for (pid, function), samples in self.samples.items()]


def not_flat(lives: Sequence[Life], functions: Sequence[str]) -> list[str]:
    """What is wrong: a process that grew, or a function of which no process lived long enough to show that it does not."""
    wrong = []
    for function in functions:
        long = [growth(life) for life in lives if life.function == function and life.is_long]
        if not long:
            wrong.append(f"no process of {function} lived for {FEWEST_INVOCATIONS} invocations and {FEWEST_SAMPLES} samples")
        wrong += [f"not flat: {each}" for each in long if not each.is_flat]
    return wrong
