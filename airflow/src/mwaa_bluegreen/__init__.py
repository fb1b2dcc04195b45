"""Runs executed by exactly one environment of a blue-green pair on Amazon MWAA.

This module does not need Airflow. `mwaa_bluegreen.dag` has what DAG code uses; `mwaa_bluegreen.policy` guards all
DAGs.
"""

from __future__ import annotations

from datetime import datetime

from mwaa_bluegreen import settings as _settings
from mwaa_bluegreen.errors import BlueGreenError, ConfigurationInvalid, FlagInvalid, FlagMissing, StoreUnavailable
from mwaa_bluegreen.flag import Flag, Owner, shared_flag


def owner(instant: datetime) -> Owner:
    """The color that owns an instant (an aware datetime), by this environment's settings.

    Raises ConfigurationInvalid, FlagMissing, FlagInvalid or StoreUnavailable; never assumes a color.
    """
    settings = _settings.read()
    return shared_flag(settings.parameter, settings.region).owner(instant)


__all__ = [
    "BlueGreenError", "ConfigurationInvalid", "Flag", "FlagInvalid", "FlagMissing", "Owner", "StoreUnavailable",
    "owner",
]  # fmt: skip
