"""The flag as the guard of the Airflow package reads it: in a Parameter Store without a controller."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import boto3
import pytest

from local_aws.process import LocalAws
from mwaa_bluegreen.flag import Flag, _client

NAME = "/mwaa/blue-green/active-environment"


def tail(instant: datetime, record: str) -> str:
    return f"switch: test [effective_from={instant.astimezone(timezone.utc).strftime('%Y-%m-%dT%H:%M:%S.%fZ')} record={record}]"


class Store:
    """Parameter Store with the flag, and a reader of it that is created as in the product."""

    def __init__(self, aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws = aws
        for name, value in aws.environment().items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, value)
        self.ssm = boto3.client("ssm", **aws.client_settings())
        self.slept: list[float] = []
        self.seconds = 0.0
        self.flag = Flag(NAME, client=_client(None), monotonic=lambda: self.seconds, sleep=self.slept.append)

    def put(self, value: str, description: str | None = None) -> datetime:
        """Writes the flag; returns its LastModifiedDate."""
        more = {} if description is None else {"Description": description}
        self.ssm.put_parameter(Name=NAME, Value=value, Type="String", Overwrite=True, **more)
        return self.ssm.get_parameter(Name=NAME)["Parameter"]["LastModifiedDate"].astimezone(timezone.utc)

    def calls(self, ask: Any) -> list[str]:
        """The SSM operations that `ask` makes."""
        before = self.aws.calls_so_far()
        try:
            ask()
        finally:
            made = [call["operation"] for call in self.aws.calls(before) if call["service"] == "ssm"]
        return made


class TheFlag:
    """Writes the flag as the controller does: with a tail."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws, self.ssm, self._records = aws, boto3.client("ssm", **aws.client_settings()), 0

    def write(self, color: str, seconds_from_now: float | None = None) -> tuple[int, datetime]:
        """Returns the version and the instant from which it counts. Without seconds: a manual edit, effective now."""
        effective = datetime.now(timezone.utc) + timedelta(seconds=seconds_from_now or 0)
        self._records += 1
        description = "by hand"
        if seconds_from_now is not None:
            description = f"switch: test [effective_from={effective:%Y-%m-%dT%H:%M:%S.%fZ} record=test-{id(self)}-{self._records}]"
        version = self.ssm.put_parameter(Name=NAME, Value=color, Type="String", Overwrite=True, Description=description)["Version"]
        return version, effective

    def delete(self) -> None:
        self.ssm.delete_parameters(Names=[NAME])
