from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
import pytest
import tomllib

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "airflow"
README = (PACKAGE / "README.md").read_text()
sys.path[:0] = [str(ROOT / "airflow/src"), str(ROOT / "airflow/tests"), str(ROOT / "local")]

from local_aws.process import LocalAws  # noqa: E402

from mwaa_bluegreen.flag import Flag, _client  # noqa: E402

NAME = "/mwaa/blue-green/active-environment"


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


def tail(instant: datetime, record: str) -> str:
    return f"switch: test [effective_from={instant.astimezone(timezone.utc).strftime('%Y-%m-%dT%H:%M:%S.%fZ')} record={record}]"


class Store:
    """Parameter Store with the flag, and a reader of it that is made as the product makes it."""

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
        """Writes the flag; answers its LastModifiedDate."""
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


@pytest.fixture
def store(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    store = Store(local_aws, monkeypatch)
    yield store
    local_aws.clear_faults()
    for name in store.ssm.get_parameters_by_path(Path="/mwaa/blue-green")["Parameters"]:
        store.ssm.delete_parameter(Name=name["Name"])


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as README says, but by the build backend that is installed here: no network."""
    assert "`pip wheel --no-deps ./airflow`" in README
    wanted = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["build-system"]["requires"]
    assert wanted == [f"hatchling=={version('hatchling')}"], "local/requirements.txt has another build backend than pyproject.toml"
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, PACKAGE],
        cwd=folder, env={**os.environ, "PIP_NO_CACHE_DIR": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built
