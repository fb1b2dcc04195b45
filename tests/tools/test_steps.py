"""The runner of the suite: what runs beside what, what is printed last, and that nothing is left behind."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.local_functions import alive
from support.paths import PROJECT
from support.waiting import until
from tools.steps import MORE, NICE, STEPS, Running, Step, chosen

HEAD = """
import sys
from tools.steps import Step, Suite

def step(name, script, lane, *after, last=False, nice=0):
    return Step(name, ("bash", "-c", script), lane, after, last=last, nice=nice)

"""

needs_autogroups = pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel has no groups of sessions")


def until_nice(nice: int) -> str:
    return f"until [ $(sed 's/.*nice //' /proc/self/autogroup) = {nice} ]; do sleep 0.01; done"


def start(steps: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", f"{HEAD}sys.exit(Suite([{steps}]).run())"], cwd=folder, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": str(PROJECT)})


def ran(steps: str, folder: Path) -> tuple[int, str]:
    running = start(steps, folder)
    try:
        said = running.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        running.terminate()  # it ends what it has started
        said = running.communicate()[0]
    return running.returncode, said


def test_lanes_go_on_at_once_and_what_is_needed_comes_first(tmp_path: Path) -> None:
    # Each of the first two ends only when the other has begun.
    code, said = ran("""step("one", "touch one; until [ -e two ]; do sleep 0.01; done; echo of one", "a"),
                        step("two", "touch two; until [ -e one ]; do sleep 0.01; done; touch done; echo of two", "b", last=True),
                        step("three", "[ -e done ] && echo of three", "a", "two")""", tmp_path)
    assert code == 0, said
    assert said.endswith("of two\n") and said.index("of one") < said.index("of three") < said.index("of two")
    table = said[said.index("of a processor"):]
    assert re.search(r"(?m)^three +\d+ +\d+ +\d+  passed$", table) and re.search(r"(?m)^all +\d+ +\d+$", table), said


def test_what_waits_for_another_lane_lets_the_next_one_go_first(tmp_path: Path) -> None:
    code, said = ran("""step("long", "until [ -e passed ]; do sleep 0.01; done; touch done", "a", last=True),
                        step("waits", "[ -e done ] && echo of waits", "b", "long"),
                        step("next", "touch passed; echo of next", "b")""", tmp_path)
    assert code == 0, said
    assert said.index("of next") < said.index("of waits")


def test_a_failure_ends_the_others_and_is_printed_last(tmp_path: Path) -> None:
    began = time.monotonic()
    code, said = ran("""step("long", "trap 'echo cleaned up > cleaned; exit 3' INT; while :; do sleep 0.05; done", "a", last=True),
                        step("bad", "until [ -d . ]; do :; done; sleep 0.5; echo the reason; exit 7", "b"),
                        step("never", "touch never", "b")""", tmp_path)
    assert code == 1 and said.endswith("the reason\n"), said
    assert time.monotonic() - began < 15
    assert "bad: failed after" in said and re.search(r"never +not started", said)
    assert (tmp_path / "cleaned").exists(), "a step may clean up"
    assert not (tmp_path / "never").exists()


def test_a_failure_of_the_last_one_is_a_failure(tmp_path: Path) -> None:
    code, said = ran("""step("only", "echo 1 failed; exit 1", "a", last=True)""", tmp_path)
    assert code == 1 and said.endswith("1 failed\n") and said.count("1 failed") == 1


@needs_autogroups
def test_what_computes_yields_as_a_session(tmp_path: Path) -> None:
    # The first shows it once it has yielded, the other one not before that: alone, the first would not yield any more.
    shown = "cat /proc/self/autogroup; nice"
    code, said = ran(f"""step("yields", "{until_nice(NICE)}; {shown}; touch shown", "a", nice={NICE}),
                         step("does not", "until [ -e shown ]; do sleep 0.01; done; {shown}", "b", last=True)""", tmp_path)
    assert code == 0, said
    groups = re.findall(r"autogroup-\d+ nice (\d+)\n(\d+)\n", said)
    assert len(groups) == 2 and groups[0][0] == str(NICE) and int(groups[0][1]) >= NICE and groups[1][0] == "0", said


@needs_autogroups
def test_what_computes_yields_only_while_others_of_the_run_want_the_processor(tmp_path: Path) -> None:
    # Busy strangers would leave it nothing: it would hardly go on.
    code, said = ran(f"""step("yields", "{until_nice(NICE)}; touch yielded; {until_nice(0)}", "a",
                              nice={NICE}, last=True),
                         step("does not", "until [ -e yielded ]; do sleep 0.01; done; echo yielded to", "b")""", tmp_path)
    assert code == 0 and "yielded to" in said, said


@needs_autogroups
@pytest.mark.parametrize("awaited", [0, 3])
def test_what_keeps_another_step_from_its_lane_yields_no_more_than_that_one(tmp_path: Path, awaited: int) -> None:
    code, said = ran(f"""step("yields", "{until_nice(NICE)}; touch yielded; {until_nice(awaited)}", "a",
                              nice={NICE}),
                         step("needed", "until [ -e yielded ]; do sleep 0.01; done", "b"),
                         step("does not", "until [ -e awaited ]; do sleep 0.01; done", "c", last=True),
                         step("awaited", "touch awaited", "a", "needed", nice={awaited})""", tmp_path)
    assert code == 0, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_of_an_interrupted_run(tmp_path: Path, number: signal.Signals) -> None:
    # A process in a session of its own, whose parent has ended, and which heeds no signal.
    (tmp_path / "deaf").write_text("trap '' INT TERM HUP; echo $$ > pid; while :; do sleep 0.05; done")
    running = start('''step("leaves", "setsid bash deaf & sleep 0.2", "a"), step("waits", "sleep 600", "a", last=True)''', tmp_path)
    until("the orphan runs", lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    pid = int((tmp_path / "pid").read_text())
    time.sleep(1)
    assert alive(pid)
    running.send_signal(number)
    said = running.communicate(timeout=60)[0]
    assert running.returncode == 128 + number, said
    assert not alive(pid), said
    assert re.search(r"waits +\d+ +\d+ +\d+  stopped", said)


def test_an_adopted_process_that_has_ended_is_not_left_in_the_list(tmp_path: Path) -> None:
    # The shell that starts it in the background ends first.
    gone = "until ! [ -e /proc/$(cat orphan) ]; do sleep 0.05; done; touch gone"
    code, said = ran(f"""step("one", "bash -c 'sleep 0.3 & echo $! > orphan'; timeout 20 bash -c '{gone}'; [ -e gone ]", "a")""", tmp_path)
    assert code == 0, said


def test_all_tests_are_a_part_of_it() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    suites = set(re.findall(r"(?m)^(test-[a-z-]+):", makefile)) - {"test-airflow-unit", "test-airflow-start"}
    assert suites <= {target for step in STEPS for target in step.command}
    assert [step.name for step in STEPS if step.last] == ["end-to-end tests"]


@pytest.mark.parametrize("targets", [[], ["gates"], ["demo"], ["gates", "demo"]])
def test_what_is_chosen_can_run_in_its_order(targets: list[str]) -> None:
    steps = chosen(targets)
    assert [step for step in steps if step in STEPS] == list(STEPS)
    assert set(targets) == {target for step in steps for target in step.command} & MORE.keys()
    passed: set[str] = set()
    there = {step.name for step in steps}
    todo = list(steps)
    while todo:
        # The first of each lane that has what it needs, as the runner takes them.
        can = [step for step in todo if passed.issuperset(there & set(step.after))]
        ready = list({step.lane: step for step in reversed(can)}.values())
        assert ready, f"each waits for another: {[step.name for step in todo]}"
        passed |= {step.name for step in ready}
        todo = [step for step in todo if step not in ready]
    assert len(passed) == len(steps), "two steps have one name"


def test_what_nobody_knows_is_refused() -> None:
    done = subprocess.run([sys.executable, "-m", "tools.steps", "gate"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "gate: not one of gates, demo" in done.stderr


def test_a_session_is_nice_also_where_several_begin_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def refused_twice(_path: Path, text: str) -> None:
        written.append(text)
        if len(written) < 3:
            raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(Path, "write_text", refused_twice)
    monkeypatch.setattr(os, "setpriority", lambda *_arguments: None)
    running = Running(Step("nice", ("true",), "a", nice=NICE), io.BytesIO(), pid=os.getpid())
    for _ in range(4):
        running.give(NICE)
    assert written == [str(NICE)] * 3, "until it is set, and not again"
