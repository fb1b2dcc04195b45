"""The tag `bluegreen:since=<instant>`: when a DAG was added, for the ticks that are older than it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone

from mwaa_bluegreen.errors import ConfigurationInvalid
from mwaa_bluegreen.ownership import as_datetime, read_instant

SINCE_TAG = "bluegreen:since"


def since_of(tags: Iterable[str] | None, now: datetime | None = None) -> datetime | None:
    """The instant of the DAG's tag; None without one.

    Raises ConfigurationInvalid for an invalid tag. A future instant is refused: its owner is unknown until it has
    come, and a switch in between would give runs that have been executed to the other environment.
    """
    given = sorted(tag for tag in tags or () if str(tag).startswith(SINCE_TAG))
    if not given:
        return None
    allowed = (
        f"allowed is one tag {SINCE_TAG}=<instant with a time zone, not in the future>, "
        f"such as {SINCE_TAG}=2026-11-23T10:00:00Z"
    )
    if len(given) > 1:
        raise ConfigurationInvalid(f"the DAG has the tags {', '.join(map(repr, given))}; {allowed}")
    instant = read_instant(given[0][len(SINCE_TAG) + 1 :]) if given[0].startswith(f"{SINCE_TAG}=") else None
    if instant is None:
        raise ConfigurationInvalid(f"the DAG has the tag {given[0]!r}; {allowed}")
    try:
        since = as_datetime(instant)
    except OverflowError as error:
        raise ConfigurationInvalid(f"the DAG has the tag {given[0]!r}; {allowed}") from error
    if since > (now or datetime.now(timezone.utc)):
        raise ConfigurationInvalid(f"the DAG has the tag {given[0]!r}, which lies in the future; {allowed}")
    return since
