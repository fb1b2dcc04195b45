"""The runbooks in docs/ do what they say: every command, word for word, in the situation that it is for.

A block marked `bash` is run on a terminal by bash, and one marked `bash or` is another road to the same: it takes the place of the
block before it, in a run of its own. The comment behind a command is what the command must answer. Questions are answered as a person would who
means it. Blocks marked `console` need a real account and are not run.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from conftest import BINARIES, PROJECT, Deploy
from pair import Pair, only, until
from test_cli import FOREIGN

DOCS = PROJECT / "docs"
INDEX = "README.md"
CLAIM_TIMEOUT = 80

# What the command line ends with when it says so; with anything else it must end with 0.
EXIT_CODES = {"refused": 3, "blocked": 3, "conflict": 4, "not ready": 5, "partial": 5, "failed": 5, "interrupted": 5, "error": 1}

PROMPT = re.compile(r"Type ((?:force )?(?:blue|green)) to [^\n]*: $|(Place the hold|Release)\? \[y/N\] $")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ASSIGNMENT = re.compile(r"[A-Z_]+=\S*$|read -r ")


# -- reading ---------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Command:
    text: str
    answer: str | None


@dataclass(frozen=True)
class Section:
    """What is under one heading: steps in order, each with every road there is."""

    file: str
    heading: str
    steps: list[list[str]] = field(default_factory=list)

    @property
    def roads(self) -> int:
        return max(len(step) for step in self.steps)


def blocks(file: str) -> Iterator[tuple[str, str, str]]:
    """(heading, mark of the block, text), in order."""
    heading, mark, lines = "", None, []
    for line in (DOCS / file).read_text().splitlines():
        if line.startswith("```"):
            if mark is None:
                mark, lines = line[3:].strip(), []
            else:
                yield heading, mark, "\n".join(lines)
                mark = None
        elif mark is not None:
            lines.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    assert mark is None, f"{file}: a block does not end"


def files() -> list[str]:
    return sorted(path.name for path in DOCS.glob("*.md"))


def read() -> tuple[dict[str, str], dict[tuple[str, str], Section]]:
    """The block of names at the top of each runbook, and its sections that have commands."""
    names, sections = {}, {}
    for file in files():
        for heading, mark, text in blocks(file):
            if not mark.startswith("bash"):
                continue
            if file not in names:
                names[file] = text
                continue
            section = sections.setdefault((file, heading), Section(file, heading))
            if mark == "bash":
                section.steps.append([text])
            else:
                section.steps[-1].append(text)
    return names, sections


NAMES, SECTIONS = read()


def commands(block: str) -> list[Command]:
    found, lines = [], []
    for line in block.splitlines():
        lines.append(line)
        if line.endswith("\\"):
            continue
        text, lines = "\n".join(lines), []
        answer = re.search(r"\s+# (.+)$", text)
        found.append(Command(text, answer.group(1) if answer else None))
    return found


# -- running ---------------------------------------------------------------------------------------------------------

def names_of(file: str, pair: Pair, **more: str) -> str:
    """The block at the top, with this pair's names in the places where a reader fills in theirs."""
    mine = {"PAIR": pair.name, "ROOT": pair.root, "REGION": pair.aws.environment()["AWS_REGION"], "STACK": pair.name,
            "BLUE": pair.environments["blue"], "GREEN": pair.environments["green"], **more}
    return re.sub(r"^([A-Z_]+)=.*$", lambda line: f"{line[1]}={mine[line[1]]}", NAMES[file], flags=re.M)


def environment(pair: Pair, home: Path) -> dict[str, str]:
    clean = {name: value for name, value in pair.aws.environment().items() if not FOREIGN.match(name) or name.startswith("AWS_")}
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        clean.pop(name)  # the block at the top says it
    path = f"{BINARIES}:{Path(sys.executable).parent}:{clean['PATH']}"
    return {**clean, "PATH": path, "HOME": str(home), "USER": "ana", "SUDO_USER": "", "NO_COLOR": "1", "TERM": "xterm"}


def on_a_terminal(script: str, variables: dict[str, str], patience: float = 240) -> str:
    """Runs it in bash on a terminal and answers what is asked there; returns all that was to be seen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(["bash", "-c", script], env=variables, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    seen, answered, deadline = "", 0, time.monotonic() + patience
    try:
        while True:
            assert time.monotonic() < deadline, f"not within {patience:g} s:\n{script}\n{seen}"
            if not select.select([ours], [], [], 0.5)[0]:
                continue
            try:
                seen += os.read(ours, 65536).decode(errors="replace")
            except OSError:
                break
            if prompt := PROMPT.search(ESCAPES.sub("", seen[answered:])):
                answered = len(seen)
                os.write(ours, f"{prompt[1] or 'y'}\n".encode())
        process.wait(10)
    finally:
        process.poll() is None and os.killpg(process.pid, 9)
        os.close(ours)
    return ESCAPES.sub("", seen).replace("\r\n", "\n").replace("\r", "\n")


def documents(printed: str) -> list[dict[str, Any]]:
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := printed.find("{", at)) >= 0:
        value, at = decoder.raw_decode(printed, at)
        found.append(value)
    return found


def says(command: Command, printed: str, code: int, pair: Pair) -> bool:
    """Whether it answered what the comment behind it promises."""
    wanted = command.answer
    if command.text.startswith("ask "):
        answer, _ = documents(printed)
        return code == 0 and wanted.replace(" ", "_") in (answer.get("outcome"), answer.get("decision"), answer.get("errorType"))
    if command.text.startswith("mwaa-bluegreen"):
        meant = next((number for word, number in EXIT_CODES.items() if wanted.startswith(word)), 0)
    else:
        meant = 0
    if code != meant:
        return False
    if wanted == "nothing":
        return printed.strip() == ""
    for line in printed.splitlines():
        line = " ".join(line.split()).removeprefix(f"{pair.name}: ")
        if re.match(re.escape(wanted) + r"(?!\w)", line):
            return True
    return False


class Book:
    """One section of a runbook, on one road: every call runs the next block."""

    def __init__(self, section: Section, road: int, home: Path) -> None:
        self.section, self.home, self.at = section, home, 0
        self.todo = [step[min(road, len(step) - 1)] for step in section.steps]

    def __call__(self, pair: Pair, **names: str) -> str:
        assert self.at < len(self.todo), f"{self.section.file}, {self.section.heading}: there is no further block"
        block, self.at = commands(self.todo[self.at]), self.at + 1
        script = names_of(self.section.file, pair, **names)
        for number, command in enumerate(block):
            script += f"\nprintf '\\n@@begin {number}@@\\n'\n{command.text}\nprintf '\\n@@end {number} %d@@\\n' $?"
        seen = on_a_terminal(script, environment(pair, self.home))
        for number, command in enumerate(block):
            ended = re.search(rf"@@begin {number}@@\n(.*)\n@@end {number} (\d+)@@", seen, re.S)
            assert ended, f"it did not end: {command.text}\n{seen}"
            if command.answer is not None:
                assert says(command, ended[1], int(ended[2]), pair), \
                    f"{self.section.file}, {self.section.heading}:\n{command.text}\nended with {ended[2]} and said:\n{ended[1]}"
        return seen

    def rest(self, pair: Pair, **names: str) -> None:
        while self.at < len(self.todo):
            self(pair, **names)


RUN: set[tuple[str, str]] = set()


def runs(file: str, heading: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The test runs that section: once for each road."""
    section = SECTIONS[file, heading]
    RUN.add((file, heading))
    return pytest.mark.parametrize("book", [pytest.param((section, road), id=f"road-{road + 1}") for road in range(section.roads)],
                                   indirect=True)


@pytest.fixture
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Book]:
    made = Book(*request.param, tmp_path)
    yield made
    if not hasattr(request.node, "failed"):
        assert made.at == len(made.todo), f"{len(made.todo) - made.at} block(s) of the section were not run"


def settled(deploy: Deploy, active: str = "blue", **wanted: Any) -> Pair:
    """A pair with the cooldown of the template, at rest since ten minutes."""
    pair = deploy(**{"CooldownSeconds": "300", "SwitchLeadSeconds": "1", **wanted})
    pair.look_once_a_tick()
    if active == "green":
        assert pair.ask(to="green", force=True, reason="as it should be")["outcome"] == "switched"
        pair.wait_until_audited(2)
    rest(pair)
    return pair


def rest(pair: Pair, seconds: float = 600) -> None:
    pair.aws.age_parameter(pair.flag_name, seconds)


def age_claims(pair: Pair) -> None:
    for record in pair.records():
        pair.aws.age_parameter(f"{pair.root}/transitions/{record}", CLAIM_TIMEOUT)


def kinds(pair: Pair) -> list[str]:
    return [entry["kind"] for entry in pair.ask(action="history", limit=100)["entries"]][::-1]
