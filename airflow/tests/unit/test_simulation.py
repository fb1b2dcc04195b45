"""A small run of the benchmark's simulation: the package's reader with late reads and late schedulers."""

from __future__ import annotations

from bench.switches import simulate


def test_next_to_planned_switches_nothing_is_lost_or_doubled_and_the_classic_pattern_does_both() -> None:
    results = {(r.kind, r.pattern): r for r in simulate(switches=60)}
    ours, classic = (results["planned switch", pattern] for pattern in ("mwaa-bluegreen", "classic"))
    assert ours.runs == classic.runs == 180
    assert (ours.lost, ours.doubled) == (0, 0)
    assert classic.lost > 0
    assert classic.doubled > 0


def test_a_failover_loses_less_than_the_classic_pattern_and_doubles_only_at_least_once() -> None:
    results = {(r.kind, r.pattern): r for r in simulate(switches=60)}
    at_least, at_most = (results[f"failover, {policy}", "mwaa-bluegreen"] for policy in ("at-least-once", "at-most-once"))
    assert 5 * at_least.lost < results["failover, at-least-once", "classic"].lost
    assert at_least.lost < at_most.lost
    assert at_most.doubled == 0
