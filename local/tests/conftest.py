"""One local AWS for each test module, clients for it, and a function that executes the command in its event."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws.process import LocalAws
from support.clients import Clients
from support.local_functions import ROLE, function_zip

# The test function is a Python script: `env python3` must find the Python that runs the tests.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The deployment comes first, because its schedule is checked last: the first tick takes a minute."""
    items.sort(key=lambda item: 2 if item.get_closest_marker("last") else 0 if "test_deploy" in item.nodeid else 1)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "last: run after everything else")


@pytest.fixture(scope="module")
def local_aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.fixture(scope="module")
def client(local_aws: LocalAws) -> Clients:
    return Clients(local_aws)


@pytest.fixture(autouse=True)
def no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "local_aws" in request.fixturenames:
        request.getfixturevalue("local_aws").clear_faults()


@pytest.fixture
def unique() -> str:
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
def function(client: Clients, unique: str) -> Iterator[str]:
    """The name of a fresh function."""
    client("lambda").create_function(FunctionName=unique, Runtime="provided.al2023", Handler="bootstrap", Role=ROLE,
                                     Timeout=30, Code={"ZipFile": function_zip()})
    yield unique
    client("lambda").delete_function(FunctionName=unique)
