"""What the stores hold after a soak. The invariants read this and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

EVENT_LINE = re.compile(r"^Event (\S+)$", re.M)


def epoch(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


@dataclass(frozen=True)
class Written:
    """One write or deletion in Parameter Store."""

    at: float
    name: str
    operation: str  # Create, Update or Delete
    version: int
    value: str
    description: str
    modified: int  # LastModifiedDate in milliseconds
    by: str

    @property
    def label(self) -> str:
        return f"v{self.version}-{self.modified}"


@dataclass(frozen=True)
class Event:
    """One event of the audit log."""

    kind: str  # its detail-type
    id: str
    detail: dict[str, Any]
    at: float


@dataclass(frozen=True)
class Message:
    subject: str
    text: str
    at: float

    @property
    def event(self) -> str | None:
        """The event that the message is about."""
        found = EVENT_LINE.search(self.text)
        return found[1] if found else None


@dataclass(frozen=True)
class Line:
    """One line of a function's log."""

    function: str
    text: str
    at: float


@dataclass(frozen=True)
class Invocation:
    function: str
    status: str
    at: float
    pid: int | None


@dataclass(frozen=True)
class Act:
    """One thing that the soak did to the pair: what the stores cannot know."""

    at: float
    who: str
    what: str


@dataclass(frozen=True)
class Broken:
    """A color did not work, because the soak had broken it."""

    color: str
    since: float
    until: float


@dataclass
class Stores:
    pair: str
    root: str
    # Every write of every parameter, in order: the emulator's own journal, because a deleted parameter takes its history with it.
    journal: list[Written] = field(default_factory=list)
    # What Parameter Store itself still shows, by name: the versions that GetParameterHistory returns.
    kept: dict[str, list[Written]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    dead_letters: list[str] = field(default_factory=list)
    log: list[Line] = field(default_factory=list)
    invocations: list[Invocation] = field(default_factory=list)
    kills: int = 0
    freezes: int = 0
    broken: list[Broken] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    peace_at: float = 0.0
    # When the pair was healed and quiet; None if it never was. Until `proofs_at` it was then left alone.
    quiet_at: float | None = None
    proofs_at: float = 0.0
    ended_at: float = 0.0
    # What was asked for at the end and is not in the stores: a switch, a failover.
    not_done: list[Act] = field(default_factory=list)
    # The last answers of status and of a tick: the pair must say itself that it is healed.
    status: dict[str, Any] = field(default_factory=dict)
    tick: dict[str, Any] = field(default_factory=dict)
    # False where there are no functions, so that nothing is audited and nobody is notified (the command line alone).
    has_functions: bool = True

    @property
    def flag(self) -> str:
        return f"{self.root}/active-environment"

    def writes(self, name: str) -> list[Written]:
        """Every write and deletion of one parameter under the root."""
        return [written for written in self.journal if written.name == f"{self.root}/{name}"]

    def latest(self, name: str) -> Written | None:
        """The parameter as it is at the end."""
        written = self.writes(name)
        return written[-1] if written and written[-1].operation != "Delete" else None

    def records(self) -> Iterator[tuple[str, Written]]:
        """Every write and deletion below `transitions`, with the record's name."""
        prefix = f"{self.root}/transitions/"
        for written in self.journal:
            if written.name.startswith(prefix):
                yield written.name.removeprefix(prefix), written

    def of_type(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]
