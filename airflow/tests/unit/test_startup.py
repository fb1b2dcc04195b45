"""The start-up script, in an imitation of the container that MWAA starts: nothing continues if the guard does not work."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.paths import PACKAGE

SCRIPT = PACKAGE / "startup/startup.sh"

# How MWAA's image runs the script (bin/airflow-user/execute-user-startup-script of aws/amazon-mwaa-docker-images): it
# is sourced into this shell, its `exit` is replaced, and Airflow starts only if the file at the end was written.
WRAPPER = """
finish() { echo {} > "$ENVIRONMENT_FILE"; unalias exit; exit; }
shopt -s expand_aliases
alias exit=finish
source "$STARTUP_SCRIPT"
finish
"""

# What MWAA does next (mwaa/utils/user_requirements.py and mwaa/entrypoint.py there): requirements.txt, whose failure it only
# logs, and then Airflow, which finds its policies by their entry points.
REQUIREMENTS = 'python3 -m pip install -r "$REQUIREMENTS_FILE" || echo "ERROR: pip installation exited with a non-zero error code"'
AIRFLOW = """
from importlib.metadata import entry_points
policies = [entry.load() for entry in entry_points(group="airflow.policy")]
print("airflow started with", sorted(policy.__name__ for policy in policies if callable(getattr(policy, "dag_policy", None))))
"""

POLICIES = "def hookimpl(*_, **__):\n    return lambda function: function\n"


@dataclass
class Container:
    home: Path
    python: Path
    went_on: bool = False
    said: str = ""

    @property
    def plugins(self) -> Path:
        return self.home / "plugins"

    def start(self, script: Path = SCRIPT, **more: str) -> Container:
        # There is no network: nothing listens there.
        environment = {
            "PATH": f"{self.python.parent}{os.pathsep}{os.defpath}", "HOME": str(self.home), "AIRFLOW_HOME": str(self.home),
            "PYTHONPATH": str(self.home / "airflow_is_there"), "STARTUP_SCRIPT": str(script),
            "ENVIRONMENT_FILE": str(self.home / "environment.json"), "TMPDIR": str(self.home),
            "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1", "PIP_NO_BUILD_ISOLATION": "1",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "a", "AWS_DEFAULT_REGION": "us-east-1",
            **more,
        }  # fmt: skip
        done = subprocess.run(
            ["bash", "-c", WRAPPER], env=environment, cwd=self.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        self.went_on, self.said = (self.home / "environment.json").exists(), done.stdout
        return self

    def go_on(self, requirements: str) -> str:
        """What Airflow says when it starts. As in MWAA, whatever became of the requirements."""
        assert self.went_on, self.said
        file = self.home / "requirements.txt"
        file.write_text(requirements)
        environment = {
            "PATH": f"{self.python.parent}{os.pathsep}{os.defpath}", "HOME": str(self.home), "REQUIREMENTS_FILE": str(file),
            "PYTHONPATH": str(self.home / "airflow_is_there"), "TMPDIR": str(self.home), "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
            "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }  # fmt: skip
        done = subprocess.run(
            ["bash", "-c", f"{REQUIREMENTS}\npython3 -c '{AIRFLOW}'"], env=environment, cwd=self.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    def refused_with(self, *parts: str) -> None:
        assert not self.went_on, self.said
        assert "this environment is not started, because it has no working guard: " in self.said
        for part in parts:
            assert part in self.said


@pytest.fixture(scope="session")
def new_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder / "bin/python3"


@pytest.fixture
def container(tmp_path: Path, new_python: Path) -> Container:
    subprocess.run([new_python, "-m", "pip", "uninstall", "-q", "-y", "mwaa-bluegreen"], check=True, capture_output=True)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "airflow_is_there/airflow").mkdir(parents=True)
    (tmp_path / "airflow_is_there/airflow/__init__.py").touch()
    (tmp_path / "airflow_is_there/airflow/policies.py").write_text(POLICIES)
    return Container(tmp_path, new_python)


def changed(wheel: Path, folder: Path, change: Callable[[str, str], str | None]) -> None:
    """The wheel with other files; None leaves one out. pip does not check the hashes of what it installs."""
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(folder / wheel.name, "w") as target:
        for name in source.namelist():
            content = change(name, source.read(name).decode())
            if content is not None:
                target.writestr(name, content)


def put(wheel: Path, folder: Path) -> None:
    (folder / wheel.name).write_bytes(wheel.read_bytes())


def test_with_the_wheel_in_the_plugins_airflow_starts_without_a_network(container: Container, wheel: Path) -> None:
    put(wheel, container.plugins)
    container.start()
    assert container.went_on, container.said
    assert "bluegreen: the guard of mwaa-bluegreen 0.2.0 is in place" in container.said


def test_what_follows_is_executed_as_before(container: Container, wheel: Path) -> None:
    put(wheel, container.plugins)
    own = container.home / "own.sh"
    own.write_text(SCRIPT.read_text() + "\nfalse\necho the user was here\nexit 0\n")
    container.start(own)
    assert container.went_on, container.said
    assert "the user was here" in container.said


def test_a_wheel_elsewhere_can_be_named(container: Container, wheel: Path) -> None:
    assert container.start(MWAA_BLUEGREEN_WHEEL=str(wheel)).went_on, container.said


def test_a_missing_wheel_is_named_with_the_ways_to_give_it(container: Container) -> None:
    container.start().refused_with(f"no mwaa_bluegreen-*.whl in {container.plugins}", "MWAA_BLUEGREEN_WHEEL")
    container.start(MWAA_BLUEGREEN_WHEEL="/nowhere/a.whl").refused_with("/nowhere/a.whl (MWAA_BLUEGREEN_WHEEL) is not there")


def test_two_wheels_are_one_too_many(container: Container, wheel: Path) -> None:
    put(wheel, container.plugins)
    (container.plugins / wheel.name.replace("0.2.0", "0.0.9")).touch()
    container.start().refused_with("more than one wheel")


def test_a_bucket_or_an_index_that_does_not_answer_starts_nothing(container: Container) -> None:
    container.start(MWAA_BLUEGREEN_WHEEL="s3://bucket/wheels/a.whl").refused_with("s3://bucket/wheels/a.whl could not be read", "s3:GetObject")
    container.start(MWAA_BLUEGREEN_WHEEL="mwaa-bluegreen==0.2.0").refused_with("mwaa-bluegreen==0.2.0 could not be installed")


def test_a_broken_wheel_starts_nothing(container: Container, wheel: Path) -> None:
    (container.plugins / wheel.name).write_bytes(wheel.read_bytes()[:2000])
    container.start().refused_with("could not be installed")


def test_a_wheel_for_another_python_starts_nothing(container: Container, wheel: Path) -> None:
    changed(wheel, container.plugins, lambda name, text: text.replace("Requires-Python: >=3.10", "Requires-Python: >=3.99"))
    container.start().refused_with("could not be installed", "requires a different Python")


def test_an_old_python_is_named(container: Container, wheel: Path) -> None:
    put(wheel, container.plugins)
    old = container.home / "old/python3"
    old.parent.mkdir()
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.18\nexit 1\n')
    old.chmod(0o755)
    Container(container.home, old).start().refused_with("Python 3.9.18 is too old")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda name, text: None if name.endswith("entry_points.txt") else text, "no entry point mwaa_bluegreen.policy"),
        (lambda name, text: None if name == "mwaa_bluegreen/policy.py" else text, "No module named 'mwaa_bluegreen.policy'"),
        (lambda name, text: "import nothing_of_that_name" if name == "mwaa_bluegreen/policy.py" else text, "nothing_of_that_name"),
        (lambda name, text: "" if name == "mwaa_bluegreen/policy.py" else text, "has no dag_policy"),
    ],
)
def test_a_package_that_airflow_would_not_find_starts_nothing(
    container: Container, wheel: Path, change: Callable[[str, str], str | None], said: str
) -> None:
    changed(wheel, container.plugins, change)
    container.start().refused_with("is installed, and Airflow would not find its policy", said)


GUARDED = "airflow started with ['mwaa_bluegreen.policy']"


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        ("mwaa-no-such-package==1.0\n", "ERROR: pip installation exited"),
        ("this is no requirement ==\n", "ERROR: pip installation exited"),
        ("--find-links /nowhere\n--no-index\nmwaa-bluegreen==99.0\n", "ERROR: pip installation exited"),
        ("\x00\xff binary", "ERROR: pip installation exited"),
        ("", "airflow started"),
        ("--no-index\nmwaa-bluegreen==0.2.0\n", "already satisfied"),
    ],
)
def test_broken_requirements_leave_the_guard_in_place(container: Container, wheel: Path, requirements: str, said: str) -> None:
    put(wheel, container.plugins)
    airflow = container.start().go_on(requirements)
    assert said in airflow
    assert GUARDED in airflow


def test_without_the_script_broken_requirements_leave_airflow_without_a_guard(container: Container) -> None:
    """Why the script is there, and that the test above can fail."""
    nothing = container.home / "nothing.sh"
    nothing.write_text("")
    airflow = container.start(nothing).go_on("mwaa-bluegreen==0.2.0\n")
    assert "ERROR: pip installation exited" in airflow
    assert "airflow started with []" in airflow


def carrying(wheel: bytes, own: str = "") -> str:
    """The script as `mwaa-bluegreen env apply` writes it: it carries the wheel, before the lines of startup.sh."""
    encoded = base64.encodebytes(wheel).decode()
    name = "mwaa_bluegreen-0.2.0-py3-none-any.whl"
    head = f'MWAA_BLUEGREEN_WHEEL="$(mktemp -d)/{name}"\nbase64 -d > "$MWAA_BLUEGREEN_WHEEL" <<\'MWAA_BLUEGREEN_BYTES\'\n{encoded}MWAA_BLUEGREEN_BYTES\n\n'
    return head + SCRIPT.read_text() + own


def test_a_script_that_carries_the_wheel_needs_neither_plugins_nor_a_network(container: Container, wheel: Path) -> None:
    script = container.home / "carrying.sh"
    script.write_text(carrying(wheel.read_bytes(), own="\necho the user was here\n"))
    (container.home / "plugins").rmdir()
    airflow = container.start(script).go_on("mwaa-no-such-package==1.0\n")
    assert "the user was here" in container.said
    assert GUARDED in airflow


@pytest.mark.parametrize("damage", [lambda data: data[:2000], lambda data: b"", lambda data: data[:500] + b"x" * 500 + data[1000:]])
def test_a_script_that_carries_a_broken_wheel_starts_nothing(container: Container, wheel: Path, damage: Callable[[bytes], bytes]) -> None:
    script = container.home / "carrying.sh"
    script.write_text(carrying(damage(wheel.read_bytes())))
    container.start(script).refused_with(wheel.name)


def test_where_the_base64_is_broken_nothing_starts(container: Container, wheel: Path) -> None:
    script = container.home / "carrying.sh"
    script.write_text(carrying(wheel.read_bytes()).replace("MWAA_BLUEGREEN_BYTES'\n", "MWAA_BLUEGREEN_BYTES'\n!!!\n", 1))
    container.start(script).refused_with("could not be installed")


def test_the_wrapper_here_goes_on_after_a_plain_exit(container: Container) -> None:
    """Otherwise the other tests would prove nothing."""
    script = container.home / "plain.sh"
    script.write_text("exit 1\n")
    assert container.start(script).went_on
