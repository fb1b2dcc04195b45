"""People are notified: real subjects and texts, read from a queue that is subscribed to the stack's topic."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

import pytest

from support.deployment import Deploy
from support.pair import Pair, only
from support.waiting import PATIENCE, until


@dataclass(frozen=True)
class Message:
    subject: str
    text: str

    @property
    def event(self) -> str:
        """The id that every repeat has."""
        return only(line for line in self.text.splitlines() if line.startswith("Event ")).removeprefix("Event ")

    def commands(self) -> list[str]:
        return [line.strip() for line in self.text.splitlines() if line.startswith("      ")]

    def requests(self) -> list[dict[str, Any]]:
        """The requests that its commands send to the switch-handler."""
        return [json.loads(shlex.split(command)[2]) for command in self.commands() if command.startswith("printf")]


class Subscriber:
    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.read: list[Message] = []
        outputs = pair.client("cloudformation").describe_stacks(StackName=pair.name)["Stacks"][0]["Outputs"]
        self.topic = only(o["OutputValue"] for o in outputs if o["OutputKey"] == "NotificationTopicArn")
        self.queue = pair.client("sqs").create_queue(QueueName=f"{pair.name}-reader")["QueueUrl"]
        pair.client("sns").subscribe(TopicArn=self.topic, Protocol="sqs",
                                     Endpoint=f"arn:aws:sqs:us-east-1:000000000000:{pair.name}-reader")

    def messages(self) -> list[Message]:
        """All messages so far that came from the listener, without those of the stack's alarms."""
        answer = self.pair.client("sqs").receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        for entry in answer.get("Messages", []):
            body = json.loads(entry["Body"])
            if (body.get("Subject") or "").startswith("["):
                self.read.append(Message(body["Subject"], body["Message"]))
            self.pair.client("sqs").delete_message(QueueUrl=self.queue, ReceiptHandle=entry["ReceiptHandle"])
        return self.read

    def wait_for(self, subject: str, count: int = 1) -> list[Message]:
        wanted = f"[{self.pair.name}] {subject}"

        def found() -> list[Message]:
            matching = [message for message in self.messages() if message.subject == wanted]
            return matching if len(matching) >= count else []

        return until(f"{count} message(s) {wanted!r}; there are {[m.subject for m in self.read]}", found)


@pytest.fixture
def reader(pair: Pair) -> Subscriber:
    return Subscriber(pair)


def send(pair: Pair, detail_type: str, **detail: Any) -> None:
    """Publish an event as the functions do."""
    detail = {"schema": 1, "id": f"{pair.name}:{pair.flag_name}:test", "pair": pair.name, "flag": pair.flag_name, **detail}
    answer = pair.client("events").put_events(Entries=[{"EventBusName": f"{pair.name}-audit", "Source": "mwaa.bluegreen",
                                                        "DetailType": detail_type, "Detail": json.dumps(detail)}])
    assert answer["FailedEntryCount"] == 0


def test_a_failover_is_told_with_what_happened_why_and_how_to_undo_it(pair: Pair, reader: Subscriber):
    pair.fail("blue")
    assert pair.tick()["decision"] == "failover"
    message = only(reader.wait_for("FAILOVER blue -> green"))
    assert "blue was unhealthy and green was healthy, so green took over by itself." in message.text
    assert "UNAVAILABLE" in message.text and "Done by health-watcher" in message.text
    assert f"mwaa-bluegreen --pair {pair.name} --region us-east-1 rollback --reason 'say why here'" in message.commands()
    assert message.event == f"{pair.name}:{pair.flag_name}:v2-{pair.flag().milliseconds}"
    assert only(pair.wait_for_audit(version=2))["id"] == message.event, "the whole of it is in the audit log"
    pair.heal("blue")
    undo = only(request for request in message.requests() if request.get("action") == "rollback")
    assert pair.ask(**undo)["outcome"] == "switched", "the command in the message does what it says"
    assert pair.stands_at() == ("blue", 3)
    assert "say why here" in only(reader.wait_for("ROLLBACK green -> blue")).text


def test_a_message_and_an_alarm_name_the_runbook_by_its_address(deploy: Deploy):
    base = "https://wiki.example.com/runbooks"
    pair = deploy(RunbookBaseUrl=base)
    reader = Subscriber(pair)
    send(pair, "Environment Unknown", verdict="unknown", active="blue", since="2026-11-23T10:00:00Z", reason="access denied")
    message = only(reader.wait_for("UNKNOWN whether the active environment works"))
    assert f"{base}/emergency-failover.md" in message.commands()
    (alarm,) = pair.client("cloudwatch").describe_alarms(AlarmNames=[f"{pair.name}-environment-unknown"])["MetricAlarms"]
    assert alarm["AlarmDescription"].endswith(f"Runbook: {base}/emergency-failover.md")


def test_a_switch_is_told_with_who_asked_and_why(pair: Pair, reader: Subscriber):
    pair.ask(to="green", reason="upgrade of blue", requested_by="ana")
    message = only(reader.wait_for("SWITCH blue -> green"))
    assert "A person switched from blue to green." in message.text
    assert "upgrade of blue" in message.text and "Asked for by ana; done by switch-handler" in message.text
    assert pair.ask(**only(r for r in message.requests() if r.get("action") == "rollback"))["active"] == "blue"


def test_a_blocked_failover_says_what_lifts_the_block_and_that_works(pair: Pair, reader: Subscriber):
    pair.hold("network maintenance")
    held = only(until("the hold is told", lambda: [m for m in reader.messages() if "HOLD until" in m.subject]))
    assert "network maintenance" in held.text and "nothing fails over by itself" in held.text
    pair.fail("blue")
    assert pair.tick()["blocked_by"] == ["hold"]
    message = only(reader.wait_for("FAILOVER BLOCKED by hold"))
    assert "blue should be replaced by green" in message.text and "There is nothing to undo" not in message.text
    assert pair.ask(**only(r for r in message.requests() if r.get("action") == "release"))["outcome"] == "released"
    reader.wait_for("HOLD ended")
    assert pair.tick()["decision"] == "failover"
    reader.wait_for("FAILOVER blue -> green")


def test_a_broken_flag_is_told_with_the_way_to_repair_it(pair: Pair, reader: Subscriber):
    pair.write_by_hand("bleu", AllowedPattern=".*")
    message = only(reader.wait_for("FLAG FAULT: the flag holds no color"))
    assert "bleu" in message.text
    assert reader.wait_for('EXTERNAL blue -> "bleu"'), "and who wrote it"
    repair = only(r for r in message.requests() if r.get("to") == "blue")
    assert pair.ask(**repair)["outcome"] == "switched"
    reader.wait_for('RESTORE "bleu" -> blue')
    pair.delete_flag()
    gone = only(reader.wait_for("FLAG FAULT: the flag is gone"))
    recreate = only(r for r in gone.requests() if r.get("to") == "green")
    assert pair.ask(**recreate)["outcome"] == "initialized"


@pytest.mark.parametrize("outcome", ["failed", "blocked", "interrupted"])
def test_a_drill_that_did_not_go_well_is_told_and_one_that_did_is_not(pair: Pair, reader: Subscriber, outcome: str):
    drill = {"drill": "d1", "mode": "switch", "from": "blue", "to": "green", "active": "blue", "requested_by": "schedule",
             "timings": {"started_at": "2026-11-23T10:00:00Z"}}
    send(pair, "Drill Finished", outcome="succeeded", reason="all went well", **drill)
    send(pair, "Drill Finished", outcome=outcome, reason="green had no heartbeat", **drill)
    message = only(reader.wait_for(f"DRILL {outcome.upper()} (switch, green)"))
    assert "green had no heartbeat" in message.text and "Asked for by schedule." in message.text
    assert [m.subject for m in reader.messages() if "DRILL" in m.subject] == [message.subject]


def test_a_real_drill_that_fails_is_told_with_the_color_to_distrust(pair: Pair, reader: Subscriber):
    assert pair.ask(action="drill", mode="dry", reason="rehearsal")["outcome"] == "succeeded"
    assert pair.ask(action="drill", mode="switch", duration_minutes=30, reason="practice", requested_by="ana")["outcome"] == "pending"
    assert "practice" in only(reader.wait_for("DRILL blue -> green")).text
    pair.fail("green")
    assert pair.tick()["decision"] == "drill-return"
    reader.wait_for("DRILL-RETURN green -> blue")
    pair.tick()
    message = only(reader.wait_for("DRILL FAILED (switch, green)"))
    assert "do not count on green to take over" in message.text and "Active now: blue." in message.text
    assert pair.stands_at()[0] == "blue"
    assert [m.subject for m in reader.messages() if "DRILL SUCCEEDED" in m.subject] == [], "the rehearsal is no news"


def test_overdue_drills_and_a_standby_that_is_not_ready_are_told(pair: Pair, reader: Subscriber):
    send(pair, "Drill Overdue", days=30, last="2026-10-20T10:00:00Z", reason="34 days without a drill")
    send(pair, "Readiness Changed", level="red", previous="green", score=20, reason="1 red finding", findings=[
        {"name": "airflow-version", "severity": "red", "color": "green", "what": "green runs 2.10.5", "fix": "upgrade green"}])
    assert "34 days without a drill" in only(reader.wait_for("DRILL OVERDUE")).text
    assert "upgrade green" in only(reader.wait_for("STANDBY NOT READY (score 20)")).text


def test_a_replay_of_the_archive_is_told_to_nobody(pair: Pair, reader: Subscriber):
    pair.ask(to="green")
    reader.wait_for("SWITCH blue -> green")
    archive = pair.client("events").describe_archive(ArchiveName=f"{pair.name}-audit")
    since = pair.aws.timeline_so_far()
    pair.client("events").start_replay(
        ReplayName=f"{pair.name}-replay", EventSourceArn=archive["ArchiveArn"], EventStartTime=0, EventEndTime=4102444800,
        Destination={"Arn": archive["EventSourceArn"]})
    pair.aws.wait_for("event", lambda d: d["detail_type"] == "Environment Transition", since)
    assert len([m for m in reader.messages() if "SWITCH" in m.subject]) == 1
    assert pair.invocations("change-listener", since) == []


def test_a_throttled_topic_delays_a_message_and_loses_none(pair: Pair, reader: Subscriber):
    since = pair.aws.timeline_so_far()
    # As often as the SDK retries within one invocation.
    pair.aws.add_fault("throttle", "sns", "Publish", times=3)
    send(pair, "Drill Overdue", days=30, reason="long ago")
    assert pair.statuses("change-listener", since, 2) == ["error:AuditUndelivered", "ok"], "Lambda tried again"
    only(reader.wait_for("DRILL OVERDUE"))


def test_a_message_whose_answer_is_lost_is_repeated_recognizably(pair: Pair, reader: Subscriber):
    pair.aws.add_fault("lost-response", "sns", "Publish", times=1)
    send(pair, "Drill Overdue", days=30, reason="long ago")
    assert len({message.event for message in reader.wait_for("DRILL OVERDUE", 2)}) == 1


@pytest.mark.long(20)
def test_a_dead_topic_leaves_a_dead_letter_that_rings(pair: Pair, reader: Subscriber):
    pair.aws.add_fault("access-denied", "sns", "Publish")
    send(pair, "Drill Overdue", days=30, reason="long ago")
    pair.aws.wait_for("dead-letter", lambda d: d["queue"] == f"{pair.name}-dead-letters", timeout=PATIENCE)
    until("the alarm on dead letters", lambda: pair.alarm_state("dead-letters") == "ALARM")
    queue = pair.client("sqs").get_queue_url(QueueName=f"{pair.name}-dead-letters")["QueueUrl"]
    letter = json.loads(only(pair.client("sqs").receive_message(QueueUrl=queue)["Messages"])["Body"])
    assert letter["requestPayload"]["detail-type"] == "Drill Overdue", "what could not be told can be read"
    assert letter["responsePayload"]["errorType"] == "AuditUndelivered"


def test_without_a_topic_the_listener_says_so_and_works_on(pair: Pair):
    function = f"{pair.name}-change-listener"
    variables = pair.client("lambda").get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    del variables["NOTIFICATION_TOPIC_ARN"]
    pair.client("lambda").update_function_configuration(FunctionName=function, Environment={"Variables": variables})
    answer = pair.answer_of("change-listener", {"source": "mwaa.bluegreen", "detail-type": "Flag Fault", "detail": {}})
    assert answer["notified"] is False
    assert pair.wait_for_log("change-listener", "nobody is notified: NOTIFICATION_TOPIC_ARN is not set")


def test_the_schedule_asks_the_switch_handler_for_a_drill(deploy: Deploy):
    pair = deploy(DrillSchedule="rate(1 minute)", DrillTimeZone="Europe/Amsterdam", DrillMode="dry")
    schedule = pair.client("scheduler").get_schedule(Name=f"{pair.name}-drill")
    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]) == ("rate(1 minute)", "Europe/Amsterdam")
    asked = json.loads(schedule["Target"]["Input"])
    assert asked == {"action": "drill", "mode": "dry", "requested_by": "schedule", "reason": "scheduled drill"}
    assert pair.ask(**asked)["outcome"] == "succeeded", "and the function takes it as it is"
    role = schedule["Target"]["RoleArn"].rsplit("/", 1)[-1]
    assert pair.client("iam").get_role(RoleName=role)
    assert pair.alarm_state("drill-failed") in ("OK", "INSUFFICIENT_DATA")


@pytest.mark.long(65)
def test_the_schedule_fires(deploy: Deploy):
    pair = deploy(DrillSchedule="cron(* * * * ? *)", DrillMode="dry")
    since = pair.aws.timeline_so_far()
    pair.aws.wait_for("invoke", lambda d: (d["function"], d["trigger"], d["status"]) == (f"{pair.name}-switch-handler", "scheduler", "ok"),
                      since, timeout=60 + PATIENCE)
    told = pair.wait_for_audit("Drill Finished")[0]
    assert (told["mode"], told["outcome"], told["requested_by"]) == ("dry", "succeeded", "schedule")


def test_a_failed_drill_rings_the_alarm_of_a_pair_with_a_schedule(deploy: Deploy):
    pair = deploy(DrillSchedule="rate(7 days)", DrillMode="switch")
    pair.ask(action="drill", mode="switch", reason="practice")
    pair.fail("green")
    pair.tick()
    pair.tick()
    until("the alarm on failed drills", lambda: pair.alarm_state("drill-failed") == "ALARM")


def test_a_red_readiness_rings_its_alarm_and_silence_does_not_end_it(pair: Pair):
    def publish(score: float) -> None:
        pair.client("cloudwatch").put_metric_data(Namespace="MWAA/BlueGreen", MetricData=[{
            "MetricName": "ReadinessScore", "Value": score, "Dimensions": [{"Name": "Pair", "Value": pair.name}]}])

    assert pair.alarm_state("readiness-red") == "INSUFFICIENT_DATA", "nothing has been checked yet"
    publish(20)
    until("the alarm on readiness", lambda: pair.alarm_state("readiness-red") == "ALARM")


def test_the_dashboard_is_there_with_every_name_filled_in(pair: Pair):
    body = pair.client("cloudwatch").get_dashboard(DashboardName=pair.name)["DashboardBody"]
    assert "${" not in body
    widgets = json.loads(body)["widgets"]
    alarms = only(w for w in widgets if w["type"] == "alarm")["properties"]["alarms"]
    known = {a["AlarmArn"] for a in pair.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{pair.name}-")["MetricAlarms"]}
    assert set(alarms) == known
