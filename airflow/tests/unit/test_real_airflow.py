"""No process of a real environment is left behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from support.real_airflow import RealAirflow, processes_in

# Imitates Airflow 2's executor, only faster: processes with sessions of their own that lose their parents.
FORKS = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(2000):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    time.sleep(0.002)
time.sleep(60)
"""


class Stand(RealAirflow):
    """Launches forking processes in place of Airflow."""

    def __init__(self, home: Path) -> None:
        self.home, self._own_home, self._processes = home.resolve(), False, {}
        home.mkdir(exist_ok=True)

    def fork(self) -> None:
        directory = self._directory("scheduler")
        directory.mkdir(exist_ok=True)
        self._processes["scheduler"] = subprocess.Popen([sys.executable, "-c", FORKS], cwd=directory, start_new_session=True)
        deadline = time.monotonic() + 60
        # Counted on every call: the processes start and end meanwhile.
        while len(processes_in(directory)) < 20:
            assert time.monotonic() < deadline, "it does not fork"
            time.sleep(0.01)

    def left(self) -> set[int]:
        return processes_in(self._directory("scheduler"))


def test_a_killed_scheduler_leaves_nothing_however_it_forks(tmp_path: Path) -> None:
    for _ in range(3):
        stand = Stand(tmp_path)
        stand.fork()
        stand.kill_scheduler()
        assert stand.left() == set()


def test_a_stopped_scheduler_leaves_nothing_either_frozen_or_not(tmp_path: Path) -> None:
    for frozen in (False, True):
        stand = Stand(tmp_path)
        stand.fork()
        if frozen:
            stand.freeze_scheduler()
        stand.stop()
        assert stand.left() == set()


def test_only_what_was_launched_there_is_ended(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    stand = Stand(tmp_path)
    stand.fork()
    stand.kill()
    assert stand.left() == set()
    assert other.poll() is None
    other.kill()
    other.wait()
