"""boto3 clients of a local AWS."""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore.config import Config

from local_aws.process import LocalAws

# A proxy of this machine must not stand between the tests and the loopback device.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


# An invocation of the watcher may take a minute.
READ_SECONDS = 120


class Clients:
    """Clients of one local AWS, each created once. They never retry: a test needs the first answer."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        self._made: dict[tuple[Any, ...], Any] = {}
        self._config = Config(inject_host_prefix=False, retries={"total_max_attempts": 1}, read_timeout=READ_SECONDS, connect_timeout=5)

    def __call__(self, service: str, **credentials: str) -> Any:
        key = (service, *sorted(credentials.items()))
        if key not in self._made:
            self._made[key] = boto3.client(service, config=self._config, **{**self._aws.client_settings(), **credentials})
        return self._made[key]
