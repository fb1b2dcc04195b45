"""What must hold of the stores after a soak, whatever happened before. Pure: stores in, violations out.

Each rule is a function; its docstring is the invariant. What a rule excuses, it says, and counts.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from soak.history import COLORS, MAX_LEAD_MS, TAIL, Version, shown, versions
from soak.stores import Event, Stores, Written, epoch, milliseconds
from support.schema import EVENTS, SCHEMA

# How long an unaudited version, or an unreported hold, may have existed when its parameter was deleted: nobody can read it any more.
# In a storm the listener may fail three times, and the watcher audits in its place after half a minute, if it can.
UNREPORTED_SECONDS = 120
CLAIM_TIMEOUT = 80
# How long before a failover the color may have been broken: the failure window of ten seconds, a late tick, a slow observation.
BROKEN_SECONDS = 60

# Parameter Store's limits.
NAME_CHARACTERS, LEVELS, VALUE_BYTES, DESCRIPTION_CHARACTERS, VERSIONS_KEPT = 1011, 15, 4096, 1024, 100
NAME = re.compile(r"^[A-Za-z0-9_./-]+$")

RECORD = re.compile(r"^v(\d+)-(\d+)$")
OUTCOME = re.compile(r"^v\d+-\d+-outcome-(?!end-\d)(.+)$")
# Details that are a snapshot of their moment. Two ticks that report one lasting condition at once give it one id, but each its own evidence.
SNAPSHOTS = {"Failover Blocked": ("evidence", "preconditions", "reason"), "Environment Unknown": ("evidence", "reason", "verdict"),
             "Readiness Changed": ("findings", "reason", "score"), "Run Report": ("run_report", "reason")}
# Conditions that may end and begin again; but not within so short a time.
LASTING = ("Failover Blocked", "Environment Unknown")
AT_ONCE_SECONDS = 1.0
ERROR_TYPES = {entry["error_type"] for entry in SCHEMA["errors"]}
FROM_LAMBDA = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ")


@dataclass(frozen=True)
class Violation:
    rule: str
    what: str
    at: float


@dataclass
class Verdict:
    violations: list[Violation] = field(default_factory=list)
    # How many things each rule has looked at, and how many of them it excused: a rule that saw nothing proves nothing.
    seen: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)


class Look:
    """One rule's look at the stores."""

    def __init__(self, stores: Stores, verdict: Verdict, rule: str) -> None:
        self.stores, self._verdict, self._rule = stores, verdict, rule

    def saw(self, count: int = 1) -> None:
        self._verdict.seen[self._rule] += count

    def excuse(self, why: str) -> None:
        self._verdict.excused[f"{self._rule}: {why}"] += 1

    def wrong(self, what: str, at: float) -> None:
        self._verdict.violations.append(Violation(self._rule, what, at))


Rule = Callable[[Look, Stores], None]


def judge(stores: Stores, rules: Iterable[Rule] | None = None) -> Verdict:
    verdict = Verdict()
    for rule in rules or RULES:
        name = rule.__name__.replace("_", " ")
        verdict.seen[name] += 0
        rule(Look(stores, verdict, name), stores)
    verdict.violations.sort(key=lambda violation: violation.at)
    return verdict


def flag_versions(stores: Stores) -> list[Version]:
    return versions(stores.writes("active-environment"))


def by_functions(written: Written) -> bool:
    return ":assumed-role/" in written.by


# -- the journal -------------------------------------------------------------------------------------------------------

def the_history_is_as_it_was_written(look: Look, stores: Stores) -> None:
    """What Parameter Store still shows of each parameter is what was written to it."""
    for name, kept in stores.kept.items():
        written = [entry for entry in stores.journal if entry.name == name]
        deletions = [index for index, entry in enumerate(written) if entry.operation == "Delete"]
        alive = written[deletions[-1] + 1 if deletions else 0:][-VERSIONS_KEPT:]
        look.saw(len(kept))
        for theirs, ours in zip(kept, alive, strict=False):
            if (theirs.label, theirs.value, theirs.description) != (ours.label, ours.value, ours.description):
                look.wrong(f"{name} {theirs.label} is {theirs.value!r}, and {ours.label} was written as {ours.value!r}", ours.at)
        if len(kept) != len(alive):
            look.wrong(f"{name} has {len(kept)} versions, and {len(alive)} were written", stores.ended_at)


def parameters_are_within_the_limits(look: Look, stores: Stores) -> None:
    """Parameter Store is never asked for more than it takes: names, levels, values, Descriptions, no reference to another parameter."""
    for entry in stores.journal:
        look.saw()
        wrong = {
            "its name is too long": len(entry.name) > NAME_CHARACTERS,
            "its name has a character that is not allowed": not NAME.match(entry.name),
            "its name has too many levels": entry.name.count("/") > LEVELS,
            "its value is too long": len(entry.value.encode()) > VALUE_BYTES,
            "its value is empty": entry.operation != "Delete" and not entry.value,
            "its value refers to another parameter": "{{" in entry.value,
            "its Description is too long": len(entry.description) > DESCRIPTION_CHARACTERS,
        }
        for what, is_so in wrong.items():
            if is_so:
                look.wrong(f"{entry.name} {entry.label}: {what}", entry.at)


# -- versions and records ----------------------------------------------------------------------------------------------

def versions_are_consecutive(look: Look, stores: Stores) -> None:
    """The numbers of an incarnation grow by one from 1, and its dates do not go back."""
    before: Written | None = None
    for entry in stores.writes("active-environment"):
        look.saw()
        if entry.operation == "Delete":
            before = None
            continue
        expected = before.version + 1 if before else 1
        if entry.version != expected or (before and entry.modified < before.modified):
            look.wrong(f"the flag's {entry.label} follows {before.label if before else 'nothing'}", entry.at)
        before = entry


def a_record_claims_one_transition(look: Look, stores: Stores) -> None:
    """A record is created once and never overwritten, and is named after the flag version that its writer saw."""
    labels = {version.written.label for version in flag_versions(stores)}
    created: set[str] = set()
    for name, entry in stores.records():
        look.saw()
        if entry.operation != "Create" or name in created:
            look.wrong(f"the record {name} was written again ({entry.operation})", entry.at)
        created.add(name)
        match = RECORD.match(name)
        if not match:
            if not re.match(r"^v\d+-\d+-outcome-", name):
                look.wrong(f"the record {name} has a name of no kind", entry.at)
            continue
        record = json.loads(entry.value)
        if record["version"] != int(match[1]) or record["to"] not in COLORS:
            look.wrong(f"the record {name} is of version {record['version']}, to {record['to']!r}", entry.at)
        seen = f"v{int(match[1]) - 1}-{match[2]}"
        if int(match[1]) > 1 and seen not in labels:
            look.wrong(f"the record {name} claims a transition out of {seen}, which never was", entry.at)


def a_version_is_as_its_record_says(look: Look, stores: Stores) -> None:
    """A version that this product wrote has a record, created before it (or with it, for a flag that is created), whose color it
    holds; and no two such versions have one record, unless one write arrived twice."""
    records = {name: entry for name, entry in stores.records() if entry.operation == "Create"}
    for version in flag_versions(stores):
        written = version.written
        if by_functions(written) and version.origin == "external":
            look.wrong(f"a function wrote the flag's {written.label} under a record that another version has", written.at)
        if version.origin == "external" or version.record is None:
            continue
        look.saw()
        record = records.get(version.record)
        if record is None:
            # A record without a flag would look like a flag that was deleted, so it comes second; its writer may die between.
            if written.version > 1:
                look.wrong(f"the flag's {written.label} names the record {version.record}, which was never created", written.at)
            else:
                look.excuse("a created flag whose writer died before its record")
            continue
        told = json.loads(record.value)
        if told["to"] != written.value:
            look.wrong(f"the flag's {written.label} holds {written.value!r}, and its record {version.record} says {told['to']!r}", written.at)
        if record.at > written.at and written.version > 1:
            look.wrong(f"the flag's {written.label} was written before it was claimed", written.at)
        if version.finished_by is None and told["kind"] != version.kind:
            look.wrong(f"the flag's {written.label} says {version.kind}, and its record {told['kind']}", written.at)


def a_version_takes_effect_in_order(look: Look, stores: Stores) -> None:
    """A version that follows one of this product's own takes effect no earlier than that one, and at most a minute after its date."""
    before: Version | None = None
    for version in flag_versions(stores):
        if before and version.origin == before.origin == "ours" and version.before == before.written:
            look.saw()
            wanted = TAIL.search(version.written.description)
            if wanted:
                instant = milliseconds(epoch(wanted[1]))
                if instant < before.effective_from and version.finished_by is None:
                    look.wrong(f"the flag's {version.written.label} takes effect before {before.written.label}", version.written.at)
                if instant > version.written.modified + MAX_LEAD_MS:
                    look.wrong(f"the flag's {version.written.label} takes effect more than a minute after it was written", version.written.at)
        before = version


def a_failover_leaves_a_color_that_was_broken(look: Look, stores: Stores) -> None:
    """The watcher fails over only from a color that did not work shortly before: no evidence is made of what was not answered."""
    for name, entry in stores.records():
        if not RECORD.match(name):
            continue
        record = json.loads(entry.value)
        if record["kind"] != "failover" or record["actor"]["function"] != "health-watcher":
            continue
        look.saw()
        was_broken = any(broken.color == record["from"] and broken.since <= entry.at and broken.until >= entry.at - BROKEN_SECONDS
                         for broken in stores.broken)
        if not was_broken:
            look.wrong(f"the watcher failed over from {record['from']}, which worked: {record['reason']}", entry.at)


def the_pair_is_named_in_every_record(look: Look, stores: Stores) -> None:
    """Every record names the pair that wrote it."""
    for name, entry in stores.records():
        look.saw()
        if RECORD.match(name) and json.loads(entry.value).get("pair") != stores.pair:
            look.wrong(f"the record {name} names the pair {json.loads(entry.value).get('pair')!r}", entry.at)


# -- the audit trail ---------------------------------------------------------------------------------------------------

def one_id_says_one_thing(look: Look, stores: Stores) -> None:
    """No two events with one id differ. (Of a condition that lasts, the evidence of the moment may.)"""
    first: dict[str, Event] = {}
    for event in stores.events:
        look.saw()
        known = first.setdefault(event.id, event)
        differing = sorted(field for field in known.detail.keys() | event.detail.keys()
                           if known.detail.get(field) != event.detail.get(field) and field not in SNAPSHOTS.get(event.kind, ()))
        if differing or known.kind != event.kind:
            told = "; ".join(f"{field}: {known.detail.get(field)!r} and {event.detail.get(field)!r}" for field in differing)
            look.wrong(f"{event.kind} {event.id} is published twice, and differs: {told}", event.at)


def every_version_is_audited_as_it_was(look: Look, stores: Stores) -> None:
    """Every version of every incarnation of the flag has its event, which tells it exactly as it was; and no event tells of a version
    that never was. Excused: a flag deleted so soon that nobody could read the version any more."""
    if not stores.has_functions:
        return
    told = defaultdict(list)
    for event in stores.of_type("Environment Transition"):
        told[event.id].append(event)
    records = {name: json.loads(entry.value) for name, entry in stores.records() if RECORD.match(name)}
    for version in flag_versions(stores):
        look.saw()
        written = version.written
        events = told.pop(f"{stores.pair}:{stores.flag}:{written.label}", [])
        if not events:
            if version.deleted_at is not None and version.deleted_at - written.at < UNREPORTED_SECONDS:
                look.excuse("a flag that was deleted before anybody could audit it")
            else:
                look.wrong(f"the flag's {written.label} ({version.shown}) was never audited", written.at)
        for event in events:
            for what, said, was in _compared(version, event, records):
                if said != was:
                    look.wrong(f"the flag's {written.label} is audited with {what} {said!r}, and it was {was!r}", event.at)
    for event_id, events in told.items():
        look.wrong(f"{event_id} is audited, and there was no such version", events[0].at)


def _compared(version: Version, event: Event, records: dict[str, dict[str, object]]) -> Iterator[tuple[str, object, object]]:
    written, detail = version.written, event.detail
    yield "version", detail.get("version"), written.version
    yield "to", detail.get("to"), version.shown
    yield "last_modified_user", (detail.get("who") or {}).get("last_modified_user"), written.by
    timings = detail.get("timings") or {}
    yield "written_at", _milliseconds(timings.get("written_at")), written.modified
    yield "effective_from", _milliseconds(timings.get("effective_from")), version.effective_from
    yield "record", detail.get("record"), version.record
    yield "repeat", bool(detail.get("repeat")), version.origin == "repeat"
    if version.before is not None:
        yield "from", detail.get("from"), shown(version.before.value)
    record = records.get(version.record or "")
    if record is not None and version.finished_by is None:
        yield "kind", detail.get("kind"), record["kind"]
        yield "reason", detail.get("reason"), record["reason"]
    else:
        yield "kind", detail.get("kind"), version.kind
    yield "finished_by", detail.get("finished_by"), version.finished_by


def _milliseconds(text: object) -> int | None:
    return milliseconds(epoch(text)) if isinstance(text, str) else None


# -- what must end -----------------------------------------------------------------------------------------------------

def every_drill_ends_once(look: Look, stores: Stores) -> None:
    """Every drill that switched ends, with one outcome, under one id, in its record and in its event; none is pending at the end."""
    if not stores.has_functions:
        return
    outcomes: dict[str, list[tuple[str, Written]]] = defaultdict(list)
    for name, entry in stores.records():
        if match := OUTCOME.match(name):
            outcomes[match[1]].append((name, entry))
    told = defaultdict(set)
    for event in stores.of_type("Drill Finished"):
        told[event.detail["drill"]].add(event.detail["outcome"])
    for version in flag_versions(stores):
        if version.kind != "drill" or version.origin != "ours" or version.finished_by:
            continue
        record = next((json.loads(entry.value) for name, entry in stores.records() if name == version.record), None)
        drill = ((record or {}).get("drill") or {}).get("id")
        if drill is None:
            look.wrong(f"the drill of the flag's {version.written.label} is in no record", version.written.at)
            continue
        look.saw()
        if len(outcomes[drill]) != 1:
            look.wrong(f"the drill {drill} has {len(outcomes[drill])} outcomes", version.written.at)
        elif told[drill] != {json.loads(outcomes[drill][0][1].value)["outcome"]}:
            look.wrong(f"the drill {drill} ended {json.loads(outcomes[drill][0][1].value)['outcome']}, and is reported as {sorted(told[drill])}",
                       version.written.at)
    for drill, said in told.items():
        if len(said) > 1:
            look.wrong(f"the drill {drill} is reported with {len(said)} outcomes: {sorted(said)}", stores.ended_at)
    last = stores.latest("drill")
    if last and json.loads(last.value)["outcome"] == "pending":
        look.wrong(f"the drill {json.loads(last.value)['id']} has not ended", last.at)


def every_hold_is_reported_and_ends(look: Look, stores: Stores) -> None:
    """Every hold is reported, each of its versions under its own id, and none is in force at the end."""
    reported = {event.id for event in stores.of_type("Hold Changed")}
    writes = stores.writes("hold")
    for index, entry in enumerate(writes):
        if entry.operation == "Delete" or not stores.has_functions:
            continue
        look.saw()
        if f"{stores.pair}:{stores.flag}:hold:{entry.label}" in reported:
            continue
        deleted = next((later.at for later in writes[index:] if later.operation == "Delete"), None)
        if deleted is not None and deleted - entry.at < UNREPORTED_SECONDS:
            look.excuse("a hold that was deleted before anybody could report it")
        else:
            look.wrong(f"the hold {entry.label} was never reported", entry.at)
    last = stores.latest("hold")
    if last and epoch(json.loads(last.value)["until"]) > stores.proofs_at:
        look.wrong(f"a hold is in force at the end: {last.value}", last.at)


def every_claim_ends(look: Look, stores: Stores) -> None:
    """No claim stands in the way at the end: it was carried out, the flag has moved on, or it is old enough to be finished."""
    flag = stores.latest("active-environment")
    for name, entry in stores.records():
        look.saw()
        match = RECORD.match(name)
        if match and flag and f"v{int(match[1]) - 1}-{match[2]}" == flag.label and stores.ended_at - entry.at < CLAIM_TIMEOUT:
            look.wrong(f"the claim {name} is not carried out", entry.at)


def everything_kept_is_published(look: Look, stores: Stores) -> None:
    """No event of a person's request still waits to be published."""
    there: dict[str, Written] = {}
    for entry in stores.journal:
        if entry.name.startswith(f"{stores.root}/unsent/"):
            look.saw()
            there[entry.name] = entry
    for name, entry in there.items():
        # What is marked as published only stays for another delivery of its request.
        if entry.operation != "Delete" and not json.loads(entry.value or "{}").get("sent"):
            look.wrong(f"{name} was never published", entry.at)


# -- people ------------------------------------------------------------------------------------------------------------

MAIL = {entry["detail_type"]: entry["silent_outcome"] for entry in EVENTS if entry["is_mail"]}


def is_mail_due(event: Event) -> bool:
    return event.kind in MAIL and (MAIL[event.kind] is None or event.detail.get("outcome") != MAIL[event.kind])


def people_are_notified_of_what_is_due(look: Look, stores: Stores) -> None:
    """At least one message about each event of which people are notified. Excused: what could not be published lies among the dead
    letters, where its alarm fires."""
    if not stores.has_functions:
        return
    sent = {message.event for message in stores.messages}
    for event_id, event in {event.id: event for event in stores.events}.items():
        if not is_mail_due(event):
            continue
        look.saw()
        if event_id in sent:
            continue
        if any(event_id in letter for letter in stores.dead_letters):
            look.excuse("a message that is a dead letter")
        else:
            look.wrong(f"nobody was notified of {event.kind} {event_id}", event.at)


def a_repeated_message_is_recognizable(look: Look, stores: Stores) -> None:
    """A message names its event, which was published; a repeat is the same message (of a condition that lasts, with the evidence of
    its moment); and no two events are about one thing."""
    first: dict[str, str] = {}
    published = {event.id: event.kind for event in stores.events}
    for message in stores.messages:
        look.saw()
        about = message.event
        if about is None or about not in published:
            look.wrong(f"the message {message.subject!r} is about {about}, which was never published", message.at)
        elif first.setdefault(about, message.text) != message.text and published[about] not in SNAPSHOTS:
            look.wrong(f"two messages about {about} differ", message.at)
    about_what: dict[tuple[str, ...], Event] = {}
    lasting: dict[tuple[str, ...], Event] = {}
    for event in stores.events:
        if event.kind in LASTING and (since := event.detail.get("since")):
            condition = (event.kind, event.id.rpartition(":")[0])
            known = lasting.get(condition)
            if known and known.id != event.id and abs(epoch(known.detail["since"]) - epoch(since)) < AT_ONCE_SECONDS:
                look.wrong(f"{event.kind} is reported under two ids by ticks at once: {known.id} and {event.id}", event.at)
            lasting[condition] = event
        if (thing := subject_of(event)) is None:
            continue
        known = about_what.setdefault(thing, event)
        if known.id != event.id:
            look.wrong(f"{' '.join(thing)} is reported under two ids: {known.id} and {event.id}", event.at)


def subject_of(event: Event) -> tuple[str, ...] | None:
    """What an event is about, from its contents; None where one thing may come again."""
    detail = event.detail
    if event.kind == "Environment Transition":
        return event.kind, str(detail.get("version")), str((detail.get("timings") or {}).get("written_at"))
    if event.kind == "Drill Finished":
        return event.kind, str(detail.get("drill"))
    return None


# -- the functions -----------------------------------------------------------------------------------------------------

def no_function_panics(look: Look, stores: Stores) -> None:
    """A function's log has no panic, no line that is not JSON, and no error of a type that is in no list; no function ends
    otherwise than by an answer, unless it was killed or frozen."""
    allowed = {"ok"} | {f"error:{name}" for name in ERROR_TYPES}
    killed = 0
    for line in stores.log:
        look.saw()
        if "panicked at" in line.text or not (line.text.startswith("{") or line.text.startswith(FROM_LAMBDA)):
            look.wrong(f"{line.function} wrote: {line.text[:300]}", line.at)
    for invocation in stores.invocations:
        look.saw()
        if invocation.status in allowed:
            continue
        if invocation.status == "error:Runtime.ExitError":
            killed += 1
            if killed > stores.kills:
                look.wrong(f"{invocation.function} died without being killed", invocation.at)
        elif invocation.status == "error:Sandbox.Timedout" and stores.freezes:
            look.excuse("a frozen function that timed out")
        else:
            look.wrong(f"{invocation.function} ended with {invocation.status}", invocation.at)


# -- peace -------------------------------------------------------------------------------------------------------------

def in_peace_the_pair_heals_and_is_quiet(look: Look, stores: Stores) -> None:
    """Left in peace, the pair heals within the stated time, and then writes and reports nothing more."""
    look.saw()
    if stores.quiet_at is None:
        look.wrong("the pair did not heal in the stated time of peace", stores.ended_at)
        return
    for entry in stores.writes("active-environment") + stores.writes("hold"):
        if stores.quiet_at < entry.at < stores.proofs_at:
            look.wrong(f"in peace {entry.name} was written: {entry.value}", entry.at)
    for event in stores.events:
        if stores.quiet_at < event.at < stores.proofs_at:
            look.wrong(f"in peace {event.kind} {event.id} was published", event.at)


def the_pair_says_that_it_is_healed(look: Look, stores: Stores) -> None:
    """At the end status and a tick say so: both environments healthy, no hold, no drill under way, everything audited, nothing to do."""
    look.saw()
    status, tick, flag = stores.status, stores.tick, stores.latest("active-environment")
    said: dict[str, tuple[object, object]] = {
        "the active color": (status.get("active"), flag.value if flag else None),
        "the version": (status.get("version"), flag.version if flag else None),
        "blue": (((status.get("verdicts") or {}).get("blue") or {}).get("verdict"), "healthy"),
        "green": (((status.get("verdicts") or {}).get("green") or {}).get("verdict"), "healthy"),
        "a hold": (status.get("hold"), None),
    }
    if stores.has_functions:
        said |= {
            "what is audited": (status.get("audited"), flag.version if flag else None),
            "a drill": ((status.get("drill") or {}).get("outcome") == "pending", False),
            "the tick's decision": (tick.get("decision"), "none"),
            "what objects": (tick.get("blocked_by"), []),
        }
    for what, (says, wanted) in said.items():
        if says != wanted:
            look.wrong(f"at the end the pair says of {what}: {says!r}, and it should be {wanted!r}", stores.ended_at)


def what_is_asked_for_is_done(look: Look, stores: Stores) -> None:
    """Nothing stands in the way at the end: a switch is made, and a color that fails is left, or it is published why not."""
    look.saw()
    for act in stores.not_done:
        look.wrong(f"{act.who}: {act.what}", act.at)


RULES: tuple[Rule, ...] = (
    the_history_is_as_it_was_written, parameters_are_within_the_limits, versions_are_consecutive, a_record_claims_one_transition,
    a_version_is_as_its_record_says, a_version_takes_effect_in_order, a_failover_leaves_a_color_that_was_broken,
    the_pair_is_named_in_every_record, one_id_says_one_thing, every_version_is_audited_as_it_was, every_drill_ends_once,
    every_hold_is_reported_and_ends, every_claim_ends, everything_kept_is_published, people_are_notified_of_what_is_due,
    a_repeated_message_is_recognizable, no_function_panics, in_peace_the_pair_heals_and_is_quiet, what_is_asked_for_is_done,
    the_pair_says_that_it_is_healed,
)
