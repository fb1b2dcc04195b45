"""Foreign text reaches a person's terminal as text: none of it has an effect there, and JSON stays unchanged."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from support.command_line import CONFLICT, DONE, FAILED, NOT_READY, REFUSED, USAGE, Cli
from support.pair import Pair
from support.runs import run

# Clears the screen, names the window, hides what follows, reverses it, and starts a line of its own.
HOSTILE = "up\x1b[2J\x1b]0;owned\x07\x1b[8mgrade\x9b1;1H\u202edlo\u2066\r\nblue is active and healthy\u2028"
SHOWN = r"up\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}[8mgrade\u{9b}1;1H\u{202e}dlo\u{2066}\r\nblue is active and healthy\u{2028}"

# Everything that the command line itself sends to a terminal beside text: its colors, and the moves of its progress and of watch.
OURS = re.compile(r"\x1b\[(?:[0-9;]*m|K|J|\d+A)|\r(?=\x1b\[)|\n")
ACTS = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def is_harmless(*texts: str) -> None:
    for text in texts:
        found = ACTS.search(OURS.sub("", text))
        assert not found, f"{found[0]!r} in {text!r}"
        assert "\x1b[8m" not in text, "not even a color of theirs"


@pytest.fixture
def hostile(pair: Pair) -> Pair:
    """Somebody who may write parameters and DAGs put this wherever text is read."""
    pair.write_by_hand("green", Description=HOSTILE)
    pair.write_by_hand("blue", Description=HOSTILE)
    until = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    value = json.dumps({"until": until, "reason": HOSTILE, "by": HOSTILE})
    pair.client("ssm").put_parameter(Name=f"{pair.root}/hold", Value=value, Type="String", Overwrite=True)
    at = pair.flag().modified + timedelta(milliseconds=1)
    dags = {f"orders{HOSTILE}": {"paused": False}}
    pair.environment("blue", dags=dags, runs=[run(f"orders{HOSTILE}", at, False)])
    pair.environment("green", dags={}, runs=[run(f"orders{HOSTILE}", at, False)])
    return pair


@pytest.mark.parametrize("direct", [False, True])
def test_every_command_shows_it_as_text(hostile: Pair, tmp_path: Path, direct: bool):
    cli = Cli(hostile, tmp_path, {"USER": f"ana{HOSTILE}"})
    road = ["--direct", "--flag-parameter", hostile.flag_name, "--blue-environment", hostile.environments["blue"],
            "--green-environment", hostile.environments["green"]] if direct else []
    seen = ""
    for command in (["status"], ["history"], ["check"], ["run-report"], ["switch", "--to", "green", "--dry-run"], ["failover", "--dry-run"],
                    ["rollback", "--dry-run"], ["hold", "--minutes", "5", "--reason", "x", "--dry-run"], ["release", "--dry-run"],
                    ["switch", "--to", "green", "--reason", HOSTILE, "--yes"], ["status", "--pair", f"x{HOSTILE}"]):
        for ended in (cli(*command, *road, code=None), cli(*command, *road, "--color", "always", code=None),
                      cli.on_a_terminal(*command, *road)):
            is_harmless(ended.out, ended.error)
            seen += ended.out
    assert seen.count(SHOWN) > 6, seen


def test_watch_shows_it_as_text(hostile: Pair, tmp_path: Path):
    cli = Cli(hostile, tmp_path)
    live = cli.on_a_terminal("watch", "--interval", "1", interrupt_at="Ctrl-C ends")
    is_harmless(live.out)
    assert "u{1b}" in live.out
    lines = cli.start("watch", "--interval", "1")
    line = lines.stdout.readline()
    lines.kill()
    assert SHOWN in line
    is_harmless(line)


def test_a_person_is_asked_in_harmless_words(hostile: Pair, tmp_path: Path):
    cli = Cli(hostile, tmp_path)
    hostile.aws.age_parameter(hostile.flag_name, 3600)
    asked = cli.on_a_terminal("switch", "--to", "green", "--requested-by", "\u202eana", USER="x",
                              answers=(("Type green to switch to green: ", "no\n"),))
    is_harmless(asked.out)
    assert r"\u{202e}ana" in asked.out


def test_errors_are_one_harmless_line(pair: Pair, tmp_path: Path):
    cli = Cli(pair, tmp_path)
    for arguments, code in ((["status", "--function", f"f{HOSTILE}"], FAILED), (["status", "--profile", f"p{HOSTILE}"], FAILED),
                            ([f"status{HOSTILE}"], USAGE), (["history", "--limit", HOSTILE], USAGE),
                            (["hold", "--until", HOSTILE, "--reason", "x", "--yes"], USAGE),
                            (["hold", "--minutes", "5", "--reason", HOSTILE, "--yes"], USAGE),
                            (["replay", str(tmp_path / f"no{HOSTILE}")], FAILED),
                            (["settings", "--settings", str(tmp_path / HOSTILE.replace("/", ""))], USAGE)):
        ended = cli(*arguments, code=code)
        assert ended.error
        is_harmless(ended.out, ended.error)
        is_harmless(cli.on_a_terminal(*arguments).out)
    # AWS's message about a failure.
    pair.aws.add_fault("access-denied", "lambda", "Invoke")
    is_harmless(cli("status", "--region", "us-east-1", code=FAILED).error)


def test_recorded_ticks_are_shown_as_text(hostile: Pair, tmp_path: Path):
    hostile.log_at_debug()
    hostile.fail("blue")
    hostile.tick()
    log = tmp_path / "watcher.json"
    lines = [json.dumps(line) for line in hostile.wait_for_log("health-watcher", "evidence")]
    log.write_text("\n".join([*lines, '{"message": "evidence", "tick": "{\x1b]0;x\x07\u202e"}', f'{HOSTILE} "evidence"']))
    for arguments in (["replay", str(log)], ["replay", str(log), "--failure-window", "3600"]):
        is_harmless(Cli(hostile, tmp_path)(*arguments).out, Cli(hostile, tmp_path).on_a_terminal(*arguments).out)


def test_a_picture_is_well_formed_whatever_the_names_are(pair: Pair, tmp_path: Path):
    import xml.etree.ElementTree as ElementTree
    pair.configure("switch-handler", BLUE_ENVIRONMENT_NAME="b<\"&'>")
    pair.tick()
    picture = tmp_path / "timeline.svg"
    Cli(pair, tmp_path)("chart", "--last", "1h", "--output", str(picture))
    assert "b<\"&'>" in "".join(ElementTree.parse(picture).getroot().itertext())


def test_json_stays_faithful(hostile: Pair, tmp_path: Path):
    cli = Cli(hostile, tmp_path)
    told = cli("history", "--output", "json").json
    assert told["entries"][0]["description"] == HOSTILE == hostile.ask(action="history")["entries"][0]["description"]
    on_terminal = cli.on_a_terminal("history", "--output", "json").out
    is_harmless(on_terminal)
    assert json.loads(on_terminal)["entries"] == told["entries"], "written in JSON's other way, it is the same"


# -- advice ------------------------------------------------------------------------------------------------------------------

REQUEST = re.compile(r'\{"\w+":')


@pytest.mark.parametrize("direct", [False, True])
def test_advice_is_a_command_on_the_command_line_and_a_request_in_json(pair: Pair, tmp_path: Path, direct: bool):
    cli = Cli(pair, tmp_path)
    road = ["--direct", "--flag-parameter", pair.flag_name, "--blue-environment", pair.environments["blue"],
            "--green-environment", pair.environments["green"]] if direct else []
    same = f"--pair {pair.name}" + (f" --blue-environment {pair.environments['blue']} --green-environment {pair.environments['green']} "
                                    f"--flag-parameter {pair.flag_name} --direct" if direct else "")

    def advised(command: list[str], code: int, advice: str) -> None:
        shown = cli(*command, *road, code=code)
        told = " ".join((shown.out + shown.error).split())
        assert advice in told and not REQUEST.search(told), told
        answer = cli(*command, *road, "--output", "json", code=code)
        assert REQUEST.search(answer.out.replace('\\"', '"')), answer.out

    advised(["failover", "--yes"], REFUSED, "if you know that it does not work, add `--force`")
    advised(["rollback", "--yes"], REFUSED, f"name the color with `mwaa-bluegreen switch --to <color> {same}`")
    pair.hold()
    # The readiness check names it, with the way to end it.
    pair.environment("green", dags={})
    advised(["check"], NOT_READY if pair.ask(action="check")["outcome"] != "ready" else DONE, f"`mwaa-bluegreen release {same}`")
    pair.write_by_hand("bleu", AllowedPattern=".*")
    advised(["status"], DONE, f"put it right with `mwaa-bluegreen switch --to <color> --force {same}`")
    pair.delete_flag()
    for command, code in ((["status"], DONE), (["switch", "--to", "green", "--yes"], REFUSED), (["initialize", "--yes"], REFUSED)):
        advised(command, code, f"`mwaa-bluegreen initialize --to <color> --force {same}`")


def test_a_field_that_is_refused_is_named_as_its_option(pair: Pair, tmp_path: Path):
    cli = Cli(pair, tmp_path)
    assert '--until is "tomorrow"; allowed is' in cli("hold", "--until", "tomorrow", "--reason", "x", "--yes", code=USAGE).error
    long = cli("switch", "--to", "green", "--yes", "--reason", "x" * 501, code=USAGE).error
    assert "--reason is" in long and "field" not in long


def test_a_conflict_says_what_to_ask(pair: Pair, tmp_path: Path):
    pair.fault_at_flag("kill-caller")
    pair.ask_in_vain(to="green")
    assert not REQUEST.search(Cli(pair, tmp_path)("switch", "--to", "green", "--yes", code=CONFLICT).out)
