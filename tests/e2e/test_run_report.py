"""Which runs were executed, by which color, and which by none: `run_report`, and the watcher's report after a transition."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from support import events
from support.deployment import Deploy
from support.pair import Pair, only
from support.runs import LONG, iso, run, scripted


def lists(answer: dict[str, Any]) -> dict[str, list[str]]:
    found = {name: sorted(line["dag_id"] for line in answer["run_report"][name])
             for name in ("in_flight", "pending", "late", "doubled", "lost")}
    return {name: dags for name, dags in found.items() if dags}


@pytest.fixture
def switched(deploy: Deploy) -> Pair:
    """Green became active just now."""
    pair = deploy(SwitchLeadSeconds="0")
    pair.ask(to="green")
    pair.wait_until_audited(2)
    time.sleep(1)  # until the guards of the neighboring runs have decided, and the watcher may report
    return pair


@pytest.mark.parametrize("version", ["3.0.6", "2.10.5", "3.3.2"])
def test_every_sort_of_run_is_found(switched: Pair, version: str):
    scripted(switched, version)
    answer = switched.answer_of("switch-handler", events.load("requests/run-report"))
    assert answer["outcome"] == "run_report" and not answer["run_report"]["partial"], answer
    assert lists(answer) == {"in_flight": ["under_way"], "pending": ["waits"], "doubled": ["branches", LONG, "twice"],
                             "lost": ["nobody"]}, answer
    assert [line["unguarded"] for line in answer["run_report"]["doubled"]] == [False, False, True]
    line = only(answer["run_report"]["lost"])
    assert (line["owner"], line["blue"], line["green"], line["run_type"]) == ("blue", "skipped", "skipped", "scheduled")
    transition = answer["run_report"]["transition"]
    assert (transition["version"], transition["kind"], transition["from"], transition["to"]) == (2, "switch", "blue", "green")
    assert answer["transition"] == switched.flag().record
    assert answer["run_report"]["counts"] == {"runs": 8, "executed_once": 3, "in_flight": 1, "pending": 1, "late": 0, "doubled": 3,
                                            "doubled_unguarded": 1, "lost": 1, "unjudged": 0}
    narrow = switched.ask(action="run-report", window_minutes=1)
    assert narrow["run_report"]["counts"]["runs"] == 2, "what happened 20 minutes before is outside"


@pytest.mark.parametrize("version", ["3.0.6", "2.10.5", "3.3.2"])
def test_what_a_scheduler_has_not_made_is_late(switched: Pair, version: str):
    """A tick that only green has created and skipped, because it is blue's; and a tick that green itself has not created, which its DAGs
    show."""
    now = datetime.now(timezone.utc).replace(microsecond=123_000)
    ago = {minutes: now - timedelta(minutes=minutes) for minutes in (7, 20, 3)}
    switched.environment("blue", airflow_version=version, dags={"not_asked": {"next_run": iso(ago[20])}})
    switched.environment(
        "green", airflow_version=version,
        runs=[run("backlog", ago[7], False), run("full", ago[20], True, state="running")],
        dags={"never_made": {"next_run": iso(ago[20])}, "broken": {"next_run": iso(ago[7]), "import_errors": True},
              "full": {"next_run": iso(ago[20] + timedelta(minutes=1)), "max_active_runs": 1}, "busy": {"next_run": iso(ago[3])},
              "paused": {"next_run": iso(ago[20]), "paused": True}, "unscheduled": {"next_run": None}, "tomorrow": {}})
    answer = switched.ask(action="run-report")
    assert lists(answer) == {"late": ["backlog", "broken", "never_made"]}, answer
    late = {line.pop("dag_id"): line for line in answer["run_report"]["late"]}
    assert late["backlog"] == {"due": iso(ago[7]), "color": "blue", "owner": "blue", "other": "skipped", "has_import_errors": False}
    assert late["never_made"] == {"due": iso(ago[20]), "color": "green", "owner": "blue", "other": "absent", "has_import_errors": False}
    assert late["broken"]["has_import_errors"]
    assert answer["run_report"]["counts"]["late"] == 3 and "3 due for minutes and not made" in answer["reason"]


@pytest.mark.parametrize("version", ["3.0.6", "2.10.5"])
def test_the_catch_up_of_a_new_dag_is_named(switched: Pair, version: str):
    """Old ticks, created and skipped by green after it became active, because they were blue's; blue executed one of them long ago."""
    taken_over = switched.flag().effective_from
    old = [taken_over - timedelta(days=days) for days in (9, 8, 7)]

    def made(name: str, tick: datetime, at: datetime) -> dict[str, Any]:
        return run(name, tick, False, (at - tick).total_seconds())

    new, known, tagged = (made(name, tick, taken_over - timedelta(minutes=15))
                          for name, tick in zip(("new", "known", "tagged"), old, strict=True))
    later = made("late", old[0], taken_over + timedelta(milliseconds=1))
    switched.environment("green", airflow_version=version, runs=[new, known, tagged, later],
                         dags={"new": {}, "known": {}, "late": {}, "tagged": {"tags": ["bluegreen:since=" + iso(taken_over - timedelta(hours=2))]},
                               "to_come": {"next_run": iso(old[0])}})
    switched.environment("blue", airflow_version=version, runs=[run("known", old[1], True)], dags={"new": {}})
    time.sleep(1)
    answer = switched.ask(action="run-report")
    assert not answer["run_report"]["partial"], answer["run_report"]["not_asked"]
    assert lists(answer)["lost"] == ["new", "tagged"], answer["run_report"]
    owners = {line["dag_id"]: line["owner"] for line in answer["run_report"]["lost"]}
    assert owners == {"new": "blue", "tagged": "blue"}, "the tag lies before the switch"
    finding = only(f for f in switched.ask(action="check")["readiness"]["findings"] if f["name"] == "catch-up")
    assert finding["what"].endswith("late, to_come"), finding
    assert "bluegreen:since=" in finding["fix"]


def test_a_pair_that_never_switched_and_one_without_a_flag(deploy: Deploy):
    pair = deploy(initialize=False)
    assert pair.ask(action="run-report")["outcome"] == "refused"
    pair.ask(action="initialize")
    answer = pair.ask(action="run-report")
    assert answer["run_report"]["transition"] is None and answer["run_report"]["counts"]["runs"] == 0, answer


@pytest.mark.parametrize("wrong", [{"window_minutes": 0}, {"window_minutes": 1441}, {"window_minutes": "60"}, {"limit": 5}])
def test_what_is_not_allowed_is_refused_by_name(pair: Pair, wrong: dict[str, Any]):
    error = pair.ask_in_vain(action="run-report", **wrong)
    assert error["errorType"] == "InvalidRequest" and next(iter(wrong)) in error["errorMessage"]


def test_many_runs_are_read_in_pages_under_the_rate(switched: Pair):
    """5,000 DAGs, and 1,000 runs of each environment in the window."""
    before = switched.flag().effective_from - timedelta(minutes=20)
    names = [f"dag_{number:05}" for number in range(1000)]
    switched.environment("blue", dags=5000, runs=[run(name, before, True) for name in names])
    switched.environment("green", dags=5000, runs=[run(name, before, name.endswith("77")) for name in names])
    since = switched.aws.calls_so_far()
    answer = switched.ask(action="run-report")
    print(f"1,000 runs each: {answer['elapsed_ms']} ms")
    counts = answer["run_report"]["counts"]
    assert (counts["runs"], counts["doubled"], counts["executed_once"]) == (1000, 10, 990), answer["run_report"]
    assert not answer["run_report"]["partial"] and counts["late"] == 0, "green's 5,000 DAGs are listed, too"
    times = sorted(call["at"] for call in switched.calls("switch-handler", since) if call["operation"] == "InvokeRestApi")
    # Eight, and more if a busy machine is late with the first ones; without a limit it would be dozens.
    assert len(times) / max(times[-1] - times[0], 1) < 12


def test_throttled_half_way_nothing_is_claimed(switched: Pair):
    before = switched.flag().effective_from - timedelta(minutes=20)
    runs = [run(f"dag_{number:05}", before, True) for number in range(500)]
    switched.environment("blue", runs=runs)
    switched.environment("green", runs=[run(one["dag_id"], before, False) for one in runs])
    switched.aws.add_fault("throttle", "airflow", "InvokeRestApi", match=switched.environments["green"], after=3)
    answer = switched.ask(action="run-report")
    run_report = answer["run_report"]
    assert (run_report["partial"], lists(answer), run_report["counts"]["unjudged"]) == (True, {}, 500), run_report["counts"]
    assert {(gap["question"], gap["color"]) for gap in run_report["not_asked"]} == {(question, "green") for question in ("dag-runs", "task-instances", "dags")}
    assert "throttled" in run_report["not_asked"][0]["cause"] and "partial" in answer["reason"]


def test_a_dead_old_environment_leaves_what_the_new_one_knows(switched: Pair):
    scripted(switched)
    switched.environment("blue", rest_api="down")
    answer = switched.ask(action="run-report")
    assert answer["run_report"]["partial"] and lists(answer) == {"pending": ["waits"]}, answer["run_report"]


# -- the watcher ---------------------------------------------------------------------------------------------------------

@pytest.fixture
def watched(switched: Pair) -> Pair:
    switched.look_once_a_tick()
    switched.configure("health-watcher", RUN_REPORT_SECONDS="1")
    scripted(switched)
    return switched


def test_the_watcher_tells_once(watched: Pair):
    watched.tick()
    event = only(watched.wait_for_audit("Run Report"))
    flag = watched.flag()
    assert event["id"] == f"{watched.name}:{watched.flag_name}:run-report:v2-{flag.milliseconds}"
    assert event["run_report"]["counts"]["lost"] == 1 and "1 executed by nobody" in event["reason"]
    watched.tick()
    watched.tick()
    assert len(watched.audit("Run Report")) == 1
    assert watched.memory("run_report") == {"transition": f"v2-{flag.milliseconds}"}
    watched.ask(to="blue", force=True)
    watched.wait_until_audited(3)
    time.sleep(1)
    watched.tick()
    assert [event["run_report"]["transition"]["version"] for event in watched.wait_for_audit("Run Report", 2)] == [2, 3]


@pytest.mark.parametrize("later", ["the same color by hand", "its own write once more"])
def test_a_later_write_of_the_same_color_does_not_hide_a_transition(deploy: Deploy, later: str):
    pair = deploy(RunReportSeconds="3", SwitchLeadSeconds="0")
    pair.look_once_a_tick()
    if later == "its own write once more":
        switch_handler: dict[str, Any] = {"times": 1, "caller": pair.function("switch-handler")}
        pair.fault_at_flag("lost-response", **switch_handler)
        pair.aws.add_fault("stale", "ssm", "GetParameterHistory", as_of=time.time(), **switch_handler)
    assert pair.ask(to="green")["outcome"] == "switched"
    if later == "the same color by hand":
        pair.write_by_hand("green")
    assert pair.stands_at() == ("green", 3)
    time.sleep(4)
    pair.tick()
    transition, standing = (f"v{version.number}-{version.milliseconds}" for version in pair.versions()[1:])
    assert only(pair.wait_for_audit("Run Report"))["id"].endswith(f":run-report:{transition}")
    assert pair.memory("run_report") == {"transition": transition, "up_to": standing}
    pair.tick()
    assert len(pair.audit("Run Report")) == 1


def test_it_waits_for_the_time_set_and_a_first_flag_hands_nothing_over(deploy: Deploy):
    pair = deploy()
    pair.look_once_a_tick()
    pair.configure("health-watcher", RUN_REPORT_SECONDS="1")
    time.sleep(1)
    pair.tick()
    assert "run-report:v1" not in str(pair.audit("Run Report")) and "v1-" in pair.memory("run_report")["transition"]
    pair.configure("health-watcher", RUN_REPORT_SECONDS="3600")
    pair.ask(to="green")
    pair.tick()
    pair.configure("health-watcher", RUN_REPORT_SECONDS="0")
    pair.tick()
    assert pair.audit("Run Report") == []


@pytest.mark.parametrize("fault", ["kill-caller", "kill-caller-after"])
@pytest.mark.parametrize(("service", "operation"), [("events", "PutEvents"), ("ssm", "PutParameter")])
def test_a_crash_tells_it_again_under_one_id(watched: Pair, fault: str, service: str, operation: str):
    match = f"{watched.root}/memory" if service == "ssm" else None
    watched.aws.add_fault(fault, service, operation, match=match, times=1)
    assert watched.invoke("health-watcher", {})[1], "it was killed"
    watched.tick()
    events = watched.wait_for_audit("Run Report")
    assert len({event["id"] for event in events}) == 1
    assert watched.memory("run_report")


def test_a_dead_environment_does_not_fail_the_tick(watched: Pair):
    watched.environment("blue", rest_api="down")
    answer = watched.tick()
    assert answer["active"] == "green"
    event = only(watched.wait_for_audit("Run Report"))
    assert event["run_report"]["partial"] and event["run_report"]["counts"]["pending"] == 1
