"""`DagManagement=pause`: after a transition the new color's DAGs run and the old one's are paused, and nothing else changes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from support.dags import dags, let_time_pass, pause_by_hand, progress, settle, unpaused
from support.deployment import Deploy
from support.pair import Pair, only
from support.waiting import until

VERSIONS = ["3.0.6", "2.10.5", "3.3.2"]
LONG = "a_dag_whose_id_is_longer_than_the_path_that_invoke_rest_api_takes_in_one_request"
PATCH = '"Method":"PATCH"'


def run(dag_id: str, minutes_ago: float, state: str = "running") -> dict[str, Any]:
    began = (datetime.now(timezone.utc) - timedelta(minutes=minutes_ago)).isoformat()
    return {"dag_id": dag_id, "run_id": f"r-{dag_id}", "state": state, "instant": began, "start_date": began, "tasks": {}}


@pytest.fixture
def paused_pair(deploy: Deploy) -> Deploy:
    """A pair that pauses, with green fenced: a starting point for any test."""
    def made(version: str = "3.0.6", blue: Any = None, green: Any = None, **parameters: str) -> Pair:
        blue = blue if blue is not None else dags(paused=("retired",))
        green = green if green is not None else dags(paused=("retired",))
        settings = {"airflow_version": version}
        pair = deploy(environments={"blue": {**settings, "dags": blue}, "green": {**settings, "dags": green}},
                      DagManagement="pause", AirflowRole="Op", ReadinessIntervalMinutes="0", **parameters)
        pair.look_once_a_tick()
        assert pair.tick()["dag_management"]["state"] == "draining"
        # A busy machine may not list thousands of DAGs within one tick.
        assert any(settle(pair)["state"] == "settled" for _ in range(6)), progress(pair)
        return pair

    return made


def test_at_first_the_standby_is_paused_and_the_active_left_alone(deploy: Deploy):
    both = {"blue": {"dags": dags(paused=("retired",))}, "green": {"dags": dags(running=("orders", "invoices", "stock", "retired"))}}
    pair = deploy(environments=both, DagManagement="pause", AirflowRole="Op")
    first = pair.tick()["dag_management"]
    assert (first["state"], first["paused"], first["unpaused"]) == ("draining", 0, 0), "not within 30 s"
    assert progress(pair)["unpaused"]["ids"] == ["invoices", "orders", "stock"]
    second = settle(pair)
    assert (second["state"], second["paused"]) == ("settled", 4)
    assert unpaused(pair, "green") == set() and unpaused(pair, "blue") == {"orders", "invoices", "stock"}
    event = only(pair.wait_for_audit("DAG Management"))
    assert (event["state"], event["outcome"], event["active"]) == ("settled", "succeeded", "blue")
    status = pair.ask(action="status")["dag_management"]
    assert (status["state"], status["active"], status["remembered"]) == ("settled", "blue", 3), status
    calm = pair.tick()["dag_management"]
    assert (calm["state"], calm["paused"], calm["unpaused"]) == ("settled", 0, 0)
    assert len(pair.audit("DAG Management")) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_there_and_back_every_dag_is_as_it_was(paused_pair: Deploy, version: str):
    pair = paused_pair(version)
    pause_by_hand(pair, "blue", "stock")  # no tick since
    answer = pair.ask(to="green")
    assert answer["outcome"] == "switched", answer
    assert (answer["dag_management"]["state"], answer["dag_management"]["unpaused"]) == ("draining", 2), answer
    assert unpaused(pair, "green") == {"orders", "invoices"}, "what a person paused stays paused"
    assert unpaused(pair, "blue") == {"orders", "invoices"}, "it drains first"
    assert settle(pair)["state"] == "settled"
    assert unpaused(pair, "green") == {"orders", "invoices"} and unpaused(pair, "blue") == set()
    back = pair.ask(action="rollback", force=True)
    assert (back["outcome"], back["dag_management"]["unpaused"]) == ("switched", 2), back
    assert settle(pair)["state"] == "settled"
    assert unpaused(pair, "blue") == {"orders", "invoices"} and unpaused(pair, "green") == set()
    states = [event["state"] for event in pair.audit("DAG Management")]
    assert states == ["settled"] * 3, "told once for each transition and for the first look"


def test_a_flag_written_by_hand_is_followed_by_the_next_tick(paused_pair: Deploy):
    pair = paused_pair()
    pair.write_by_hand("green")
    assert pair.tick()["dag_management"]["unpaused"] == 3
    assert unpaused(pair, "green") == {"orders", "invoices", "stock"}
    assert settle(pair)["paused"] == 3 and unpaused(pair, "blue") == set()


def test_runs_in_progress_are_not_cut_and_dags_at_rest_do_not_wait_for_them(paused_pair: Deploy):
    pair = paused_pair(DrainMinutes="10")
    pair.environment("blue", runs=[run("orders", 5)])
    pair.ask(to="green")
    # Started after the transition: a run of the old color's own, for which nothing waits.
    pair.environment("blue", runs=[run("orders", 5), run("stock", -0.1)])
    first = settle(pair)
    assert first["state"] == "draining" and "orders" in first["detail"], first
    assert unpaused(pair, "blue") == {"orders"}
    pair.environment("blue", runs=[run("orders", 5, "success")])
    assert pair.tick()["dag_management"]["state"] == "settled" and unpaused(pair, "blue") == set()


def test_the_old_colors_last_runs_are_waited_for_though_the_flag_was_written_before_they_began(paused_pair: Deploy):
    pair = paused_pair(SwitchLeadSeconds="60")
    pair.ask(to="green")
    let_time_pass(pair, 45)
    waits = pair.tick()["dag_management"]
    assert waits["state"] == "draining" and "has taken effect" in waits["detail"], waits
    assert unpaused(pair, "blue") == {"orders", "invoices", "stock"}, "blue still makes runs of its own"
    let_time_pass(pair, 60)
    # The transition took effect 45 s ago. A late scheduler has started a run that was due before it; the other run is green's.
    late, greens = run("orders", 40 / 60), run("stock", 35 / 60)
    late["instant"] = (datetime.now(timezone.utc) - timedelta(seconds=300)).isoformat()
    pair.environment("blue", runs=[late, greens])
    assert pair.tick()["dag_management"]["state"] == "draining" and unpaused(pair, "blue") == {"orders"}


def test_after_the_time_to_drain_what_still_runs_is_paused_too(paused_pair: Deploy):
    pair = paused_pair(DrainMinutes="10")
    pair.environment("blue", runs=[run("orders", 5)])
    pair.ask(to="green")
    assert settle(pair)["state"] == "draining"
    let_time_pass(pair, 600)
    assert pair.tick()["dag_management"]["state"] == "settled" and unpaused(pair, "blue") == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_dead_environment_stops_no_failover_and_is_fenced_when_it_is_back(paused_pair: Deploy, version: str):
    pair = paused_pair(version)
    pair.environment("blue", status="UNAVAILABLE", rest_api="down")
    answer = pair.tick()
    assert answer["decision"] == "failover", answer
    assert answer["dag_management"]["state"] == "not-fenced" and "not fenced" in answer["dag_management"]["detail"], answer
    assert unpaused(pair, "green") == {"orders", "invoices", "stock"}, "by what was remembered"
    assert pair.tick()["dag_management"]["state"] == "not-fenced"
    assert pair.audit("DAG Management", state="not-fenced") == [], "an answer may be a moment late"
    let_time_pass(pair, 100)
    assert pair.tick()["dag_management"]["state"] == "not-fenced"
    assert pair.tick()["dag_management"]["state"] == "not-fenced"
    assert only(pair.wait_for_audit("DAG Management", state="not-fenced"))["outcome"] == "failed", "told once"
    pair.environment("blue", status="AVAILABLE", rest_api="up")
    assert unpaused(pair, "blue") == {"orders", "invoices", "stock"}
    assert pair.tick()["dag_management"]["state"] == "settled"
    assert unpaused(pair, "blue") == set() and unpaused(pair, "green") == {"orders", "invoices", "stock"}
    pair.wait_for_audit("DAG Management", outcome="recovered")


def test_nothing_is_paused_before_the_new_colors_dags_run(paused_pair: Deploy):
    pair = paused_pair()
    pair.environment("green", rest_api="down")
    answer = pair.ask(to="green", force=True)
    assert answer["outcome"] == "switched" and answer["dag_management"]["state"] == "activation-failed", answer
    let_time_pass(pair, 4000)
    assert pair.tick()["dag_management"]["state"] == "activation-failed"
    assert unpaused(pair, "blue") == {"orders", "invoices", "stock"}, "somebody must do the work"
    assert only(pair.wait_for_audit("DAG Management", state="activation-failed"))["outcome"] == "failed"
    pair.environment("green", rest_api="up")
    assert pair.tick()["dag_management"]["unpaused"] == 3
    assert unpaused(pair, "green") == {"orders", "invoices", "stock"}
    pair.wait_for_audit("DAG Management", outcome="recovered")


def test_a_color_whose_dags_are_not_parsed_yet_is_not_taken_for_done(paused_pair: Deploy):
    pair = paused_pair()
    pair.environment("green", dags={})
    answer = pair.ask(to="green", force=True)
    assert answer["dag_management"]["state"] == "activation-failed", answer
    let_time_pass(pair, 4000)
    pair.tick()
    assert unpaused(pair, "blue") == {"orders", "invoices", "stock"}
    pair.environment("green", dags=dags(running=(), paused=("orders", "invoices", "retired")))
    assert pair.tick()["dag_management"]["unpaused"] == 2 and unpaused(pair, "green") == {"orders", "invoices"}
    # One DAG appears even later, as after a broken import: it must still be unpaused, and does not delay the others.
    assert settle(pair)["state"] == "settled" and unpaused(pair, "blue") == set()
    pause_by_hand(pair, "green", "invoices")
    pair.tick()
    pair.environment("green", dags={"orders": {"paused": False}, **dags(running=(), paused=("stock", "invoices", "retired"))})
    assert pair.tick()["dag_management"]["unpaused"] == 1
    assert unpaused(pair, "green") == {"orders", "stock"}, "what is owed, and not what a person paused"
    pair.ask(to="blue", force=True)
    assert unpaused(pair, "blue") == {"orders", "stock"}


def test_a_tick_that_is_overtaken_by_a_switch_back_does_not_pause_the_active(paused_pair: Deploy):
    pair = paused_pair()
    pair.ask(to="green")
    let_time_pass(pair, 60)
    # The tick lists blue's runs, and while it waits blue becomes active again.
    slow = pair.aws.add_fault("latency", "airflow", "InvokeRestApi", match="dagRuns", times=1, latency_ms=4000)
    with ThreadPoolExecutor() as threads:
        tick = threads.submit(pair.tick)
        until("the tick waits", lambda: pair.hits(slow))
        assert pair.ask(to="blue")["outcome"] == "switched"
        overtaken = tick.result()["dag_management"]
    assert overtaken["state"] == "draining" and "changed" in overtaken["detail"], overtaken
    assert unpaused(pair, "blue") == {"orders", "invoices", "stock"}
    pair.tick()
    assert settle(pair)["state"] == "settled"
    assert unpaused(pair, "blue") == {"orders", "invoices", "stock"} and unpaused(pair, "green") == set()


def test_what_a_straggler_pauses_is_unpaused_and_not_learned(paused_pair: Deploy):
    pair = paused_pair()
    pair.ask(to="green")
    let_time_pass(pair, 60)
    pause_by_hand(pair, "green", "orders")
    assert pair.tick()["dag_management"]["unpaused"] == 1
    assert unpaused(pair, "green") == {"orders", "invoices", "stock"}
    let_time_pass(pair, 60)
    pair.tick()
    pause_by_hand(pair, "green", "orders")
    pair.tick()
    assert unpaused(pair, "green") == {"invoices", "stock"}, "90 s after a transition it is a person's wish"
    assert progress(pair)["unpaused"]["ids"] == ["invoices", "stock"]


def test_an_active_that_ran_and_cannot_be_asked_again_does_not_leave_the_other_unpaused(paused_pair: Deploy):
    pair = paused_pair()
    pair.ask(to="green")
    pair.environment("green", rest_api="down")
    assert settle(pair)["state"] == "settled" and unpaused(pair, "blue") == set()
    assert not progress(pair)["verified"] and progress(pair)["unpaused"]["ids"] == ["invoices", "orders", "stock"]
    pair.environment("green", rest_api="up")
    pause_by_hand(pair, "green", "orders")
    assert pair.tick()["dag_management"]["unpaused"] == 1, "a straggler may have paused it"
    assert progress(pair)["verified"]


def test_a_dead_environment_that_was_never_listed_stops_nothing(deploy: Deploy):
    both = {"blue": {"dags": dags(), "status": "UNAVAILABLE", "rest_api": "down"}, "green": {"dags": dags(paused=("retired",))}}
    pair = deploy(environments=both, DagManagement="pause", AirflowRole="Op")
    pair.look_once_a_tick()
    assert pair.tick()["decision"] == "failover"
    assert settle(pair)["state"] == "not-fenced"
    assert progress(pair)["unpaused"]["ids"] == ["invoices", "orders", "stock"], "what runs on green is right by now"
    pair.environment("blue", status="AVAILABLE", rest_api="up")
    assert pair.tick()["dag_management"]["state"] == "settled"
    assert unpaused(pair, "blue") == set() and unpaused(pair, "green") == {"orders", "invoices", "stock"}


def test_a_lost_list_is_learned_from_the_old_color_and_else_from_the_hands_of_a_person(paused_pair: Deploy):
    pair = paused_pair()
    stored = progress(pair)
    stored["unpaused"] = {"count": 3, "parts": {"name": "gone", "count": 1}}
    pair.client("ssm").put_parameter(Name=f"{pair.root}/managed-dags", Value=json.dumps(stored), Type="String", Overwrite=True)
    pair.environment("blue", status="UNAVAILABLE", rest_api="down")
    assert pair.tick()["dag_management"]["state"] == "activation-failed"
    pause_by_hand(pair, "green", "orders", False)
    pair.tick()
    assert settle(pair)["state"] == "not-fenced" and progress(pair)["unpaused"]["ids"] == ["orders"]


def test_one_dag_that_cannot_be_set_does_not_hold_up_the_others(paused_pair: Deploy):
    pair = paused_pair()
    pair.aws.add_fault("server-error", "airflow", "InvokeRestApi", match='"Path":"/dags/invoices"')
    assert pair.ask(to="green")["dag_management"]["state"] == "activation-failed"
    assert unpaused(pair, "green") == {"orders", "stock"}


def test_going_back_to_guard_forgets_the_list(paused_pair: Deploy):
    pair = paused_pair()
    pair.configure("health-watcher", DAG_MANAGEMENT="guard")
    assert "dag_management" not in pair.tick() and pair.parameter("managed-dags") is None
    assert unpaused(pair, "green") == set(), "nothing is unpaused by that"
    assert pair.tick()["decision"] == "none"


def test_a_role_that_may_not_pause_is_named(paused_pair: Deploy):
    pair = paused_pair()
    pair.aws.add_fault("access-denied", "airflow", "InvokeRestApi", match=PATCH)
    answer = pair.ask(to="green")
    assert answer["dag_management"]["state"] == "activation-failed", answer
    assert "AirflowRole" in answer["dag_management"]["detail"]


@pytest.mark.long(130)
@pytest.mark.parametrize("version", VERSIONS)
def test_five_thousand_dags_throttled_half_way(paused_pair: Deploy, version: str):
    many = {f"team_{number % 7}_job_{number:05}": {"paused": number % 500 == 0} for number in range(1, 5001)}
    wanted = {dag_id for dag_id, dag in many.items() if not dag["paused"]}
    pair = paused_pair(version, blue=many, green=many)
    assert progress(pair)["unpaused"]["parts"]["count"] > 1 and progress(pair)["unpaused"]["count"] == len(wanted)
    pair.aws.add_fault("throttle", "airflow", "InvokeRestApi", match=PATCH, after=5, times=4)
    since = pair.aws.calls_so_far()
    answer = pair.ask(to="green")
    assert answer["outcome"] == "switched", answer
    for _ in range(6):
        if unpaused(pair, "green") == wanted:
            break
        pair.tick()
    assert unpaused(pair, "green") == wanted, "none is missed and none too many"
    patches = [call for call in pair.aws.calls(since) if call["operation"] == "InvokeRestApi" and PATCH in str(call).replace("\\", "")]
    assert len(patches) < 700, f"{len(patches)} requests for {len(wanted)} DAGs"
    let_time_pass(pair, 100)
    for _ in range(6):
        if pair.tick()["dag_management"]["state"] == "settled":
            break
    assert unpaused(pair, "blue") == set()
    left = pair.client("ssm").get_parameters_by_path(Path=f"{pair.root}/managed-dags")["Parameters"]
    assert len(left) == progress(pair)["unpaused"]["parts"]["count"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_id_too_long_for_a_path_is_set_by_its_pattern_or_named(paused_pair: Deploy, version: str):
    alone = {"orders": {"paused": False}, LONG: {"paused": False}, "retired": {"paused": True}}
    pair = paused_pair(version, blue=alone, green=alone)
    assert "manual" not in pair.ask(to="green")["dag_management"]
    assert unpaused(pair, "green") == {"orders", LONG}
    settle(pair)
    # The pattern of its id would now match a DAG that a person paused.
    pair.environment("green", dags={**alone, f"{LONG}_2": {"paused": True}})
    pair.environment("blue", dags={**{dag_id: {"paused": True} for dag_id in alone}, f"{LONG}_2": {"paused": True}})
    back = pair.ask(to="blue")["dag_management"]
    assert (back["manual"], back["unpaused"]) == ([LONG], 1), back
    assert unpaused(pair, "blue") == {"orders"}
    assert settle(pair)["manual"] == [LONG]
    event = only(event for event in pair.wait_for_audit("DAG Management", outcome="failed"))
    assert event["dag_management"]["manual"] == [LONG] and "manually" in event["reason"]
    again = pair.ask(to="green")["dag_management"]
    assert (again["manual"], again["unpaused"]) == ([LONG], 1), "it is not forgotten"


@pytest.mark.parametrize("kind", ["kill-caller", "kill-caller-after"])
@pytest.mark.parametrize("nth", range(8))
def test_a_function_killed_at_any_write_leaves_nothing_wrong(paused_pair: Deploy, kind: str, nth: int):
    blue = {"orders": {"paused": False}, "invoices": {"paused": False}, "stock": {"paused": False}, "retired": {"paused": True},
            "old": {"paused": True}}
    pair = paused_pair(blue=blue, green=blue)
    # Every write of a switch and of what follows, to Parameter Store and to Airflow.
    in_airflow = nth % 2 == 0
    fault = pair.aws.add_fault(kind, "airflow", "InvokeRestApi", match=PATCH, after=nth // 2, times=1) if in_airflow else \
        pair.aws.add_fault(kind, "ssm", "PutParameter", match=f"{pair.root}/managed-dags", after=nth // 2, times=1)
    pair.invoke("switch-handler", {"to": "green"})
    if pair.stands_at()[0] != "green":
        pair.ask(to="green")
    for _ in range(6):
        pair.invoke("health-watcher", {})
        let_time_pass(pair, 31)
    assert pair.hits(fault) <= 1
    assert pair.tick()["dag_management"]["state"] == "settled"
    assert unpaused(pair, "green") == {"orders", "invoices", "stock"} and unpaused(pair, "blue") == set()
    assert progress(pair)["unpaused"]["ids"] == ["invoices", "orders", "stock"]


@pytest.mark.parametrize("kind", ["throttle", "server-error", "timeout", "lost-response"])
def test_a_store_that_fails_after_the_switch_fails_no_switch(paused_pair: Deploy, kind: str):
    pair = paused_pair()
    more = {"latency_ms": 9000} if kind == "timeout" else {}
    pair.aws.add_fault(kind, "ssm", "PutParameter", match=f"{pair.root}/managed-dags", times=3, **more)
    answer = pair.ask(to="green")
    assert answer["outcome"] == "switched", answer
    pair.aws.clear_faults()
    pair.tick()
    assert unpaused(pair, "green") == {"orders", "invoices", "stock"}


def test_what_somebody_unpauses_on_the_standby_is_paused_again_unless_a_hold_stands(paused_pair: Deploy):
    pair = paused_pair()
    pair.hold("trying the new release on green")
    pause_by_hand(pair, "green", "orders", False)
    assert pair.tick()["dag_management"]["state"] == "settled" and unpaused(pair, "green") == {"orders"}
    pair.release()
    assert pair.tick()["dag_management"]["state"] == "draining"
    let_time_pass(pair, 31)
    assert pair.tick()["dag_management"]["paused"] == 1 and unpaused(pair, "green") == set()


def test_a_dag_that_vanished_from_the_active_is_still_unpaused_on_the_other(paused_pair: Deploy):
    pair = paused_pair()
    pair.environment("blue", dags={"orders": {"paused": False}})  # a broken import removes two
    pair.tick()
    pair.ask(to="green")
    assert unpaused(pair, "green") == {"orders", "invoices", "stock"}


def test_a_dag_that_only_the_standby_has_stays_paused(paused_pair: Deploy):
    pair = paused_pair(green=dags(paused=("retired", "not_released")))
    pair.tick()
    pair.fail("blue")
    assert pair.tick()["decision"] == "failover"
    assert unpaused(pair, "green") == {"orders", "invoices", "stock"}


def test_a_drill_takes_the_dags_along_and_back(paused_pair: Deploy):
    pair = paused_pair()
    answer = pair.ask(action="drill", duration_minutes=1)
    assert answer["outcome"] == "pending" and answer["dag_management"]["unpaused"] == 3, answer
    settle(pair)
    pair.aws.age_parameter(pair.flag_name, 90)
    back = pair.tick()
    assert back["decision"] == "drill-return" and back["dag_management"]["unpaused"] == 3, back
    settle(pair)
    assert unpaused(pair, "blue") == {"orders", "invoices", "stock"} and unpaused(pair, "green") == set()


def test_without_it_no_dag_is_touched(deploy: Deploy):
    pair = deploy(environments={"blue": {"dags": dags()}, "green": {"dags": dags()}})
    since = pair.aws.calls_so_far()
    assert "dag_management" not in pair.tick()
    assert "dag_management" not in pair.ask(to="green")
    pair.tick()
    assert unpaused(pair, "blue") == unpaused(pair, "green") == {"orders", "invoices", "stock"}
    assert pair.parameter("managed-dags") is None
    assert not [call for call in pair.aws.calls(since) if PATCH in str(call).replace("\\", "")]


def test_readiness_takes_a_paused_standby_for_normal_and_an_unpaused_one_for_a_fault(paused_pair: Deploy):
    pair = paused_pair()
    names = [finding["name"] for finding in pair.ask(action="check")["readiness"]["findings"]]
    assert not [name for name in names if name.startswith("dags-")], names
    pause_by_hand(pair, "green", "orders", False)
    check = pair.ask(action="check")["readiness"]["findings"]
    assert "orders" in only(finding["what"] for finding in check if finding["name"] == "dags-not-fenced")
