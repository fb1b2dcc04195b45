"""The output of the demo. Its end-to-end run proves that the output is true."""

from __future__ import annotations

import io
import os
import re
import shlex
import time
from pathlib import Path

import pytest

from demo import checks
from demo.commands import BackgroundCommand, CommandFailed, instant, json_answers, run
from demo.mailbox import Mail
from demo.screen import WIDTH, Screen, broken_command, short_times
from demo.timeline import told_by
from support.paths import PROJECT


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(out: io.StringIO) -> list[str]:
    return out.getvalue().splitlines()


def test_a_broken_command_is_the_same_command() -> None:
    command = """printf '{"to":"blue","reason":"back | so --far"}' | aws lambda invoke --region us-east-1 --function-name x /dev/stdout"""
    lines = broken_command(command, 60)
    assert len(lines) > 1
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == shlex.split(command)


def test_no_line_of_the_timeline_is_wider_than_the_page() -> None:
    out = io.StringIO()
    Screen(out).event(12.34, "probe 1", "word " * 60, ["more " * 60])
    assert max(map(len, shown(out))) <= WIDTH
    assert shown(out)[0].startswith("   +12.3 s  probe 1      word")


def test_a_table_wraps_its_last_column() -> None:
    out = io.StringIO()
    Screen(out).table(("version", "why"), [("1", "because " * 30)])
    assert max(map(len, shown(out))) <= WIDTH
    assert shown(out)[1].startswith("    1        because")
    assert shown(out)[2].startswith("             because")


HOSTILE = "a\x1b]0;title\x07b\x9b2J\rc\u202ed\u2028e"
HARMLESS = r"a\u{1b}]0;title\u{7}b\u{9b}2J\rc\u{202e}d\u{2028}e"


def test_what_others_wrote_does_not_act_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for show in (lambda screen: screen.say(HOSTILE), lambda screen: screen.line(HOSTILE), lambda screen: screen.printed(HOSTILE),
                 lambda screen: screen.event(1, "probe", HOSTILE, [HOSTILE]), lambda screen: screen.fields([("name", HOSTILE)]),
                 lambda screen: screen.table(("one", "two"), [(HOSTILE, HOSTILE)]), lambda screen: screen.command(HOSTILE),
                 lambda screen: screen.check(True, HOSTILE, HOSTILE), lambda screen: screen.progress(HOSTILE)):
        out = Terminal()
        show(Screen(out))
        told = out.getvalue().replace("\n", " ")
        assert not re.search(r"\x1b(?!\[[0-9;]*[mK])|[\x00-\x06\x07\x80-\x9f\u202e\u2028]|\r(?!\x1b)", told), told
    out = Terminal()
    Screen(out).say("a\x1b[31mred", style="bold")
    assert out.getvalue() == "  \x1b[1ma\\u{1b}[31mred\x1b[0m\n", "not even in our own colors"
    Screen(plain := io.StringIO()).fields([("why", HOSTILE)])
    assert HARMLESS in plain.getvalue()


def test_colors_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31m" in Screen(Terminal()).styled("x", "red")
    assert Screen(io.StringIO()).styled("x", "red") == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Screen(Terminal()).styled("x", "red") == "x"


def test_progress_replaces_itself_on_a_terminal_and_is_rare_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal, pipe = Terminal(), io.StringIO()
    for out in (terminal, pipe):
        screen = Screen(out)
        screen.line("before")
        for second in range(5):
            screen.progress(f"{second} s")
        screen.line("after")
    assert terminal.getvalue().endswith("\r\x1b[Kafter\n")
    assert shown(pipe) == ["before", "after"]


def test_the_two_answers_of_a_lambda_invocation_are_told_apart() -> None:
    assert json_answers('{"outcome":"status"}{\n    "StatusCode": 200\n}\n') == [{"outcome": "status"}, {"StatusCode": 200}]


@pytest.mark.parametrize(("text", "seconds"), [("1970-01-01T00:01:00Z", 60), ("1970-01-01T00:01:00.25Z", 60.25),
                                           ("1970-01-01T00:01:00.148924975Z", 60.148924975)])
def test_timestamps_have_up_to_nine_decimals(text: str, seconds: float) -> None:
    assert instant(text) == pytest.approx(seconds)


def test_times_are_shortened_within_a_sentence() -> None:
    assert short_times("seen at 2026-11-23T11:30:00Z, then 2026-11-23T11:30:06.594159Z.") == "seen at 11:30:00, then 11:30:06.5."
    assert short_times("returns 2026-11-23 11:31:00Z (in 60 s)") == "returns 11:31:00 (in 60 s)", "as the command line writes it"


def test_a_command_that_fails_says_what_it_printed() -> None:
    with pytest.raises(CommandFailed, match="no such thing"):
        run("echo no such thing >&2; exit 3", {})


def test_what_a_program_printed_keeps_its_columns_and_the_last_one_wraps() -> None:
    out = io.StringIO()
    Screen(out).printed("pending: green is active\n  why         because " + "of this " * 20 + "\n")
    lines = shown(out)
    assert lines[:2] == ["    pending: green is active", "      why         because " + "of this " * 9 + "of"]
    assert lines[2].startswith(" " * 18 + "this of") and max(map(len, lines)) <= WIDTH


def test_a_command_beside_the_story_is_read_as_it_goes_and_ends_with_it() -> None:
    with BackgroundCommand("sh -c 'echo one; echo two >&2; sleep 60'", dict(os.environ)) as following:
        deadline = time.monotonic() + 20
        while len(following.lines) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [line for _, line in following.lines] == ["one", "two"] and following.ended() is None
        process = following._process
    assert process.returncode is not None, "nothing is left running"


def test_a_command_beside_the_story_may_end_by_itself() -> None:
    with BackgroundCommand("sh -c 'echo done; exit 3'", dict(os.environ)) as following:
        deadline = time.monotonic() + 20
        while (code := following.ended()) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (code, [line for _, line in following.lines]) == (3, ["done"])


@pytest.mark.parametrize(("detail_type", "detail", "told"), [
    ("Environment Transition", {"kind": "drill", "from": "blue", "to": "green", "version": 4,
                                "who": {"function": "switch-handler", "requested_by": "ana"}},
     "drill blue -> green, version 4, by switch-handler, asked by ana"),
    ("Environment Transition", {"kind": "external", "from": "blue", "to": "green", "version": 5, "who": {"function": None}},
     "external blue -> green, version 5, by an unknown hand"),
    ("Drill Finished", {"outcome": "succeeded", "mode": "switch", "from": "blue", "to": "green"},
     "succeeded, mode switch, blue -> green"),
    ("Failover Blocked", {"blocked_by": ["hold", "cooldown"]}, "by hold, cooldown"),
    ("Hold Changed", {"state": "held"}, "held"),
    ("Something New", {}, "see its details"),
])
def test_every_audit_event_is_told_in_a_few_words(detail_type: str, detail: dict, told: str) -> None:
    assert told_by(detail_type, detail) == told


def test_of_a_mail_the_first_section_is_shown() -> None:
    text = (PROJECT / "shared/core/tests/notifications/transition-failover.txt").read_text()
    subject, _, body = text.partition("\n\n")
    lines = Mail(subject, body).beginning()
    assert lines[:2] == ["WHAT HAPPENED", "  blue was unhealthy and green was healthy, so green took over by itself."]
    assert "WHY" not in lines and not any(line.startswith("- ") for line in lines)


@pytest.mark.parametrize("missing", [None, "failover, ", "hold", "succeeded"])
def test_a_picture_without_a_part_of_the_story_does_not_pass(tmp_path: Path, missing: str | None) -> None:
    words = ["failover, 21 s", "switch", "drill", "drill-return", "hold", "succeeded", "blue", "green"]
    picture = tmp_path / "timeline.svg"
    picture.write_text("".join(f"<text x='1'>\n{word}\n</text>" for word in words if not missing or not word.startswith(missing)))
    passed, seen = checks._picture(picture)
    assert passed == (missing is None) and (missing is None or missing in seen)


def test_a_standby_that_is_not_ready_does_not_pass() -> None:
    assert checks._ready(checks.Facts(check="orders: ready, 100 of 100\n"))[0]
    assert not checks._ready(checks.Facts(check="orders: not ready, 40 of 100\n"))[0]
    assert not checks._ready(checks.Facts(check=""))[0]
