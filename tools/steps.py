"""Run the steps of the suite, several at once, and say where the time goes.

    python3 -m tools.steps              # make test: all tests
    python3 -m tools.steps gates demo   # make test WITH="gates demo", as .ci/run: these targets of make, too

What mostly waits goes on beside what computes: see STEPS. The output of a step is printed when it ends; that of the end-to-end tests, or
of the step that failed, is the last of all, after the table. The first failure ends the run. Whatever the steps have started is ended with
them, also on Ctrl-C. Needs only Python's library, because one of the steps installs the rest.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How long a step may take to clean up before it is killed.
PATIENCE = 20.0
SAY_EVERY_SECONDS = 60.0
# What computes yields to what waits for the clock: tests are then nearly as quick as on a quiet machine. Only to that: whoever else keeps the
# machine busy would leave it nothing. 19 is a seventieth of the weight of what does not yield, 5 a third: the demo waits for the functions.
# 3 is half: real Airflows compute for less than one processor, and the other one is for what is beside them.
NICE, NEEDED_SOON, BESIDE_AIRFLOW = 19, 5, 3
OWN_NICE = os.getpriority(os.PRIO_PROCESS, 0)
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Step:
    name: str
    command: tuple[str, ...]
    lane: str
    after: tuple[str, ...] = ()
    nice: int = 0
    last: bool = False  # its output is printed last


def make(name: str, targets: str, lane: str, after: str = "", nice: int = 0, last: bool = False) -> Step:
    return Step(name, ("make", "--no-print-directory", *targets.split()), lane, tuple(after.split(", ")) if after else (), nice, last)


# One step of a lane at a time: the first that has what it needs. Cargo lets only one command at a time into a folder of binaries, so what
# compiles for the tests is one lane, and what compiles for release another. What waits for the clock executes a copy of the binaries: the
# tests of Rust and the lints may build them anew meanwhile. The end-to-end tests leave some of two processors idle, and builds get that
# beside them. Nothing else that waits is beside them: with real Airflows some of them once did not meet their times. The tests
# of Rust that wait for a silent connection do not meet theirs with so little of a processor, so they are only built beside them. The tests
# with other Airflows compute nearly all the time, so they are with what compiles.
# The simulation and the model need no folder of the tests' binaries for long: with these they kept the tests of Rust waiting. The simulation
# plays for two minutes by the clock: with what others leave of a processor it would play less.
INSTALLS, COMPUTES, PLAYS, RELEASES, WAITS = "installs", "computes", "plays", "releases", "waits"
COPIED = "BINARIES=target/tested"
STEPS = (
    make("tools", "tools", INSTALLS),
    make("Airflow", "airflow", INSTALLS),
    make("other Airflows", "airflow-versions", INSTALLS, nice=NICE),
    make("debug binaries", "tested", COMPUTES),
    make("tests of the local AWS", "test-local", WAITS, "tools"),
    make("end-to-end tests", f"test-end-to-end {COPIED}", WAITS, "tools, debug binaries", last=True),
    make("tests with Airflow", f"test-airflow {COPIED}", WAITS, "Airflow, debug binaries"),
    make("tests of Rust, built", "test-rust-built", COMPUTES, nice=NICE),
    make("simulation", "test-simulation", PLAYS, "debug binaries, end-to-end tests", nice=BESIDE_AIRFLOW),
    make("tests of the model", "test-model", PLAYS, nice=NICE),
    make("tests of Rust", "test-rust", COMPUTES, "end-to-end tests"),
    make("tests with other Airflows", "test-airflow-versions", COMPUTES, "other Airflows, end-to-end tests", nice=BESIDE_AIRFLOW),
    make("tests of templates and tools", "test-template", COMPUTES, "tools, end-to-end tests", nice=BESIDE_AIRFLOW),
)
# With less priority they were done minutes after the end-to-end tests, and the demo, which mostly waits, was the last of all.
FUNCTIONS = make("functions", "functions", RELEASES, "tools", nice=NEEDED_SOON)
# What more can be asked for, by its target.
MORE = {
    "gates": (
        make("linters", ".tools/lint/.installed", INSTALLS, nice=NICE),
        make("lints", "lint", COMPUTES, "debug binaries, tools", nice=NICE),  # what of the gates can be beside the end-to-end tests
        FUNCTIONS,
        make("gates", "gates", COMPUTES, "linters, functions, end-to-end tests", nice=NICE),
    ),
    "demo": (
        FUNCTIONS,
        make("demo", f"demo {COPIED}", RELEASES, "functions, end-to-end tests"),
    ),
}


def chosen(targets: Sequence[str]) -> list[Step]:
    """The tests, and what these targets need, each step once."""
    return list(dict.fromkeys([*STEPS, *(step for target in targets for step in MORE[target])]))


# -- processes -----------------------------------------------------------------------------------------------------------

def adopt_orphans() -> None:
    """What a step leaves behind becomes a child of this process instead of the machine's first one, so it can be found."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid: int) -> set[int]:
    """All living processes under `pid`."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:2]
                if state != "Z":
                    parents[int(entry.name)] = int(parent)
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found


def reap(but: frozenset[int] | set[int] = frozenset()) -> None:
    """Take note of the end of adopted processes, or each of them is in the list of processes until the end of the run. Whoever is in `but`
    is waited for elsewhere."""
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in but:
                return  # the others, once that one has been waited for
            os.waitpid(ended.si_pid, os.WNOHANG)


def end_leftovers() -> None:
    """Kill all that is left under this process; what is adopted meanwhile, too."""
    while left := descendants(os.getpid()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
        reap()
    reap()


def set_nice(session: int, nice: int) -> bool:
    """Whether it is set, as far as it can be; else it has to be set again a moment later. Linux shares the processor among sessions first;
    the nice values of processes count only within one (sched(7), autogroup). Elsewhere they are all there is, and who is not root cannot
    lower them again: the step is then only slower."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PGRP, session, min(OWN_NICE + nice, 19))
    try:
        Path(f"/proc/{session}/autogroup").write_text(str(nice))
    except BlockingIOError:
        return False  # who is not root may write one in a tenth of a second
    except OSError:
        pass  # another kernel, or it has ended already
    return True


@dataclass
class Running:
    step: Step
    output: IO[bytes]
    began: float = field(default_factory=time.monotonic)
    pid: int = 0
    ended: float | None = None
    code: int | None = None
    cpu: float = 0.0
    nice: int = 0
    stopped: bool = False

    def start(self) -> None:
        # Not what this process has from a make above it: a jobserver that the steps would share.
        environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        process = subprocess.Popen(self.step.command, env=environment, stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        self.pid = process.pid
        process.returncode = 0  # this module waits by itself, for the processor's time

    def give(self, nice: int) -> None:
        if nice != self.nice and set_nice(self.pid, nice):
            self.nice = nice

    def has_ended(self) -> bool:
        if self.ended is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.ended, self.code = time.monotonic(), os.waitstatus_to_exitcode(status)
                self.cpu = usage.ru_utime + usage.ru_stime
        return self.ended is not None

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    @property
    def seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.began

    @property
    def outcome(self) -> str:
        return "stopped" if self.stopped else "passed" if self.code == 0 else "failed"

    def text(self) -> str:
        self.output.seek(0)
        return self.output.read().decode(errors="replace").rstrip("\n")


# -- the run ---------------------------------------------------------------------------------------------------------------

class Suite:
    def __init__(self, steps: Sequence[Step]) -> None:
        names = [step.name for step in steps]
        # A step that is left out is waited for by nobody.
        self.steps = [Step(s.name, s.command, s.lane, tuple(name for name in s.after if name in names), s.nice, s.last) for s in steps]
        self.todo = list(self.steps)
        self.all: list[Running] = []
        self.began = time.monotonic()
        self.said = self.began
        self.stopped: int | None = None

    def say(self, text: str) -> None:
        self.said = time.monotonic()
        minutes, seconds = divmod(int(self.said - self.began), 60)
        print(f"=== {minutes} min {seconds:02} s: {text}", flush=True)

    def running(self) -> list[Running]:
        return [each for each in self.all if each.ended is None]

    def share_the_processor(self) -> None:
        # One that keeps another from its lane would keep it for long: it yields no more than that one.
        awaited: dict[str, int] = {}
        for step in self.ready():
            awaited[step.lane] = min(step.nice, awaited.get(step.lane, step.nice))
        wanted = {each.step.name: min(each.step.nice, awaited.get(each.step.lane, each.step.nice)) for each in self.running()}
        # Alone, the least of them yield to nobody.
        for each in self.running():
            each.give(wanted[each.step.name] - min(wanted.values()))

    def passed(self) -> set[str]:
        return {each.step.name for each in self.all if each.code == 0}

    def ready(self) -> list[Step]:
        """Those that have what they need, and wait for their lanes at the most."""
        passed = self.passed()
        return [step for step in self.todo if passed.issuperset(step.after)]

    def startable(self) -> Iterator[Step]:
        """The first that is ready for each free lane."""
        taken = {each.step.lane for each in self.running()}
        for step in self.ready():
            if step.lane not in taken:
                taken.add(step.lane)
                yield step

    def run(self) -> int:
        for number in ENDINGS:
            signal.signal(number, self._stop)
        adopt_orphans()
        failed: Running | None = None
        with tempfile.TemporaryDirectory(prefix="suite-") as folder:
            try:
                while (self.todo or self.running()) and failed is None and self.stopped is None:
                    for step in self.startable():
                        self.todo.remove(step)
                        self.all.append(Running(step, open(Path(folder, str(len(self.all))), "w+b")))  # noqa: SIM115
                        self.all[-1].start()
                        self.say(f"{step.name} …")
                    self.share_the_processor()
                    time.sleep(0.1)
                    reap({each.pid for each in self.running()})
                    for each in self.running():
                        if each.has_ended():
                            failed = failed or (each if each.code else None)
                            self.say(f"{each.step.name}: {each.outcome} after {each.seconds:.0f} s")
                            if each is not failed and not each.step.last:
                                print(each.text(), flush=True)
                    if time.monotonic() - self.said > SAY_EVERY_SECONDS:
                        self.say(f"still running: {', '.join(each.step.name for each in self.running())}")
            finally:
                self._end_all()
            print(self.table(), flush=True)
            for each in self.all:
                if each is failed or (failed is None and self.stopped is None and each.step.last):
                    print(f"\n=== {each.step.name}\n{each.text()}", flush=True)
            for each in self.all:
                each.output.close()
        if self.stopped is not None:
            return 128 + self.stopped
        return 1 if failed else 0

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self.stopped = number

    def _end_all(self) -> None:
        """As Ctrl-C in a terminal first, so that the tests clean up; then by force."""
        for each in self.running():
            each.stopped = True
        for number, patience in ((signal.SIGINT, PATIENCE), (signal.SIGTERM, 5.0)):
            for each in self.running():
                each.signal(number)
            deadline = time.monotonic() + patience
            while any(not each.has_ended() for each in self.running()) and time.monotonic() < deadline:
                time.sleep(0.05)
        end_leftovers()

    def table(self) -> str:
        widest = max(len(step.name) for step in self.steps)
        lines = [f"\n{'step':{widest}}   began  seconds  of a processor"]
        for each in self.all:
            lines.append(f"{each.step.name:{widest}} {each.began - self.began:7.0f} {each.seconds:8.0f} {each.cpu:14.0f}  {each.outcome}")
        lines += [f"{step.name:{widest}}{'not started':>36}" for step in self.todo]
        total = time.monotonic() - self.began
        lines.append(f"{'all':{widest}} {'':7} {total:8.0f} {sum(each.cpu for each in self.all):14.0f}")
        return "\n".join(lines)


def main(targets: list[str]) -> int:
    if unknown := [target for target in targets if target not in MORE]:
        print(f"tools.steps: {', '.join(unknown)}: not one of {', '.join(MORE)}", file=sys.stderr)
        return 2
    return Suite(chosen(targets)).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
