"""Runs the marked blocks of a page, word for word, on a terminal, as a person would.

The comment behind a command is its expected answer. Questions are answered with the text that they ask for. A block that is an
alternative replaces the one before it, in a run of its own.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.command_line import FOREIGN
from support.deployment import Deploy
from support.documents import Command, Section, commands, sections
from support.pair import Pair
from support.paths import BINARIES

# The command line's exit code for these outcomes; for every other answer it must be 0.
EXIT_CODES = {"failed writing": 1, "refused": 3, "blocked": 3, "conflict": 4, "not ready": 5, "partial": 5, "failed": 5, "interrupted": 5}

# The name of a rollout in a page is an example.
ROLLOUT_ID = re.compile(r"(?<=rollout\\ )[0-9a-f]{8}\b")

PROMPT = re.compile(r"Type ((?:force )?(?:blue|green)|replace|destroy) to [^\n]*: $|(Place the hold|Release|Apply this to [a-z0-9-]+)\? \[y/N\] $")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def names_of(section: Section, pair: Pair, **more: str) -> str:
    """The page's block of names, with this pair's names where a reader fills in their own."""
    mine = {"PAIR": pair.name, "ROOT": pair.root, "REGION": pair.aws.environment()["AWS_REGION"], "STACK": pair.name,
            "BLUE": pair.environments["blue"], "GREEN": pair.environments["green"], "NEW": f"{pair.name}-green-2", **more}
    return re.sub(r"^([A-Z_]+)=.*$", lambda line: f"{line[1]}={mine[line[1]]}" if line[1] in mine else line[0], section.names, flags=re.M)


def environment(section: Section, pair: Pair, home: Path) -> dict[str, str]:
    clean = {name: value for name, value in pair.aws.environment().items() if not FOREIGN.match(name) or name.startswith("AWS_")}
    if "AWS_REGION=" in section.names:
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            clean.pop(name)  # the block at the top says so
    else:
        clean["MWAA_BLUEGREEN_PAIR"] = pair.name
    path = f"{home / 'bin'}:{BINARIES}:{Path(sys.executable).parent}:{clean['PATH']}"
    return {**clean, "PATH": path, "HOME": str(home), "USER": "ana", "SUDO_USER": "", "NO_COLOR": "1", "TERM": "xterm"}


def on_a_terminal(script: str, variables: dict[str, str], folder: Path, patience: float = 240) -> str:
    """Runs it in bash on a terminal and answers its questions; returns everything that the terminal showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(["bash", "-c", script], env=variables, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs,
                               start_new_session=True)
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
        process.wait(60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
        os.close(ours)
    return ESCAPES.sub("", seen).replace("\r\n", "\n").replace("\r", "\n")


def documents(printed: str) -> list[dict[str, Any]]:
    """The JSON documents in the output: of an invocation, the function's answer and the AWS CLI's own document."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := printed.find("{", at)) >= 0:
        value, at = decoder.raw_decode(printed, at)
        found.append(value)
    return found


def says(command: Command, printed: str, code: int, pair_name: str) -> bool:
    """Whether the answer matches the comment behind the command; without a comment, whether the command succeeded."""
    wanted = command.answer
    if wanted is None:
        return code == 0
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
        line = " ".join(line.split()).removeprefix(f"{pair_name}: ").removeprefix("mwaa-bluegreen: ")
        # A complete word: "ready" is not "readyish".
        if re.match(ROLLOUT_ID.sub("[0-9a-f]{8}", re.escape(wanted)) + (r"(?!\w)" if wanted[-1].isalnum() else ""), line):
            return True
    return False


class Walkthrough:
    """The blocks of one test, with one of the options: every call runs the next block."""

    def __init__(self, section: Section, option: int, home: Path) -> None:
        self.section, self.home, self.at, self.broken = section, home, 0, False
        self.todo = [step[min(option, len(step) - 1)].text for step in section.steps]

    def __call__(self, pair: Pair, **names: str) -> str:
        assert self.at < len(self.todo), f"{self.section.page}, {self.section.name}: there is no further block"
        block, self.at, self.broken = commands(self.todo[self.at]), self.at + 1, True
        script = names_of(self.section, pair, **names)
        for number, command in enumerate(block):
            script += f"\nprintf '\\n@@begin {number}@@\\n'\n{command.text}\nprintf '\\n@@end {number} %d@@\\n' $?"
        script = script.replace("/mwaa/blue-green", pair.root).replace("mwaa-blue-green", pair.name)
        seen = on_a_terminal(script, environment(self.section, pair, self.home), self.home)
        for number, command in enumerate(block):
            ended = re.search(rf"@@begin {number}@@\n(.*)\n@@end {number} (\d+)@@", seen, re.S)
            assert ended, f"it did not end: {command.text}\n{seen}"
            assert says(command, ended[1], int(ended[2]), pair.name), \
                f"{self.section.page}, {self.section.name}:\n{command.text}\nended with {ended[2]} and said:\n{ended[1]}"
        self.broken = False
        return seen

    def rest(self, pair: Pair, **names: str) -> str:
        """Runs all remaining blocks; returns the output of the last one."""
        seen = ""
        while self.at < len(self.todo):
            seen = self(pair, **names)
        return seen


def runs(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The test runs the blocks of that mark, once for each option."""
    section = sections()[name]
    return pytest.mark.parametrize("walk", [pytest.param((section, option), id=f"option-{option + 1}") for option in range(section.options)],
                                   indirect=True)


# -- situations ------------------------------------------------------------------------------------------------------


def settled(deploy: Deploy, active: str = "blue", **wanted: Any) -> Pair:
    """A pair with the template's cooldown, unchanged for ten minutes."""
    pair = deploy(**{"CooldownSeconds": "300", "SwitchLeadSeconds": "1", **wanted})
    pair.look_once_a_tick()
    if active == "green":
        assert pair.ask(to="green", force=True, reason="as it should be")["outcome"] == "switched"
        pair.wait_until_audited(2)
    rest(pair)
    return pair


def rest(pair: Pair, seconds: float = 600) -> None:
    pair.aws.age_parameter(pair.flag_name, seconds)
