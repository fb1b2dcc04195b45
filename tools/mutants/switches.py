"""All mutants of a crate in one build: each changed function holds its mutants, and an environment variable switches one on.

A mutant that is built on its own costs a build of the crate and of everything that tests it, about nine tenths of the time. So the body of
a function becomes

    { match crate::mutant_switch::active(FUNCTION) {
    17 => { the body with mutant 17 },
    18 => { the body with mutant 18 },
    _ => { the body } } }

What such a `match` cannot hold is left out, to be built on its own: a constant, a constant function, and a body whose hidden type (`impl
Trait`) each arm would have to share.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Appended to the root of the crate. With MUTANT_TRACE it writes down which functions a test program reaches.
MODULE = """
#[doc(hidden)]
#[allow(missing_docs, clippy::all)]
pub mod mutant_switch {
    use std::collections::HashSet;
    use std::io::Write as _;
    use std::sync::{LazyLock, Mutex};

    static ACTIVE: LazyLock<usize> = LazyLock::new(|| std::env::var("MUTANT").ok().and_then(|it| it.parse().ok()).unwrap_or(0));
    static TRACE: LazyLock<Option<Mutex<(HashSet<usize>, std::fs::File)>>> = LazyLock::new(|| {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(std::env::var("MUTANT_TRACE").ok()?).ok()?;
        Some(Mutex::new((HashSet::new(), file)))
    });

    pub fn active(function: usize) -> usize {
        if let Some(trace) = &*TRACE {
            let mut trace = trace.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if trace.0.insert(function) {
                drop(writeln!(trace.1, "{function}"));
            }
        }
        *ACTIVE
    }
}
"""
# What may hide a brace from whoever looks for one: comments, strings, raw strings, and letters.
HIDING = re.compile(r'//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|"(?:\\.|[^"\\])*"|\'(?:\\.[^\']*|[^\\\'])\'', re.S)


@dataclass(frozen=True)
class Mutant:
    """One change, as cargo-mutants lists it. `name` has the file, the line and the column."""

    name: str
    file: str
    replacement: str
    span: tuple[tuple[int, int], tuple[int, int]]
    function: tuple[tuple[int, int], tuple[int, int]] | None
    hidden_type: bool

    @classmethod
    def of(cls, listed: Mapping[str, Any]) -> Mutant:
        function = listed.get("function")
        return cls(
            name=listed["name"],
            file=listed["file"],
            replacement=listed["replacement"],
            span=_span(listed["span"]),
            function=_span(function["span"]) if function else None,
            hidden_type="impl " in ((function or {}).get("return_type") or ""),
        )


def _span(span: Mapping[str, Any]) -> tuple[tuple[int, int], tuple[int, int]]:
    return (span["start"]["line"], span["start"]["column"]), (span["end"]["line"], span["end"]["column"])


@dataclass(frozen=True)
class Switched:
    """A file with switches: its text, the lines of each mutant's arm, the lines of each function, and the mutants that it cannot hold."""

    text: str
    arms: dict[int, tuple[int, int]]
    functions: dict[int, tuple[int, int]]
    owner: dict[int, int]
    alone: list[Mutant]


def switched(text: str, mutants: Iterable[Mutant], numbers: Mapping[str, int]) -> Switched:
    """The file with a switch for each mutant. `numbers` gives each mutant's number by its name, from 1."""
    starts = [0, *(at + 1 for at, letter in enumerate(text) if letter == "\n")]

    def offset(place: tuple[int, int]) -> int:
        return starts[place[0] - 1] + place[1] - 1

    alone = []
    by_function: defaultdict[tuple[int, int], list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        if mutant.function is None or mutant.hidden_type:
            alone.append(mutant)
        else:
            by_function[offset(mutant.function[0]), offset(mutant.function[1])].append(mutant)
    # A function within a function belongs to the outer one.
    outer: dict[tuple[int, int], list[Mutant]] = {}
    for (start, end), those in sorted(by_function.items(), key=lambda item: (item[0][0], -item[0][1])):
        last = next(reversed(outer), None)
        if last and end <= last[1]:
            outer[last].extend(those)
        else:
            outer[start, end] = those

    pieces: list[str] = []
    arms, functions, owner = {}, {}, {}
    line, done = 1, 0

    def put(piece: str) -> None:
        nonlocal line
        pieces.append(piece)
        line += piece.count("\n")

    for (start, end), those in outer.items():
        opening = _opening(text, start, end)
        if opening is None or re.search(r"\bconst\s+(?:unsafe\s+)?fn\b", _plain(text[start:opening])):
            alone.extend(those)
            continue
        put(text[done:opening])
        body, done = text[opening:end], end
        function = min(numbers[each.name] for each in those)
        first_line = line
        put(f"{{ match crate::mutant_switch::active({function}) {{\n")
        for mutant in those:
            number, first = numbers[mutant.name], line
            a, b = offset(mutant.span[0]) - opening, offset(mutant.span[1]) - opening
            put(f"{number} => {body[:a]}{mutant.replacement}{body[b:]}\n")
            arms[number], owner[number] = (first, line - 1), function
        put(f"_ => {body} }} }}")
        functions[function] = (first_line, line)
    put(text[done:])
    return Switched("".join(pieces), arms, functions, owner, alone)


def _plain(text: str) -> str:
    """`text` with what may hide a brace blotted out, letter by letter."""
    return HIDING.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _opening(text: str, start: int, end: int) -> int | None:
    """Where the body of the function between `start` and `end` begins."""
    depth = 0
    for at, letter in enumerate(_plain(text[start:end]), start):
        if letter in "([":
            depth += 1
        elif letter in ")]":
            depth -= 1
        elif letter == "{" and depth == 0:
            return at
    return None


@dataclass(frozen=True)
class Blamed:
    """What the compiler refuses: mutants, and functions that it refuses for another reason than one of their mutants."""

    mutants: set[int]
    functions: set[int]


def blamed(messages: Iterable[Mapping[str, Any]], files: Mapping[str, Switched]) -> Blamed:
    mutants: set[int] = set()
    functions: set[int] = set()
    for message in messages:
        places = [place for span in sorted(message["spans"], key=lambda span: not span["is_primary"]) for place in _places(span)]
        if not places:
            continue
        arm = next((number for file, line in places for number in _within(files, file, line, "arms")), None)
        if arm is not None:
            mutants.add(arm)
            continue
        function = next((number for file, line in places for number in _within(files, file, line, "functions")), None)
        if function is None:
            raise ValueError(f"the crate does not compile, and not because of a mutant: {message.get('rendered') or message['message']}")
        functions.add(function)
    return Blamed(mutants, functions)


def _places(span: Mapping[str, Any] | None) -> Iterable[tuple[str, int]]:
    """Where a span is, and where the macro is called that it is in."""
    while span:
        yield span["file_name"], span["line_start"]
        span = (span.get("expansion") or {}).get("span")


def _within(files: Mapping[str, Switched], file: str, line: int, what: str) -> list[int]:
    if file not in files:
        return []
    ranges: dict[int, tuple[int, int]] = getattr(files[file], what)
    return [number for number, (first, last) in ranges.items() if first <= line <= last]
