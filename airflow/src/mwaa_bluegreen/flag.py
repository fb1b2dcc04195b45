"""Reading the flag: one GetParameter for almost every run, GetParameterHistory only next to a switch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from mwaa_bluegreen.errors import FlagEncrypted, FlagInvalid, FlagMissing, StoreUnavailable
from mwaa_bluegreen.ownership import (
    COLORS,
    MAX_LEAD,
    HistoryEntry,
    Version,
    as_datetime,
    in_force,
    nanoseconds,
    sentence,
    versions,
)

Answer = TypeVar("Answer")

CACHE_SECONDS = 3.0
"""How long a process caches one answer of Parameter Store. Must stay well below the lead of a planned switch (10 s)."""

# One attempt ends after at most 5 s, and all of them after about 25 s.
CONNECT_TIMEOUT, READ_TIMEOUT, ATTEMPTS = 2, 3, 4

# SSM keeps 100 versions, 50 on a page; one more page covers writes during the read.
MAX_PAGES = 4
# Reads are eventually consistent: the history may be behind the parameter.
HISTORY_ATTEMPTS, HISTORY_PAUSE = 4, 0.5


@dataclass(frozen=True)
class Owner:
    """The color that executes, and the flag's version that makes it the owner."""

    color: str
    """`blue` or `green`."""
    version: int
    """Version of the flag: the fencing token."""


@dataclass(frozen=True)
class Ownership:
    """An owner, and whether the owner can still change."""

    owner: Owner
    is_final: bool
    """A newer version is known, and takes effect after the instant; no version ever takes effect before its predecessor."""
    broken: str | None = None
    """Set if the flag holds no color now: the fault, in words. The owner is that of the version before."""


@dataclass(frozen=True)
class InForce:
    """An owner, with what the flag's history shows of its version."""

    owner: Owner
    since: datetime | None
    """When the version took effect; None if only the history could not be read."""
    why: str | None
    """The reason that its writer gave: foreign text."""
    broken: str | None = None
    """Set if the flag holds no color now: the fault, in words. The version before is in force."""


@dataclass(frozen=True)
class _Current:
    value: str
    version: int
    modified: int
    asked_at: int


class Flag:
    """The flag of one pair. Threads may share it.

    `client` is a boto3 SSM client; None makes one with bounded time-outs and retries. `now` answers nanoseconds since
    1970, `monotonic` seconds.
    """

    def __init__(
        self,
        parameter: str,
        region: str | None = None,
        client: Any = None,
        now: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._parameter, self._region, self._client = parameter, region, client
        self._now, self._monotonic, self._sleep = now, monotonic, sleep
        self._lock = threading.Lock()
        self._cached: tuple[float, _Current] | None = None
        self._remembered: tuple[_Current, list[HistoryEntry]] | None = None

    def owner(self, instant: datetime) -> Owner:
        """The owner of an instant (an aware datetime).

        Raises FlagMissing, FlagInvalid or StoreUnavailable; ValueError for a datetime without a time zone.
        """
        return self.ownership(instant).owner

    def ownership(self, instant: datetime) -> Ownership:
        """As `owner`, with whether the owner can still change."""
        at = nanoseconds(instant)
        current = self._current(at)
        # GetParameter returns no Description, and none is needed: every version counts at the latest 60 s after it was
        # written, however its writer dated it. A version without a color never counts: the one before it stays in
        # force.
        is_past = at > current.modified + MAX_LEAD
        if is_past and current.value in COLORS:
            return Ownership(self._owner(Version(current.version, current.value, current.modified)), is_final=False)
        history = self._known_history(current) if is_past else self._history(current)
        found = in_force(history, at)
        if found is None:
            raise StoreUnavailable(f"the history of {self._parameter} is empty although it has version {current.version}")
        is_final = any(version.effective_from > at for version in versions(history))
        return Ownership(self._owner(found), is_final, self._broken(current))

    def in_force(self, instant: datetime) -> InForce:
        """As `owner`, with since when and why. It makes one more GetParameterHistory, but only after a new version."""
        at = nanoseconds(instant)
        current = self._current(at)
        try:
            history = self._known_history(current)
        except StoreUnavailable:
            # Where `owner` needs no history, this needs none either.
            if at <= current.modified + MAX_LEAD or current.value not in COLORS:
                raise
            return InForce(self._owner(Version(current.version, current.value, current.modified)), None, None)
        found = in_force(history, at)
        if found is None:
            raise StoreUnavailable(f"the history of {self._parameter} is empty although it has version {current.version}")
        since, why = as_datetime(found.effective_from), sentence(history, found.version)
        return InForce(self._owner(found), since, why, self._broken(current))

    def current(self) -> Owner:
        """The flag's current value, which DAGs without the ownership rule compare. Raises as `owner`."""
        current = self._current(self._now())
        return self._owner(Version(current.version, current.value, current.modified))

    def _owner(self, version: Version) -> Owner:
        if version.value not in COLORS:
            raise FlagInvalid(
                f"{self._parameter} version {version.version} holds {version.value[:60]!r}; allowed are blue and green. "
                "Nothing executes until the controller or you have repaired it; then clear this task"
            )
        return Owner(version.value, version.version)

    def _broken(self, current: _Current) -> str | None:
        if current.value in COLORS:
            return None
        return (
            f"{self._parameter} version {current.version} holds {current.value[:60]!r}, no color: the version before it "
            "stays in force until the controller or you have repaired it"
        )

    def _current(self, at: int) -> _Current:
        with self._lock:
            # An answer shows nothing about instants after the request: a write may lie in between.
            if self._cached is not None:
                read_at, current = self._cached
                if self._monotonic() - read_at < CACHE_SECONDS and at <= current.asked_at:
                    return current
            asked_at, read_at = self._now(), self._monotonic()
            entry = self._ask("get_parameter", lambda answer: _entry(answer["Parameter"]), Name=self._parameter)
            current = _Current(entry.value, entry.version, entry.modified, asked_at)
            self._cached = (read_at, current)
            return current

    def _known_history(self, current: _Current) -> list[HistoryEntry]:
        """The history up to this version, which can no longer change."""
        if self._remembered is not None:
            known, history = self._remembered
            if (known.version, known.modified) == (current.version, current.modified):
                return history
        history = self._history(current)
        self._remembered = (current, history)
        return history

    def _history(self, current: _Current) -> list[HistoryEntry]:
        newest = 0
        for attempt in range(HISTORY_ATTEMPTS):
            if attempt:
                self._sleep(HISTORY_PAUSE)
            entries = self._pages()
            newest = max((entry.version for entry in entries), default=0)
            known = {entry.version: entry.modified for entry in entries}
            # The same version with another date is another incarnation: the flag was deleted and re-created.
            if newest > current.version or known.get(current.version) == current.modified:
                return entries
        raise StoreUnavailable(
            f"{self._parameter} has version {current.version}, but its history ends with version {newest}: Parameter "
            "Store is behind, or the flag was deleted and made again; this is tried again"
        )

    def _pages(self) -> list[HistoryEntry]:
        entries: list[HistoryEntry] = []
        more: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            page, token = self._ask(
                "get_parameter_history",
                lambda answer: ([_entry(item) for item in answer["Parameters"]], answer.get("NextToken")),
                Name=self._parameter,
                MaxResults=50,
                **more,
            )
            entries += page
            if not token:
                return entries
            more = {"NextToken": token}
        raise StoreUnavailable(f"the history of {self._parameter} has more than {MAX_PAGES} pages; SSM keeps 100 versions")

    def _ask(self, operation: str, read: Callable[[dict[str, Any]], Answer], **arguments: Any) -> Answer:
        from botocore.exceptions import BotoCoreError, ClientError

        call = "".join(word.title() for word in operation.split("_"))
        try:
            if self._client is None:
                self._client = _client(self._region)
            return read(getattr(self._client, operation)(**arguments))
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == "ParameterNotFound":
                raise FlagMissing(
                    f"the flag {self._parameter} does not exist in {self._client.meta.region_name}. Set "
                    "custom.bluegreen_flag_parameter and custom.bluegreen_flag_region if it is elsewhere, or create it: "
                    'invoke the switch-handler with {"action":"initialize"}. Nothing executes without it'
                ) from error
            what_to_do = (
                f"; allow the environment's execution role ssm:{call} on this parameter" if "AccessDenied" in code else ""
            )
            raise StoreUnavailable(f"{call} of {self._parameter} failed: {error}{what_to_do}") from error
        except FlagInvalid:
            raise
        except BotoCoreError as error:
            raise StoreUnavailable(f"{call} of {self._parameter} failed: {error}") from error
        except Exception as error:  # A damaged answer can raise almost anything, here or in botocore.
            raise StoreUnavailable(f"{call} of {self._parameter} gave no usable answer: {error!r}") from error


def _entry(item: dict[str, Any]) -> HistoryEntry:
    # Without decryption the value is ciphertext. That is not garbage, behind which the previous color would stay in
    # force.
    if item.get("Type") == "SecureString":
        raise FlagEncrypted(
            f"{item.get('Name')} is a SecureString, whose value is encrypted; the flag must be a String. Parameter Store changes "
            "no parameter's type: delete it, wait 30 s, and create it again as a String, best by the switch-handler's "
            '{"action":"initialize","to":"<color>","force":true}, with the color that was active. Nothing executes until then; '
            "then clear this task"
        )
    return HistoryEntry(item["Version"], item["Value"], nanoseconds(item["LastModifiedDate"]), item.get("Description"))


def _client(region: str | None) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    # A session of our own: boto3's default session is not safe to share between threads while it is being created.
    return boto3.session.Session().client("ssm", region_name=region, config=config)


@lru_cache(maxsize=8)
def shared_flag(parameter: str, region: str | None = None) -> Flag:
    """The process's only reader of this flag, with its cache."""
    return Flag(parameter, region)
