"""Settings, from Airflow configuration options of the section `custom` (on MWAA: `custom.environment_color` and so on).

They are read as environment variables, `AIRFLOW__CUSTOM__…`, which is how MWAA passes them to every process; a local
Airflow may have them in airflow.cfg.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from mwaa_bluegreen.errors import ConfigurationInvalid
from mwaa_bluegreen.ownership import COLORS

DEFAULT_PARAMETER = "/mwaa/blue-green/active-environment"
MODES = ("all", "tagged", "observe", "off")
STATUS_PAGE = ("on", "off")
MAX_STANDBY_WAIT_SECONDS = 86_400
DEFAULT_STANDBY_WAIT_SECONDS = 420
"""How late an automatic failover may be written and still reach the runs to which it is back-dated: the controller's longest
failure window (300 s, where only CloudWatch's heartbeat speaks), a minute for a late metric, and a minute to its tick."""
_PARAMETER = re.compile(r"/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")

_RENAMED = {
    "bluegreen_settle_seconds": "bluegreen_standby_wait_seconds",
    "bluegreen_mark": "bluegreen_status_page",
}
"""Options of version 0.1. If they were silently ignored, the default would apply."""

Lookup = Callable[[str], "str | None"]


@dataclass(frozen=True)
class Settings:
    """The settings of one environment."""

    color: str
    """`blue` or `green`."""
    parameter: str = DEFAULT_PARAMETER
    """Name of the flag."""
    region: str | None = None
    """AWS region of the flag; None is the environment's own."""
    standby_wait_seconds: int = DEFAULT_STANDBY_WAIT_SECONDS
    """How long a standby run waits before it is skipped, counted from the run's instant."""


def from_airflow(option: str) -> str | None:
    """An option of the section `custom`: the environment variable first, then airflow.cfg."""
    value = os.environ.get(f"AIRFLOW__CUSTOM__{option.upper()}")
    if value is None:
        try:
            from airflow.configuration import conf
        except ImportError:
            return None
        value = conf.get("custom", option, fallback=None)
    return value


def _renamed(lookup: Lookup, *options: str) -> list[str]:
    """The error for an option that is given by its old name."""
    return [f"custom.{old} is called custom.{_RENAMED[old]} now" for old in options if lookup(old)]


def mode(lookup: Lookup = from_airflow) -> str:
    """Which DAGs are guarded. `MWAA_BLUEGREEN_GUARD` first, then the option. Raises ConfigurationInvalid."""
    given = os.environ.get("MWAA_BLUEGREEN_GUARD") or lookup("bluegreen_guard") or "all"
    if given not in MODES:
        raise ConfigurationInvalid(
            f"custom.bluegreen_guard (or MWAA_BLUEGREEN_GUARD) is {given!r}; allowed are {', '.join(MODES)}"
        )
    return given


def status_page(lookup: Lookup = from_airflow) -> bool:
    """Whether Airflow's UI gets the status page. Raises ConfigurationInvalid."""
    if faults := _renamed(lookup, "bluegreen_mark"):
        raise ConfigurationInvalid("; ".join(faults))
    given = lookup("bluegreen_status_page") or "off"
    if given not in STATUS_PAGE:
        raise ConfigurationInvalid(f"custom.bluegreen_status_page is {given!r}; allowed are {', '.join(STATUS_PAGE)}")
    return given == "on"


GUARD_RETRIES, MAX_GUARD_RETRIES = 12, 100
MIN_GUARD_TIMEOUT, MAX_GUARD_TIMEOUT = 60, 86_400


@dataclass(frozen=True)
class GuardTask:
    """What a site's rules may demand of every task, including the guard."""

    retries: int = GUARD_RETRIES
    timeout_seconds: int | None = None
    """`execution_timeout` of one attempt."""
    owner: str | None = None
    pool: str | None = None


def guard_task(lookup: Lookup = from_airflow) -> GuardTask:
    """The settings of the guard as a task. Raises ConfigurationInvalid with all faults at once."""
    faults = []

    def number(option: str, lowest: int, highest: int) -> int | None:
        given = lookup(option)
        if not given:
            return None
        if re.fullmatch("[0-9]{1,6}", given) and lowest <= int(given) <= highest:
            return int(given)
        faults.append(f"custom.{option} is {given!r}; allowed are whole numbers from {lowest} to {highest}")
        return None

    retries = number("bluegreen_guard_retries", 0, MAX_GUARD_RETRIES)
    timeout = number("bluegreen_guard_timeout_seconds", MIN_GUARD_TIMEOUT, MAX_GUARD_TIMEOUT)
    if faults:
        raise ConfigurationInvalid("; ".join(faults))
    return GuardTask(
        GUARD_RETRIES if retries is None else retries,
        timeout,
        lookup("bluegreen_guard_owner") or None,
        lookup("bluegreen_guard_pool") or None,
    )


def read(lookup: Lookup = from_airflow) -> Settings:
    """The settings. Raises ConfigurationInvalid with all faults at once."""
    faults = _renamed(lookup, "bluegreen_settle_seconds")
    color = lookup("environment_color") or ""
    if color not in COLORS:
        faults.append(
            f"custom.environment_color is {color!r}; set it to blue in one environment and to green in the other "
            "(AIRFLOW__CUSTOM__ENVIRONMENT_COLOR)"
            if color
            else "custom.environment_color is not set; set it to blue in one environment and to green in the other "
            "(AIRFLOW__CUSTOM__ENVIRONMENT_COLOR)"
        )
    parameter = lookup("bluegreen_flag_parameter")
    parameter = DEFAULT_PARAMETER if parameter is None else parameter
    if not _PARAMETER.fullmatch(parameter):
        faults.append(
            f"custom.bluegreen_flag_parameter is {parameter!r}; give the name of an SSM parameter, "
            f"such as {DEFAULT_PARAMETER}"
        )
    standby_wait = lookup("bluegreen_standby_wait_seconds") or str(DEFAULT_STANDBY_WAIT_SECONDS)
    if not re.fullmatch("[0-9]{1,6}", standby_wait) or int(standby_wait) > MAX_STANDBY_WAIT_SECONDS:
        faults.append(
            f"custom.bluegreen_standby_wait_seconds is {standby_wait!r}; "
            f"allowed are whole seconds from 0 to {MAX_STANDBY_WAIT_SECONDS}"
        )
    if faults:
        raise ConfigurationInvalid("; ".join(faults))
    return Settings(color, parameter, lookup("bluegreen_flag_region") or None, int(standby_wait))
