"""After the storm: the pair is left alone until it is healed and quiet, works for a while, and proves that nothing stands in its way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from soak.gather import Mailbox, audit_log
from soak.history import COLORS
from soak.invariants import CLAIM_TIMEOUT, RECORD, is_mail_due
from soak.stores import Act, Stores, epoch
from soak.storm import Storm
from support.clients import Clients
from support.pair import Pair

# Within so many seconds of peace the pair must be healed and quiet. What takes longest: a drill of a minute that began in the storm's last
# second behind a claim that its writer abandoned (80 s), its return, and the report on its runs half a minute later.
PEACE_SECONDS = 300
# So long nothing may have happened.
QUIET_SECONDS = 12
RUN_REPORT_SECONDS = 30
TICK_SECONDS = 1.5
PROOF_SECONDS = 40


def unrest(pair: Pair) -> list[str]:
    """Why the pair is not quiet yet, from its stores."""
    ssm = pair.client("ssm")
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=pair.root, Recursive=True)
    there = {entry["Name"].removeprefix(f"{pair.root}/"): entry for page in pages for entry in page["Parameters"]}
    now = time.time()
    flag = there.get("active-environment")
    if flag is None or flag["Value"] not in COLORS:
        return [f"the flag holds {flag['Value'] if flag else 'nothing'}"]
    modified = flag["LastModifiedDate"].timestamp()
    label = f"v{flag['Version']}-{round(modified * 1000)}"
    found = []
    if (audited := there.get("audited", {}).get("Value")) != label:
        found.append(f"{label} is not audited, but {audited}")
    if now - modified < RUN_REPORT_SECONDS + 5:
        found.append("the flag was written a moment ago")
    memory = json.loads(there["memory"]["Value"]) if "memory" in there else {}
    found += [f"the watcher remembers {field}: {memory[field]}" for field in ("announced", "doubt") if memory.get(field)]
    readiness = memory.get("readiness") or {}
    if readiness.get("level") == "red" or readiness.get("pending_notification"):
        found.append(f"the standby was not ready when it was checked last: {readiness.get('red')}")
    if "drill" in there and json.loads(there["drill"]["Value"])["outcome"] == "pending":
        found.append("a drill is under way")
    if "hold" in there:
        hold, changed = json.loads(there["hold"]["Value"]), there["hold"]["LastModifiedDate"].timestamp()
        mark = f"v{there['hold']['Version']}-{round(changed * 1000)}"
        until = epoch(hold["until"])
        if until > now:
            found.append("a hold is in force")
        wanted = f"{mark}:ran-out" if until > changed else mark
        if (reported := there.get("hold-reported", {}).get("Value")) != wanted:
            found.append(f"the hold {wanted} is not reported, but {reported}")
    waiting = [name for name, entry in there.items() if name.startswith("unsent/") and not json.loads(entry["Value"]).get("sent")]
    found += [f"{name} waits to be published" for name in waiting]
    for name, entry in there.items():
        match = RECORD.match(name.removeprefix("transitions/"))
        if match and f"v{int(match[1]) - 1}-{match[2]}" == label and now - entry["LastModifiedDate"].timestamp() < CLAIM_TIMEOUT:
            found.append(f"the claim {name} may still be carried out")
    return found


def heal(pair: Pair, say: Callable[[str], None], limit: float) -> float | None:
    """Ticks as a schedule would, only more often, until the pair is quiet. Returns since when it is; None if it did not become so."""
    deadline = time.monotonic() + limit
    calm_since: float | None = None
    events, shown, why = -1, "", []
    while time.monotonic() < deadline:
        pair.invoke("health-watcher", {})
        why = unrest(pair)
        published = len(audit_log(pair))
        if why or published != events:
            calm_since, events = None, published
        elif calm_since is None:
            calm_since = time.time()
        elif time.time() - calm_since >= QUIET_SECONDS:
            return calm_since
        if why and why[0].split(" ")[:3] != shown.split(" ")[:3]:
            shown = why[0]
            say(f"not quiet yet: {shown}")
        time.sleep(TICK_SECONDS)
    say(f"not quiet: {'; '.join(why) or 'events are still published'}")
    return None


def endure(pair: Pair, invocations: int) -> None:
    """So many invocations of each kind that a leak would show, with nothing in their way: most are ticks, as in reality."""
    change = {"source": "aws.ssm", "detail-type": "Parameter Store Change", "id": "soak",
              "detail": {"operation": "Update", "name": pair.flag_name, "type": "String"}}
    kinds: list[tuple[str, object, int]] = [
        ("health-watcher", {}, invocations), ("change-listener", change, invocations // 2),
        ("switch-handler", {"action": "hold", "minutes": 0}, invocations // 4),  # refused as invalid, at once
        ("switch-handler", {"action": "status"}, invocations // 4),
    ]

    def one(kind: tuple[str, object, int]) -> None:
        function, payload, count = kind
        mine = Pair(pair.aws, Clients(pair.aws), pair.name, pair.root, pair.environments)
        for _ in range(count):
            mine.invoke(function, payload)

    with ThreadPoolExecutor(len(kinds)) as pool:
        list(pool.map(one, kinds))


def prove(pair: Pair, mailbox: Mailbox, stores: Stores, storm: Storm) -> None:
    """A person's switch is made, and a color that fails is left, unless a precondition objects and people know of it."""
    active, version = pair.stands_at()
    other = "green" if active == "blue" else "blue"
    pair.invoke("switch-handler", {"to": other, "reason": "the soak's last switch", "requested_by": "soak"})
    _wait(stores, f"a switch to {other} is made", lambda: pair.stands_at() == (other, version + 1))
    active, version = pair.stands_at()
    said = len([event for event in audit_log(pair) if event.kind == "Failover Blocked"])
    storm.happen(active, "fails")

    def left_or_said() -> bool:
        pair.invoke("health-watcher", {})
        blocked = len([event for event in audit_log(pair) if event.kind == "Failover Blocked"])
        return pair.stands_at() == ("green" if active == "blue" else "blue", version + 1) or blocked > said

    _wait(stores, f"{active} fails and is left", left_or_said)
    storm.happen(active, "heals")

    def all_is_told() -> bool:
        pair.invoke("health-watcher", {})
        due = {event.id for event in audit_log(pair) if is_mail_due(event) and event.at > stores.proofs_at}
        quiet = [why for why in unrest(pair) if "a moment ago" not in why]
        return not quiet and due <= {message.event for message in mailbox.read()}

    _wait(stores, "the pair tells of its last switch and failover", all_is_told)
    stores.tick = pair.invoke("health-watcher", {})[0]
    stores.status = pair.invoke("switch-handler", {"action": "status"})[0]


def _wait(stores: Stores, what: str, check: Callable[[], bool]) -> None:
    since = time.time()
    while not check():
        if time.time() - since > PROOF_SECONDS:
            stores.not_done.append(Act(since, "not done", f"{what} (within {PROOF_SECONDS} s)"))
            return
        time.sleep(0.5)
