"""`make bench-airflow`: a report, not a test.

It shows the runs lost and doubled next to simulated switches and the cost of the guard. On two real Airflow
environments (AIRFLOW_PYTHON) it shows how soon the new color's first run starts.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bench import overhead, real
from bench.switches import simulate


def table(title: str, head: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    print(f"\n{title}\n")
    texts = [head, *(tuple(str(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(head))]
    for number, row in enumerate(texts):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def main() -> None:
    table(
        "Runs next to 1,000 simulated switches (seeded; every read of Parameter Store up to 3 s late, a quarter of the runs "
        "looked at up to two minutes late; lost: executed by nobody within the hour)",
        ("switch", "DAGs that", "runs", "lost", "doubled", "SSM calls a run"),
        [(r.kind, "compare the flag" if r.pattern == "classic" else "are guarded", r.runs, r.lost, r.doubled,
          f"{r.calls_a_run:.1f}") for r in simulate()],
    )  # fmt: skip
    costs = overhead.measure()
    table(
        "What one look of a guard costs (local AWS, medians)",
        ("the run's instant", "calls", "first, ms", "again, ms"),
        [(c.what, ", ".join(c.calls), f"{c.first_ms:.0f}", f"{c.again_ms:.1f}") for c in costs],
    )
    table(
        "What the guard costs a run (every look is a task process of its own)",
        ("environment", "looks", "SSM calls", "at most, next to a switch", "ms"),
        [(r.where, r.looks, r.calls, r.calls_near, f"{r.ms:.0f}") for r in overhead.by_run(costs)],
    )
    table(
        f"Parameter Store's calls by 1,000 DAGs, both environments (default quota: {overhead.QUOTA} a second)",
        ("schedule", "wait, s", "calls an hour", "a second, on average"),
        [(h.schedule, h.wait, f"{h.calls:,}", f"{h.a_second:.1f}") for h in overhead.by_schedule()],
    )
    python = os.environ.get("AIRFLOW_PYTHON")
    if python:
        first_runs(Path(python))
    else:
        print("\nFlip to first run on real Airflow: not measured; give AIRFLOW_PYTHON, as `make bench-airflow` does")


def first_runs(python: Path) -> None:
    found = real.measure(python, lambda what: print(f"... {what}", file=sys.stderr, flush=True))
    load = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    table(
        f"Flip to first run on the new color, in seconds: two real Airflow {found.version}, a tick every {found.tick} s "
        f"({os.cpu_count()} cores, load {load})",
        ("", "planned switch: samples", "min / median / max", "failover: samples", "min / median / max"),
        [
            ("scheduler killed to flag written", *found.killed_to_flag.row()),
            ("flag written to first run executed", *found.flag_to_run.row()),
            ("that run's tick to its execution", *found.due_to_run.row()),
            ("scheduler killed to first run executed", *found.killed_to_run.row()),
        ],
    )
    print(
        f"\nA planned switch counts {found.lead:.0f} s after its write, at the next tick after that. Failover: "
        f"FailureWindowSeconds={real.WINDOW}, and Airflow calls a scheduler unhealthy after 30 s.\n"
        f"{found.ticks} ticks, {found.lost} lost, {found.doubled} doubled. A task's median time: the guard "
        f"{real.median_task(found, True)} s, the DAG's own, which writes a line, "
        f"{real.median_task(found, False)} s."
    )


if __name__ == "__main__":
    main()
