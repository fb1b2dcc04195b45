"""What the demo prints. That it tells the truth, its end-to-end run shows."""

from __future__ import annotations

import io
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "local")]

from demo.pair import CommandFailed, instant, json_answers, run  # noqa: E402
from demo.screen import WIDTH, Screen, broken_command, short_times  # noqa: E402


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


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.parametrize("text, seconds", [("1970-01-01T00:01:00Z", 60), ("1970-01-01T00:01:00.25Z", 60.25),
                                           ("1970-01-01T00:01:00.148924975Z", 60.148924975)])
def test_timestamps_have_up_to_nine_decimals(text: str, seconds: float) -> None:
    assert instant(text) == pytest.approx(seconds)


def test_times_are_shortened_within_a_sentence() -> None:
    assert short_times("seen at 2026-11-23T11:30:00Z, then 2026-11-23T11:30:06.594159Z.") == "seen at 11:30:00, then 11:30:06.5."


def test_a_command_that_fails_says_what_it_printed() -> None:
    with pytest.raises(CommandFailed, match="no such thing"):
        run("echo no such thing >&2; exit 3", {})
