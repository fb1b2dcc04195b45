"""The results as tables, for a terminal of 100 columns and in Markdown, and the targets that they meet."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any

from bench.cold_start import EMPTY, FUNCTIONS, PYTHON
from bench.environments import CHECKOUT, HERE, NAIVE, OWN, WRITES

WIDTH = 100
# In decimal megabytes, as AWS and the package check count.
MB = 1_000_000
# MWAA's limit for InvokeRestApi.
MOST_REQUESTS_A_SECOND = 10
# One for each stack, and one for the flag; two to spare.
MOST_CALLS_UNCHANGED = 10
# What is not a write: the list of 5,000 objects and the manifest, both twice, the stack, the environment, and Airflow's lists of files.
MOST_READS_OF_A_SYNC = 28
# Between what `env plan` says of the controller and what is measured of it. An alarm more is 0.10.
CONTROLLER_USD = 0.05


@dataclass
class Table:
    title: str
    headers: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.headers, *self.rows, strict=True)]

        def line(cells: list[str]) -> str:
            first, *others = (cell.ljust(width) if column == 0 else cell.rjust(width)
                              for column, (cell, width) in enumerate(zip(cells, widths, strict=True)))
            return "  ".join([first, *others]).rstrip()

        return "\n".join([f"== {self.title}", line(self.headers), line(["-" * width for width in widths]),
                          *(line(row) for row in self.rows), *(f"  {note}" for note in self.notes)])

    def markdown(self) -> str:
        return "\n".join([f"### {self.title}", "", "| " + " | ".join(self.headers) + " |",
                          "|---" + "|---:" * (len(self.headers) - 1) + "|",
                          *("| " + " | ".join(row) + " |" for row in self.rows), *(f"\n{note}" for note in self.notes)])


def spread(samples: list[float], digits: int = 1) -> str:
    """Median, and in parentheses the range of eight of ten samples."""
    tenths = statistics.quantiles(samples, n=10, method="inclusive")
    return f"{statistics.median(samples):.{digits}f} ({tenths[0]:.{digits}f}-{tenths[-1]:.{digits}f})"


def cold_start_tables(cold: dict[str, Any]) -> list[Table]:
    start = {name: statistics.median(figures["start_ms"]) for name, figures in cold.items()}
    starts = Table(
        "Cold start: process start to the first GET .../invocation/next",
        ["", "ms (8 of 10 runs)", "processor ms", "x empty", "Python is x", "instructions"],
        [[name, spread(figures["start_ms"]), f"{statistics.median(figures['start_processor_ms']):.1f}",
          f"{start[name] / start[EMPTY]:.{0 if name == PYTHON else 2}f}", f"{start[PYTHON] / start[name]:.0f}",
          "-" if figures["start_instructions"] is None else f"{figures['start_instructions'] / 1e6:.2f} M"]
         for name, figures in cold.items()],
        [f"{len(cold[PYTHON]['start_ms'])} interleaved rounds, one start of Python and four of the others in each.",
         "Processor ms need no quiet machine; at 128 MB Lambda gives a fourteenth of a processor.",
         "Instructions: callgrind, without the kernel's." if cold[EMPTY]["start_instructions"]
         else "Instructions: not counted, because valgrind is not installed."])
    memory = Table(
        "Peak memory (VmHWM), and processor time of an invocation",
        ["", "MB at start", "MB after 1", "MB after all", "ms of 1st", "ms of a warm one"],
        [[name, *(f"{max(figures[key]) / 1024:.1f}"
                  for key in ("start_peak_kb", "invoked_peak_kb", "many_invoked_peak_kb")),
          spread(figures["first_processor_ms"]), spread(figures["warm_processor_ms"])] for name, figures in cold.items()],
        ["Highest of all runs. Watcher, Python: a healthy tick; handler: status; listener: none to audit.",
         "The local AWS speaks plain HTTP. Once measured through a TLS proxy, ours took 0.6 MB more, and",
         "1 to 3 ms more of processor in the first invocation."])
    return [starts, memory]


def size_table(sizes: dict[str, dict[str, int]]) -> Table:
    return Table("Package size", ["", "binary MB", "zip MB (deflate 9)"],
                 [[name, f"{size['binary'] / MB:.2f}", f"{size['zip'] / MB:.2f}"] for name, size in sizes.items()])


def calls_table(cases: dict[str, Any]) -> Table:
    def listed(counts: dict[str, int]) -> str:
        return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"

    return Table("AWS calls, counted in the log of the local AWS while every call takes 50 or 100 ms (status, history: 600)",
                 ["", "calls", "round trips", "billable requests"],
                 [[name, str(case["calls"]), str(case["round_trips"]), listed(case["billable"])] for name, case in cases.items()],
                 ["Round trips: the longest chain of calls of which each began after the one before had ended."])


def check_table(check: dict[str, Any]) -> Table:
    return Table(
        f"A check of two environments with {check['dags']:,} DAGs each, {check['latency_ms']} ms in every call",
        ["", ""],
        [["seconds", f"{check['seconds']:.1f}"], ["AWS calls", str(check["calls"])],
         ["  of them Airflow's API", str(check["airflow_requests"])],
         ["  a second, on the whole", f"{check['requests_a_second']:.1f}"],
         ["  in the busiest second", str(check["busiest_second"])],
         ["billable requests", ", ".join(f"{count} {name}" for name, count in check["billable"].items()) or "none"]],
        ["The pace is eight a second for both environments together; a busy machine bunches some of them."])


def connections_table(connections: dict[str, Any]) -> Table:
    return Table("New connections of an invocation: on AWS a TCP and a TLS handshake each",
                 ["", "first of a process", "right after it", "after an idle pause"],
                 [[name, str(case["first"]), str(case["at_once"]), str(case["after_idle"])] for name, case in connections.items()],
                 ["What was idle for three seconds is not used again: Lambda freezes a process between invocations, which",
                  "then does not hear what became of its connections. A tick a minute after another connects anew."])


def waits_due(case: dict[str, Any]) -> str:
    return f"{case['due_waits']}, {case['hidden_waits']} of them hidden" if case["hidden_waits"] else str(case["due_waits"])


def waits_table(waits: dict[str, Any]) -> Table:
    latency = next(iter(waits.values()))["latency_ms"]
    return Table(f"Waiting, proven by time: the function's own milliseconds without and with {latency} ms in every call",
                 ["", "without", f"with {latency} ms", "waits measured", "waits due"],
                 [[name, spread(case["without_ms"], 0), spread(case["with_ms"], 0), f"{case['waits']:.2f}",
                   waits_due(case)] for name, case in waits.items()],
                 ["A switch: one wait for the observation, two for claim and write. Until the flag has rested for a day",
                  "the request may be a repeat, so two more: for the flag's history and for the records in it.",
                  "Status looks again half a second after its first look, and that hides the first look's wait.",
                  f"Medians of {len(next(iter(waits.values()))['with_ms'])}, by turns."])


def failover_table(failover: dict[str, Any]) -> Table:
    return Table(
        f"Time to failover, {failover['latency_ms']} ms in every call, woken by: {failover['woken_by']}",
        ["", "seconds"],
        [["from the last heartbeat to the flag written", f"{failover['since_last_heartbeat_seconds']:.1f}"],
         [f"  bound: window {failover['window_seconds']} + one probe {failover['probe_seconds']}",
          f"{failover['window_seconds'] + failover['probe_seconds']:.1f}"],
         ["from the fault to the flag written", f"{failover['since_fault_seconds']:.1f}"],
         ["from the fault to the watcher woken", f"{failover['woken_after_seconds']:.1f}"]],
        [f"{failover['looks']} looks. The window is 120 s by default, and 20 s here."])


def cost_table(cost: dict[str, Any]) -> Table:
    months: dict[str, list[dict[str, Any]]] = cost["lines"]

    def amount(quantity: float) -> str:
        return f"{quantity:,.3g}" if quantity < 10 else f"{quantity:,.0f}"

    rows = [[same[0]["what"], amount(same[0]["quantity"]), same[0]["unit"], *(f"{line['usd']:.4f}" for line in same)]
            for same in zip(*months.values(), strict=True)]
    rows.append(["what it does: all but alarms and metrics", "", "", *(f"{total:.4f}" for total in cost["doing_usd"].values())])
    rows.append(["total", "", "", *(f"{total:.4f}" for total in cost["total_usd"].values())])
    assumed, measured = cost["assumed"], cost["measured"]
    return Table(
        "Cost of a pair and month in US dollars (us-east-1 list prices, no free tier)",
        ["", "quantity, calm", "unit", *months], rows,
        [f"Measured: {measured['processor_ms_a_tick']:.1f} ms of processor (a tick that has to connect anew, "
         f"{measured['handshakes_a_tick']} times), "
         f"{measured['log_bytes_a_tick']:.0f} log bytes a tick, requests.",
         f"Assumed: {assumed['handshake_ms']} ms of processor for a TLS handshake, which is in the milliseconds above. "
         f"AWS takes {assumed['reads_ms']} ms for a tick's reads and {assumed['writes_ms']} ms for a write; "
         f"{assumed['transitions_a_month']} transitions and",
         f"{assumed['suspect_hours']:.0f} suspect hour a month. Alarms named: DescribeAlarms; the alarms are the user's own.",
         "Standby down: all month long. Prices and their sources: bench/prices.json."])


def unchanged_table(environments: dict[str, Any]) -> Table:
    cases = environments["unchanged"]["cases"]
    latency = next(iter(cases.values()))["latency_ms"]
    nothing = environments["from_nothing"]
    rows = [[f"{name}, all as described", str(case["calls"]), str(case["described"]), str(case["changes"]), str(case["round_trips"]),
             f"{case['seconds']:.2f}", f"{case['late_seconds']:.2f}"] for name, case in cases.items()]
    rows.append(["env apply, from nothing", str(nothing["calls"]), "", str(nothing["changes"]), "", f"{nothing['seconds']:.1f}", ""])
    return Table(f"Environments as code: a pair of {environments['unchanged']['stacks']} stacks",
                 ["", "AWS calls", "DescribeStacks", "changing", "round trips", "seconds", f"with {latency} ms"], rows,
                 ["Round trips: with latency in every call. The command line is a debug build. An environment is",
                  "there at once here, on AWS after half an hour. The seventh stack is that of a lineage server,",
                  "which is looked for."])


def sync_table(sync: dict[str, Any]) -> Table:
    rows = [[case, tool, str(found["calls"]), str(found["changes"]), str(found["operations"].get("InvokeRestApi", 0)), f"{found['seconds']:.1f}"]
            for case, tools in sync["cases"].items() for tool, found in tools.items()]
    return Table(f"{sync['files']:,} DAG files to the bucket of one color", ["", "", "requests", "writes", "Airflow's API", "seconds"], rows,
                 ["dags sync compares contents, writes a manifest before and after, and waits until Airflow has",
                  "parsed the files: two seconds here, a minute and more on MWAA. aws s3 sync compares sizes and",
                  "times, and waits for nothing."])


def month_table(costs: dict[str, Any]) -> Table:
    parts = ("environments", "further_workers", "metadata", "network", "controller", "together")

    def label(each: dict[str, Any], mode: str) -> str:
        kind, _, fewest = mode.partition(", ")
        most = str(each["workers"])
        workers = [most] if kind == "standard" else [most, "1" if fewest else most]
        return f"{each['class']}: {kind}, {' + '.join(workers)}"

    rows = [[label(each, mode["mode"]), *(mode[part] or "unknown" for part in parts)] for each in costs["classes"] for mode in each["modes"]]
    return Table(f"A month in US dollars ({costs['region']} list prices), by part",
                 ["workers of each environment", "environments", "workers", "metadata", "network", "controller", "sum"], rows,
                 [f"Two NAT gateways, {costs['metadata_gb']:.0f} GB in each metadata database; see docs/cost-and-performance.md."])


@dataclass(frozen=True)
class Target:
    what: str
    wanted: str
    measured: str
    met: bool

    @property
    def verdict(self) -> str:
        return "met" if self.met else "NOT MET"


def targets(results: dict[str, Any]) -> list[Target]:
    cold, waits, failover, cost = (results[key] for key in ("cold_start", "waits", "failover", "cost"))
    start = {name: statistics.median(figures["start_ms"]) for name, figures in cold.items()}
    faster = min(start[PYTHON] / start[name] for name in FUNCTIONS)
    slower = max(start[name] / start[EMPTY] for name in FUNCTIONS)
    memory = max(peak for name in FUNCTIONS for peak in cold[name]["many_invoked_peak_kb"]) / 1024
    package = max(results["sizes"][name]["zip"] for name in FUNCTIONS) / MB
    bound = failover["window_seconds"] + failover["probe_seconds"]
    met = [
        Target("cold start, against Python/boto3", ">= 60 x faster", f"{faster:.0f} x (slowest function)", faster >= 60),
        Target("cold start, against the empty runtime", "<= 2 x", f"{slower:.2f} x (slowest function)", slower <= 2),
        Target("peak memory", "< 12 MB", f"{memory:.1f} MB", memory < 12),
        Target("zipped package", "< 3 MB each", f"{package:.2f} MB", package < 3),
    ]
    # A quarter of a latency is room for what a busy machine adds.
    met += [Target(f"waits of a {name}" if name != "status" else "waits of status", waits_due(case),
                   f"{case['waits']:.2f}", case["waits"] < case["due_waits"] - case["hidden_waits"] + 0.25)
            for name, case in waits.items()]
    check, status = results["check"], results["calls"]["cases"]["status"]
    # `status` makes no claim that would correct a stale read, so it reads twice.
    met.append(Target("round trips of status", "<= 2", str(status["round_trips"]), status["round_trips"] <= 2))
    met.append(Target(f"requests a second, check of 2 x {check['dags']:,} DAGs", f"< {MOST_REQUESTS_A_SECOND}",
                      f"{check['requests_a_second']:.1f}", check["requests_a_second"] < MOST_REQUESTS_A_SECOND))
    met.append(Target("failover after the last heartbeat", f"<= {bound} s", f"{failover['since_last_heartbeat_seconds']:.1f} s",
                      failover["since_last_heartbeat_seconds"] <= bound))
    wanted = cost["target_usd"]
    met += [Target(f"cost a month of what it does, {name}", f"< {wanted['doing'][name]:.2f} USD", f"{doing:.3f} USD",
                   doing < wanted["doing"][name])
            for name, doing in cost["doing_usd"].items()]
    met += [Target(f"cost a month, {name}", f"< {wanted['total']:.2f} USD", f"{total:.2f} USD", total < wanted["total"])
            for name, total in cost["total_usd"].items()]
    met += [Target(f"new connections right after another, {name}", "0", str(case["at_once"]), case["at_once"] == 0)
            for name, case in results["connections"].items()]
    return met + environment_targets(results["environments"], cost)


def environment_targets(environments: dict[str, Any], cost: dict[str, Any]) -> list[Target]:
    unchanged, cases = environments["unchanged"], environments["sync"]["cases"]
    stacks = unchanged["stacks"]
    met = []
    for name, case in unchanged["cases"].items():
        met += [
            Target(f"DescribeStacks of {name}, nothing to change", f"<= {stacks}: one a stack", str(case["described"]),
                   case["described"] <= stacks),
            Target(f"AWS calls of {name}, nothing to change", f"<= {MOST_CALLS_UNCHANGED}", str(case["calls"]),
                   case["calls"] <= MOST_CALLS_UNCHANGED),
            Target(f"round trips of {name}, nothing to change", "1", str(case["round_trips"]), case["round_trips"] <= 1),
            Target(f"changing calls of {name}, nothing to change", "0", str(case["changes"]), case["changes"] == 0),
        ]
    met.append(Target("stack events of both", "0: no update started", str(unchanged["events"]), unchanged["events"] == 0))
    for name in (HERE, CHECKOUT):
        own = cases[name][OWN]
        reads = own["calls"] - own["changes"]
        met += [Target(f"writes of {OWN}, {name}", f"<= {WRITES}", str(own["changes"]), own["changes"] <= WRITES),
                Target(f"reads of {OWN}, {name}", f"<= {MOST_READS_OF_A_SYNC}", str(reads), reads <= MOST_READS_OF_A_SYNC)]
    own, naive = cases[CHECKOUT][OWN]["calls"], cases[CHECKOUT][NAIVE]["calls"]
    met.append(Target(f"requests against {NAIVE}, {CHECKOUT}", ">= 50 x fewer", f"{naive / own:.0f} x", naive >= 50 * own))
    planned = next(float(mode["controller"]) for each in environments["costs"]["classes"] for mode in each["modes"] if mode["mode"] == "blue-green")
    measured = sum(line["usd"] for line in cost["lines"]["calm"])
    met.append(Target("cost a month, the controller in env plan", f"{measured:.2f} USD, as measured", f"{planned:.2f} USD",
                      abs(planned - measured) < CONTROLLER_USD))
    return met


def target_table(of: list[Target]) -> Table:
    rows = [[each.what, each.wanted, each.measured, each.verdict] for each in of]
    return Table("Targets", ["", "wanted", "measured", ""], rows)


def tables(results: dict[str, Any]) -> list[Table]:
    return [*cold_start_tables(results["cold_start"]), size_table(results["sizes"]), calls_table(results["calls"]["cases"]),
            check_table(results["check"]), connections_table(results["connections"]),
            waits_table(results["waits"]), failover_table(results["failover"]), cost_table(results["cost"]),
            unchanged_table(results["environments"]), sync_table(results["environments"]["sync"]),
            month_table(results["environments"]["costs"]), target_table(targets(results))]


def heading(results: dict[str, Any]) -> str:
    machine, toolchain = results["machine"], results["toolchain"]
    return (f"{results['date']}, {machine['processor']}, {machine['processors']} processors, "
            f"load {machine['load_before']:.1f} before;\n{toolchain['rust']}, Python {toolchain['python']}, "
            f"boto3 {toolchain['boto3']}, commit {toolchain['commit']}")
