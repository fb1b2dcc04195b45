"""The standby's readiness: `check`, and the watcher's own periodic check."""

from __future__ import annotations

import itertools
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from support.deployment import Deploy
from support.events import load as load_event
from support.pair import Pair, only

# Two environments as alike as a blue-green pair can be.
TWINS = {
    "blue": {"weekly_maintenance_window_start": "SUN:03:00", "configuration_options": {"custom.environment_color": "blue"},
             "dags": 3, "requirements_s3_path": "requirements.txt", "requirements_s3_object_version": "one",
             "source_bucket_arn": "arn:aws:s3:::orders"},
    "green": {"weekly_maintenance_window_start": "WED:03:00", "configuration_options": {"custom.environment_color": "green"},
              "dags": 3, "requirements_s3_path": "requirements.txt", "requirements_s3_object_version": "one",
              "source_bucket_arn": "arn:aws:s3:::orders"},
}


@pytest.fixture
def twins(deploy: Deploy) -> Pair:
    pair = deploy(wakes=("alarm",), environments=TWINS)
    pair.ask(to="green")  # so that green has been active once
    pair.ask(to="blue", force=True)
    pair.wait_until_audited(3)
    return pair


def checked(pair: Pair) -> dict[str, Any]:
    return pair.ask(action="check")


def found(answer: dict[str, Any]) -> dict[str, str]:
    """Severity by name; a repeated name is an error here."""
    findings = answer["readiness"]["findings"]
    names = [finding["name"] for finding in findings]
    assert len(names) == len(set(names)), findings
    return {finding["name"]: finding["severity"] for finding in findings}


def test_twins_are_ready(twins: Pair):
    answer = twins.answer_of("switch-handler", load_event("requests/check"))
    readiness = answer["readiness"]
    assert (answer["outcome"], answer["active"], answer["version"]) == ("ready", "blue", 3), answer
    assert (readiness["score"], readiness["level"], readiness["partial"]) == (100, "green", False)
    assert readiness["findings"] == [] and readiness["not_asked"] == []
    assert answer["reason"] == "green is ready to take over"
    assert readiness["dags"]["listed"]["green"] == {"known": 3, "total": 3, "paused": 0, "complete": True}
    assert "orders" in readiness["environments"]["blue"]["known"]["source_bucket_arn"]


CHANGES: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("green", {"status": "UNAVAILABLE"}, {"standby-verdict": "red"}),
    ("green", {"status": "MAINTENANCE"}, {"standby-verdict": "red"}),
    ("green", {"status": "CREATING"}, {"standby-verdict": "red"}),
    ("green", {"scheduler": "unhealthy", "heartbeat_metric": False}, {"standby-verdict": "red", "standby-heartbeat": "red"}),
    ("green", {"airflow_version": "3.1.0"}, {"airflow-version": "red"}),
    ("green", {"airflow_version": "3.0.5"}, {"airflow-version": "amber"}),
    ("blue", {"environment_class": "mw1.large"}, {"environment-class": "amber"}),
    ("green", {"environment_class": "mw1.large"}, {"environment-class": "info"}),
    ("green", {"max_workers": 2}, {"max-workers": "amber"}),
    ("green", {"max_workers": 20}, {}),
    ("blue", {"schedulers": 4}, {"schedulers": "amber"}),
    ("green", {"requirements_s3_path": None}, {"requirements": "red"}),
    ("green", {"requirements_s3_object_version": "two"}, {"requirements": "amber"}),
    ("green", {"requirements_s3_object_version": "two", "source_bucket_arn": "arn:aws:s3:::other"}, {"source-file-versions": "info"}),
    ("blue", {"plugins_s3_path": "plugins.zip"}, {"plugins": "red"}),
    ("green", {"plugins_s3_path": "plugins.zip"}, {"plugins": "amber"}),
    ("green", {"startup_script_s3_path": "startup.sh"}, {"startup-script": "amber"}),
    ("green", {"configuration_options": {"custom.environment_color": "green", "core.parallelism": "8"}},
     {"configuration-options": "amber"}),
    ("green", {"configuration_options": {}}, {"environment-color": "amber"}),
    ("green", {"configuration_options": {"custom.environment_color": "blue"}}, {"environment-color": "red"}),
    ("green", {"weekly_maintenance_window_start": "SUN:01:30"}, {"maintenance-window": "amber"}),
    ("green", {"weekly_maintenance_window_start": "SUN:05:00"}, {}),
    ("green", {"webserver_access_mode": "PRIVATE_ONLY"}, {"webserver-access": "info"}),
    ("green", {"dags": 2}, {"dags-missing": "red"}),
    ("green", {"dags": {"dag_00001": {}, "dag_00002": {}, "dag_00003": {"stale": True}}}, {"dags-missing": "red"}),
    ("green", {"dags": 4}, {"dags-extra": "amber"}),
    ("green", {"dags": {"dag_00001": {"paused": True}, "dag_00002": {}, "dag_00003": {}}}, {"dags-paused": "red"}),
    ("blue", {"dags": {"dag_00001": {"paused": True}, "dag_00002": {}, "dag_00003": {}}}, {"dags-unpaused": "amber"}),
    ("green", {"import_errors": ["orders.py"]}, {"import-errors": "red"}),
]


def test_every_difference_is_found_and_gone_when_it_is_repaired(twins: Pair):
    wrong = []
    for color, change, expected in CHANGES:
        twins.environment(color, **change)
        answer = checked(twins)
        word = "not_ready" if "red" in expected.values() else "ready"
        if (found(answer), answer["outcome"]) != (expected, word):
            wrong.append((color, change, found(answer), answer["outcome"], answer["readiness"]["not_asked"]))
        for finding in answer["readiness"]["findings"]:
            assert finding["what"] and finding["why"] and finding["fix"] and finding["color"] in ("blue", "green", None)
        twins.environment(color, **{"airflow_version": "3.0.6", "status": "AVAILABLE", "scheduler": "running",
                                     "heartbeat_metric": True, "environment_class": "mw1.small", "max_workers": 5,
                                     "schedulers": 2, "plugins_s3_path": None, "startup_script_s3_path": None,
                                     "webserver_access_mode": "PUBLIC_ONLY", "import_errors": [], **TWINS[color]})
    assert wrong == []
    assert found(checked(twins)) == {}


def test_a_labeled_version_of_the_flag_is_found_before_it_stops_a_switch(twins: Pair):
    twins.lose_change_events()
    twins.client("ssm").label_parameter_version(Name=twins.flag_name, ParameterVersion=1, Labels=["keep"])
    finding = only(checked(twins)["readiness"]["findings"])
    assert (finding["name"], finding["severity"]) == ("flag-label", "amber")
    for _ in range(97):
        twins.write_by_hand("blue")
    finding = only(checked(twins)["readiness"]["findings"])
    assert (finding["name"], finding["severity"]) == ("flag-label", "red")
    assert finding["fix"] == f"aws ssm unlabel-parameter-version --name {twins.flag_name} --parameter-version 1 --labels keep"
    assert "ParameterMaxVersionLimitExceeded" in twins.ask_in_vain(to="green")["errorMessage"], "and so it would be"


def test_alarms_that_cannot_wake_anybody_are_found(twins: Pair):
    cloudwatch = twins.client("cloudwatch")
    cloudwatch.disable_alarm_actions(AlarmNames=[f"{twins.name}-green-heartbeat-lost"])
    assert found(checked(twins)) == {"heartbeat-alarm": "amber"}
    cloudwatch.enable_alarm_actions(AlarmNames=[f"{twins.name}-green-heartbeat-lost"])
    twins.configure("switch-handler", GREEN_HEALTH_ALARM_NAMES="never-made")
    assert found(checked(twins)) == {"named-alarm": "amber"}


def test_another_pattern_and_a_standby_that_never_worked(deploy: Deploy):
    pair = deploy(wakes=("alarm",), environments=TWINS, initialize=False)
    pair.client("ssm").put_parameter(Name=pair.flag_name, Value="blue", Type="String", AllowedPattern="^[a-z]+$")
    assert found(checked(pair)) == {"flag-pattern": "amber", "drill-overdue": "info"}
    pair.client("ssm").delete_parameter(Name=pair.flag_name)
    answer = checked(pair)
    assert (answer["outcome"], found(answer), answer["active"]) == ("not_ready", {"flag": "red"}, None)


def test_a_check_has_no_other_fields(twins: Pair):
    error = twins.ask_in_vain(action="check", requested_by="ana")
    assert error["errorType"] == "InvalidRequest" and "requested_by" in error["errorMessage"]


# -- the guard in the standby's runs -------------------------------------------------------------------------------------

def ended(dag_id: str, at: datetime, *tasks: str, **more: Any) -> dict[str, Any]:
    """A run that started at that instant and succeeded, and its successful tasks."""
    began = at.isoformat(timespec="milliseconds")
    return {"dag_id": dag_id, "run_id": f"scheduled__{began}", "state": "success", "instant": began, "start_date": began,
            "tasks": {task: {"state": "success", "start_date": began, "end_date": began} for task in tasks}, **more}


@pytest.mark.parametrize("version", ["3.0.6", "2.10.5", "3.3.2"])
def test_a_standby_that_executes_without_its_guard_is_found(twins: Pair, version: str):
    guard, began = "bluegreen_guard", twins.flag().effective_from
    at, later = began + timedelta(seconds=1), began + timedelta(seconds=61)
    skips = {"load": {"state": "skipped", "start_date": at.isoformat(), "end_date": at.isoformat()}}

    def skipped(dag_id: str, when: datetime) -> dict[str, Any]:
        one = ended(dag_id, when, guard)
        return {**one, "tasks": {**one["tasks"], **skips}}

    guarded = [ended(dag_id, at, guard, "load") for dag_id in ("dag_00001", "dag_00002")]
    twins.environment("blue", airflow_version=version, runs=guarded)
    twins.environment("green", airflow_version=version, runs=[skipped("dag_00001", at), skipped("dag_00002", at)])
    assert found(checked(twins)) == {}, "as it should be"

    bare = [ended("dag_00001", at, "load"), ended("dag_00002", at, "load"), ended("dag_00003", at, "load")]
    twins.environment("green", runs=bare)
    answer = checked(twins)
    assert (answer["outcome"], found(answer)) == ("not_ready", {"guard-missing": "red"}), answer["readiness"]
    finding = only(answer["readiness"]["findings"])
    assert finding["color"] == "green" and finding["what"].endswith(": dag_00001, dag_00002"), "blue's dag_00003 has none either"
    assert f"--name {twins.environments['green']}" in finding["fix"] and "start-up script" in finding["fix"]

    repaired = [*bare, skipped("dag_00003", later)]
    twins.environment("green", runs=repaired)
    assert found(checked(twins)) == {}, "the newest run has one"

    twins.environment("green", runs=[*bare, ended("dag_00001", began - timedelta(hours=1), guard, "load")])
    assert found(checked(twins)) == {"guard-missing": "red"}, "a guard of the time before the last transition proves nothing"

    tagged = {"dag_00001": {"tags": ["bluegreen:unguarded"]}, "dag_00002": {"tags": ["bluegreen:unguarded"]}, "dag_00003": {}}
    twins.environment("green", runs=bare, dags=tagged)
    assert found(checked(twins)) == {}, "they are to run in both"

    twins.environment("green", dags=3, runs=[{**one, "start_date": (began - timedelta(minutes=1)).isoformat()} for one in bare])
    assert found(checked(twins)) == {}, "green was active then"

    twins.environment("green", runs=[ended(dag_id, at, state="running") for dag_id in tagged])
    assert found(checked(twins)) == {}, "nothing has been executed yet"


def test_without_a_guard_anywhere_the_options_say_whether_one_is_meant_to_be_there(twins: Pair):
    at = twins.flag().effective_from + timedelta(seconds=1)
    bare = [ended("dag_00001", at, "branch", "load")]
    for color in ("blue", "green"):
        twins.environment(color, runs=bare)
    assert found(checked(twins)) == {}, "they branch by the color, or do it twice on purpose"
    for options, expected in [({"custom.bluegreen_flag_parameter": twins.flag_name}, {"guard-missing": "red"}),
                              ({"custom.bluegreen_guard": "off", "custom.bluegreen_flag_parameter": twins.flag_name}, {}),
                              ({"custom.bluegreen_guard": "tagged"}, {}), ({"custom.bluegreen_status_page": "on"}, {})]:
        for color in ("blue", "green"):
            twins.environment(color, configuration_options={"custom.environment_color": color, **options})
        assert found(checked(twins)) == expected, options
    for color in ("blue", "green"):
        twins.environment(color, dags={"dag_00001": {"tags": ["bluegreen:guarded"]}}, configuration_options={
            "custom.environment_color": color, "custom.bluegreen_guard": "tagged"})
    assert found(checked(twins)) == {"guard-missing": "red"}


def test_what_is_not_answered_about_guards_claims_nothing(twins: Pair):
    at = twins.flag().effective_from + timedelta(seconds=1)
    twins.environment("blue", runs=[ended("dag_00001", at, "bluegreen_guard", "load")])
    twins.environment("green", runs=[ended("dag_00001", at, "load")])
    for match, color in [("taskInstances", "green"), ("dagRuns", "green"), (twins.environments["blue"], "blue")]:
        # The earlier requests to blue succeed: its health, import errors and DAGs.
        after = 3 if color == "blue" else 0
        twins.aws.add_fault("throttle", "airflow", "InvokeRestApi", match=match, after=after)
        answer = checked(twins)
        assert found(answer) == {} and answer["outcome"] == "partial", (match, answer["readiness"])
        gap = only(answer["readiness"]["not_asked"])
        assert (gap["question"], gap["color"]) == ("guards", color) and "throttled" in gap["cause"]
        twins.aws.clear_faults()
    assert found(checked(twins)) == {"guard-missing": "red"}


def test_a_thousand_guarded_dags_cost_two_requests(twins: Pair):
    at = twins.flag().effective_from + timedelta(seconds=1)
    for color in ("blue", "green"):
        twins.environment(color, dags=1000, runs=[ended(f"dag_{number:05}", at, "bluegreen_guard") for number in range(1, 1001)])
    since = twins.aws.calls_so_far()
    assert found(checked(twins)) == {}
    # Blue's runs with old ticks need one more request.
    assert [call["operation"] for call in twins.calls("switch-handler", since)].count("InvokeRestApi") == 2 + 2 + 2 * 10 + 3


# -- many DAGs ---------------------------------------------------------------------------------------------------------

def requests_a_second(pair: Pair, function: str, since: int) -> float:
    """The average rate of requests to Airflow: eight; more if a busy machine is late with the first ones; dozens without a limit."""
    times = sorted(call["at"] for call in pair.calls(function, since) if call["operation"] == "InvokeRestApi")
    return len(times) / max(times[-1] - times[0], 1)


@pytest.mark.parametrize(("version", "count", "cap"), [
    ("3.0.6", 1000, None), ("2.10.5", 1000, None), ("3.3.2", 1000, 50), ("3.3.2", 5000, None)])
def test_many_dags_are_listed_in_pages_under_the_rate(twins: Pair, version: str, count: int, cap: int | None):
    for color in ("blue", "green"):
        twins.environment(color, airflow_version=version, dags=count, page_cap=cap)
    dags: dict[str, dict[str, Any]] = {f"dag_{number:05}": {} for number in range(1, count + 1)}
    del dags["dag_00777"]
    dags["dag_00778"] = {"paused": True}
    twins.environment("green", dags=dags)
    since = twins.aws.calls_so_far()
    answer = checked(twins)
    print(f"{version}, {count} DAGs each, pages of {cap or 100}: {answer['elapsed_ms']} ms")
    listed = answer["readiness"]["dags"]
    assert listed["listed"]["blue"] == {"known": count, "total": count, "paused": 0, "complete": True}
    assert (listed["missing"], listed["paused"]["first"]) == ({"count": 1, "first": ["dag_00777"]}, ["dag_00778"])
    assert found(answer) == {"dags-missing": "red", "dags-paused": "red"} and not answer["readiness"]["partial"]
    assert requests_a_second(twins, "switch-handler", since) < 12


def test_throttled_half_way_is_partial_and_nothing_is_missing(twins: Pair):
    for color in ("blue", "green"):
        twins.environment(color, dags=1000)
    # The health, the import errors and three pages succeed.
    twins.aws.add_fault("throttle", "airflow", "InvokeRestApi", match=twins.environments["green"], after=5)
    answer = checked(twins)
    readiness = answer["readiness"]
    assert (answer["outcome"], readiness["partial"], readiness["level"]) == ("partial", True, "amber"), answer
    assert found(answer) == {}, "what was not listed is not missing"
    green = readiness["dags"]["listed"]["green"]
    assert 0 < green["known"] < 1000 and not green["complete"] and green["total"] == 1000
    gap = only(readiness["not_asked"])
    assert (gap["question"], gap["color"]) == ("dags", "green") and "throttled" in gap["cause"]


def test_a_passing_throttle_is_waited_out(twins: Pair):
    for color in ("blue", "green"):
        twins.environment(color, dags=400)
    twins.aws.add_fault("throttle", "airflow", "InvokeRestApi", match=twins.environments["green"], after=3, times=4)
    answer = checked(twins)
    assert (answer["outcome"], answer["readiness"]["dags"]["listed"]["green"]["known"]) == ("ready", 400), answer


def test_what_does_not_answer_in_time_is_partial(twins: Pair):
    twins.aws.add_fault("timeout", "airflow", "InvokeRestApi", match='"Path":"/dags"', latency_ms=40_000)
    twins.aws.add_fault("malformed", "ssm", "DescribeParameters")
    answer = checked(twins)
    questions = sorted({entry["question"] for entry in answer["readiness"]["not_asked"]})
    assert (answer["outcome"], questions) == ("partial", ["dags", "flag-pattern"]), answer
    assert found(answer) == {}


def test_what_may_not_be_asked_is_a_finding(twins: Pair):
    ask = {"DescribeParameters": ("ssm", "amber"), "DescribeAlarms": ("monitoring", "amber"), "GetEnvironment": ("airflow", "red")}
    for operation, (service, severity) in ask.items():
        fault = twins.aws.add_fault("access-denied", service, operation)
        answer = checked(twins)
        denied = [finding for finding in answer["readiness"]["findings"] if finding["name"] == "permission-denied"]
        assert denied and {finding["severity"] for finding in denied} == {severity}, answer["readiness"]
        assert all(operation in finding["what"] and "allow" in finding["fix"] for finding in denied)
        assert answer["readiness"]["partial"]
        twins.aws.clear_faults(fault)


# -- the watcher ---------------------------------------------------------------------------------------------------------

_ids = itertools.count(1)


def scheduled_tick(pair: Pair) -> dict[str, Any]:
    tick = load_event("ticks/schedule")
    return pair.tick({**tick, "id": f"00000000-0000-4000-8000-{next(_ids):012}"})


@pytest.fixture
def watched(twins: Pair) -> Pair:
    twins.configure("health-watcher", READINESS_INTERVAL_MINUTES="1")
    twins.look_once_a_tick()
    return twins


def standing(pair: Pair) -> dict[str, Any]:
    return pair.memory("readiness")


def test_the_watcher_remembers_and_tells_when_it_turns_red_and_when_it_is_over(watched: Pair):
    assert watched.memory("readiness") is None
    began = datetime.now(timezone.utc)
    scheduled_tick(watched)
    first = standing(watched)
    assert (first["score"], first["level"], first["red"]) == (100, "green", [])
    assert began <= datetime.fromisoformat(first["at"])
    assert watched.metric("ReadinessScore")[-1] == 100
    watched.environment("green", dags=2)
    scheduled_tick(watched)
    event = only(watched.wait_for_audit("Readiness Changed"))
    assert (event["level"], event["previous"], event["score"]) == ("red", "green", 49)
    assert only(event["findings"])["name"] == "dags-missing" and "dags-missing" in event["reason"]
    milliseconds = int(event["id"].rsplit(":", 1)[1])
    assert event["id"] == f"{watched.name}:{watched.flag_name}:readiness:{milliseconds}"
    assert (standing(watched)["red"], "pending_notification" in standing(watched)) == (["dags-missing"], False)
    scheduled_tick(watched)  # still so: nothing more is published
    watched.environment("green", dags=3)
    scheduled_tick(watched)
    over = watched.wait_for_audit("Readiness Changed", 2)
    assert [(event["level"], event["previous"]) for event in over] == [("red", "green"), ("green", "red")]
    assert standing(watched)["level"] == "green"


def test_what_turns_red_besides_is_told_too_and_what_is_repaired_of_it_is_not(watched: Pair):
    watched.environment("green", dags=2)
    scheduled_tick(watched)
    watched.wait_for_audit("Readiness Changed")
    watched.environment("green", import_errors=["orders.py"])
    scheduled_tick(watched)
    second = watched.wait_for_audit("Readiness Changed", 2)[-1]
    assert (second["level"], second["previous"]) == ("red", "red")
    assert {finding["name"] for finding in second["findings"]} == {"dags-missing", "import-errors"}
    watched.environment("green", dags=3)
    scheduled_tick(watched)
    assert standing(watched)["red"] == ["import-errors"] and len(watched.audit("Readiness Changed")) == 2


def test_a_standby_whose_named_alarm_rings_is_not_ready_on_a_calm_tick_either(watched: Pair):
    watched.user_alarm("orders-of-green")
    watched.configure("health-watcher", GREEN_HEALTH_ALARM_NAMES="orders-of-green", METRICS_INTERVAL_MINUTES="60")
    watched.raise_alarm("orders-of-green")
    watched.aws.evaluate_alarms()
    while datetime.now(timezone.utc).minute == 0:  # the one minute of the hour whose tick requests the alarms anyway
        time.sleep(1)
    scheduled_tick(watched)
    assert (standing(watched)["level"], standing(watched)["red"]) == ("red", ["standby-verdict"])


def test_a_check_that_was_missed_is_made_up_for(watched: Pair):
    scheduled_tick(watched)
    watched.configure("health-watcher", READINESS_INTERVAL_MINUTES="720")
    while datetime.now(timezone.utc).strftime("%H:%M") in ("00:00", "12:00"):  # its turn comes then anyway
        time.sleep(1)
    for minutes, is_checked in (715, False), (725, True):
        at = (datetime.now(timezone.utc) - timedelta(minutes=minutes)).isoformat()
        watched.change_memory("readiness", {**standing(watched), "at": at})
        scheduled_tick(watched)
        assert (standing(watched)["at"] != at) == is_checked, minutes


def test_a_standby_whose_guard_is_gone_is_told_and_no_silence_takes_it_back(watched: Pair):
    at = watched.flag().effective_from + timedelta(seconds=1)
    guarded = [ended("dag_00001", at, "bluegreen_guard")]
    watched.environment("blue", runs=guarded)
    watched.environment("green", runs=[ended("dag_00001", at, "load")])
    scheduled_tick(watched)
    event = only(watched.wait_for_audit("Readiness Changed"))
    assert event["level"] == "red" and only(event["findings"])["name"] == "guard-missing"
    fault = watched.aws.add_fault("throttle", "airflow", "InvokeRestApi", match="taskInstances")
    scheduled_tick(watched)
    assert (standing(watched)["red"], standing(watched)["partial"]) == (["guard-missing"], True)
    watched.aws.clear_faults(fault)
    watched.environment("green", runs=guarded)
    scheduled_tick(watched)
    assert watched.wait_for_audit("Readiness Changed", 2)[-1]["level"] == "green"


def test_a_throttle_sounds_no_all_clear(watched: Pair):
    watched.environment("green", dags=2)
    scheduled_tick(watched)
    watched.wait_for_audit("Readiness Changed")
    watched.aws.add_fault("throttle", "airflow", "InvokeRestApi", match='"Path":"/dags"')
    scheduled_tick(watched)
    now = standing(watched)
    assert (now["level"], now["red"], now["partial"], now["score"]) == ("red", ["dags-missing"], True, 49)
    assert len(watched.audit("Readiness Changed")) == 1


@pytest.mark.parametrize(("fault", "at"), [("kill-caller", "PutEvents"), ("kill-caller-after", "PutEvents"),
                                       ("kill-caller", "PutParameter"), ("kill-caller-after", "PutParameter")])
def test_a_crash_while_telling_loses_nothing_and_repeats_under_one_id(watched: Pair, fault: str, at: str):
    service = "events" if at == "PutEvents" else "ssm"
    watched.environment("green", dags=2)
    watched.aws.add_fault(fault, service, at, match=f"{watched.root}/memory" if service == "ssm" else None, times=1)
    event = load_event("ticks/schedule")
    assert watched.invoke("health-watcher", event)[1], "it was killed"
    scheduled_tick(watched)
    events = watched.wait_for_audit("Readiness Changed")
    time.sleep(0.5)
    assert len({event["id"] for event in watched.audit("Readiness Changed")}) == 1, events
    assert only(events[0]["findings"])["name"] == "dags-missing"
    assert "pending_notification" not in standing(watched)


def test_only_scheduled_ticks_with_a_healthy_active_check(watched: Pair):
    watched.tick()
    assert watched.memory("readiness") is None
    watched.environment("blue", scheduler="unhealthy")
    scheduled_tick(watched)
    assert watched.memory("readiness") is None
    watched.environment("blue", scheduler="running")
    watched.configure("health-watcher", READINESS_INTERVAL_MINUTES="0")
    scheduled_tick(watched)
    assert watched.memory("readiness") is None


def test_the_stored_score_is_published_between_checks(watched: Pair):
    scheduled_tick(watched)
    watched.configure("health-watcher", READINESS_INTERVAL_MINUTES="1440")
    before = watched.statistic("SampleCount", "ReadinessScore")
    watched.tick()
    assert watched.statistic("SampleCount", "ReadinessScore") == before + 1
