"""The soak can fail: each invariant, each proof and each measurement, with stores that violate it."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from soak import plan, report
from soak.history import versions
from soak.invariants import RULES, judge
from soak.processes import Life, Sample, Sampler, growth, not_flat
from soak.stores import Act, Broken, Event, Invocation, Line, Message, Stores, Written

PAIR, ROOT = "orders", "/mwaa/orders"
FLAG = f"{ROOT}/active-environment"
FUNCTION = "arn:aws:sts::000000000000:assumed-role/role/orders-switch-handler"
PERSON = "arn:aws:iam::000000000000:user/ana"
T0 = 1_795_800_000.0


def iso(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:03d}Z"


def ms(at: float) -> int:
    return round(at * 1000)


def from_(color: Any) -> dict[str, Any]:
    """A field whose name is a word of Python's."""
    return {"from": color}


class Story:
    """Builds the stores of a pair to which only good things happen."""

    def __init__(self) -> None:
        self.at = T0
        self.stores = Stores(PAIR, ROOT, peace_at=T0 + 500, quiet_at=T0 + 520, proofs_at=T0 + 600, ended_at=T0 + 700)
        self.versions: dict[str, int] = {}

    def put(self, name: str, value: str, description: str = "", by: str = FUNCTION) -> Written:
        self.at += 1
        full = f"{ROOT}/{name}"
        version = self.versions.get(full, 0) + 1
        self.versions[full] = version
        written = Written(self.at, full, "Create" if version == 1 else "Update", version, value, description, ms(self.at), by)
        self.stores.journal.append(written)
        self.stores.kept.setdefault(full, []).append(dataclasses.replace(written, operation="Kept"))
        return written

    def delete(self, name: str) -> Written:
        self.at += 1
        last = [entry for entry in self.stores.journal if entry.name == f"{ROOT}/{name}"][-1]
        gone = dataclasses.replace(last, at=self.at, operation="Delete")
        self.stores.journal.append(gone)
        self.versions.pop(last.name)
        self.stores.kept.pop(last.name)
        return gone

    def publish(self, event: str, what: str, /, mail: bool = True, **detail: Any) -> Event:
        published = Event(event, f"{PAIR}:{FLAG}:{what}", {"id": f"{PAIR}:{FLAG}:{what}", **detail}, self.at)
        self.stores.events.append(published)
        if mail:
            self.stores.messages.append(Message(f"[{PAIR}] {event}", f"…\nEvent {published.id}\n", self.at))
        return published

    def transition(self, kind: str, to: str, function: str = "switch-handler", drill: str | None = None) -> Written:
        before = [version for version in versions(self.stores.writes("active-environment")) if version.deleted_at is None]
        if before:
            seen = before[-1].written
            record = f"v{seen.version + 1}-{seen.modified}"
        else:
            record = f"v1-{ms(self.at)}"
        effective = ms(self.at) + 2000
        told = {"version": seen.version + 1 if before else 1, "kind": kind, "from": before[-1].written.value if before else None, "to": to,
                "reason": "upgrade", "pair": PAIR, "actor": {"function": function}, "drill": {"id": drill} if drill else None}
        self.put(f"transitions/{record}", json.dumps(told))
        description = f"{kind}: upgrade (effective_from=2026-01-01T00:00:00Z record=v1-2); by {function} [effective_from={iso(effective)} record={record}]"
        written = self.put("active-environment", to, description)
        self.publish("Environment Transition", f"v{written.version}-{written.modified}", version=written.version, kind=kind, to=to,
                     reason="upgrade", who={"last_modified_user": FUNCTION}, record=record, repeat=False, finished_by=None,
                     timings={"written_at": iso(written.modified), "effective_from": iso(effective)}, **from_(told["from"]))
        return written

    def by_hand(self, value: str) -> Written:
        before = versions(self.stores.writes("active-environment"))[-1].written
        written = self.put("active-environment", value, by=PERSON)
        self.publish("Environment Transition", f"v{written.version}-{written.modified}", version=written.version, kind="external", to=value,
                     who={"last_modified_user": PERSON}, record=None, repeat=False, finished_by=None,
                     timings={"written_at": iso(written.modified), "effective_from": iso(written.modified + 1000)}, **from_(before.value))
        return written

    def hold(self) -> Written:
        written = self.put("hold", json.dumps({"until": iso(ms(self.at + 60)), "reason": "upgrade", "by": "ana"}))
        self.publish("Hold Changed", f"hold:{written.label}", state="held")
        return written

    def drilled(self) -> str:
        """A drill to its end; returns the name of its outcome's record."""
        way_out = self.transition("drill", "green", drill="d-1")
        self.put("drill", json.dumps({"id": "d-1", "outcome": "succeeded"}))
        self.transition("drill-return", "blue")
        outcome = f"{versions([way_out])[0].record}-outcome-d-1"
        self.put(f"transitions/{outcome}", json.dumps({"outcome": "succeeded"}))
        self.publish("Drill Finished", "drill:d-1", mail=False, drill="d-1", outcome="succeeded")
        return outcome


def healthy() -> Story:
    story = Story()
    story.transition("initialize", "blue")
    story.transition("switch", "green")
    story.at += 20
    story.stores.broken.append(Broken("green", story.at - 5, story.at + 5))
    story.transition("failover", "blue", function="health-watcher")
    story.hold()
    story.drilled()
    story.put("unsent/x", "{}")
    story.delete("unsent/x")
    story.stores.log.append(Line("switch-handler", '{"level":"INFO"}', T0))
    story.stores.invocations.append(Invocation("switch-handler", "ok", T0, 1))
    flag = story.stores.latest("active-environment")
    assert flag
    both = {color: {"verdict": "healthy"} for color in ("blue", "green")}
    story.stores.status = {"active": flag.value, "version": flag.version, "audited": flag.version, "hold": None, "drill": None, "verdicts": both}
    story.stores.tick = {"decision": "none", "blocked_by": []}
    return story


def violated(stores: Stores) -> set[str]:
    return {violation.rule for violation in judge(stores).violations}


def named(rule: Callable[..., None]) -> str:
    return rule.__name__.replace("_", " ")


def test_a_pair_to_which_nothing_bad_happened_violates_nothing():
    verdict = judge(healthy().stores)
    assert verdict.violations == []
    assert set(verdict.seen) == {named(rule) for rule in RULES} and all(verdict.seen.values()), verdict.seen


# -- every invariant, violated -------------------------------------------------------------------------------------------

def event_of(story: Story, kind: str, index: int = -1) -> int:
    return [number for number, event in enumerate(story.stores.events) if event.kind == kind][index]


def change_event(story: Story, event_kind: str, index: int = -1, /, **detail: Any) -> None:
    number = event_of(story, event_kind, index)
    event = story.stores.events[number]
    story.stores.events[number] = dataclasses.replace(event, detail={**event.detail, **detail})


def change_written(story: Story, name: str, index: int = -1, **fields: Any) -> None:
    number = [number for number, entry in enumerate(story.stores.journal) if entry.name == f"{ROOT}/{name}"][index]
    story.stores.journal[number] = dataclasses.replace(story.stores.journal[number], **fields)


def again(story: Story, **detail: Any) -> None:
    """The last transition is published once more, with another detail."""
    event = story.stores.events[event_of(story, "Environment Transition")]
    story.stores.events.append(dataclasses.replace(event, detail={**event.detail, **detail}))


def lose_event(story: Story, kind: str, index: int = -1) -> None:
    story.stores.events.pop(event_of(story, kind, index))


def last_record(story: Story, **fields: Any) -> None:
    name = next(entry.name for entry in reversed(story.stores.journal) if re.search(r"transitions/v\d+-\d+$", entry.name))
    number = next(number for number, entry in enumerate(story.stores.journal) if entry.name == name)
    entry = story.stores.journal[number]
    story.stores.journal[number] = dataclasses.replace(entry, value=json.dumps({**json.loads(entry.value), **fields}))


def lose_last_record(story: Story) -> None:
    name = next(entry.name for entry in reversed(story.stores.journal) if re.search(r"transitions/v\d+-\d+$", entry.name))
    story.stores.journal = [entry for entry in story.stores.journal if entry.name != name]
    story.stores.kept.pop(name)


def second_outcome(story: Story) -> None:
    story.put("transitions/v9-1-outcome-d-1", json.dumps({"outcome": "failed"}))


def twice_under_two_ids(story: Story) -> None:
    event = story.stores.events[event_of(story, "Drill Finished")]
    story.stores.events.append(dataclasses.replace(event, id=f"{event.id}-b", detail={**event.detail, "id": f"{event.id}-b"}))


def blocked(story: Story, second: float) -> None:
    since = ms(story.at + second)
    story.publish("Failover Blocked", f"v3-1:blocked:hold:{since}", since=iso(since), blocked_by=["hold"])


def two_ticks_block(story: Story) -> None:
    blocked(story, 0)
    blocked(story, 0.3)


def other_text(story: Story) -> None:
    story.stores.messages.append(dataclasses.replace(story.stores.messages[0], text=story.stores.messages[0].text + "!"))


def message_of_nothing(story: Story) -> None:
    story.stores.messages.append(Message(f"[{PAIR}] SWITCH", "…", story.at))


def pending_drill(story: Story) -> None:
    story.put("drill", json.dumps({"id": "d-2", "outcome": "pending"}))


def standing_hold(story: Story) -> None:
    written = story.put("hold", json.dumps({"until": iso(ms(T0 + 9000)), "reason": "x", "by": "ana"}))
    story.publish("Hold Changed", f"hold:{written.label}", state="held")


def standing_claim(story: Story) -> None:
    flag = story.stores.latest("active-environment")
    assert flag
    told = {"version": flag.version + 1, "kind": "switch", "to": "green", "pair": PAIR, "actor": {"function": "switch-handler"}}
    story.put(f"transitions/v{flag.version + 1}-{flag.modified}", json.dumps(told))
    story.stores.ended_at = story.at + 20


def write_record_again(story: Story) -> None:
    name = next(name for name, _ in story.stores.records())
    value = next(entry.value for _, entry in story.stores.records())
    story.put(f"transitions/{name}", value)


def wrong_name(story: Story) -> None:
    told = {"version": 9, "kind": "switch", "to": "green", "pair": PAIR, "actor": {"function": "switch-handler"}}
    story.put("transitions/v9-123", json.dumps(told))


def external_by_a_function(story: Story) -> None:
    flag = story.stores.latest("active-environment")
    assert flag
    written = story.put("active-environment", "green", flag.description)
    story.publish("Environment Transition", written.label, version=written.version, kind="external", to="green",
                  who={"last_modified_user": FUNCTION}, record=None, repeat=False, finished_by=None, **from_("blue"),
                  timings={"written_at": iso(written.modified), "effective_from": iso(written.modified + 1000)})


def early_effect(story: Story) -> None:
    flag = story.stores.latest("active-environment")
    assert flag
    change_written(story, "active-environment",
                   description=re.sub(r"\[effective_from=\S+", f"[effective_from={iso(ms(T0 - 100))}", flag.description))


def late_effect(story: Story) -> None:
    flag = story.stores.latest("active-environment")
    assert flag
    change_written(story, "active-environment",
                   description=re.sub(r"\[effective_from=\S+", f"[effective_from={iso(ms(T0 + 4000))}", flag.description))


def deleted_late(story: Story) -> None:
    """Long after it was written, a version that nobody had audited was deleted."""
    written = story.by_hand("blue")
    story.stores.events = [event for event in story.stores.events if written.label not in event.id]
    story.at += 500
    story.delete("active-environment")


def in_peace(story: Story) -> None:
    story.at = T0 + 550
    story.by_hand("green")


def said(**fields: Any) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        story.stores.status |= fields

    return change


VIOLATIONS: list[tuple[str, str, Callable[[Story], object]]] = [
    ("a version changed behind the journal", "the history is as it was written", lambda s: change_written(s, "drill", value="{\"id\":\"d-1\",\"outcome\":\"failed\"}")),
    ("a version is not kept", "the history is as it was written", lambda s: s.stores.kept[FLAG].pop()),
    ("a value that is too long", "parameters are within the limits", lambda s: s.put("memory", "é" * 2049)),
    ("a value that refers to another parameter", "parameters are within the limits", lambda s: s.put("memory", "{{ds}}")),
    ("a Description that is too long", "parameters are within the limits", lambda s: s.put("memory", "{}", "x" * 1025)),
    ("a name that is too long", "parameters are within the limits", lambda s: s.put("unsent/" + "x" * 1000, "{}") and s.delete("unsent/" + "x" * 1000)),
    ("a name with a letter of its own", "parameters are within the limits", lambda s: s.put("mémoire", "{}")),
    ("a version is skipped", "versions are consecutive", lambda s: change_written(s, "active-environment", version=9)),
    ("the dates go back", "versions are consecutive", lambda s: change_written(s, "active-environment", modified=ms(T0 - 9))),
    ("a record is overwritten", "a record claims one transition", write_record_again),
    ("a record of a version that never was", "a record claims one transition", wrong_name),
    ("a record of another version", "a record claims one transition", lambda s: last_record(s, version=77)),
    ("a version without its record", "a version is as its record says", lose_last_record),
    ("a version of another color than its record", "a version is as its record says", lambda s: last_record(s, to="green")),
    ("a version of another kind than its record", "a version is as its record says", lambda s: last_record(s, kind="rollback")),
    ("two versions under one record", "a version is as its record says", external_by_a_function),
    ("a version counts before the one before it", "a version takes effect in order", early_effect),
    ("a version counts much later", "a version takes effect in order", late_effect),
    ("a failover from a color that worked", "a failover leaves a color that was broken", lambda s: s.stores.broken.clear()),
    ("a failover long after the color was repaired", "a failover leaves a color that was broken",
     lambda s: s.stores.broken.__setitem__(0, Broken("green", T0 - 900, T0 - 800))),
    ("a record of another pair", "the pair is named in every record", lambda s: last_record(s, pair="other")),
    ("one id, two reasons", "one id says one thing", lambda s: again(s, reason="another")),
    ("one id, with evidence and without", "one id says one thing", lambda s: again(s, evidence={"forced": True})),
    ("a version that nobody audited", "every version is audited as it was", lambda s: lose_event(s, "Environment Transition", 1)),
    ("an unaudited version, deleted long after", "every version is audited as it was", deleted_late),
    ("audited with another color", "every version is audited as it was", lambda s: change_event(s, "Environment Transition", to="green")),
    ("audited with another writer", "every version is audited as it was",
     lambda s: change_event(s, "Environment Transition", who={"last_modified_user": PERSON})),
    ("audited with another reason", "every version is audited as it was", lambda s: change_event(s, "Environment Transition", reason="x")),
    ("audited with another kind", "every version is audited as it was", lambda s: change_event(s, "Environment Transition", kind="external")),
    ("audited with another instant", "every version is audited as it was",
     lambda s: change_event(s, "Environment Transition", timings={"written_at": iso(1), "effective_from": iso(1)})),
    ("audited, and there was no such version", "every version is audited as it was",
     lambda s: s.publish("Environment Transition", "v77-1", version=77)),
    ("a drill with two outcomes", "every drill ends once", second_outcome),
    ("a drill reported otherwise than recorded", "every drill ends once", lambda s: change_event(s, "Drill Finished", outcome="failed")),
    ("a drill that nobody reported", "every drill ends once", lambda s: lose_event(s, "Drill Finished")),
    ("a drill that is still under way", "every drill ends once", pending_drill),
    ("a hold that nobody reported", "every hold is reported and ends", lambda s: lose_event(s, "Hold Changed")),
    ("a hold that is in force at the end", "every hold is reported and ends", standing_hold),
    ("a claim that stands in the way", "every claim ends", standing_claim),
    ("an event that was kept and never published", "everything kept is published", lambda s: s.put("unsent/y", "{}")),
    ("an event of which nobody was notified", "people are notified of what is due", lambda s: s.stores.messages.pop()),
    ("two messages about one event that differ", "a repeated message is recognizable", other_text),
    ("a message about nothing", "a repeated message is recognizable", message_of_nothing),
    ("one drill under two ids", "a repeated message is recognizable", twice_under_two_ids),
    ("one blocked failover under two ids", "a repeated message is recognizable", two_ticks_block),
    ("a panic", "no function panics", lambda s: s.stores.log.append(Line("switch-handler", "thread 'main' panicked at src/main.rs", T0))),
    ("an error that is in no list", "no function panics", lambda s: s.stores.invocations.append(Invocation("x", "error:Unhandled", T0, 1))),
    ("a death that nobody caused", "no function panics", lambda s: s.stores.invocations.append(Invocation("x", "error:Runtime.ExitError", T0, 1))),
    ("a time-out", "no function panics", lambda s: s.stores.invocations.append(Invocation("x", "error:Sandbox.Timedout", T0, 1))),
    ("a pair that never heals", "in peace the pair heals and is quiet", lambda s: setattr(s.stores, "quiet_at", None)),
    ("a write in peace", "in peace the pair heals and is quiet", in_peace),
    ("a switch that is not made", "what is asked for is done", lambda s: s.stores.not_done.append(Act(T0, "not done", "a switch"))),
    ("a verdict that is not healthy", "the pair says that it is healed", said(verdicts={"blue": {"verdict": "suspect"}})),
    ("another version than the flag's", "the pair says that it is healed", said(version=1)),
    ("an audit that is behind", "the pair says that it is healed", said(audited=None)),
    ("a decision that is not none", "the pair says that it is healed", lambda s: s.stores.tick.__setitem__("decision", "blocked")),
]


@pytest.mark.parametrize(("rule", "damage"), [(rule, damage) for _, rule, damage in VIOLATIONS], ids=[name for name, _, _ in VIOLATIONS])
def test_each_violation_is_found(rule: str, damage: Callable[[Story], object]):
    story = healthy()
    damage(story)
    assert rule in violated(story.stores)


def test_every_rule_has_a_violation():
    assert {rule for _, rule, _ in VIOLATIONS} == {named(rule) for rule in RULES}


# -- what is excused -------------------------------------------------------------------------------------------------------

def test_a_version_that_was_deleted_at_once_is_excused_and_counted():
    story = healthy()
    written = story.by_hand("blue")
    story.stores.events = [event for event in story.stores.events if written.label not in event.id]
    story.stores.messages = [message for message in story.stores.messages if written.label not in message.text]
    story.delete("active-environment")
    story.transition("restore", "blue")
    flag = story.stores.latest("active-environment")
    assert flag
    story.stores.status |= {"active": flag.value, "version": flag.version, "audited": flag.version}
    verdict = judge(story.stores)
    assert verdict.violations == [] and sum(verdict.excused.values()) == 1, verdict


def test_a_message_that_is_a_dead_letter_is_excused():
    story = healthy()
    lost = story.stores.messages.pop()
    story.stores.dead_letters.append(json.dumps({"requestPayload": {"detail": {"id": lost.event}}}))
    verdict = judge(story.stores)
    assert verdict.violations == [] and sum(verdict.excused.values()) == 1


def test_a_killed_function_may_die_and_a_condition_may_return():
    story = healthy()
    story.stores.invocations.append(Invocation("switch-handler", "error:Runtime.ExitError", T0, 1))
    story.stores.kills = 1
    blocked(story, 0)
    blocked(story, 30)
    assert judge(story.stores).violations == []


# -- memory and open files -------------------------------------------------------------------------------------------------

def life(memory: Callable[[int], int], files: Callable[[int], int] = lambda n: 12, invocations: int = 2000) -> Life:
    return Life("f", 1, invocations, tuple(Sample(T0 + number, memory(number), files(number)) for number in range(100)))


@pytest.mark.parametrize(("memory", "files", "is_flat"), [
    (lambda n: 20_000, lambda n: 12, True),
    (lambda n: 12_000 if n < 20 else 20_000, lambda n: 3 if n < 20 else 12, True),
    (lambda n: 20_000 + n % 7 * 100, lambda n: 12 + n % 3, True),
    (lambda n: 20_000 + n * 15, lambda n: 12, False),
    (lambda n: 20_000, lambda n: 12 + n // 10, False),
    (lambda n: 20_000 if n < 75 else 24_000, lambda n: 12, False),
], ids=["flat", "warm after a while", "noise", "less than a kilobyte each invocation", "a file now and then", "a jump at the end"])
def test_memory_and_files_are_flat_or_not(memory: Callable[[int], int], files: Callable[[int], int], is_flat: bool):
    assert growth(life(memory, files)).is_flat == is_flat
    assert (not_flat([life(memory, files)], ["f"]) == []) == is_flat


def test_only_what_was_measured_in_between_counts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Sampler, "_run", lambda self: None)
    sampler = Sampler(parent=1)
    sampler.samples[7, "f"] = list(life(lambda n: 9_000 if n < 50 else 20_000).samples)
    invocations = [Invocation("f", "ok", T0 + number / 10, 7) for number in range(1000)]
    (whole,), (late,) = sampler.lives(invocations), sampler.lives(invocations, T0 + 50, T0 + 99)
    assert (whole.invocations, late.invocations) == (1000, 491)
    assert not growth(whole).is_flat and growth(late).is_flat and late.is_long


def test_a_function_that_never_lived_long_is_not_called_flat():
    assert "no process of g" in not_flat([life(lambda n: 1)], ["f", "g"])[0]
    assert "no process of f" in not_flat([life(lambda n: 1, invocations=10)], ["f"])[0]


# -- the plan and the report -----------------------------------------------------------------------------------------------

def test_a_seed_is_one_plan():
    def steps(seed: int) -> list[list[plan.Step]]:
        return [list(islice(lane, 40)) for lane in plan.lanes(seed)]

    assert steps(7) == steps(7) and steps(7) != steps(8)
    done = {step.what for lane in steps(7) for step in lane}
    assert done >= {"ask", "ask-twice-at-once", "ticks", "environment", "edit", "fault", "change-again", "audit-event-again", "lose-changes"}
    asked = {step.arguments["payload"].get("action", "switch") for lane in steps(7) for step in lane if step.what.startswith("ask")}
    assert asked >= {"switch", "failover", "rollback", "hold", "release", "drill", "status", "check", "initialize"}


def test_a_violation_is_shown_with_the_timeline_around_it():
    story = healthy()
    story.stores.acts.append(Act(story.at, "ana", "asks: switch"))
    change_event(story, "Environment Transition", to="green")
    lines: list[str] = []
    verdict = judge(story.stores)
    report.violations(story.stores, verdict, lines.append)
    report.figures(story.stores, verdict, [], [life(lambda n: 20_000 + n * 25)], lines.append)
    text = "\n".join(lines)
    assert "VIOLATED: every version is audited as it was" in text and "ana              asks: switch" in text
    assert "Environment Transition: drill-return" in text and "drill-return: upgrade" in text, "in the product's words"
    assert "NOT FLAT" in text and "VIOLATED 1 times" in text
