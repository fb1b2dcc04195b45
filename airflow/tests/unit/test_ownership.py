"""The ownership rule, by the vectors that Rust's tests run too."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import make_vectors
import pytest

from mwaa_bluegreen.ownership import COLORS, as_datetime, in_force, nanoseconds, read_instant

CASES = json.loads(make_vectors.VECTORS.read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"][:60])
def test_every_vector_has_the_owner_it_names(case: dict[str, Any]) -> None:
    history = make_vectors.entries_of(case["history"])
    for ask in case["asks"]:
        found = in_force(history, read_instant(ask["at"]) or 0)
        assert (found and found.value, found and found.version) == (ask["value"], ask["version"]), ask["at"]


def test_the_vectors_are_the_ones_the_script_writes() -> None:
    assert make_vectors.by_hand() + [make_vectors.generated(seed) for seed in range(1, 241)] == CASES


def test_far_from_its_write_the_newest_version_owns_whatever_its_description_says() -> None:
    # The proof that the fast path is allowed: later than the newest LastModifiedDate + 60 s no Description matters.
    checked = 0
    for case in CASES:
        history = make_vectors.entries_of(case["history"])
        dates = [entry.modified for entry in sorted(history, key=lambda entry: entry.version)]
        if not dates or dates != sorted(dates) or len({e.version for e in history}) != len(history):
            continue  # SSM's own clock went back; Parameter Store does not
        newest = max(history, key=lambda entry: entry.version)
        if newest.value not in COLORS:
            continue  # It is never in force; the fast path knows that.
        found = in_force(history, dates[-1] + 60_000_000_001)
        assert found is not None
        assert (found.version, found.value) == (newest.version, newest.value), case["name"]
        checked += 1
    assert checked > 150


def test_an_instant_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone; give an aware datetime"):
        nanoseconds(datetime(2026, 11, 23))


def test_instants_survive_the_way_to_nanoseconds_and_back() -> None:
    for instant in [datetime(2026, 11, 23, 10, 0, 0, 123456, timezone.utc), datetime(1969, 12, 31, 23, tzinfo=timezone.utc)]:
        assert as_datetime(nanoseconds(instant)) == instant


def test_a_leap_second_is_read_as_the_second_before_it_as_the_controller_does() -> None:
    assert read_instant("2016-12-31T23:59:60Z") == read_instant("2016-12-31T23:59:59Z")
    assert read_instant("2016-12-31T23:59:61Z") is None
