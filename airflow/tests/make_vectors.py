"""Writes shared/core/tests/vectors/ownership.json: the cases that keep the ownership rules in Python and Rust equal.

    python airflow/tests/make_vectors.py

The written cases have written answers. The generated ones have this package's answers, which Rust's tests confirm:
run `cargo test -p bluegreen-core --test ownership_vectors` after every change.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from mwaa_bluegreen.ownership import SECOND, HistoryEntry, as_datetime, in_force, read_instant

VECTORS = Path(__file__).resolve().parents[2] / "shared/core/tests/vectors/ownership.json"


def entry(version: int, value: str, modified: str, description: str | None = None) -> dict[str, Any]:
    return {"version": version, "value": value, "modified": f"2026-11-23T{modified}Z", "description": description}


def tail(effective_from: str, record: str = "v2-1", sentence: str = "switch: x ") -> str:
    return f"{sentence}[effective_from={effective_from} record={record}]"


def day(text: str) -> str:
    return f"2026-11-23T{text}Z"


def case(name: str, history: list[dict[str, Any]], *asks: tuple[str, str, int]) -> dict[str, Any]:
    return {"name": name, "history": history,
            "asks": [{"at": day(at), "value": value, "version": version} for at, value, version in asks]}


def by_hand() -> list[dict[str, Any]]:
    first = entry(1, "blue", "09:00:00")
    cases = [
        {"name": "an empty history has no owner", "history": [],
         "asks": [{"at": day("10:00:00"), "value": None, "version": None}]},
        case("before the first version that is known, the first one counts", [first],
             ("08:00:00", "blue", 1), ("09:00:00", "blue", 1), ("10:00:00", "blue", 1)),
        case("a version by hand counts from its LastModifiedDate", [first, entry(2, "green", "10:00:00", "by hand")],
             ("09:59:59.999999999", "blue", 1), ("10:00:00", "green", 2)),
        case("a planned switch counts from its lead", [first, entry(2, "green", "10:00:00", tail(day("10:00:10")))],
             ("10:00:09.999999999", "blue", 1), ("10:00:10", "green", 2)),
        case("a failover is back-dated", [first, entry(2, "green", "10:03:00", tail(day("10:00:44"), sentence="failover: x "))],
             ("10:00:43.999", "blue", 1), ("10:00:44", "green", 2), ("10:03:00", "green", 2)),
        case("a back-dated version never counts before the one before it",
             [first, entry(2, "green", "10:00:00", tail(day("10:00:10"))), entry(3, "blue", "10:05:00", tail(day("08:00:00"), "v3-1"))],
             ("10:00:09", "blue", 1), ("10:00:10", "blue", 3)),
        case("a lead is cut to 60 s", [first, entry(2, "green", "10:00:00", tail(day("11:00:00")))],
             ("10:00:59.999999999", "blue", 1), ("10:01:00", "green", 2)),
        case("a lead that is cut still holds back the next version",
             [first, entry(2, "green", "10:00:00", tail(day("11:00:00"))), entry(3, "blue", "10:00:30")],
             ("10:00:45", "blue", 1), ("10:01:00", "blue", 3)),
        case("a hand edit that inherits the Description is external",
             [first, entry(2, "green", "10:00:00", tail(day("10:00:10"))), entry(3, "blue", "11:00:00", tail(day("10:00:10")))],
             ("10:59:59", "green", 2), ("11:00:00", "blue", 3)),
        case("an inherited Description after two others is still external",
             [first, entry(2, "green", "10:00:00", tail(day("10:00:10"))), entry(3, "blue", "10:30:00", tail(day("10:30:10"), "v3-1")),
              entry(4, "green", "11:00:00", tail(day("10:00:10")))],
             ("10:59:59", "blue", 3), ("11:00:00", "green", 4)),
        case("a retried write is a repeat",
             [first, entry(2, "green", "10:00:00", tail(day("10:00:10"))), entry(3, "green", "10:00:30", tail(day("10:00:10")))],
             ("10:00:09", "blue", 1), ("10:00:10", "green", 3)),
        case("a repeat needs the same value, letter for letter",
             [first, entry(2, "green", "10:00:00", tail(day("10:00:10"))), entry(3, "Green", "10:00:30", tail(day("10:00:10")))],
             ("10:00:29", "green", 2), ("10:00:30", "green", 2)),
        case("a version without a color is never in force", [first, entry(2, " green", "10:00:00")], ("10:00:00", "blue", 1)),
        case("an empty value", [first, entry(2, "", "10:00:00")], ("10:00:00", "blue", 1)),
        case("what was due while the flag held garbage belongs to the color before, also once it is repaired",
             [first, entry(2, "purple", "10:00:00"), entry(3, "blue", "10:00:30", tail(day("10:00:40"), "v3-1", "restore: x "))],
             ("09:59:59", "blue", 1), ("10:00:10", "blue", 1), ("10:00:40", "blue", 3)),
        case("a repair to the other color takes nothing back",
             [first, entry(2, "purple", "10:00:00"), entry(3, "Blue", "10:00:10"), entry(4, "green", "10:00:30")],
             ("10:00:20", "blue", 1), ("10:00:30", "green", 4)),
        case("nothing takes effect before garbage that stood before it",
             [first, entry(2, "purple", "10:00:00"), entry(3, "green", "10:03:00", tail(day("09:58:00"), "v3-1", "failover: x "))],
             ("09:59:59.999", "blue", 1), ("10:00:00", "green", 3)),
        case("garbage at the beginning: the first color counts", [entry(1, "purple", "09:00:00"), entry(2, "green", "10:00:00")],
             ("08:00:00", "green", 2), ("09:30:00", "green", 2), ("10:00:00", "green", 2)),
        case("a flag that never held a color", [entry(1, "purple", "09:00:00"), entry(2, "Blue", "10:00:00")],
             ("08:00:00", "purple", 1), ("11:00:00", "purple", 1)),
        case("versions may come in any order", [entry(2, "green", "10:00:00"), first],
             ("09:30:00", "blue", 1), ("10:00:00", "green", 2)),
        case("of a version given twice the first counts", [first, entry(2, "green", "10:00:00"), entry(2, "blue", "10:00:00")],
             ("10:00:00", "green", 2)),
        case("versions of one instant: the newest", [entry(1, "blue", "10:00:00"), entry(2, "green", "10:00:00")],
             ("10:00:00", "green", 2), ("09:00:00", "blue", 1)),
        case("a clock of SSM that goes back", [entry(1, "blue", "10:00:00"), entry(2, "green", "09:59:59.5")],
             ("09:59:59.9", "blue", 1), ("10:00:00", "green", 2)),
        case("a history that starts at version 37", [entry(37, "green", "09:00:00", tail(day("09:00:10"), "v37-1"))],
             ("01:00:00", "green", 37), ("12:00:00", "green", 37)),
        case("nine decimals are kept", [first, entry(2, "green", "10:00:00", tail(day("10:00:00.123456789")))],
             ("10:00:00.123456788", "blue", 1), ("10:00:00.123456789", "green", 2)),
        case("a tail in a sentence does not count, the last one does",
             [first, entry(2, "green", "10:00:00", tail(day("09:30:00"), "a") + " " + tail(day("10:00:20"), "b", ""))],
             ("10:00:19", "blue", 1), ("10:00:20", "green", 2)),
        case("the first record= ends the instant",
             [first, entry(2, "green", "10:00:00", f"[effective_from={day('10:00:10')} record=a record=b]")],
             ("09:59:59", "blue", 1), ("10:00:00", "green", 2)),
    ]
    cases[-1]["asks"] = [{"at": day("10:00:00"), "value": "green", "version": 2}]
    # In these the tail is damaged, and the version counts from its LastModifiedDate.
    at = day("10:00:10")
    for damaged in [
        "", "[", "[effective_from=", f"[effective_from={at}]", f"[effective_from={at} record=]", f"[effective_from={at} record=v2",
        f"[effective_from={at} record=v2] ", f"[effective_from={at} record=v2] more", f"[effective_from={at} record=v 2]",
        f"[effective_from={at} record=v\u00a02]", f"[effective_from={at} record=v\u20032]", f"[effective_from={at} record=v\n2]",
        f"[effective_from={at}  record=]", f"[Effective_from={at} record=v2]", f"effective_from={at} record=v2]",
        f"[effective_from={at},record=v2]", "[effective_from=yesterday record=v2]", "[effective_from= record=v2]",
        "[effective_from=2026-11-23T10:00:10 record=v2]", "[effective_from=2026-11-23 record=v2]",
        "[effective_from=2026-13-23T10:00:10Z record=v2]", "[effective_from=2026-02-30T10:00:10Z record=v2]",
        "[effective_from=2026-11-23T24:00:10Z record=v2]", "[effective_from=2026-11-23T10:60:10Z record=v2]",
        "[effective_from=2026-11-23T10:00:61Z record=v2]", "[effective_from=2026-11-23T10:00:10.Z record=v2]",
        "[effective_from=2026-11-23T10:00:10.1234567890Z record=v2]", "[effective_from=1795428010 record=v2]",
        f"[effective_from= {at} record=v2]", "[effective_from=9999-12-31T23:59:59Z record=v2]",
        "[effective_from=２０２６-11-23T10:00:10Z record=v2]",
    ]:
        cases.append(case(f"damaged tail {damaged!r}", [first, entry(2, "green", "10:00:00", damaged)],
                          ("09:59:59", "blue", 1), ("10:00:00", "green", 2)))
    # These are complete: they count from 10:00:10.
    for whole in [
        tail(at), tail("2026-11-23T10:00:10.000Z"), tail("2026-11-23T10:00:10.000000000Z"), tail("2026-11-23T11:00:10+01:00"),
        tail("2026-11-23T04:30:10-05:30"), tail("2026-11-23T10:00:10+00:00"), tail("2026-11-23t10:00:10z"),
        tail("2026-11-23 10:00:10Z"), tail(at, sentence="x" * 900), tail(at, "v\u001f2"), tail(at, "é]["), tail(at, "[x]"),
        tail(at, sentence=""), tail(at, sentence="[effective_from=x record=y] "), tail("2026-11-23T10:00:10,0Z"),
    ]:
        cases.append(case(f"whole tail {whole[-70:]!r}", [first, entry(2, "green", "10:00:00", whole)],
                          ("10:00:09.999999999", "blue", 1), ("10:00:10", "green", 2)))
    return cases


def text(instant: int) -> str:
    """Nanoseconds as the controller writes them: with decimals only where they are not zero."""
    decimals = f".{instant % SECOND:09d}".rstrip("0").rstrip(".")
    return as_datetime(instant // SECOND * SECOND).strftime("%Y-%m-%dT%H:%M:%S") + decimals + "Z"


def generated(seed: int) -> dict[str, Any]:
    """One history with faults: leads, back-dating, manual edits, inherited and repeated Descriptions, wrong clocks."""
    dice = random.Random(seed)
    now = read_instant(day("00:00:00")) or 0
    number = dice.choice([1, 1, 1, 9, 250])
    length = dice.choice([1, 2, 3, 4, 6, 8, 100 if seed % 40 == 0 else 12])
    history: list[dict[str, Any]] = []
    for position in range(length):
        now += dice.choice([1, 50, 900, 5_000, 30_000, 61_000, 600_000]) * 1_000_000 * dice.randint(1, 3)
        modified = now // 1_000_000 * 1_000_000
        if dice.random() < 0.05:
            modified -= dice.randint(1, 90_000) * 1_000_000
        value = dice.choice(["blue", "green"] * 8 + ["Blue", "", "blue "])
        kind = dice.random()
        description: str | None = None
        if kind < 0.6:
            offset = dice.choice([10, 10, 0, -130, -600, 59.9, 60, 61, 3_600, -90_000, 12.000000001])
            effective = modified + int(offset * SECOND)
            description = tail(text(effective), f"v{number}-{position}", "failover: x " if offset < 0 else "switch: x ")
        elif kind < 0.85 and history:
            earlier = dice.choice(history[-4:])
            description = earlier["description"]
            if dice.random() < 0.5:
                value = earlier["value"]
        elif kind < 0.92:
            description = "by hand [effective_from=soon record=v1]"
        history.append({"version": number, "value": value, "modified": text(modified), "description": description})
        number += 1
    instants = {read_instant(e["modified"]) or 0 for e in history}
    interesting = {i + d for i in instants for d in (-1, 0, 1, 10 * SECOND, 60 * SECOND - 1, 60 * SECOND, 60 * SECOND + 1)}
    interesting |= {i + dice.randint(-200, 200) * SECOND for i in instants}
    entries = entries_of(history)
    if dice.random() < 0.2:
        dice.shuffle(history)
    asks = []
    for instant in sorted(dice.sample(sorted(interesting), min(12, len(interesting)))):
        found = in_force(entries, instant)
        assert found is not None
        asks.append({"at": text(instant), "value": found.value, "version": found.version})
    return {"name": f"generated {seed}", "history": history, "asks": asks}


def entries_of(history: list[dict[str, Any]]) -> list[HistoryEntry]:
    return [HistoryEntry(e["version"], e["value"], read_instant(e["modified"]) or 0, e["description"]) for e in history]


if __name__ == "__main__":
    cases = by_hand() + [generated(seed) for seed in range(1, 241)]
    lines = ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in cases)
    VECTORS.write_text('{"schema":1,"cases":[\n' + lines + "\n]}\n")
