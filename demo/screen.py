"""What the demo prints: plain aligned text within 100 columns, colors and a live progress line on a terminal only."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TextIO

WIDTH = 100
WHO_COLUMN = 12  # column of the actor's name in a line of the timeline
TEXT_COLUMN = 25  # column of the text
QUIET_SECONDS = 10  # without a terminal, progress is printed this often
STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
# Our own styles, the progress line that replaces itself, and line ends. Everything else that would act on a terminal is escaped.
OWN = re.compile(r"(\x1b\[[0-9;]*m|\r?\x1b\[K|\n)")
# As is_printable of shared/core/src/printable.rs: control characters, and the invisible ones that hide or turn around text.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
# Highlighted words. The first style that matches a word wins.
WORDS = {"yellow": r"\bsuspect\b", "red": r"\bunhealthy\b|\bALARM\b|\bNOT SEEN\b", "green": r"\bhealthy\b"}


class Screen:
    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        terminal = self.out.isatty() and os.environ.get("TERM") != "dumb"
        self.live = terminal
        self.color = terminal and not os.environ.get("NO_COLOR")
        self._lock = threading.RLock()
        self._progress_shown = False
        self._progress_said_at = 0.0

    def styled(self, text: str, style: str) -> str:
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.color and text else text

    def _word(self, style: str, found: re.Match[str]) -> str:
        return self.styled(found.group(), style)

    def _words(self, text: str) -> str:
        for style, pattern in WORDS.items() if self.color else ():
            text = re.sub(pattern, partial(self._word, style), text)
        return text

    def line(self, text: str = "") -> None:
        with self._lock:
            self._clear_progress()
            print(harmless(text), file=self.out, flush=True)
            self._progress_said_at = time.monotonic()

    def heading(self, text: str) -> None:
        self.line()
        self.line(self.styled(text, "bold"))

    def say(self, text: str, indent: int = 2, style: str | None = None) -> None:
        for line in wrapped(text, WIDTH - indent):
            self.line(" " * indent + (self.styled(line, style) if style else line))

    def command(self, text: str) -> None:
        first, *rest = broken_command(text, WIDTH - 4)
        self.line(f"  {self.styled('$', 'dim')} {self.styled(first, 'cyan')}")
        for line in rest:
            self.line(f"    {self.styled(line, 'cyan')}")

    def event(self, seconds: float, who: str, text: str, more: Sequence[str] = (), style: str = "bold") -> None:
        """One line of the timeline, with its details below it."""
        first, *rest = wrapped(text, WIDTH - TEXT_COLUMN)
        stamp = f"{round(seconds, 1) + 0.0:+8.1f} s  "  # + 0.0: never -0.0
        self.line(f"{self.styled(stamp, 'dim')}{self.styled(who.ljust(TEXT_COLUMN - WHO_COLUMN), style)}{self._words(first)}")
        for line in [*rest, *(line for each in more for line in wrapped(each, WIDTH - TEXT_COLUMN))]:
            self.line(" " * TEXT_COLUMN + self._words(line))

    def printed(self, text: str, indent: int = 4) -> None:
        """The output of a program, unchanged; in lines that are too wide, the last column continues below."""
        for line in text.rstrip("\n").splitlines():
            last = max([found.end() for found in re.finditer(r"(?<=\S)  +(?=\S)", line) if found.end() < 60], default=0)
            last = last or len(line) - len(line.lstrip())
            for number, part in enumerate(wrapped(line[last:], WIDTH - indent - last)):
                self.line((" " * indent + (line[:last] if number == 0 else " " * last) + self._words(part)).rstrip())

    def fields(self, pairs: Sequence[tuple[str, str]], indent: int = 4, column: int = 0) -> None:
        column = column or max(len(name) for name, _ in pairs) + 2
        for name, value in pairs:
            first, *rest = wrapped(value, WIDTH - indent - column)
            self.line(" " * indent + self.styled(name.ljust(column), "dim") + self._words(first))
            for line in rest:
                self.line(" " * (indent + column) + self._words(line))

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]], indent: int = 4) -> None:
        """A table with columns as wide as necessary; the last one wraps."""
        rows = [[visible(cell) for cell in row] for row in rows]
        widths = [max(len(row[index]) for row in [heads, *rows]) for index in range(len(heads) - 1)]
        start = indent + sum(widths) + 2 * len(widths)
        for number, row in enumerate([heads, *rows]):
            cells = "".join(cell.ljust(width + 2) for cell, width in zip(row, widths, strict=False))
            first, *rest = wrapped(row[-1], WIDTH - start)
            text = f"{' ' * indent}{cells}{first}".rstrip()
            self.line(self.styled(text, "dim") if number == 0 else self._words(text))
            for line in rest:
                self.line(" " * start + self._words(line))

    def check(self, passed: bool, what: str, seen: str) -> None:
        mark = self.styled("ok      ", "green") if passed else self.styled("NOT SEEN", "red")
        lines, details = wrapped(what, 44), wrapped(seen, WIDTH - 58)
        for number in range(max(len(lines), len(details))):
            left = lines[number] if number < len(lines) else ""
            right = details[number] if number < len(details) else ""
            self.line(f"  {mark if number == 0 else ' ' * 8}  {left.ljust(46)}  {self.styled(right, 'dim')}".rstrip())

    # -- progress ------------------------------------------------------------------------------------------------

    def progress(self, text: str) -> None:
        """The step that is being waited for: a line that replaces itself; without a terminal, a line at intervals."""
        with self._lock:
            if self.live:
                width = shutil.get_terminal_size((WIDTH, 24)).columns - 1
                self.out.write(f"\r\x1b[K{self.styled(f'      ... {visible(text)}'[:width], 'dim')}")
                self.out.flush()
                self._progress_shown = True
            elif time.monotonic() - self._progress_said_at >= QUIET_SECONDS:
                self.line(f"      ... {text}")

    def _clear_progress(self) -> None:
        if self._progress_shown:
            self.out.write("\r\x1b[K")
            self._progress_shown = False

    def end_progress(self) -> None:
        with self._lock:
            self._clear_progress()
            self.out.flush()

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Show that a long step is in progress, and for how long already."""
        started, done = time.monotonic(), threading.Event()

        def tick() -> None:
            while not done.wait(0.5):
                self.progress(f"{text}, {time.monotonic() - started:.0f} s")

        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield
        finally:
            done.set()
            ticker.join(timeout=1)
            self.end_progress()


def visible(text: str) -> str:
    """One line, with unprintable characters escaped. Foreign text passes through this before it is styled."""
    return UNPRINTABLE.sub(lambda found: {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(found[0], f"\\u{{{ord(found[0]):x}}}"), text)


def harmless(text: str) -> str:
    return "".join(part if number % 2 else visible(part) for number, part in enumerate(OWN.split(text)))


def wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(visible(text.replace("\n", " ").replace("\t", " ")), width, break_on_hyphens=False) or [""]


def broken_command(text: str, width: int) -> list[str]:
    """A shell command on several lines that can be copied as a whole: broken before `|` and `--option`."""
    parts: list[str] = []
    for word in re.findall(r"""(?:'[^']*'|"[^"]*"|\S)+""", text):
        if parts and word != "|" and not word.startswith("--"):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(part) + 3 <= width:
            lines[-1] += f" {part}"
        else:
            lines.append(f"  {part}" if lines else part)
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def short_times(text: str) -> str:
    """Times of day in place of full timestamps: the demo starts and ends within minutes."""
    return re.sub(r"\d{4}-\d\d-\d\d[T ](\d\d:\d\d:\d\d)(\.\d)?\d*Z", r"\1\2", text)


def seconds(value: float) -> str:
    return f"{value:.1f} s"


def milliseconds(value: float) -> str:
    return f"{value:.0f} ms"
