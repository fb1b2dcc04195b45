"""Carries a plan out on a deployed pair, and remembers what it did."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.process import LocalAwsError
from soak.plan import Step
from soak.processes import function_processes
from soak.stores import Act, Broken
from support.clients import Clients
from support.events import load
from support.pair import Pair

# How long a lane may take to end its last step: the longest invocation is that of a watcher that keeps observing.
LAST_STEP_SECONDS = 100

HAPPENINGS: dict[str, dict[str, Any]] = {
    "fails": {"status": "UNAVAILABLE"},
    "stops": {"scheduler": "stopped", "health_threshold_seconds": 2},
    "updates": {"status": "UPDATING"},
    "is in maintenance": {"status": "MAINTENANCE"},
    "rolls back": {"status": "ROLLING_BACK"},
    "heals": {"status": "AVAILABLE", "scheduler": "running", "health_threshold_seconds": 30, "rest_api": "up"},
}
# What makes a color one that may be left.
BREAKING = ("fails", "stops", "is deleted")


@dataclass
class Storm:
    pair: Pair
    acts: list[Act] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    freezes: int = 0
    faults_of_its_own: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._broken_since: dict[str, float] = {}
        self._lock = threading.Lock()

    # -- running -------------------------------------------------------------------------------------------------------

    def rage(self, lanes: list[Iterator[Step]], seconds: float) -> None:
        """All lanes at once for so long; then everything that was broken is repaired, and what was started is over."""
        threads = [threading.Thread(target=self._lane, args=(lane,), daemon=True) for lane in lanes]
        for thread in threads:
            thread.start()
        try:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and not self.faults_of_its_own:
                time.sleep(0.2)
        finally:
            self._over.set()
            self.repair()
        for thread in threads:
            thread.join(LAST_STEP_SECONDS)
        self.repair()
        if self.faults_of_its_own:
            raise self.faults_of_its_own[0]

    def repair(self) -> None:
        """Peace: no fault, both environments as they should be, every event delivered. The pair's own state is left as it is."""
        self.pair.aws.clear_faults()
        for color in ("blue", "green"):
            self.happen(color, "heals")
        self.pair.client("events").enable_rule(Name=f"{self.pair.name}-flag-change")

    def _lane(self, steps: Iterator[Step]) -> None:
        clients = Clients(self.pair.aws)
        mine = Pair(self.pair.aws, clients, self.pair.name, self.pair.root, self.pair.environments)
        for step in steps:
            if self._over.wait(step.pause):
                return
            try:
                self._do(step, mine)
            except (ClientError, BotoCoreError, LocalAwsError) as error:
                # What AWS refuses is a part of the storm: a parameter that is not there any more, a function that is busy.
                self._note(step.lane, f"was refused: {error}")
            except Exception as error:  # a fault of the soak itself
                self.faults_of_its_own.append(error)
                return

    def _note(self, who: str, what: str) -> None:
        self.acts.append(Act(time.time(), who, what))

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _do(self, step: Step, pair: Pair) -> None:
        arguments = step.arguments
        match step.what:
            case "ask" | "ask-asynchronously" | "ask-twice-at-once":
                self._ask(step.lane, step.what, arguments["payload"], pair)
            case "ticks":
                self._note(step.lane, f"{len(arguments['events'])} at once: {', '.join(arguments['events'])}")
                with ThreadPoolExecutor(len(arguments["events"])) as pool:
                    list(pool.map(lambda event: pair.invoke("health-watcher", load(event)), arguments["events"]))
            case "environment":
                self.happen(arguments["color"], arguments["happens"], arguments["rest_api"])
            case "edit":
                self._edit(step.lane, arguments, pair)
            case "fault":
                self._fault(step.lane, arguments, pair)
            case "freeze":
                self._freeze(step.lane, arguments, pair)
            case "change-again":
                for _ in range(arguments["times"]):
                    pair.invoke("change-listener", _change(pair))
            case "audit-event-again":
                self._audit_event_again(step.lane, arguments["times"], pair)
            case "lose-changes":
                self._note(step.lane, f"changes of the flag and the hold are lost for {arguments['seconds']:.1f} s")
                pair.client("events").disable_rule(Name=f"{pair.name}-flag-change")
                self._over.wait(arguments["seconds"])
                pair.client("events").enable_rule(Name=f"{pair.name}-flag-change")

    def _ask(self, who: str, how: str, payload: dict[str, Any], pair: Pair) -> None:
        self._note(who, f"asks{how.removeprefix('ask').replace('-', ' ')}: {json.dumps(payload)[:200]}")
        if how == "ask-asynchronously":
            pair.client("lambda").invoke(FunctionName=pair.function("switch-handler"), InvocationType="Event", Payload=json.dumps(payload))
            return
        with ThreadPoolExecutor(2) as pool:
            asked = [payload] * (2 if how == "ask-twice-at-once" else 1)
            for answer, failed in pool.map(lambda one: pair.invoke("switch-handler", one), asked):
                told = answer.get("errorMessage") if failed else f"{answer.get('outcome')}: {answer.get('reason', '')}"
                self._note(who, f"is answered {str(told)[:200]}")

    def happen(self, color: str, happens: str, rest_api: str = "down") -> None:
        """Changes an environment, and remembers since when it does not work."""
        if happens == "both heal":
            self.happen("blue", "heals")
            self.happen("green", "heals")
            return
        now = time.time()
        with self._lock:
            # Before it is broken, and after it is repaired: between the two it may be seen as either.
            if happens in BREAKING:
                self._broken_since.setdefault(color, now)
            self._note("environments", f"{color} {happens}")
            name = self.pair.environments[color]
            if happens == "is deleted":
                self.pair.aws.delete_environment(name)
            elif happens == "hides its API":
                self.pair.aws.put_environment(name, rest_api=rest_api)
            else:
                self.pair.aws.put_environment(name, **HAPPENINGS[happens])
            if happens == "heals" and color in self._broken_since:
                self.broken.append(Broken(color, self._broken_since.pop(color), time.time()))

    def still_broken(self) -> list[Broken]:
        return [*self.broken, *(Broken(color, since, time.time()) for color, since in self._broken_since.items())]

    def _edit(self, who: str, arguments: dict[str, Any], pair: Pair) -> None:
        edit, value = arguments["edit"], arguments["value"]
        more = {"Description": arguments["description"]} if arguments["description"] else {}
        self._note(who, f"by hand: {edit} {value!r}")
        match edit:
            case "write" | "garble":
                pair.write_by_hand(value, AllowedPattern=".*", **more)
            case "create-flag":
                pair.write_by_hand(value, Overwrite=False, **more)
            case "delete-flag":
                pair.delete_flag()
            case "place-hold":
                pair.hold("by hand", minutes=0.5)
            case "delete-hold":
                pair.release()

    def _fault(self, who: str, arguments: dict[str, Any], pair: Pair) -> None:
        fault = {**arguments["fault"], "caller": pair.function(arguments["fault"]["caller"])}
        if "match" in fault:
            fault["match"] = f"{pair.root}{fault['match']}"
        if self._over.is_set():
            return
        self._note(who, f"{fault['kind']} for {fault['caller']} at {fault['service']} {fault.get('operation', '*')}, {arguments['seconds']:.1f} s")
        added = pair.aws.add_fault(**fault)
        self._over.wait(arguments["seconds"])
        pair.aws.clear_faults(added)

    def _freeze(self, who: str, arguments: dict[str, Any], pair: Pair) -> None:
        """Stops a function's process for a while, as a machine without time for it does."""
        pids = [pid for pid, function in function_processes(pair.aws.pid).items() if function == pair.function(arguments["function"])]
        if not pids:
            return
        self._note(who, f"{arguments['function']} ({pids[0]}) is frozen for {arguments['seconds']:.1f} s")
        self.freezes += 1
        try:
            os.kill(pids[0], signal.SIGSTOP)
            self._over.wait(arguments["seconds"])
            os.kill(pids[0], signal.SIGCONT)
        except ProcessLookupError:
            return

    def _audit_event_again(self, who: str, times: int, pair: Pair) -> None:
        """The newest event of the audit log, delivered to the listener once more: a bus delivers at least once."""
        events = pair.audit_events(time.time() - 20)
        if not events:
            return
        self._note(who, f"{events[-1]['detail-type']} is delivered {times} times more")
        for _ in range(times):
            pair.invoke("change-listener", events[-1])


def _change(pair: Pair) -> dict[str, Any]:
    """A change event of the flag, as EventBridge delivers it."""
    event = load("changes/flag-updated")
    return {**event, "detail": {**event["detail"], "name": pair.flag_name}}
