"""`python -m soak`: storms on a deployed pair, then peace, then its stores are judged. Exit 0 only if every invariant holds."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local_aws.process import LocalAws
from local_aws.stack import FUNCTIONS, architecture, binary, built_template
from soak import direct, report
from soak.gather import Mailbox, gather
from soak.invariants import judge
from soak.peace import PEACE_SECONDS, RUN_REPORT_SECONDS, endure, heal, prove
from soak.plan import lanes
from soak.processes import Sampler, not_flat
from soak.stores import Stores
from soak.storm import Storm
from support.clients import Clients
from support.deployment import create_pair, upload
from support.endings import ENDINGS, Stopped, stop
from support.paths import BINARIES, PROJECT, TEMPLATE

FILES = PROJECT / ".soak"
# Beside the shortest intervals, which tests have: flags repaired, reports soon, and no budget in the way of failovers.
PARAMETERS: dict[str, Any] = {"OnFlagFault": "restore", "FailoverBudgetPerDay": "24", "RunReportSeconds": str(RUN_REPORT_SECONDS),
              "SwitchLeadSeconds": "2", "MetricsIntervalMinutes": "1", "ReadinessIntervalMinutes": "1"}
# How long a suspicious tick keeps observing; the default would fill the storm with ticks of a minute.
PROBE_UNTIL_SECONDS = "8"
ENDURANCE = 1200


def say(text: str) -> None:
    print(text, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__.split(": ", 1)[1])
    parser.add_argument("--minutes", type=float, default=3.0, help="how long the storm lasts (default: 3)")
    parser.add_argument("--seed", type=int, help="what the storm does (default: a fresh one, printed)")
    parser.add_argument("--endurance", type=int, default=ENDURANCE, help="ticks in peace, to measure memory; 0: do not measure")
    parser.add_argument("--direct", type=Path, metavar="PYTHON", help="a Python with moto: a storm of the command line alone, too")
    parser.add_argument("--only-direct", action="store_true", help="nothing but that storm")
    # For developers of the product: other binaries.
    parser.add_argument("--binaries", type=Path, default=BINARIES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_direct and not options.direct:
        parser.error("--only-direct needs --direct PYTHON")
    return options


def main() -> int:
    options = arguments()
    missing = [name for name in (*FUNCTIONS, "mwaa-bluegreen") if not binary(options.binaries, name).is_file()]
    if missing:
        say(f"No binary of {', '.join(missing)} in {options.binaries}: build them with `make debug`.")
        return 1
    for number in ENDINGS:
        signal.signal(number, stop)
    seed = random.SystemRandom().randrange(1, 1_000_000) if options.seed is None else options.seed
    run = FILES / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    run.mkdir(parents=True)
    failed = True
    try:
        wrong = 0
        if not options.only_direct:
            say(f"soak of {options.minutes:g} minute(s), seed {seed}")
            wrong += soak(options, seed, run)
        if options.direct:
            wrong += direct.soak(options.direct, options.binaries, seed, options.minutes * 60 / 3, run, say)
        failed = wrong > 0
        say("")
        say(f"seed {seed}: {wrong} violation(s). Once more: make soak MINUTES={options.minutes:g} SEED={seed}" if failed
            else f"seed {seed}: every invariant holds")
        return 1 if failed else 0
    except Stopped as stopped:
        say(f"\nstopped, seed {seed}; everything that was started has ended")
        failed = False
        return 128 + stopped.number
    except Exception as error:
        say(f"the soak itself failed, seed {seed}: {type(error).__name__}: {error}")
        (run / "traceback.txt").write_text(traceback.format_exc())
        return 1
    finally:
        if failed:
            say(f"logs and stores are in {run.relative_to(PROJECT)}/")
        else:
            shutil.rmtree(run, ignore_errors=True)


def soak(options: argparse.Namespace, seed: int, run: Path) -> int:
    """Storm, peace and judgment. Returns the number of violations."""
    with LocalAws(log=run / "local-aws.log") as aws:
        clients = Clients(aws)
        built_template(TEMPLATE, options.binaries, run)
        pair = create_pair(aws, clients, upload(aws, run / "built.yaml"), wakes=("schedule", "status", "alarm"),
                           initialize=False, Architecture=architecture(), **PARAMETERS)
        pair.configure("health-watcher", PROBE_UNTIL_SECONDS=PROBE_UNTIL_SECONDS)
        mailbox = Mailbox(pair)  # before anything happens of which people are notified
        pair.ask(action="initialize")
        sampler = Sampler(aws.pid)
        stores = Stores(pair.name, pair.root)
        storm = Storm(pair)
        say(f"{pair.name} is deployed; the storm begins at {report.clock(time.time())} UTC")
        storm.rage(lanes(seed), options.minutes * 60)
        stores.peace_at = time.time()
        say(f"peace since {report.clock(stores.peace_at)} UTC; the pair has {PEACE_SECONDS} s to heal")
        stores.quiet_at = heal(pair, say, PEACE_SECONDS)
        if stores.quiet_at:
            say(f"healed and quiet after {stores.quiet_at - stores.peace_at:.0f} s of peace")
            if options.endurance:
                say(f"{options.endurance * 2} invocations in peace")
                endure(pair, options.endurance)
        stores.proofs_at = time.time()
        prove(pair, mailbox, stores, storm)
        gather(pair, mailbox, stores)
        stores.acts, stores.broken, stores.freezes = storm.acts, storm.still_broken(), storm.freezes
        sampler.stop()
    steady = sampler.lives(stores.invocations, stores.quiet_at or stores.proofs_at, stores.proofs_at)
    verdict = judge(stores)
    report.figures(stores, verdict, sampler.lives(stores.invocations), steady, say)
    report.violations(stores, verdict, say)
    grown = not_flat(steady, [pair.function(function) for function in FUNCTIONS]) if options.endurance else []
    for each in grown:
        say(f"VIOLATED: memory and open files are flat\n  {each}")
    if verdict.violations or grown:
        (run / "stores.json").write_text(json.dumps(asdict(stores), indent=1))
        (run / "timeline.txt").write_text("\n".join(f"{report.clock(at)} {who:16} {what}" for at, who, what in report.timeline(stores)))
    return len(verdict.violations) + len(grown)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Threads of a storm that was stopped may still wait for an answer that never comes.
    os._exit(code)
