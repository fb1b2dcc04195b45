"""`make bench-airflow`: runs lost and doubled next to simulated switches, and what the guard costs. A report, not a test."""

from __future__ import annotations

import sys
from pathlib import Path

AIRFLOW = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(AIRFLOW / "src"), str(AIRFLOW.parent / "local")]

from bench import overhead  # noqa: E402
from bench.switches import simulate  # noqa: E402


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
    table(
        "What one look of a guard costs (local AWS, medians)",
        ("the run's instant", "calls", "first, ms", "again, ms"),
        [(c.what, ", ".join(c.calls), f"{c.first_ms:.0f}", f"{c.again_ms:.1f}") for c in overhead.measure()],
    )
    table(
        f"Parameter Store's calls by 1,000 DAGs, both environments (default quota: {overhead.QUOTA} a second)",
        ("schedule", "settle, s", "calls an hour", "a second, on average"),
        [(h.schedule, h.settle, f"{h.calls:,}", f"{h.a_second:.1f}") for h in overhead.by_schedule()],
    )


if __name__ == "__main__":
    main()
