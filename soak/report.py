"""What a soak prints: figures, and for each violation the timeline around it, in the product's words."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence

from soak.history import versions
from soak.invariants import Verdict, Violation
from soak.processes import Life, growth
from soak.stores import Stores

BEFORE_SECONDS, AFTER_SECONDS, LINES = 15, 4, 45
SHOWN_VIOLATIONS, LISTED_VIOLATIONS = 6, 30

Say = Callable[[str], None]


def clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}"


def figures(stores: Stores, verdict: Verdict, lives: Sequence[Life], steady: Sequence[Life], say: Say) -> None:
    """`lives` are those of the processes from their beginnings, `steady` the part of them in peace."""
    history = versions(stores.writes("active-environment"))
    deletions = sum(1 for entry in stores.writes("active-environment") if entry.operation == "Delete")
    say("")
    say(f"versions of the flag     {len(history)} in {deletions + 1} incarnation(s): {counted(version.kind for version in history)}")
    say(f"records                  {sum(1 for _ in stores.records())}")
    say(f"writes of parameters     {len(stores.journal)}")
    say(f"audit events             {len(stores.events)}: {counted(event.kind for event in stores.events)}")
    say(f"messages                 {len(stores.messages)}, {len(stores.dead_letters)} dead letter(s)")
    for function in sorted({invocation.function for invocation in stores.invocations}):
        statuses = [invocation.status for invocation in stores.invocations if invocation.function == function]
        say(f"{function:24} {len(statuses)} invocations: {counted(statuses)}")
    if stores.kills or stores.freezes:
        say(f"killed, frozen           {stores.kills}, {stores.freezes}")
    say("")
    say("invariant                                            looked at")
    for rule, seen in verdict.seen.items():
        wrong = sum(1 for violation in verdict.violations if violation.rule == rule)
        say(f"{rule:52} {seen:9}{f'   VIOLATED {wrong} times' if wrong else ''}")
    for why, count in verdict.excused.items():
        say(f"excused {count} times: {why}")
    for title, part in (("from the storm on", lives), ("in peace, under a constant load", steady)):
        if long := [growth(life) for life in part if life.is_long]:
            say("")
            say(f"memory and open files {title}: medians of the second and of the last fifth")
            for each in long:
                say(f"  {each}{'   NOT FLAT' if part is steady and not each.is_flat else ''}")


def counted(words: object) -> str:
    return ", ".join(f"{count} {word}" for word, count in Counter(words).most_common())  # type: ignore[call-overload]


def violations(stores: Stores, verdict: Verdict, say: Say) -> None:
    # The first of each rule: one cause violates a rule often.
    first = {violation.rule: violation for violation in reversed(verdict.violations)}
    told = sorted(first.values(), key=lambda violation: violation.at)[:SHOWN_VIOLATIONS]
    for violation in told:
        say("")
        say(f"VIOLATED: {violation.rule}")
        say(f"  {violation.what}")
        for line in around(stores, violation):
            say(f"    {line}")
    more = [violation for violation in verdict.violations if violation not in told]
    if more:
        say(f"and {len(more)} more:")
    for violation in more[:LISTED_VIOLATIONS]:
        say(f"  {clock(violation.at)} {violation.rule}: {violation.what[:300]}")


def around(stores: Stores, violation: Violation) -> list[str]:
    """What was done to the pair and what the pair said, shortly before and after."""
    lines = [line for line in timeline(stores) if violation.at - BEFORE_SECONDS <= line[0] <= violation.at + AFTER_SECONDS]
    nearest = sorted(lines, key=lambda line: abs(line[0] - violation.at))[:LINES]
    return [f"{'>' if at >= violation.at else ' '} {clock(at)} {who:16} {' '.join(what.split())[:180]}" for at, who, what in sorted(nearest)]


def timeline(stores: Stores) -> list[tuple[float, str, str]]:
    lines = [(act.at, act.who, act.what) for act in stores.acts]
    for entry in stores.journal:
        name = entry.name.removeprefix(f"{stores.root}/")
        if name in ("active-environment", "hold", "audited", "drill"):
            lines.append((entry.at, "Parameter Store", f"{entry.operation.lower()} {name} v{entry.version} {entry.value} {entry.description}"))
        elif name.startswith("transitions/"):
            lines.append((entry.at, "Parameter Store", f"{entry.operation.lower()} {name}"))
    for event in stores.events:
        detail = event.detail
        told = " ".join(str(detail[field]) for field in ("kind", "from", "to", "state", "outcome", "reason") if detail.get(field))
        lines.append((event.at, "audit log", f"{event.kind}: {told} ({event.id.rsplit(':', 1)[-1]})"))
    lines += [(message.at, "message", message.subject) for message in stores.messages]
    for line in stores.log:
        if sentence := _log_line(line.text):
            lines.append((line.at, line.function, sentence))
    lines += [(invocation.at, invocation.function, f"ended with {invocation.status}") for invocation in stores.invocations
              if invocation.status != "ok"]
    return sorted(lines)


def _log_line(text: str) -> str | None:
    """The sentence of a line of a function's log; none of a calm decision."""
    try:
        entry = json.loads(text)
    except ValueError:
        return None if text.startswith(("START", "END", "REPORT")) else text
    if entry.get("message") == "decision" and entry.get("decision") == "none":
        return None
    return " ".join(str(entry[field]) for field in ("level", "message", "decision", "transition", "error", "reason") if entry.get(field))
