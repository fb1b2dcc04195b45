"""What became of mutants, in a file that the next run goes on with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

# As cargo-mutants calls them. Unviable: it does not compile.
OUTCOMES = ("caught", "missed", "unviable", "timeout")


@dataclass(frozen=True)
class Result:
    name: str
    outcome: str
    seconds: float
    # The test program that noticed.
    by: str | None = None


class Results:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.new: list[Result] = []

    def last(self) -> dict[str, str]:
        """The last outcome of each mutant that was ever tried."""
        if not self.file.exists():
            return {}
        results = [json.loads(line) for line in self.file.read_text().splitlines()]
        return {result["name"]: result["outcome"] for result in results}

    def add(self, result: Result) -> None:
        """One line a mutant, at once: a run that is killed loses none."""
        self.new.append(result)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a") as out:
            out.write(json.dumps(asdict(result)) + "\n")
        if result.outcome in ("missed", "timeout"):
            print(f"{result.outcome}: {result.name}", flush=True)
        elif len(self.new) % 50 == 0:
            print(f"{len(self.new)} tried", flush=True)
