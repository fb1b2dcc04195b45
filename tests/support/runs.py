"""DAG runs next to a switch, as the two Airflows of the local AWS report them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from support.pair import Pair

GUARD = "bluegreen_guard"
LONG = "d" * 240


def iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def run(dag_id: str, at: datetime, executed: bool, decided: float = 0.5, **more: Any) -> dict[str, Any]:
    """A finished scheduled run of a guarded DAG: executed, or skipped by its guard so many seconds after its tick."""
    begun = iso(at + timedelta(seconds=decided))
    guard = {"state": "success", "start_date": begun, "end_date": begun}
    load = {"state": "success" if executed else "skipped", "start_date": begun, "end_date": begun}
    return {"dag_id": dag_id, "run_id": f"scheduled__{iso(at)}", "state": "success", "instant": iso(at), "start_date": begun,
            "tasks": {GUARD: guard, "load": load}, **more}


def scripted(pair: Pair, version: str = "3.0.6") -> None:
    """One run of every kind, around the moment at which green became active."""
    flag = pair.flag()
    before, after = flag.effective_from - timedelta(minutes=20), flag.effective_from + timedelta(milliseconds=1)
    running: dict[str, Any] = {"state": "running", "tasks": {GUARD: "success", "load": "running"}}
    waiting: dict[str, Any] = {"state": "running", "tasks": {GUARD: "up_for_reschedule", "load": "scheduled"}}
    bare: dict[str, Any] = {"tasks": {"branch": "success"}}
    pair.environment("blue", airflow_version=version, runs=[
        run("before", before, True), run("after", after, False), run("twice", before, True), run("nobody", before, False, -1800),
        run("under_way", before, True, **running), run("waits", after, False), run("branches", before, True, **bare), run(LONG, before, True)])
    pair.environment("green", airflow_version=version, runs=[
        run("before", before, False), run("after", after, True), run("twice", before, True), run("nobody", before, False),
        run("under_way", before, False), run("waits", after, True, **waiting), run("branches", before, True, **bare), run(LONG, before, True)])
