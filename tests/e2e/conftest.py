"""The deployed stack with its real binaries, on the embedded local AWS: a fresh pair for every test that requests one."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws.process import LocalAws
from local_aws.stack import FUNCTIONS, built_template
from support.clients import Clients
from support.deployment import Deploy, create_pair, remove_pair, upload
from support.pair import Pair
from support.paths import BINARIES, TEMPLATE
from support.walkthrough import Walkthrough

TIMELINE_SHOWN = 60


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long(seconds): waits so long, for a schedule or for a claim to grow old, so it starts early")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first, and a short one between any two: a worker starts with two neighboring tests."""
    def seconds(item: pytest.Item) -> int:
        mark = item.get_closest_marker("long")
        return mark.args[0] if mark else 0

    long = sorted(filter(seconds, items), key=seconds, reverse=True)
    short = [item for item in items if not seconds(item)]
    mixed = itertools.chain.from_iterable(itertools.zip_longest(long, short[:len(long)]))
    items[:] = [*filter(None, mixed), *short[len(long):]]


# -- the local AWS ---------------------------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with the packed binaries beside it, built once for all workers."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    folder = shared / "built"
    with open(shared / "built.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "built.yaml").exists():
            folder.mkdir(exist_ok=True)
            built_template(TEMPLATE, BINARIES, folder)
    return folder / "built.yaml"


@pytest.fixture(scope="session")
def functions(template: Path) -> Path:
    """The folder of the packed binaries."""
    return template.parent


@pytest.fixture(scope="session")
def shared_aws(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalAws, Clients, str]]:
    with LocalAws(log=tmp_path_factory.mktemp("aws") / "local.log") as aws:
        yield aws, Clients(aws), upload(aws, template)


@pytest.fixture
def aws(shared_aws: tuple[LocalAws, Clients, str], request: pytest.FixtureRequest) -> Iterator[LocalAws]:
    """The local AWS, without faults at the start and the end of a test."""
    local = shared_aws[0]
    request.node.watched = local, local.timeline_so_far(), time.time()
    yield local
    local.clear_faults()


# -- pairs -----------------------------------------------------------------------------------------------------------

@pytest.fixture
def deploy(aws: LocalAws, shared_aws: tuple[LocalAws, Clients, str], request: pytest.FixtureRequest) -> Iterator[Deploy]:
    """Deploys a pair: `deploy(wakes=("schedule",), CooldownSeconds="300")`. Template parameters keep their names."""
    made: list[Pair] = []

    def make(**wanted: Any) -> Pair:
        made.append(create_pair(*shared_aws, **wanted))
        return made[-1]

    request.node.pairs = made
    yield make
    for pair in made:
        remove_pair(pair)


@pytest.fixture
def pair(deploy: Deploy) -> Pair:
    """A healthy pair with blue active, which acts only on the test's calls."""
    return deploy()


@pytest.fixture
def walk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Walkthrough]:
    """All blocks of the page that the test `runs`."""
    section, option = request.param
    made = Walkthrough(section, option, tmp_path)
    yield made
    if not made.broken:
        assert made.at == len(made.todo), f"{len(made.todo) - made.at} block(s) of {made.section.name} were not run"


# -- the output of a failing test --------------------------------------------------------------------------------------

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    local, since, began = getattr(item, "watched", (None, 0, 0.0))
    if report.when != "call" or not report.failed or local is None:
        return report
    try:
        entries = [entry for entry in local.timeline(since)
                   if entry["what"] != "alarm-state" and "Alarm State" not in str(entry["detail"].get("detail_type"))]
        lines = [f"{entry['at'] - began:8.3f} {entry['what']:15} {json.dumps(entry['detail'])[:400]}"
                 for entry in entries[-TIMELINE_SHOWN:]]
        report.sections.append(("the timeline's end, in seconds since the test began", "\n".join(lines)))
        for pair in getattr(item, "pairs", []):
            for function in FUNCTIONS:
                shown = [json.dumps(line)[:600] for line in pair.log(function)[-6:]]
                report.sections.append((f"the log's end of {pair.name}-{function}", "\n".join(shown)))
    except Exception as error:  # the report must not hide the test's own failure
        report.sections.append(("the timeline could not be read", repr(error)))
    return report
