from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import tomllib
from local_aws.process import LocalAws
from support.guard_flag import Store
from support.paths import PACKAGE, PACKAGE_README


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.fixture
def store(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    store = Store(local_aws, monkeypatch)
    yield store
    local_aws.clear_faults()
    for name in store.ssm.get_parameters_by_path(Path="/mwaa/blue-green")["Parameters"]:
        store.ssm.delete_parameter(Name=name["Name"])


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as README says, but with the build backend that is installed here, because there is no network."""
    assert "`pip wheel --no-deps ./airflow`" in PACKAGE_README
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
