"""Change the code of a crate in one place at a time and see whether its tests notice, for so many minutes.

    python -m tools.mutants bluegreen-core --minutes 20 [--seed 7] [--shard 0/4] [--file 'claim/'] [--tests PACKAGE] [--again]

cargo-mutants lists the mutants and builds those on their own that cannot be switched at run time (tools/mutants/switches.py has why).
All of it happens in copies of the working tree below target/mutants. What earlier runs tried is in target/mutants/CRATE.jsonl: without a
seed or a shard, a run begins with what none of them has tried, so that short runs come around. Settings are in .cargo/mutants.toml.

Exit status: 0 if nothing was missed, 1 if something was, 2 if nothing can be said: the tests fail
without any change, or the time is up before the first mutant.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from tools.mutants.results import OUTCOMES, Result, Results
from tools.mutants.switches import Mutant
from tools.mutants.workshop import Alone, Broken, Switchboard, Workshop

PROJECT = Path(__file__).resolve().parents[2]
# Of the time, for mutants that are built on their own: few of all, but each takes as long as ten others.
ALONE = 0.2
# No more are put into one build than could ever be run in the time.
MOST_PER_MINUTE = 120


def shard(text: str) -> tuple[int, int]:
    which, _, of = text.partition("/")
    if not (which.isdigit() and of.isdigit() and int(which) < int(of)):
        raise argparse.ArgumentTypeError(f"{text} is no shard: give k/n, with k from 0 to n-1, such as 0/4")
    return int(which), int(of)


def chosen(mutants: Iterable[Mutant], seed: int, part: tuple[int, int] | None, tried: Iterable[str]) -> list[Mutant]:
    """The mutants in the order in which they are tried: shuffled by the seed, one shard of them, those first that nobody has tried."""
    ordered = sorted(mutants, key=lambda mutant: mutant.name)
    random.Random(seed).shuffle(ordered)
    if part:
        ordered = ordered[part[0] :: part[1]]
    known = set(tried)
    return sorted(ordered, key=lambda mutant: mutant.name in known)


def module_of(name: str) -> str:
    """The module that a mutant is in: `claim` for `shared/core/src/claim/machine.rs:…`."""
    path = name.partition(":")[0].partition("/src/")[2]
    return path.split("/")[0].removesuffix(".rs")


def table(results: Iterable[Result], of: Counter[str]) -> str:
    modules: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        modules[module_of(result.name)][result.outcome] += 1
    rows = [["module", "mutants", "tried", *OUTCOMES]]
    for module in sorted(modules):
        found = modules[module]
        rows.append([module, str(of[module]), str(sum(found.values())), *(str(found[outcome]) for outcome in OUTCOMES)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def report(crate: str, results: list[Result], mutants: list[Mutant], seconds: float, how: str) -> str:
    count = Counter(result.outcome for result in results)
    lines = [
        "",
        table(results, Counter(module_of(mutant.name) for mutant in mutants)),
        "",
        *(f"{outcome}: {result.name}" for outcome in ("missed", "timeout") for result in results if result.outcome == outcome),
        f"{crate}: {len(results)} of {len(mutants)} mutants tried in {seconds / 60:.1f} min ({how}): "
        + ", ".join(f"{count[outcome]} {outcome}" for outcome in OUTCOMES)
        + f"; {seconds / max(len(results), 1):.1f} s each",
    ]
    if count["missed"]:
        lines.append("Each one missed needs a test that fails with it, or an entry in .cargo/mutants.toml with the reason why it changes nothing.")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("crate", help="the crate to change, such as bluegreen-core")
    parser.add_argument("--minutes", type=float, default=20, help="stop after so many minutes, builds included (20)")
    parser.add_argument("--seed", type=int, help="the order; printed where it is not given")
    parser.add_argument("--shard", type=shard, help="only one of n parts of that order: k/n, with k from 0")
    parser.add_argument("--file", action="append", default=[], help="only files with this in their path; may be repeated")
    parser.add_argument("--tests", action="append", default=[], help="run these packages' tests instead of the crate's own; may be repeated")
    parser.add_argument("--again", action="store_true", help="only those that were missed when they were last tried")
    given = parser.parse_args(arguments)

    began = time.monotonic()
    until = began + given.minutes * 60
    # A shard is a part of one order, the same for all of them.
    seed = given.seed if given.seed is not None else 0 if given.shard else random.randrange(1_000_000)
    workshop = Workshop(PROJECT, given.crate, given.tests or [given.crate])
    results = Results(workshop.folder / f"{given.crate}.jsonl")
    try:
        lock = workshop.alone_here()
        every = workshop.mutants()
        mutants = [each for each in every if not given.file or any(part in each.file for part in given.file)]
        if given.again:
            mutants = [each for each in mutants if results.last().get(each.name) in ("missed", "timeout")]
        if not mutants:
            print(f"{given.crate} has no mutants{' in ' + ', '.join(given.file) if given.file else ''}{' that were missed' if given.again else ''}")
            return 2
        come_around = given.seed is None and given.shard is None
        order = chosen(mutants, seed, given.shard, results.last() if come_around else ())
        order = order[: max(1, int(given.minutes * MOST_PER_MINUTE))]
        how = f"SEED={seed}" + (f" SHARD={given.shard[0]}/{given.shard[1]}" if given.shard else "")
        print(f"== {given.crate}: {len(mutants)} mutants, {len(order)} of them in this order: {how}", flush=True)
        try:
            switchboard = Switchboard(workshop, order, until)
            alone = Alone(workshop, [each.name for each in order if each.name in switchboard.alone], every)
            switchboard.run(results, time.monotonic() + (1 - ALONE) * (until - time.monotonic()))
            alone.run(results, until)
            switchboard.run(results, until)
        except TimeoutError:
            print("the time is up", flush=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        lock.close()
    except Broken as error:
        print(error)
        return 2
    if not results.new:
        print(f"no mutant was tried in {given.minutes:g} min: the builds took all of it, so give it more")
        return 2
    print(report(given.crate, results.new, mutants, time.monotonic() - began, how))
    return 1 if any(result.outcome == "missed" for result in results.new) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
