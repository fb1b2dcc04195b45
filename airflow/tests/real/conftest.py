from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from local_aws.process import LocalAws
from support.guard_flag import TheFlag
from support.paths import CASE_DAGS
from support.real_airflow import PATIENCE, RealAirflow

BEGAN = pytest.StashKey[float]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What Airflow says of a test that failed: its files are gone when all tests have ended."""
    report = yield
    began = item.stash.setdefault(BEGAN, report.start)  # that of its set-up
    for name, given in getattr(item, "funcargs", {}).items():
        if report.failed and isinstance(given, RealAirflow):
            try:
                said = given.failures(began)
            except Exception as error:  # the test's own failure is what is reported
                said = f"cannot be asked: {error}"
            report.sections.append((f"Airflow ({name})", said))
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """What the tests that passed have printed (`-rP`) would come after what failed, and push it out of a log's end."""
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        terminalreporter.reportchars = terminalreporter.reportchars.replace("P", "")
    return (yield)


@pytest.fixture(scope="session")
def airflow_python() -> Path:
    python = os.environ.get("AIRFLOW_PYTHON")
    if not python or not Path(python).exists():
        pytest.fail(f"AIRFLOW_PYTHON is {python!r}; give the Python of an Airflow installation: make test-airflow does")
    return Path(python)


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as local:
        yield local


@pytest.fixture(scope="session")
def the_flag(aws: LocalAws) -> TheFlag:
    return TheFlag(aws)


@pytest.fixture(scope="session")
def pair_stands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that exists once the deployed pair has measured how fast this machine is, or has failed. All workers share
    it."""
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "pair-stands"


@pytest.fixture(scope="session")
def after_the_pair(pair_stands: Path, request: pytest.FixtureRequest) -> None:
    """Environments that start meanwhile would make this machine slower than it is."""
    # With fewer workers than files all of them may wait here, and none would be left for the pair's own file.
    files, workers = {item.path for item in request.session.items}, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
    if workers >= len(files) and any("deployed" in getattr(item, "fixturenames", ()) for item in request.session.items):
        deadline = time.monotonic() + PATIENCE
        while not pair_stands.exists() and time.monotonic() < deadline:
            time.sleep(0.5)


@pytest.fixture(scope="session")
def blue(aws: LocalAws, the_flag: TheFlag, airflow_python: Path, after_the_pair: None) -> Iterator[RealAirflow]:
    """One environment for all tests of this session that need no second one."""
    the_flag.write("green")
    environment = RealAirflow("blue", airflow_python, CASE_DAGS, aws.environment(), {"AIRFLOW__CUSTOM__BLUEGREEN_STATUS_PAGE": "on"})
    started = time.monotonic()
    environment.start(triggerer=True)
    print(f"Airflow {environment.version} answers after {time.monotonic() - started:.0f} s")
    yield environment
    environment.stop()
