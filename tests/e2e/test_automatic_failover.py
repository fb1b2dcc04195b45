"""The active environment fails, and the pair fails over by itself. In the first tests nobody intervenes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from local_aws.process import LocalAws
from local_aws.stack import Stack
from support.clients import Clients
from support.deployment import QUICK, Deploy
from support.pair import Pair, moment, only
from support.paths import BINARIES, TEMPLATE
from support.waiting import until

WINDOW, PROBE = 10, 1
# Scheduling delays on a busy machine; the bound catches only extreme delays.
SLACK = 45


def wait_for_failover(pair: Pair, timeout: float) -> None:
    until("the flag says green", lambda: pair.stands_at()[0] == "green", timeout)


def is_told_everywhere(pair: Pair, trigger: str) -> None:
    """The flag, its record, its history, the audit trail, the metrics and the watcher's log report the same failover."""
    before, flag = pair.versions()
    assert (flag.value, flag.number) == ("green", 2)
    assert flag.description.startswith("failover: blue is unhealthy: ")
    assert flag.record == f"v2-{before.milliseconds}"
    assert flag.by.endswith(f"/{pair.name}-health-watcher")

    record = pair.records()[flag.record]
    assert (record["kind"], record["from"], record["to"], record["version"]) == ("failover", "blue", "green", 2)
    assert (record["trigger"]["type"], record["actor"]["function"]) == (trigger, "health-watcher")
    verdicts = record["evidence"]["verdicts"]
    assert (verdicts["blue"]["verdict"], verdicts["green"]["verdict"]) == ("unhealthy", "healthy")

    event = only(pair.wait_for_audit(version=2))
    assert event["id"] == f"{pair.name}:{pair.flag_name}:v2-{flag.milliseconds}"
    assert (event["kind"], event["from"], event["to"], event["record"]) == ("failover", "blue", "green", flag.record)
    assert event["who"]["last_modified_user"] == flag.by and event["reason"] == record["reason"]
    assert moment(event["timings"]["effective_from"]) == flag.effective_from

    pair.wait_until_audited(2)
    assert pair.statistic("Sum", "Transitions", Kind="failover") == 1
    assert pair.statistic("Sum", "Transitions", Kind="initialize") == 1
    assert 0 < pair.statistic("Maximum", "SwitchDuration") < SLACK * 1000
    recovery = pair.statistic("Maximum", "RecoveryTime")
    assert recovery is not None, "every failover has a time to recovery"
    assert recovery == pytest.approx((flag.modified - moment(record["evidence"]["last_known_healthy"])).total_seconds(), abs=1)
    # Both are published around the failover; within one second the bucket contains the state before it, too.
    assert pair.statistic("Maximum", "ActiveEnvironment", Color="green") == 1
    assert pair.statistic("Minimum", "ActiveEnvironment", Color="blue") == 0
    assert pair.statistic("Minimum", "EnvironmentHealthy", Color="blue") == 0
    assert pair.statistic("Minimum", "EnvironmentHealthy", Color="green") == 1

    line = only(pair.wait_for_log("health-watcher", "decision", decision="failover"))
    assert (line["transition"], line["active"], line["version"], line["trigger"]) == (flag.record, "blue", 1, trigger)
    answer = pair.tick()
    assert (answer["decision"], answer["active"], answer["version"]) == ("none", "green", 2), "one failover is enough"


def is_back_dated(pair: Pair) -> None:
    """The runs that blue never executed are green's: the failover counts from the last sign of life, within its bounds."""
    before, flag = pair.versions()
    healthy = moment(pair.records()[flag.record]["evidence"]["last_known_healthy"])
    assert abs(flag.effective_from - max(healthy, before.effective_from)) < timedelta(milliseconds=2)
    assert flag.effective_from < flag.modified - timedelta(seconds=3)


@pytest.mark.long(80)
def test_a_stack_deployed_by_the_cli_fails_over_by_schedule(aws: LocalAws, tmp_path: Path, request: pytest.FixtureRequest):
    """Deployed as a person deploys it, with the commands from the stack's own outputs and its alarm."""
    name, clients = "by-the-cli", Clients(aws)
    for color in ("blue", "green"):
        aws.put_environment(f"{name}-{color}")
    stack = Stack(aws, name, tmp_path)
    stack.deploy(TEMPLATE, BINARIES, {
        **QUICK, "PairName": name, "ParameterRoot": f"/{name}", "BlueEnvironmentName": f"{name}-blue",
        "GreenEnvironmentName": f"{name}-green"})
    pair = Pair(aws, clients, name, f"/{name}", {color: f"{name}-{color}" for color in ("blue", "green")})
    request.node.pairs = [pair]
    clients("cloudwatch").disable_alarm_actions(AlarmNames=[f"{name}-{color}-heartbeat-lost" for color in ("blue", "green")])
    outputs = stack.outputs()
    assert outputs["FlagParameter"] == f"/{name}/active-environment"

    def run(command: str) -> str:
        environment = {**aws.environment(), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    assert '"outcome":"initialized"' in run(outputs["InitializeCommand"]).replace(" ", "")
    stopped = pair.stop_scheduler("blue")
    wait_for_failover(pair, 60 + WINDOW + PROBE + SLACK)
    assert (pair.flag().modified - stopped).total_seconds() < 60 + WINDOW + PROBE + SLACK
    is_told_everywhere(pair, "schedule")
    is_back_dated(pair)
    assert '"active":"green"' in run(outputs["StatusCommand"]).replace(" ", "")
    (alarm,) = clients("cloudwatch").describe_alarms(AlarmNames=[f"{name}-dead-letters"])["MetricAlarms"]
    command = alarm["AlarmDescription"].partition("Read it with: ")[2].partition(" Runbook: ")[0]
    # Version 1 of the AWS CLI honors AWS_ENDPOINT_URL for every service except this one.
    assert "Body" not in run(f"{command} --endpoint-url {aws.endpoint}"), "nothing got lost"
    pair.start_scheduler("blue")
    # The same command with another request, as the reference describes.
    switch = outputs["StatusCommand"].replace('{"action":"status"}', '{"to":"blue","reason":"blue is back"}')
    assert '"outcome":"switched"' in run(switch).replace(" ", "")
    assert pair.stands_at() == ("blue", 3)
    clients("cloudformation").delete_stack(StackName=name)
    assert pair.stands_at() == ("blue", 3), "the flag outlives the stack"


def test_by_the_heartbeat_alarms_direct_action(deploy: Deploy):
    pair = deploy(wakes=("alarm",))
    until("the heartbeat alarm is OK", lambda: pair.alarm_state("blue-heartbeat-lost") == "OK")
    stopped = pair.stop_scheduler("blue")
    wait_for_failover(pair, 2 * WINDOW + PROBE + SLACK)
    assert (pair.flag().modified - stopped).total_seconds() < 2 * WINDOW + PROBE + SLACK
    is_told_everywhere(pair, "alarm")
    is_back_dated(pair)


def test_by_the_event_of_an_alarm_that_the_user_named(deploy: Deploy):
    pair = deploy(BlueHealthAlarmNames="orders-delayed,orders-failing")
    pair.user_alarm("orders-delayed")
    pair.user_alarm("orders-failing")
    assert pair.tick()["verdicts"]["blue"]["verdict"] == "healthy"
    pair.raise_alarm("orders-failing")
    wait_for_failover(pair, SLACK)
    assert "alarm orders-failing in ALARM" in pair.flag().description
    is_told_everywhere(pair, "alarm-event")


def test_by_the_event_of_a_composite_alarm_that_the_user_named(deploy: Deploy):
    pair = deploy(BlueHealthAlarmNames="orders-in-trouble")
    pair.user_alarm("orders-slow")
    pair.client("cloudwatch").put_composite_alarm(AlarmName="orders-in-trouble", AlarmRule='ALARM("orders-slow")')
    pair.raise_alarm("orders-slow")
    wait_for_failover(pair, SLACK)
    assert "alarm orders-in-trouble in ALARM" in pair.flag().description
    assert pair.records()[pair.flag().record]["trigger"] == {"type": "alarm-event", "id": "orders-in-trouble"}


def test_by_an_alarm_that_comes_through_a_topic_of_the_user(deploy: Deploy):
    pair = deploy(BlueHealthAlarmNames="orders-stuck")
    pair.client("events").disable_rule(Name=f"{pair.name}-blue-named-alarms")
    topic = pair.client("sns").create_topic(Name="orders-pager")["TopicArn"]
    watcher = pair.client("lambda").get_function_configuration(FunctionName=f"{pair.name}-health-watcher")["FunctionArn"]
    pair.client("lambda").add_permission(FunctionName=watcher, StatementId="pager", Action="lambda:InvokeFunction",
                                         Principal="sns.amazonaws.com", SourceArn=topic)
    pair.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=watcher)
    pair.user_alarm("orders-stuck", AlarmActions=[topic])
    pair.raise_alarm("orders-stuck")
    wait_for_failover(pair, SLACK)
    assert pair.records()[pair.flag().record]["trigger"] == {"type": "sns-alarm", "id": "orders-stuck"}


def test_an_environment_that_mwaa_calls_unavailable_wakes_the_watcher(deploy: Deploy):
    pair = deploy(wakes=("status",))
    pair.fail("blue")
    wait_for_failover(pair, SLACK)
    flag = pair.flag()
    assert "environment status UNAVAILABLE" in flag.description
    assert flag.effective_from <= flag.modified, "until a failover takes effect the runs belong to a dead environment"
    is_told_everywhere(pair, "environment-status")


# -- from here on the test itself triggers the watcher -----------------------------------------------------------------

def test_environment_deleted_after_it_was_seen_alive(pair: Pair):
    pair.aws.delete_environment(pair.environments["blue"])
    answer = pair.tick()
    assert (answer["decision"], answer["active"]) == ("failover", "green")
    assert "deleted" in pair.flag().description


def test_environment_deleted_while_cloudwatch_is_silent(pair: Pair):
    """The watcher itself has seen that it existed."""
    pair.look_once_a_tick()
    assert pair.tick()["decision"] == "none"
    pair.aws.add_fault("server-error", "monitoring", "GetMetricData")
    pair.aws.delete_environment(pair.environments["blue"])
    pair.configure("health-watcher", LOG_LEVEL="debug")  # another process, which knows it only from the memory
    answer = pair.tick()
    assert (answer["decision"], answer["active"]) == ("failover", "green"), answer
    assert "it was AVAILABLE at" in pair.flag().description and "deleted" in pair.flag().description


def test_a_name_that_is_mistyped_later_is_no_failover(pair: Pair):
    assert pair.tick()["decision"] == "none"
    pair.configure("health-watcher", BLUE_ENVIRONMENT_NAME=f"{pair.environments['blue']}-typo")
    answer = pair.tick()
    assert (answer["decision"], answer["verdicts"]["blue"]["verdict"]) == ("none", "unknown"), answer


def test_a_failover_after_silence_reaches_back_to_the_last_look_before_it(pair: Pair):
    """Like a failover by a person: only the watcher's own observations show when blue was alive."""
    pair.look_once_a_tick()
    pair.aws.age_parameter(pair.flag_name, 3600)
    assert pair.tick()["verdicts"]["blue"]["verdict"] == "healthy"
    fault = pair.aws.add_fault("server-error", "airflow", "GetEnvironment", match=pair.environments["blue"])
    pair.aws.add_fault("server-error", "airflow", "InvokeRestApi", match=pair.environments["blue"])
    pair.aws.add_fault("server-error", "monitoring", "GetMetricData")
    assert pair.tick()["verdicts"]["blue"]["verdict"] == "unknown"
    silent_since = datetime.now(timezone.utc)
    pair.aws.clear_faults(fault)
    pair.environment("blue", status="UNAVAILABLE")
    assert pair.tick()["decision"] == "failover"
    flag = pair.flag()
    assert timedelta(seconds=55) < silent_since - flag.effective_from < timedelta(seconds=90)
    healthy = moment(pair.records()[flag.record]["evidence"]["last_known_healthy"])
    assert abs(healthy - flag.effective_from) < timedelta(milliseconds=2)


def test_wrong_environment_name_from_the_start_is_never_a_failover(deploy: Deploy):
    pair = deploy(environments={"blue": None})
    for _ in range(3):
        answer = pair.tick()
        assert (answer["decision"], answer["verdicts"]["blue"]["verdict"]) == ("none", "unknown")
    assert "check the name" in answer["reason"]
    assert pair.stands_at() == ("blue", 1)
    assert pair.metric("EnvironmentHealthy", Color="blue") == [], "absent while unknown"
    assert pair.metric("EnvironmentHealthy", Color="green"), "green is known"


def test_a_suspicious_watcher_stays_until_the_window_has_passed(pair: Pair):
    """One tick from the first suspicion to the failover: no wait for the next minute."""
    pair.stop_scheduler("blue")
    time.sleep(2.5)  # until Airflow itself notices
    answer = pair.tick()
    assert (answer["decision"], answer["active"]) == ("failover", "green")
    assert answer["probes"] > 2, "it looked again and again"
    looks = pair.wait_for_log("health-watcher", "decision", blue="suspect")
    assert all(line["decision"] == "none" for line in looks)
    is_back_dated(pair)


def test_nobody_wakes_the_watcher_of_a_pair_that_acts_only_on_the_tests_calls(deploy: Deploy):
    """Also not an alarm that goes off while its stack is still being made: all tests rely on that."""
    pair = deploy(environments={color: {"scheduler": "unhealthy", "heartbeat_metric": False} for color in ("blue", "green")})
    until("both alarms are off", lambda: {pair.alarm_state(f"{color}-heartbeat-lost") for color in ("blue", "green")} == {"ALARM"})
    assert pair.invocations("health-watcher") == []
    assert pair.decisions() == []


def test_flapping_within_the_window_is_no_failover(deploy: Deploy):
    pair = deploy(FailureWindowSeconds="60")
    pair.environment("blue", scheduler="unhealthy")
    since = pair.aws.timeline_so_far()
    pair.client("lambda").invoke(FunctionName=f"{pair.name}-health-watcher", InvocationType="Event", Payload=b"{}")
    until("the watcher is suspicious", lambda: len(
        [call for call in pair.calls("health-watcher") if call["operation"] == "GetMetricData"]) >= 2)
    pair.start_scheduler("blue")
    pair.aws.wait_for("invoke", lambda d: d["function"] == f"{pair.name}-health-watcher" and d["status"] == "ok", since)
    pair.wait_for_log("health-watcher", "decision", blue="healthy")
    lines = pair.log("health-watcher", "decision")
    assert lines[0]["blue"] == "suspect" and lines[-1]["blue"] == "healthy", "it went home as soon as blue was well"
    assert {line["decision"] for line in lines} == {"none"}
    assert pair.stands_at() == ("blue", 1)


def test_heartbeat_never_seen_because_the_metric_is_filtered_out(deploy: Deploy):
    """Then Airflow's own report suffices, healthy or not."""
    pair = deploy(environments={"blue": {"heartbeat_metric": False}})
    assert pair.tick()["verdicts"]["blue"]["verdict"] == "healthy"
    pair.environment("blue", scheduler="unhealthy")
    answer = pair.tick()
    assert answer["decision"] == "failover"
    assert "never seen" in answer["verdicts"]["blue"]["signals"]["heartbeat"]["detail"]


def test_active_updating_with_a_live_heartbeat_stays_active(pair: Pair):
    pair.environment("blue", status="UPDATING")
    for _ in range(3):
        answer = pair.tick()
        assert (answer["decision"], answer["verdicts"]["blue"]["verdict"]) == ("none", "maintenance")
    assert pair.stands_at() == ("blue", 1)


@pytest.mark.parametrize(("minutes_dead", "decision"), [(1.5, "none"), (5, "failover")])
def test_active_updating_with_a_dead_heartbeat_has_its_maintenance_grace(deploy: Deploy, minutes_dead: float, decision: str):
    pair = deploy(MaintenanceGraceSeconds="120",
                  environments={"blue": {"heartbeat_metric": False, "status": "UPDATING", "scheduler": "unhealthy"}})
    pair.beat("blue", minutes_dead)
    answer = pair.tick()
    assert answer["decision"] == decision, answer["reason"]
    assert answer["verdicts"]["blue"]["verdict"] == ("maintenance" if decision == "none" else "unhealthy")


@pytest.mark.parametrize(("minutes_dead", "decision"), [(3, "none"), (8, "failover")])
def test_where_only_the_heartbeat_speaks_it_must_be_silent_for_longer(deploy: Deploy, minutes_dead: float, decision: str):
    """Metrics may be minutes late, and Airflow does not answer: the window is five minutes, whatever was configured."""
    pair = deploy(environments={"blue": {"heartbeat_metric": False, "rest_api": "down"}})
    pair.look_once_a_tick()
    pair.beat("blue", minutes_dead)
    answer = pair.tick()
    assert answer["decision"] == decision, answer["reason"]
    assert answer["verdicts"]["blue"]["verdict"] == ("suspect" if decision == "none" else "unhealthy")


def test_a_pair_in_two_regions_fails_over(deploy: Deploy):
    pair = deploy(GreenRegion="eu-west-1", environments={"green": {"region": "eu-west-1"}})
    assert pair.tick()["verdicts"]["green"]["verdict"] == "healthy"
    pair.fail("blue")
    assert pair.tick()["active"] == "green"
    assert pair.stands_at() == ("green", 2)


def test_airflow_2_is_asked_in_its_own_way(deploy: Deploy):
    pair = deploy(environments={color: {"airflow_version": "2.10.3"} for color in ("blue", "green")})
    assert {verdict["verdict"] for verdict in pair.tick()["verdicts"].values()} == {"healthy"}
    pair.look_once_a_tick()
    pair.environment("blue", metadatabase="unhealthy")
    answer = pair.tick()
    assert answer["verdicts"]["blue"]["signals"]["scheduler"]["state"] == "bad", answer["reason"]


def test_a_redeployment_does_not_touch_the_flag(deploy: Deploy):
    pair = deploy()
    pair.ask(to="green")
    stacks = pair.client("cloudformation")
    given = stacks.describe_stacks(StackName=pair.name)["Stacks"][0]["Parameters"]
    changed = [{**parameter, "ParameterValue": "debug"} if parameter["ParameterKey"] == "LogLevel" else parameter for parameter in given]
    stacks.update_stack(StackName=pair.name, UsePreviousTemplate=True, Parameters=changed,
                        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    until("the stack is updated", lambda: stacks.describe_stacks(StackName=pair.name)["Stacks"][0]["StackStatus"] == "UPDATE_COMPLETE")
    assert pair.stands_at() == ("green", 2)
    pair.tick()
    assert pair.wait_for_log("health-watcher", "evidence"), "the update did change the log level"


def test_at_most_once_leaves_the_gap_out(deploy: Deploy):
    pair = deploy(FailoverSemantics="at-most-once")
    pair.fail("blue")
    asked = datetime.now(timezone.utc)
    pair.tick()
    flag = pair.flag()
    assert flag.value == "green" and flag.effective_from > asked - timedelta(milliseconds=2), "not from its last sign of life"
