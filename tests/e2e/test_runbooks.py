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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.command_line import FOREIGN
from support.dags import let_time_pass, settle, unpaused
from support.deployment import Deploy
from support.pair import CLAIM_TIMEOUT, Pair, only
from support.paths import BINARIES, PROJECT, TEMPLATE

DOCS = PROJECT / "docs"
INDEX = "README.md"

# What the command line ends with when it says so; with anything else it must end with 0.
EXIT_CODES = {"failed writing": 1, "refused": 3, "blocked": 3, "conflict": 4, "not ready": 5, "partial": 5, "failed": 5, "interrupted": 5}

PROMPT = re.compile(r"Type ((?:force )?(?:blue|green)) to [^\n]*: $|(Place the hold|Release)\? \[y/N\] $")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ASSIGNMENT = re.compile(r"[A-Z_]+=\$\(|read -r ")


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
    heading: str = ""
    mark: str | None = None
    lines: list[str] = []
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
    names: dict[str, str] = {}
    sections: dict[tuple[str, str], Section] = {}
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
            "BLUE": pair.environments["blue"], "GREEN": pair.environments["green"], "NEW": f"{pair.name}-green-2", **more}
    return re.sub(r"^([A-Z_]+)=.*$", lambda line: f"{line[1]}={mine[line[1]]}" if line[1] in mine else line[0], NAMES[file], flags=re.M)


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
        process.wait(60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
        os.close(ours)
    return ESCAPES.sub("", seen).replace("\r\n", "\n").replace("\r", "\n")


def documents(printed: str) -> list[dict[str, Any]]:
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := printed.find("{", at)) >= 0:
        value, at = decoder.raw_decode(printed, at)
        found.append(value)
    return found


def says(command: Command, printed: str, code: int, pair_name: str) -> bool:
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
        line = " ".join(line.split()).removeprefix(f"{pair_name}: ").removeprefix("mwaa-bluegreen: ")
        # A whole word: "ready" is not "readyish".
        if re.match(re.escape(wanted) + (r"(?!\w)" if wanted[-1].isalnum() else ""), line):
            return True
    return False


class Book:
    """One section of a runbook, on one road: every call runs the next block."""

    def __init__(self, section: Section, road: int, home: Path) -> None:
        self.section, self.home, self.at, self.broken = section, home, 0, False
        self.todo = [step[min(road, len(step) - 1)] for step in section.steps]

    def __call__(self, pair: Pair, **names: str) -> str:
        assert self.at < len(self.todo), f"{self.section.file}, {self.section.heading}: there is no further block"
        block, self.at, self.broken = commands(self.todo[self.at]), self.at + 1, True
        script = names_of(self.section.file, pair, **names)
        for number, command in enumerate(block):
            script += f"\nprintf '\\n@@begin {number}@@\\n'\n{command.text}\nprintf '\\n@@end {number} %d@@\\n' $?"
        seen = on_a_terminal(script, environment(pair, self.home))
        for number, command in enumerate(block):
            ended = re.search(rf"@@begin {number}@@\n(.*)\n@@end {number} (\d+)@@", seen, re.S)
            assert ended, f"it did not end: {command.text}\n{seen}"
            if command.answer is not None:
                assert says(command, ended[1], int(ended[2]), pair.name), \
                    f"{self.section.file}, {self.section.heading}:\n{command.text}\nended with {ended[2]} and said:\n{ended[1]}"
        self.broken = False
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
    section, road = request.param
    made = Book(section, road, tmp_path)
    yield made
    if not made.broken:
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


# What it takes to change environments and stacks, the page says, is what one makes them with.
MADE_WITH_OTHER_RIGHTS = {"airflow:CreateEnvironment", "airflow:UpdateEnvironment", "airflow:DeleteEnvironment",
                          "cloudformation:UpdateStack", "cloudformation:DescribeStacks", "cloudformation:Wait"}
PREFIXES = {"mwaa": "airflow"}
ACTIONS = {"lambda:Invoke": "lambda:InvokeFunction", "logs:Tail": "logs:FilterLogEvents"}


def test_the_rights_on_the_page_allow_every_command_of_the_runbooks():
    (page,) = [text for _, mark, text in blocks(INDEX) if mark == "json"]
    given = {action for statement in json.loads(page)["Statement"]
             for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])}
    needed = set()
    for file in files():
        for _, mark, text in blocks(file):
            if mark.startswith(("bash", "console")):
                for service, operation in re.findall(r"\baws (\w+) ([a-z]+(?:-[a-z]+)*)", text):
                    action = f"{PREFIXES.get(service, service)}:{operation.title().replace('-', '')}"
                    needed.add(ACTIONS.get(action, action))
    assert needed - given == MADE_WITH_OTHER_RIGHTS & needed
    # And what the command line does in the switch-handler's place.
    role = TEMPLATE.read_text().split("\n  SwitchHandlerRole:\n")[1].split("\n  ScheduledDrill:\n")[0]
    may = set(re.findall(r"\w+:\w+", " ".join(re.findall(r"^ +Action: (.+)$", role, re.M))))
    assert len(may) > 10
    # The key is the dead-letter queue's, to which Lambda writes for the function.
    assert may - given == {"sts:AssumeRole", "logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage",
                           "kms:GenerateDataKey", "kms:Decrypt"}


# -- docs/README.md --------------------------------------------------------------------------------------------------

@runs(INDEX, "Look")
def test_the_index_begins_with_a_look(deploy: Deploy, book: Book):
    book.rest(settled(deploy))


@runs(INDEX, "Stop it at once")
def test_stop_it_at_once(deploy: Deploy, book: Book):
    pair = settled(deploy)
    pair.fail("blue")
    book(pair)
    assert pair.tick()["blocked_by"] == ["hold"] and pair.flag().value == "blue"
    book(pair)
    assert pair.tick()["decision"] == "failover"


@runs(INDEX, "Before you need it")
def test_the_settings_are_saved_beforehand(deploy: Deploy, book: Book):
    pair = settled(deploy)
    book.rest(pair)
    saved = (book.home / ".config" / "mwaa-bluegreen" / f"{pair.name}.env").read_text()
    assert f"FLAG_PARAMETER={pair.flag_name}" in saved


# -- maintenance.md --------------------------------------------------------------------------------------------------

@runs("maintenance.md", "Work on the standby")
def test_work_on_the_standby(deploy: Deploy, book: Book):
    pair = settled(deploy)
    book(pair)
    pair.environment("green", dags={})
    pair.fail("blue")
    assert pair.tick()["blocked_by"] == ["hold"], "nobody fails over into a building site"
    pair.heal("blue")
    book.rest(pair)
    assert pair.stands_at() == ("blue", 1) and pair.ask(action="status")["hold"] is None


@runs("maintenance.md", "Work on the active")
def test_work_on_the_active(deploy: Deploy, book: Book):
    pair = settled(deploy)
    book(pair)
    assert pair.stands_at() == ("blue", 1), "a look changes nothing"
    book(pair)
    pair.environment("blue", status="UPDATING")
    assert pair.tick()["decision"] == "none"
    pair.environment("blue", status="AVAILABLE")
    book.rest(pair)
    assert pair.stands_at() == ("green", 2) and pair.ask(action="status")["hold"] is None


@runs("maintenance.md", "Go back")
def test_back_after_maintenance_in_spite_of_cooldown_and_hold(deploy: Deploy, book: Book):
    pair = settled(deploy)
    assert pair.ask(to="green")["outcome"] == "switched"
    pair.hold()
    book.rest(pair)
    assert pair.stands_at() == ("blue", 3) and kinds(pair)[-1] == "rollback"


# -- airflow-upgrade.md ----------------------------------------------------------------------------------------------

OLD, NEW = "2.10.5", "3.0.6"


def before_the_upgrade(deploy: Deploy, **versions: str) -> Pair:
    return settled(deploy, environments={colour: {"airflow_version": versions.get(colour, OLD)} for colour in ("blue", "green")})


def red(pair: Pair) -> list[str]:
    return [finding["name"] for finding in pair.ask(action="check")["readiness"]["findings"] if finding["severity"] == "red"]


@runs("airflow-upgrade.md", "Upgrade the standby")
def test_the_upgraded_standby_differs_in_its_version_alone(deploy: Deploy, book: Book):
    pair = before_the_upgrade(deploy)
    book(pair)
    pair.environment("green", airflow_version=NEW)
    book.rest(pair)
    assert red(pair) == ["airflow-version"]
    assert pair.stands_at() == ("blue", 1)
    pair.release()
    blocked = pair.ask(action="drill")
    assert blocked["outcome"] == "blocked"
    assert [guard["name"] for guard in blocked["guards"] if not guard["passed"]] == ["readiness"]


@runs("airflow-upgrade.md", "Switch to the new version")
def test_the_switch_to_the_new_version(deploy: Deploy, book: Book):
    pair = before_the_upgrade(deploy, green=NEW)
    pair.hold()
    book.rest(pair)
    assert pair.stands_at() == ("green", 2)


@runs("airflow-upgrade.md", "Go back to the old version")
def test_back_to_the_old_version(deploy: Deploy, book: Book):
    pair = before_the_upgrade(deploy, green=NEW)
    pair.hold()
    pair.ask(to="green")
    book.rest(pair)
    assert pair.stands_at() == ("blue", 3)


@runs("airflow-upgrade.md", "Upgrade the other one")
def test_the_other_one_is_upgraded_and_the_hold_ends(deploy: Deploy, book: Book):
    pair = before_the_upgrade(deploy, green=NEW, blue=NEW)
    pair.ask(to="green")
    rest(pair)
    pair.hold()
    book.rest(pair)
    assert pair.stands_at() == ("green", 2) and pair.ask(action="status")["hold"] is None


# -- dags-still-paused.md --------------------------------------------------------------------------------------------

def pausing(deploy: Deploy) -> Pair:
    """Green is fenced."""
    both = {colour: {"dags": {"orders": {"paused": False}, "retired": {"paused": True}}} for colour in ("blue", "green")}
    pair = settled(deploy, environments=both, DagManagement="pause", AirflowRole="Op")
    pair.tick()
    assert settle(pair)["state"] == "settled"
    return pair


@runs("dags-still-paused.md", "DAGs of the new colour are still paused")
def test_what_was_not_unpaused_is_unpaused(deploy: Deploy, book: Book):
    pair = pausing(deploy)
    refused = pair.aws.add_fault("access-denied", "airflow", "InvokeRestApi", match='"Method":"PATCH"')
    assert pair.ask(to="green")["dag_management"]["state"] == "not-activated"
    book(pair)
    book(pair)
    assert pair.tick()["dag_management"]["state"] == "not-activated"
    pair.aws.clear_faults(refused)
    book(pair)
    assert unpaused(pair, "green") == {"orders"}


@runs("dags-still-paused.md", "DAGs of the old colour are not paused")
def test_what_was_not_paused_is_paused(deploy: Deploy, book: Book):
    pair = pausing(deploy)
    pair.environment("blue", status="UNAVAILABLE", rest_api="down")
    assert pair.tick()["dag_management"]["state"] == "not-fenced"
    pair.environment("blue", status="AVAILABLE", rest_api="up")
    let_time_pass(pair, 31)
    book.rest(pair)
    assert unpaused(pair, "blue") == set() and pair.ask(action="status")["dag_management"]["state"] == "settled"


# -- emergency-failover.md -------------------------------------------------------------------------------------------

def dead_active(deploy: Deploy, **wanted: Any) -> Pair:
    pair = settled(deploy, **wanted)
    pair.fail("blue")
    return pair


def objecting(pair: Pair) -> list[str]:
    return [guard["name"] for guard in pair.ask(action="status")["guards"] if not guard["passed"]]


@runs("emergency-failover.md", "Look")
def test_a_look_at_a_dead_active(deploy: Deploy, book: Book):
    pair = dead_active(deploy)
    assert objecting(pair) == []
    book.rest(pair)


@runs("emergency-failover.md", "Nothing objects")
@pytest.mark.parametrize("why", ["the watcher does not run", "it only observes", "unknown"])
def test_a_dead_active_that_nobody_replaces(deploy: Deploy, book: Book, why: str):
    pair = dead_active(deploy, **({"FailoverMode": "observe"} if why == "it only observes" else {}))
    if why == "it only observes":
        assert pair.ask(action="status")["mode"] == "observe" and pair.tick()["decision"] == "observe-only"
    if why == "unknown":
        lose(pair, "blue")
        assert pair.ask(action="status")["verdicts"]["blue"]["verdict"] == "unknown"
    book(pair)
    assert pair.stands_at() == ("green", 2) and kinds(pair)[-1] == "failover"
    book.rest(pair)


@runs("emergency-failover.md", "A hold stops it")
def test_a_person_fails_over_under_a_hold(deploy: Deploy, book: Book):
    pair = dead_active(deploy)
    pair.hold()
    assert objecting(pair) == pair.tick()["blocked_by"] == ["hold"]
    book.rest(pair)
    assert pair.stands_at() == ("green", 2) and pair.ask(action="status")["hold"]


@runs("emergency-failover.md", "The cooldown stops it")
def test_a_person_fails_over_in_the_cooldown(deploy: Deploy, book: Book):
    pair = settled(deploy, active="green")
    pair.ask(to="blue")
    pair.fail("blue")
    assert objecting(pair) == pair.tick()["blocked_by"] == ["cooldown"]
    book.rest(pair)
    assert pair.flag().value == "green"


@runs("emergency-failover.md", "The budget is used up")
def test_a_person_acknowledges_the_failovers_of_today(deploy: Deploy, book: Book):
    pair = settled(deploy, CooldownSeconds="0")
    for dead, well in (("blue", "green"), ("green", "blue"), ("blue", "green")):
        pair.heal(well)
        pair.fail(dead)
        assert pair.tick()["active"] == well
    pair.heal("blue")
    pair.fail("green")
    assert objecting(pair) == pair.tick()["blocked_by"] == ["failover-budget"]
    book.rest(pair)
    assert pair.stands_at() == ("blue", 5) and kinds(pair)[-1] == "failover"


@runs("emergency-failover.md", "A drill is under way")
def test_a_drill_whose_colour_died_is_ended_by_a_failover(deploy: Deploy, book: Book):
    pair = settled(deploy, CooldownSeconds="3600")
    assert pair.ask(action="drill", hold_minutes=60)["outcome"] == "pending"
    pair.fail("green")
    book.rest(pair)
    assert pair.stands_at() == ("blue", 3)
    assert pair.tick()["drill"]["outcome"] == "interrupted"


@runs("emergency-failover.md", "Lambda does not answer")
def test_a_failover_without_lambda(deploy: Deploy, book: Book):
    pair = dead_active(deploy)
    beforehand = Book(SECTIONS[INDEX, "Before you need it"], 0, book.home)
    beforehand.rest(pair)
    pair.aws.add_fault("server-error", "lambda", "*")
    book.rest(pair)
    pair.aws.clear_faults()
    assert pair.stands_at() == ("green", 2)
    assert only(pair.wait_for_audit(version=2))["kind"] == ("failover" if len(book.todo[0].splitlines()[0].split("direct")) > 1 else "external")


@runs("emergency-failover.md", "Go back")
def test_back_after_an_emergency(deploy: Deploy, book: Book):
    pair = dead_active(deploy)
    assert pair.tick()["decision"] == "failover"
    pair.heal("blue")
    book.rest(pair)
    assert pair.stands_at() == ("blue", 3)


# -- failed-failover.md ----------------------------------------------------------------------------------------------

@runs("failed-failover.md", "A failover or a switch that failed")
def test_what_the_flag_says_without_lambda(deploy: Deploy, book: Book):
    pair = dead_active(deploy)
    pair.aws.add_fault("server-error", "lambda", "*")
    book.rest(pair)


@runs("failed-failover.md", "A writer died half way")
def test_the_claim_of_a_dead_writer_is_finished(deploy: Deploy, book: Book):
    pair = dead_active(deploy)
    pair.fault_at_flag("kill-caller")
    pair.ask_in_vain(to="green", reason="the first try")
    book(pair)
    assert pair.stands_at() == ("blue", 1)
    age_claims(pair)
    book.rest(pair)
    assert pair.stands_at() == ("green", 2)
    assert only(pair.wait_for_audit(version=2))["dead_writer"]["reason"] == "the first try"


@runs("failed-failover.md", "The oldest version carries a label")
def test_a_label_is_taken_off(deploy: Deploy, book: Book):
    pair = settled(deploy)
    pair.lose_change_events()
    for _ in range(99):
        pair.write_by_hand("blue")
    pair.client("ssm").label_parameter_version(Name=pair.flag_name, ParameterVersion=1, Labels=["golden"])
    rest(pair)
    pair.fail("blue")
    book(pair)
    assert pair.stands_at() == ("blue", 100)
    book(pair)
    age_claims(pair)
    book.rest(pair)
    assert pair.stands_at() == ("green", 101)


@runs("failed-failover.md", "The standby is not there")
def test_a_standby_that_is_not_there_is_made_anew(deploy: Deploy, book: Book):
    pair = dead_active(deploy)
    pair.aws.delete_environment(pair.environments["green"])
    assert pair.tick()["decision"] == "blocked"
    book(pair)
    assert pair.stands_at() == ("blue", 1)
    book(pair)
    pair.aws.put_environment(pair.environments["green"])
    assert pair.tick()["blocked_by"] == ["hold"], "its DAGs are paused: nobody fails over to it before a person has looked"
    book.rest(pair)
    assert pair.stands_at() == ("green", 2) and pair.ask(action="status")["hold"] is None


@runs("failed-failover.md", "It should not have failed over")
def test_a_failover_that_nobody_needed_is_taken_back(deploy: Deploy, book: Book):
    pair = dead_active(deploy)
    assert pair.tick()["decision"] == "failover"
    pair.heal("blue")
    book(pair)
    assert pair.stands_at() == ("blue", 3)
    pair.fail("blue")
    rest(pair)
    assert pair.tick()["blocked_by"] == ["hold"], "it does not do it again"
    pair.heal("blue")
    book.rest(pair)


# -- both-colours-sick.md --------------------------------------------------------------------------------------------

def both_sick(deploy: Deploy) -> Pair:
    pair = dead_active(deploy)
    pair.fail("green")
    assert pair.tick()["blocked_by"] == ["standby-unhealthy"]
    return pair


@runs("both-colours-sick.md", "Look")
def test_a_look_at_two_sick_ones(deploy: Deploy, book: Book):
    pair = both_sick(deploy)
    book.rest(pair)
    assert pair.stands_at() == ("blue", 1)


@runs("both-colours-sick.md", "Repair one")
def test_the_first_one_that_is_repaired_is_used(deploy: Deploy, book: Book):
    pair = both_sick(deploy)
    pair.heal("green")
    book.rest(pair)
    assert pair.stands_at() == ("green", 2)


@runs("both-colours-sick.md", "You know better")
def test_somebody_knows_better(deploy: Deploy, book: Book):
    pair = both_sick(deploy)
    book(pair)
    assert pair.stands_at() == ("green", 2)
    book(pair)
    pair.heal("blue")
    rest(pair)
    assert pair.tick()["blocked_by"] == ["hold"] and pair.flag().value == "green", "the hold keeps it there"
    book.rest(pair)
    assert pair.stands_at() == ("blue", 3) and pair.tick()["decision"] == "none"


# -- broken-flag.md --------------------------------------------------------------------------------------------------

@runs("broken-flag.md", "The flag is broken")
def test_which_colour_was_active_is_remembered(deploy: Deploy, book: Book):
    pair = settled(deploy, active="green")
    pair.delete_flag()
    book.rest(pair)


@runs("broken-flag.md", "It holds no colour")
def test_a_garbled_flag_is_put_right(deploy: Deploy, book: Book):
    pair = settled(deploy, active="green")
    pair.write_by_hand("purple", AllowedPattern=".*")
    assert pair.tick()["blocked_by"] == ["flag-invalid"]
    book.rest(pair)
    assert pair.stands_at() == ("green", 4) and pair.tick()["decision"] == "none"


@runs("broken-flag.md", "It is gone")
def test_a_deleted_flag_is_made_again(deploy: Deploy, book: Book):
    pair = settled(deploy, active="green")
    pair.delete_flag()
    assert pair.tick()["blocked_by"] == ["flag-invalid"]
    assert pair.ask(action="initialize", to="green")["outcome"] == "refused"
    book.rest(pair)
    assert pair.stands_at() == ("green", 1) and pair.tick()["decision"] == "none"


@runs("broken-flag.md", "Somebody wrote it by hand")
def test_a_hand_edit_is_taken_back(deploy: Deploy, book: Book):
    pair = settled(deploy, active="green")
    pair.write_by_hand("blue")
    pair.wait_until_audited(3)
    assert kinds(pair)[-1] == "external"
    book.rest(pair)
    assert pair.stands_at() == ("green", 4)


# -- regional-problem.md ---------------------------------------------------------------------------------------------

OTHER = "eu-west-1"


def two_regions(deploy: Deploy, **wanted: Any) -> Pair:
    return settled(deploy, GreenRegion=OTHER, environments={"green": {"region": OTHER}}, **wanted)


def lose(pair: Pair, colour: str) -> None:
    """Nothing in its region answers."""
    for service in ("mwaa", "monitoring"):
        pair.aws.add_fault("server-error", service, match=pair.environments[colour])


@runs("regional-problem.md", "A regional problem, and the way back")
def test_the_other_region_is_asked(deploy: Deploy, book: Book):
    book.rest(two_regions(deploy))


@runs("regional-problem.md", "The region of the standby is lost")
def test_the_region_of_the_standby_is_lost(deploy: Deploy, book: Book):
    pair = two_regions(deploy)
    lose(pair, "green")
    book.rest(pair)
    assert pair.tick()["decision"] == "none" and pair.stands_at() == ("blue", 1)


@runs("regional-problem.md", "The region of the active is lost")
def test_the_region_of_the_active_is_lost(deploy: Deploy, book: Book):
    pair = two_regions(deploy, active="green")
    lose(pair, "green")
    assert pair.tick()["decision"] == "none", "unknown is not unhealthy"
    book(pair)
    assert pair.stands_at() == ("blue", 3)
    pair.aws.clear_faults()
    book.rest(pair)
    assert pair.stands_at() == ("green", 4) and pair.ask(action="status")["hold"] is None


def other_flag(pair: Pair) -> str | None:
    found = pair.client("ssm", region_name=OTHER).get_parameters(Names=[pair.flag_name])["Parameters"]
    return found[0]["Value"] if found else None


@runs("regional-problem.md", "The region of the flag is lost")
def test_the_flag_is_made_in_the_other_region(deploy: Deploy, book: Book):
    pair = two_regions(deploy)
    pair.environment("green", dags={"orders": {"paused": True}})
    pair.aws.add_fault("server-error", "lambda", "*")
    book.rest(pair)
    assert (pair.stands_at(), other_flag(pair)) == (("blue", 1), "green"), "the one that is lost says blue"
    dags = pair.client("mwaa", region_name=OTHER).invoke_rest_api(Name=pair.environments["green"], Method="GET", Path="/dags")
    assert [(dag["dag_id"], dag["is_paused"]) for dag in dags["RestApiResponse"]["dags"]] == [("orders", False)]
    pair.client("ssm", region_name=OTHER).delete_parameter(Name=pair.flag_name)


@runs("regional-problem.md", "The region of the flag is back")
def test_back_to_one_flag(deploy: Deploy, book: Book):
    pair = two_regions(deploy)
    pair.client("ssm", region_name=OTHER).put_parameter(Name=pair.flag_name, Value="green", Type="String")
    Book(SECTIONS[INDEX, "Before you need it"], 0, book.home).rest(pair)
    no_lambda = pair.aws.add_fault("server-error", "lambda", "*")
    book(pair)
    pair.aws.clear_faults(no_lambda)
    book.rest(pair)
    assert (pair.stands_at(), other_flag(pair)) == (("green", 2), None)
    assert pair.ask(action="status")["hold"] is None and pair.tick()["decision"] == "none"


# -- rotating-out-a-colour.md ----------------------------------------------------------------------------------------

def successor(pair: Pair) -> str:
    name = f"{pair.name}-green-2"
    pair.aws.put_environment(name)
    return name


@pytest.fixture
def made_environments(deploy: Deploy, aws: Any) -> Iterator[None]:
    before = {known["name"] for known in aws.environments()}
    yield
    for known in aws.environments():
        if known["name"] not in before and known["name"].endswith("-green-2"):
            aws.delete_environment(known["name"])


@runs("rotating-out-a-colour.md", "Hold, and make the new one")
def test_a_new_environment_stands_beside_the_old_one(deploy: Deploy, book: Book, made_environments: None):
    pair = settled(deploy)
    book(pair)
    book.rest(pair, NEW=successor(pair))
    assert pair.ask(action="status")["hold"]


def names_in_use(pair: Pair) -> str:
    return pair.ask(action="status")["environments"]["green"]


@runs("rotating-out-a-colour.md", "Give its name to the stack")
def test_the_stack_takes_the_new_name_and_keeps_everything_else(deploy: Deploy, book: Book, made_environments: None):
    pair = settled(deploy, active="blue", LogLevel="debug")
    new, before = successor(pair), pair.stands_at()
    book.rest(pair, NEW=new)
    assert names_in_use(pair) == new and pair.stands_at() == before
    given = pair.client("cloudformation").describe_stacks(StackName=pair.name)["Stacks"][0]["Parameters"]
    kept = {entry["ParameterKey"]: entry["ParameterValue"] for entry in given}
    assert (kept["LogLevel"], kept["CooldownSeconds"], kept["GreenEnvironmentName"]) == ("debug", "300", new)


@runs("rotating-out-a-colour.md", "Check, release, drill")
def test_the_new_one_is_checked_and_drilled(deploy: Deploy, book: Book):
    pair = settled(deploy)
    pair.hold()
    assert pair.ask(action="drill")["outcome"] == "blocked", "not under a hold"
    book(pair)
    assert pair.stands_at() == ("green", 2)
    pair.aws.age_parameter(pair.flag_name, 15 * 60 + 1)
    assert pair.tick()["decision"] == "drill-return"
    book.rest(pair)
    assert pair.stands_at() == ("blue", 3)


@runs("rotating-out-a-colour.md", "Go back")
def test_the_old_name_comes_back(deploy: Deploy, book: Book, made_environments: None):
    pair = settled(deploy)
    forward = Book(SECTIONS["rotating-out-a-colour.md", "Give its name to the stack"], 0, book.home)
    forward.rest(pair, NEW=successor(pair))
    book.rest(pair)
    assert names_in_use(pair) == pair.environments["green"] and pair.ask(action="status")["hold"] is None


# -- nothing passes silently -------------------------------------------------------------------------------------------

def test_every_section_with_commands_is_run():
    assert set(SECTIONS) == RUN


def test_every_command_says_what_it_answers():
    silent = [(key, command.text) for key, section in SECTIONS.items() for step in section.steps for block in step
              for command in commands(block) if command.answer is None and not ASSIGNMENT.match(command.text)]
    assert silent == []


def test_the_names_are_the_same_in_all_runbooks():
    assert set(NAMES) == set(files()), "each begins with them"
    index = NAMES[INDEX].splitlines()
    for file, block in NAMES.items():
        more = [line for line in block.splitlines() if line not in index]
        assert [line for line in block.splitlines() if line in index] == index, file
        assert all(re.fullmatch(r"(OTHER|NEW|STACK)=\S+", line) for line in more), file


def test_no_placeholder_is_left_in_a_command():
    for (file, heading), section in SECTIONS.items():
        for block in (block for step in section.steps for block in step):
            assert not re.search(r"<[a-z-]+>|mwaa-blue-green|airflow-(blue|green)|us-east-1", block), (file, heading, block)


def test_what_is_not_run_is_only_what_a_real_account_can_do_and_said_to_be_so():
    for file in files():
        text = (DOCS / file).read_text()
        for heading, mark, block in blocks(file):
            assert mark in ("bash", "bash or", "console") or (mark, file) == ("json", INDEX), (file, heading, mark)
            if mark == "console":
                for line in block.splitlines():
                    assert re.match(r"aws mwaa |sam deploy$", line), (file, line)
                before = text[:text.index(f"```console\n{block}")].rsplit("```", 1)[-1]
                assert "not run here" in before.lower(), f"{file}, {heading}: it does not say that this was not run"


def test_every_link_leads_somewhere():
    def anchor(heading: str) -> str:
        return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")

    anchors = {file: {anchor(line.lstrip("# ")) for line in (DOCS / file).read_text().splitlines() if line.startswith("#")} for file in files()}
    for file in files():
        for target in re.findall(r"\]\(([^)]+)\)", (DOCS / file).read_text()):
            name, _, part = target.partition("#")
            assert (name or file) in anchors and (not part or part in anchors[name or file]), f"{file}: {target}"


def test_the_index_and_the_readme_name_every_runbook():
    for place in (DOCS / INDEX, PROJECT / "README.md"):
        missing = [file for file in files() if file != INDEX and file not in place.read_text()]
        assert missing == [], place


# -- the test itself -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("command", "printed", "code", "good"), [
    ("mwaa-bluegreen switch --to green    # switched", "switched: green is active\n", 0, True),
    ("mwaa-bluegreen switch --to green    # switched", "refused: blue is active\n", 3, False),
    ("mwaa-bluegreen switch --to green    # switched", "switched: green is active\n", 7, False),
    ("mwaa-bluegreen switch --to green    # refused", "refused: blue is active\n", 0, False),
    ("mwaa-bluegreen switch --to green    # switched", "", 0, False),
    ("mwaa-bluegreen check    # ready", "p: not ready, 49 of 100\n", 5, False),
    ("mwaa-bluegreen check    # ready", "p: ready, 100 of 100\n", 0, True),
    ("ask switch-handler '{}'    # switched", '{"outcome":"would_switch"}{"StatusCode":200}', 0, False),
    ("ask switch-handler '{}'    # would switch", '{"outcome":"would_switch"}{"StatusCode":200}', 0, True),
    ("aws ssm get-parameter    # green", "greenish\n", 0, False),
    ("aws ssm delete-parameter    # nothing", "something\n", 0, False),
])
def test_an_answer_that_was_not_promised_fails(command: str, printed: str, code: int, good: bool):
    assert says(commands(command)[0], printed, code, "p") is good
