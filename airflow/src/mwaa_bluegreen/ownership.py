"""Ownership: which color executes a run. The same rule as `shared/core/src/ownership.rs`, with the same test vectors.

Instants are nanoseconds since 1970 (the controller writes up to nine decimals, `datetime` keeps six).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

COLORS = ("blue", "green")

SECOND = 1_000_000_000
MAX_LEAD = 60 * SECOND
"""How far ahead of its LastModifiedDate a version may take effect, in nanoseconds: bounds a writer's wrong clock."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
# The last and first instants the controller can represent.
_FIRST, _LAST = -377_705_023_201 * SECOND, 253_402_207_200 * SECOND + 999_999_999
_INSTANT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,9}))?"
    r"(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))"
)
_TAIL_START = "[effective_from="
# Unicode White_Space, as Rust's char::is_whitespace; str.isspace differs.
_WHITESPACE = frozenset("\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000").union(map(chr, range(0x2000, 0x200B)))


@dataclass(frozen=True)
class HistoryEntry:
    """One version of the flag, as GetParameterHistory gives it."""

    version: int
    value: str
    modified: int
    """LastModifiedDate, nanoseconds since 1970."""
    description: str | None = None


@dataclass(frozen=True)
class Version:
    """One version, with the facts that follow from the versions before it."""

    version: int
    value: str
    effective_from: int
    """When it takes effect, after the clamps, nanoseconds since 1970."""


def nanoseconds(instant: datetime) -> int:
    """An aware datetime as nanoseconds since 1970. Raises ValueError for one without a time zone."""
    if instant.tzinfo is None:
        raise ValueError(f"the instant {instant.isoformat()} has no time zone; give an aware datetime, for example in UTC")
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1_000


def as_datetime(instant: int) -> datetime:
    """Nanoseconds since 1970 as a datetime in UTC, cut to whole microseconds."""
    return _EPOCH + timedelta(microseconds=instant // 1_000)


def versions(history: Iterable[HistoryEntry]) -> list[Version]:
    """The versions in order, each with the instant from which it counts.

    A version counts from the `effective_from` of its Description's tail, but at the latest 60 s after its
    LastModifiedDate and no earlier than the version before it. A tail whose record appears in an earlier version was
    inherited by a write from outside this product. Such a version counts from its LastModifiedDate, unless its value
    is the same too: then it is a retried write.
    """
    distinct: dict[int, HistoryEntry] = {}
    for entry in history:
        distinct.setdefault(entry.version, entry)
    seen: set[str] = set()
    result: list[Version] = []
    for number in sorted(distinct):
        entry = distinct[number]
        wanted = entry.modified
        tail = read_tail(entry.description)
        if tail is not None:
            effective_from, record = tail
            if record not in seen or (result and result[-1].value == entry.value):
                wanted = effective_from
            seen.add(record)
        wanted = min(wanted, entry.modified + MAX_LEAD)
        if result:
            wanted = max(wanted, result[-1].effective_from)
        result.append(Version(number, entry.value, wanted))
    return result


def in_force(history: Iterable[HistoryEntry], instant: int) -> Version | None:
    """The newest version with a color and `effective_from <= instant`; before the first known version, the first one.

    A version without a color is never in force: the color before it stays so until the flag is repaired. Otherwise
    the runs that were due in between would never have an owner. None only if the history is empty; without a color
    only if no version has one.
    """
    known = versions(history)
    colored = [version for version in known if version.value in COLORS]
    for version in reversed(colored):
        if version.effective_from <= instant:
            return version
    return next(iter(colored or known), None)


def sentence(history: Iterable[HistoryEntry], number: int) -> str | None:
    """The writer's text in one version, without the tail; None if it is empty, or an earlier version's text.

    A write from outside this product can inherit the Description; see `versions`.
    """
    upto = sorted((entry for entry in history if entry.version <= number), key=lambda entry: entry.version)
    if not upto or upto[-1].version != number or upto[-1].description is None:
        return None
    told = upto[-1].description
    before = [entry for entry in upto if entry.version < number]
    tail = read_tail(told)
    if tail is not None:
        records = [known[1] for entry in before if (known := read_tail(entry.description)) is not None]
        if tail[1] in records and before[-1].value != upto[-1].value:
            return None
        told = told[: told.rfind(_TAIL_START)]
    return told.strip() or None


def read_tail(description: str | None) -> tuple[int, str] | None:
    """`effective_from` and the record's name from the end of a Description; None if the tail is missing or incomplete."""
    start = -1 if description is None else description.rfind(_TAIL_START)
    if description is None or start < 0 or not description.endswith("]"):
        return None
    effective_from, found, record = description[start + len(_TAIL_START) : -1].partition(" record=")
    if not found or not record or not _WHITESPACE.isdisjoint(record):
        return None
    instant = read_instant(effective_from)
    return None if instant is None else (instant, record)


def read_instant(text: str) -> int | None:
    """RFC 3339 with a `Z` or an offset, up to nine decimals, as nanoseconds since 1970; None for anything else."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    if hour > 23 or minute > 59 or second > 60:
        return None
    second = min(second, 59)  # a leap second, as the controller reads it
    try:
        # 400 Gregorian years are 146,097 days; `date` has no year 0.
        days = date(year + 400, month, day).toordinal() - 146_097 if year < 1000 else date(year, month, day).toordinal()
    except ValueError:
        return None
    seconds = (days - _EPOCH_DAY) * 86_400 + hour * 3_600 + minute * 60 + second
    if match[8]:
        offset_hours, offset_minutes = int(match[9]), int(match[10])
        if offset_hours > 25 or offset_minutes > 59:
            return None
        offset = offset_hours * 3_600 + offset_minutes * 60
        seconds += -offset if match[8] == "+" else offset
    instant = seconds * SECOND + int((match[7] or "").ljust(9, "0"))
    return instant if _FIRST <= instant <= _LAST else None
