"""The flag's history, read by the documented rules (docs/internals/ownership-rule.md), written here once more.

What the functions published is compared with this, so nothing of theirs is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from soak.stores import Written, epoch, milliseconds

COLORS = ("blue", "green")
KEPT_VERSIONS = 100
MAX_LEAD_MS = 60_000
SHOWN_OF_A_VALUE = 60

TAIL = re.compile(r"\[effective_from=(\S+) record=(\S+)\]$")
KINDS = ("switch", "failover", "drill", "drill-return", "rollback", "restore", "initialize", "external")
KIND = re.compile(rf"^({'|'.join(sorted(KINDS, key=len, reverse=True))}): ")
FINISHED = re.compile(r"^[a-z-]+: claim of a dead writer finished by request ([^;]+);")


@dataclass(frozen=True)
class Version:
    written: Written
    # Ours, a repeat of ours (one write that arrived twice), or external.
    origin: str
    record: str | None
    kind: str
    finished_by: str | None
    effective_from: int
    before: Written | None
    # When its incarnation of the flag was deleted; None if it was not.
    deleted_at: float | None

    @property
    def shown(self) -> str:
        return shown(self.written.value)


def shown(value: str) -> str:
    """A value as events name it: a color as it is, anything else quoted and shortened."""
    if value in COLORS:
        return value
    short = value if len(value) <= SHOWN_OF_A_VALUE else value[:SHOWN_OF_A_VALUE - 1] + "…"
    return json.dumps(short, ensure_ascii=False)


def versions(flag_writes: Iterable[Written]) -> list[Version]:
    """Every version of every incarnation, in order."""
    found: list[Version] = []
    incarnation: list[Written] = []
    for written in flag_writes:
        if written.operation == "Delete":
            found += _incarnation(incarnation, written.at)
            incarnation = []
        else:
            incarnation.append(written)
    return found + _incarnation(incarnation, None)


def _incarnation(written: list[Written], deleted_at: float | None) -> list[Version]:
    found: list[Version] = []
    effective = None
    for index, entry in enumerate(written):
        kept = written[max(0, index + 1 - KEPT_VERSIONS):index]
        before = kept[-1] if kept else None
        tail, kind = TAIL.search(entry.description), KIND.match(entry.description)
        seen = {match[2] for other in kept if (match := TAIL.search(other.description))}
        finished = FINISHED.match(entry.description)
        wanted, record, origin = entry.modified, None, "external"
        if tail and tail[2] not in seen:
            origin = "ours"
        elif tail and before is not None and before.value == entry.value:
            origin = "repeat"
        if tail and origin != "external":
            wanted, record = milliseconds(epoch(tail[1])), tail[2]
        effective = min(wanted, entry.modified + MAX_LEAD_MS) if effective is None else max(
            effective, min(wanted, entry.modified + MAX_LEAD_MS))
        word = kind[1] if kind else "external"
        if origin == "external" and not (before is None and entry.version == 1):
            word = "external"
        if origin == "repeat":
            first = next(other for other in found if other.record == record)
            before = first.before
        found.append(Version(entry, origin, record, word, finished[1] if finished and origin == "ours" else None,
                             effective, before, deleted_at))
    return found
