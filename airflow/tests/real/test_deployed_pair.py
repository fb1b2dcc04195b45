"""The deployed functions, two real Airflow environments and the package together.

The local AWS's MWAA forwards every InvokeRestApi to the real environments. The classic pattern runs beside the
guarded DAG as the control group: it must lose and double runs, or the first test could not fail.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from local_aws.process import LocalAws
from local_aws.stack import built_template
from support.clients import Clients
from support.deployment import create_pair, upload
from support.pair import Pair
from support.paths import BINARIES, TEMPLATE
from support.real_pair import CLASSIC, GUARDED, SLOW, RealPair, TooBusy

SETTLE = "180"  # longer than a failover takes on a slow machine
SWITCHES = 4  # each way, once with a frozen active and once with a frozen standby
OTHER = {"blue": "green", "green": "blue"}


@dataclass
class Deployed:
    stack: Pair
    airflow: RealPair


@pytest.fixture(scope="module")
def deployed(airflow_python: Path, pair_stands: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    began = time.monotonic()
    folder = tmp_path_factory.mktemp("built")
    template = built_template(TEMPLATE, BINARIES, folder)
    with LocalAws(log=folder / "local.log") as aws:
        clients = Clients(aws)
        real = RealPair(airflow_python, aws.environment(), "/e2e/pair-1/active-environment")
        try:
            real.start()
            stack = create_pair(
                aws, clients, upload(aws, template), environments=real.forwarded(), SwitchLeadSeconds="5"
            )
            assert stack.flag_name == real["blue"].environment["AIRFLOW__CUSTOM__BLUEGREEN_FLAG_PARAMETER"]
            print(f"\nAirflow {real['blue'].version}: two environments and the stack stand after {time.monotonic() - began:.0f} s; "
                  f"a tick every {real.tick} s")  # fmt: skip
            pair_stands.touch()
            yield Deployed(stack, real)
        finally:
            pair_stands.touch()
            real.stop()


def clock(instant: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(instant))


def freeze_before_a_tick(real: RealPair, color: str) -> float:
    """The tick that the frozen scheduler misses. A slow machine may be too late for one tick, and takes the next."""
    while True:
        tick = real.next_tick()
        time.sleep(max(0, tick - 3 - time.time()))
        real[color].freeze_scheduler()
        if time.time() < tick:
            return tick
        real[color].continue_scheduler()


def test_runs_next_to_a_switch_are_executed_once_and_a_run_in_progress_is_not_cut(deployed: Deployed) -> None:
    stack, real = deployed.stack, deployed.airflow
    first, every = real.first_tick, real.tick
    for color in OTHER:
        real[color].wait(lambda color=color: real.has_ended(color, first), "the first tick")
    slow = {}
    for number in range(SWITCHES):
        active = stack.stands_at()[0]
        # The active is frozen across a tick (the classic pattern loses it), then the standby (the pattern doubles it).
        frozen = active if number < SWITCHES / 2 else OTHER[active]
        awake = OTHER[frozen]
        tick = freeze_before_a_tick(real, frozen)
        if frozen != active:
            slow[active] = real[active].trigger(SLOW)
            real[active].wait(lambda active=active: real[active].executed(SLOW, slow[active]), "step_1 runs")
        real[awake].wait(lambda awake=awake, tick=tick: real.has_ended(awake, tick), f"{awake} has decided the tick")
        # A precondition would object to a frozen standby.
        answer = stack.ask(to=OTHER[active], reason="test", force=frozen != active)
        assert answer["outcome"] == "switched", answer
        time.sleep(1)
        real[frozen].continue_scheduler()
        time.sleep(max(0, stack.versions()[-1].effective_from.timestamp() - time.time()) + 0.5)
        if active in slow:
            real[active].record.with_name("record.go-on").touch()
        real.sleep_until_after_tick(2)

    until = time.time() // every * every
    for dag in (GUARDED, CLASSIC):
        real["blue"].wait(lambda dag=dag: real.settled(dag, until), f"both environments have ended all runs of {dag}")
    times, executions = {}, {}
    for dag in (GUARDED, CLASSIC):
        found = {tick: who for tick, who in real.executions(dag).items() if tick <= until}
        times[dag] = {clock(tick): len(who) for tick, who in found.items()}
        executions[dag] = {clock(tick): [f"{e.color} at {clock(e.at)}, try {e.attempt}" for e in who] for tick, who in found.items()}
        by = {color: sum(e.color == color for who in found.values() for e in who) for color in OTHER}
        print(f"{dag}: {SWITCHES} switches, {len(found)} ticks, executed on blue {by['blue']}, on green {by['green']}; "
              f"lost {sum(not who for who in found.values())}, doubled {sum(len(who) > 1 for who in found.values())}")  # fmt: skip
        assert min(by.values()) > 0, f"{dag}: one environment has executed nothing: {by}"
    assert len(times[GUARDED]) >= 2 * SWITCHES
    switched = [f"version {v.number} {v.value}: {v.effective_from:%H:%M:%S.%f}" for v in stack.versions()]
    assert set(times[GUARDED].values()) == {1}, f"{ {t: who for t, who in executions[GUARDED].items() if len(who) != 1} }; {switched}"
    # The control group: its runs succeed, and yet are wrong. A run that fails on a busy machine is no proof.
    green = {clock(t) for t, state in real.states("blue", CLASSIC).items() if state == real.states("green", CLASSIC).get(t) == "success"}
    assert any(times[CLASSIC][tick] == 0 for tick in green & times[CLASSIC].keys()), "the classic pattern lost nothing: this test proves nothing"
    assert max(times[CLASSIC].values()) == 2, "the classic pattern doubled nothing: this test proves nothing"
    for color in OTHER:
        states = {clock(tick): state for tick, state in real.states(color, GUARDED).items()}
        assert set(states.values()) <= {"success", "running", "queued"}, f"{color}: {states}"

    takes_effect = [version.effective_from.timestamp() for version in stack.versions()[1:]]
    assert slow
    for color, run in slow.items():
        assert real[color].finished(SLOW, run) == "success"
        steps = {line[2]: float(line[4]) for line in real[color].executed(SLOW, run)}
        assert sorted(steps) == ["step_1", "step_2", "step_3"]
        assert len(real[color].executed(SLOW, run)) == 3
        assert any(steps["step_1"] < instant < steps["step_2"] for instant in takes_effect), "no switch fell into the run"
        assert real[OTHER[color]].executed(SLOW) == [] or OTHER[color] in slow


def test_the_watcher_sees_a_killed_scheduler_and_the_other_color_executes_what_it_missed(deployed: Deployed) -> None:
    stack, real = deployed.stack, deployed.airflow
    dead = stack.stands_at()[0]
    alive = OTHER[dead]
    real[alive].restart_scheduler(AIRFLOW__CUSTOM__BLUEGREEN_STANDBY_WAIT_SECONDS=SETTLE)
    stack.client("events").enable_rule(Name=f"{stack.name}-every-minute")
    stack.client("cloudwatch").enable_alarm_actions(AlarmNames=[f"{stack.name}-{color}-heartbeat-lost" for color in OTHER])
    # No run may be in progress when the scheduler dies: such a run stays with it.
    tick = None
    while tick is None:
        try:
            tick = real.quiet_before_a_tick(dead, 3)
        except TooBusy as busy:
            print(f"\n{busy}")
            real.slow_down()
    began, every = tick, real.tick
    version = stack.stands_at()[1]
    time.sleep(max(0, tick - 3 - time.time()))
    real[dead].kill_scheduler()
    killed = time.time()

    real[alive].wait(lambda: stack.stands_at() == (alive, version + 1), "the watcher flips by itself")
    flag = stack.versions()[-1]
    written, effective = flag.modified.timestamp(), flag.effective_from.timestamp()
    assert flag.description.startswith("failover: "), flag.description
    assert abs(effective - real[dead].last_heartbeat().timestamp()) < 0.01, "back-dated to the last heartbeat"
    missed = [tick for tick in range(int(began), int(written), every) if tick > effective]
    assert missed

    def taken_over() -> dict[float, float] | None:
        found = real.executions(GUARDED)
        return {t: found[t][0].at for t in missed} if all(found.get(t) for t in missed) else None

    executed = real[alive].wait(taken_over, f"{alive} executes {[clock(t) for t in missed]}")
    print(f"\nscheduler killed; flag written after {written - killed:.1f} s; {len(missed)} missed runs executed on {alive} "
          f"{min(executed.values()) - written:.1f} to {max(executed.values()) - written:.1f} s after that")  # fmt: skip

    real[dead].start_scheduler()
    until = time.time() // every * every
    for color in OTHER:
        real[dead].wait(lambda color=color: real.has_ended(color, until, (GUARDED,)), f"{dead} is back")
    real[dead].wait(lambda: all(real.states(dead, GUARDED).get(t) == "success" for t in missed), f"{dead} has made up its runs")
    found = {tick: [e.color for e in who] for tick, who in real.executions(GUARDED).items() if began <= tick <= until}
    assert {tick: who for tick, who in found.items() if len(who) != 1} == {}
    assert {tuple(found[tick]) for tick in missed} == {(alive,)}


def test_in_pause_mode_the_old_color_drains_and_what_was_paused_is_restored(deployed: Deployed) -> None:
    stack, real = deployed.stack, deployed.airflow
    stack.client("events").disable_rule(Name=f"{stack.name}-every-minute")
    for function in ("health-watcher", "switch-handler"):
        stack.configure(function, DAG_MANAGEMENT="pause", PROBE_UNTIL_SECONDS="0", COOLDOWN_SECONDS="0")
    old = stack.stands_at()[0]
    new = OTHER[old]

    def unpaused(color: str) -> set[str]:
        return {dag["dag_id"] for dag in real[color].request("GET", "dags?limit=100")["dags"] if not dag["is_paused"]}

    def settled() -> bool:
        return stack.tick()["dag_management"]["state"] == "settled"

    go_on = real[old].record.with_name("record.go-on")
    go_on.unlink(missing_ok=True)
    real[old].request("PATCH", f"dags/{CLASSIC}", {"is_paused": True})
    real[new].wait(settled, f"{new}'s DAGs are paused")
    assert (unpaused(old), unpaused(new)) == ({GUARDED, SLOW}, set())

    run = real[old].trigger(SLOW)
    real[old].wait(lambda: real[old].executed(SLOW, run), "step_1 runs")
    answer = stack.ask(to=new, reason="test")
    assert (answer["outcome"], answer["dag_management"]["unpaused"]) == ("switched", 2), answer
    assert unpaused(new) == {GUARDED, SLOW}, "what a person paused stays paused"
    real[old].wait(lambda: stack.tick() and unpaused(old) == {SLOW}, "DAGs at rest are paused")
    assert stack.tick()["dag_management"]["state"] == "draining"
    go_on.touch()
    assert real[old].finished(SLOW, run) == "success"
    assert sorted(line[2] for line in real[old].executed(SLOW, run)) == ["step_1", "step_2", "step_3"]
    real[old].wait(settled, f"{old}'s DAGs are paused")
    assert (unpaused(old), unpaused(new)) == (set(), {GUARDED, SLOW})

    answer = stack.ask(to=old, reason="test")
    assert (answer["outcome"], answer["dag_management"]["unpaused"]) == ("switched", 2), answer
    assert unpaused(old) == {GUARDED, SLOW}
    tick = real.next_tick()
    real[old].wait(lambda: real.states(old, GUARDED).get(tick) == "success", "a run after that")
    assert [execution.color for execution in real.executions(GUARDED)[tick]] == [old]
