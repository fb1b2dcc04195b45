"""Requirements on template.yaml beside its validity (which `sam validate --lint` and cfn-lint check)."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
import tomllib
import yaml

from support.paths import PROJECT, TEMPLATE
from support.schema import PARAMETERS, SCHEMA, SETTINGS
from support.template import EVERYTHING, FUNCTIONS, Stack, all_statements, as_list, load, statements_of

# A claim older than this is abandoned, so no function may still run by then.
CLAIM_TIMEOUT_SECONDS = 80
AIRFLOW_API_TIMEOUT_SECONDS = 10

# The variables that the functions read at their start.
ENVIRONMENT = {
    **{setting["variable"]: str(setting["default"]) for setting in SETTINGS},
    "PAIR_NAME": "mwaa-blue-green",
    "FLAG_PARAMETER": "/mwaa/blue-green/active-environment",
    "BLUE_ENVIRONMENT_NAME": "airflow-blue",
    "BLUE_REGION": "",
    "BLUE_HEALTH_ALARM_NAMES": "",
    "GREEN_ENVIRONMENT_NAME": "airflow-green",
    "GREEN_REGION": "",
    "GREEN_HEALTH_ALARM_NAMES": "",
    "DRILL_BLOCKED_WINDOWS": "",
    "DRILL_ALARM_NAMES": "",
    "AUDIT_BUS_NAME": "mwaa-blue-green-audit",
}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return load()


@pytest.fixture(scope="module")
def plain() -> Stack:
    return Stack()


@pytest.fixture(scope="module")
def full() -> Stack:
    return Stack(**EVERYTHING)


# ---- Parameters ------------------------------------------------------------------------------------------


def test_every_parameter_has_a_default_and_a_description(template: dict[str, Any]) -> None:
    for name, spec in template["Parameters"].items():
        assert "Default" in spec, name
        assert len(spec.get("Description", "")) > 20, name
        assert spec["Description"].endswith("."), name


def test_every_limited_parameter_says_what_it_wants(template: dict[str, Any]) -> None:
    """For a number CloudFormation itself says "must be a number not less than 10", and for the rest only that it is wrong."""
    limits = {"AllowedPattern", "AllowedValues", "MinLength", "MaxLength"}
    for name, spec in template["Parameters"].items():
        if limits & set(spec):
            assert spec.get("ConstraintDescription"), name
        if spec["Type"] == "Number" and "AllowedValues" not in spec:
            assert {"MinValue", "MaxValue"} <= set(spec), f"{name} is unbounded"


def test_every_default_is_allowed(template: dict[str, Any]) -> None:
    for name, spec in template["Parameters"].items():
        default = spec["Default"]
        if "AllowedPattern" in spec:
            assert re.fullmatch(spec["AllowedPattern"], default), name
        if "AllowedValues" in spec:
            assert default in spec["AllowedValues"], name
        if "MinValue" in spec:
            assert spec["MinValue"] <= default <= spec["MaxValue"], name


def test_the_console_shows_every_parameter_once_and_by_its_own_name(template: dict[str, Any]) -> None:
    layout = template["Metadata"]["AWS::CloudFormation::Interface"]
    shown = [name for group in layout["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(shown) == sorted(template["Parameters"])
    assert "ParameterLabels" not in layout, "a second name for the same thing, which no document has"


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (
            "ParameterRoot",
            ["", "/a", "/mwaa/blue-green", "/team.x/a_b/c"],
            ["mwaa", "/", "/a/", "//a", "/aws/x", "/SSM/x", "/a b", "/a" * 14],
        ),
        ("PairName", ["abc", "orders-2"], ["Orders", "-abc", "abc-", "2abc", "a_b"]),
        ("BlueRegion", ["", "eu-west-1", "us-gov-east-1", "ap-southeast-2"], ["Europe", "eu-west", "eu-west-1a", " "]),
        ("BlueEnvironmentName", ["airflow_1-x"], ["", "1airflow", "air flow", "a/b"]),
        (
            "DrillSchedule",
            ["", "cron(0 10 ? * TUE *)", "cron(0/15 6 L * ? 2027)", "rate(7 days)"],
            ["0 10 * * *", "cron()", "cron(0 10 ? * TUE *) ", "weekly", "at(2026-12-01T10:00:00)"],
        ),
        (
            "DrillTimeZone",
            ["UTC", "Europe/Amsterdam", "America/Argentina/Buenos_Aires", "Etc/GMT+1"],
            ["", "Europe/", "/UTC", "Central European Time"],
        ),
        (
            "DrillBlockedWindows",
            [
                "",
                "MON:08:00-FRI:18:00",
                "2026-12-24",
                "2026-12-20/2027-01-05",
                "SAT:00:00-SUN:23:59,2026-12-24, 2026-12-31",
            ],
            [
                "weekends",
                "MON:8:00-FRI:18:00",
                "MON:08:00-FRI:24:00",
                "MON:08:00",
                "2026-13-01",
                "24.12.2026",
                "2026-12-24,",
                "mon:08:00-fri:18:00",
                "2026-12-20/2027-01-05/2027-02-01",
            ],
        ),
        (
            "RunbookBaseUrl",
            ["", "https://wiki.example.com", "https://github.com/a/b/blob/main/docs/runbooks", "http://wiki:8080/x?y=z"],
            ["docs/runbooks", "https://", "https://wiki.example.com/", "https://my wiki", "ftp://a.b"],
        ),
        ("NotificationEmail", ["", "a@b.example"], ["a", "a@b", "a b@c.example"]),
    ],
)
def test_patterns(template: dict[str, Any], parameter: str, good: list[str], bad: list[str]) -> None:
    pattern = template["Parameters"][parameter]["AllowedPattern"]
    assert [text for text in good if not re.fullmatch(pattern, text)] == []
    assert [text for text in bad if re.fullmatch(pattern, text)] == []


def test_blue_and_green_must_differ() -> None:
    assert Stack(GreenEnvironmentName="airflow-blue").refused_by_rules()
    assert Stack(
        GreenEnvironmentName="airflow-blue", BlueRegion="eu-west-1", GreenRegion="eu-west-1"
    ).refused_by_rules()
    assert not Stack(GreenEnvironmentName="airflow-blue", GreenRegion="eu-west-1").refused_by_rules()
    assert not Stack().refused_by_rules()


def test_dags_are_paused_only_in_a_role_that_may() -> None:
    for role in ("Viewer", "Public"):
        assert "AirflowRole" in Stack(DagManagement="pause", AirflowRole=role).refused_by_rules()[0]
        assert not Stack(AirflowRole=role).refused_by_rules()
    for role in ("User", "Op", "Admin"):
        assert not Stack(DagManagement="pause", AirflowRole=role).refused_by_rules()


def test_the_longest_pair_name_fits_every_resource(template: dict[str, Any]) -> None:
    stack = Stack(PairName="p" * template["Parameters"]["PairName"]["MaxLength"])
    for properties in stack.of_type("AWS::Lambda::Function").values():
        assert len(properties["FunctionName"]) <= 64
    for properties in stack.of_type("AWS::Events::Rule").values():
        assert len(properties["Name"]) <= 64
    for properties in stack.of_type("AWS::Events::Archive").values():
        assert len(properties["ArchiveName"]) <= 48


# ---- Functions -------------------------------------------------------------------------------------------


def test_there_are_exactly_the_three_functions(plain: Stack) -> None:
    functions = plain.of_type("AWS::Lambda::Function")
    assert {name: p["FunctionName"] for name, p in functions.items()} == {
        name: f"mwaa-blue-green-{short}" for name, short in FUNCTIONS.items()
    }


def test_no_function_outlives_a_claim(plain: Stack) -> None:
    for name, properties in plain.of_type("AWS::Lambda::Function").items():
        assert properties["Timeout"] < CLAIM_TIMEOUT_SECONDS, name


def test_a_probing_tick_has_time_to_finish(plain: Stack) -> None:
    """The last probe may take as long as Airflow's API does, and must still end within the tick."""
    timeout = plain.resources["HealthWatcherFunction"]["Properties"]["Timeout"]
    assert int(plain.environment["PROBE_UNTIL_SECONDS"]) + AIRFLOW_API_TIMEOUT_SECONDS <= timeout


def test_functions_get_every_variable_that_they_read(plain: Stack, full: Stack) -> None:
    assert plain.environments == {
        "HealthWatcherFunction": ENVIRONMENT,
        "SwitchHandlerFunction": ENVIRONMENT,
        "ChangeListenerFunction": {
            **ENVIRONMENT,
            "NOTIFICATION_TOPIC_ARN": "mwaa-blue-green-notifications",
            "RUNBOOK_BASE_URL": "",
        },
    }
    assert {*ENVIRONMENT, "NOTIFICATION_TOPIC_ARN", "RUNBOOK_BASE_URL"} == {setting["variable"] for setting in SETTINGS} | set(SCHEMA["variables"])
    assert full.environment["BLUE_HEALTH_ALARM_NAMES"] == "orders-late,orders-broken"
    assert full.environment["DRILL_ALARM_NAMES"] == "revenue-drops,orders-lost"


def test_the_flag_and_its_rule_follow_the_root() -> None:
    stack = Stack(ParameterRoot="/team/orders")
    assert stack.environment["FLAG_PARAMETER"] == "/team/orders/active-environment"
    pattern = stack.resources["ChangeListenerFunctionFlagChange"]["Properties"]["EventPattern"]
    assert pattern["detail"]["name"] == ["/team/orders/active-environment", "/team/orders/hold"]


def test_functions_build_and_run_alike(template: dict[str, Any]) -> None:
    shared = template["Globals"]["Function"]
    assert (shared["Handler"], shared["Runtime"], shared["MemorySize"]) == ("bootstrap", "provided.al2023", 128)
    for name, short in FUNCTIONS.items():
        function = template["Resources"][name]
        # The local demo rewrites exactly these lines to target/lambda/<name>, as `sam build` does.
        assert function["Properties"]["CodeUri"] == f"functions/{short}"
        assert function["Metadata"] == {"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": short}}


def test_the_functions_accept_whatever_the_template_allows(template: dict[str, Any]) -> None:
    """Otherwise a deployment would succeed, and every function would refuse to start."""
    for setting in SETTINGS:
        if setting["parameter"] is None:
            continue
        spec = template["Parameters"][setting["parameter"]]
        assert template["Globals"]["Function"]["Environment"]["Variables"][setting["variable"]] == {"Ref": setting["parameter"]}
        assert spec["Default"] == setting["default"]
        if "words" in setting:
            assert spec["AllowedValues"] == setting["words"]
        else:
            assert (spec["Type"], spec["MinValue"], spec["MaxValue"]) == ("Number", setting["least"], setting["most"])
    bounds = {setting["variable"]: (setting.get("least"), setting.get("most")) for setting in SETTINGS}
    assert bounds["FAILOVER_BUDGET_PER_DAY"] == (1, 24) and len(bounds) > 15


def test_nothing_reserves_concurrency(template: dict[str, Any]) -> None:
    """Accounts with a small limit refuse it, and the stack with it."""
    assert "ReservedConcurrentExecutions" not in template["Globals"]["Function"]
    for resource in template["Resources"].values():
        assert "ReservedConcurrentExecutions" not in resource["Properties"]


def test_every_function_logs_into_a_group_of_its_own(plain: Stack) -> None:
    groups = plain.of_type("AWS::Logs::LogGroup")
    for name, short in FUNCTIONS.items():
        logging = plain.resources[name]["Properties"]["LoggingConfig"]
        assert logging == {"LogFormat": "Text", "LogGroup": f"/aws/lambda/mwaa-blue-green-{short}"}
        assert logging["LogGroup"] in [group["LogGroupName"] for group in groups.values()]


def test_every_log_group_forgets(plain: Stack) -> None:
    for name, properties in plain.of_type("AWS::Logs::LogGroup").items():
        assert int(properties.get("RetentionInDays", 0)) > 0, name


def test_only_who_talks_to_airflow_goes_into_a_vpc(plain: Stack, full: Stack) -> None:
    def in_vpc(stack: Stack) -> list[str]:
        return [name for name, p in stack.of_type("AWS::Lambda::Function").items() if "VpcConfig" in p]

    assert in_vpc(plain) == []
    assert in_vpc(full) == ["HealthWatcherFunction", "SwitchHandlerFunction"]


# ---- Asynchronous work neither retries endlessly nor is lost silently ---------------------------------------


def test_every_function_limits_its_asynchronous_invocations(plain: Stack) -> None:
    configs = plain.of_type("AWS::Lambda::EventInvokeConfig")
    functions = plain.of_type("AWS::Lambda::Function").values()
    assert sorted(c["FunctionName"] for c in configs.values()) == sorted(p["FunctionName"] for p in functions)
    for name, config in configs.items():
        assert config["Qualifier"] == "$LATEST", name
        assert 60 <= config["MaximumEventAgeInSeconds"] <= 3600, name
        assert 0 <= config["MaximumRetryAttempts"] <= 2, name
        assert config["DestinationConfig"]["OnFailure"] == {"Destination": "DeadLetterQueue.Arn"}, name


def test_a_late_switch_is_not_executed(plain: Stack) -> None:
    config = plain.resources["SwitchHandlerFunctionEventInvokeConfig"]["Properties"]
    assert (config["MaximumEventAgeInSeconds"], config["MaximumRetryAttempts"]) == (60, 0)


def test_every_rule_limits_its_retries_and_keeps_what_it_could_not_deliver(full: Stack) -> None:
    for name, properties in full.of_type("AWS::Events::Rule").items():
        assert properties["Targets"], name
        for target in properties["Targets"]:
            assert 0 <= target["RetryPolicy"]["MaximumRetryAttempts"] <= 185, name
            assert 60 <= target["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 6 * 3600, name
            assert target["DeadLetterConfig"] == {"Arn": "DeadLetterQueue.Arn"}, name


def test_the_dead_letter_queue_takes_from_exactly_the_rules(plain: Stack, full: Stack) -> None:
    for stack in (plain, full):
        statement, only_by_tls = stack.resources["DeadLetterQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
        assert only_by_tls["Effect"] == "Deny"
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        assert statement["Action"] == "sqs:SendMessage"
        allowed = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
        assert sorted(allowed) == sorted(f"{name}.Arn" for name in stack.of_type("AWS::Events::Rule"))


def test_the_dead_letter_queue_keeps_them_long_and_encrypted(plain: Stack) -> None:
    queue = plain.resources["DeadLetterQueue"]["Properties"]
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert queue["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("parameters", [{}, EVERYTHING, {**EVERYTHING, "GreenRegion": "eu-west-1"}])
def test_every_trigger_may_invoke_its_function_and_nobody_else(parameters: dict[str, str]) -> None:
    stack = Stack(**parameters)
    triggers = set()
    for name, properties in stack.of_type("AWS::Events::Rule").items():
        for target in properties["Targets"]:
            if target["Arn"].split(".")[0] in FUNCTIONS:
                triggers.add((target["Arn"], "events.amazonaws.com", f"{name}.Arn"))
    for name, properties in stack.of_type("AWS::CloudWatch::Alarm").items():
        for action in properties["AlarmActions"]:
            if action.split(".")[0] in FUNCTIONS:
                arn = f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{properties['AlarmName']}"
                triggers.add((action, "lambda.alarms.cloudwatch.amazonaws.com", arn))
                # A refused action is not sent again: the permission must exist first.
                assert stack.resources[name]["DependsOn"] == f"{name}Permission"
    # SAM passes the name of the function, and the template the ARN.
    arns = {stack.resources[name]["Properties"]["FunctionName"]: f"{name}.Arn" for name in FUNCTIONS}
    permissions = [
        (arns.get(p["FunctionName"], p["FunctionName"]), p["Principal"], p["SourceArn"])
        for p in stack.of_type("AWS::Lambda::Permission").values()
    ]
    assert len(triggers) >= 5
    assert sorted(permissions) == sorted(triggers)


# ---- Alarms, and their cost --------------------------------------------------------------------------------


def test_the_stack_keeps_within_its_budget(plain: Stack, full: Stack) -> None:
    """7 alarms at 0.10 dollars and the 5 always-on custom metrics at 0.30 leave 0.30 for requests and logs."""
    alarms = full.of_type("AWS::CloudWatch::Alarm")
    assert len(plain.of_type("AWS::CloudWatch::Alarm")) == 8
    assert set(alarms) - set(plain.of_type("AWS::CloudWatch::Alarm")) == {"DrillFailedAlarm", "DrillOverdueAlarm"}
    for name, properties in alarms.items():
        assert int(properties["Period"]) >= 60, f"{name}: a high-resolution alarm costs three times as much"
        assert "Metrics" not in properties, f"{name}: metric math is charged per metric"


@pytest.mark.parametrize("color", ["Blue", "Green"])
def test_heartbeat_alarms_watch_the_right_series_and_only_wake(plain: Stack, color: str) -> None:
    alarm = plain.resources[f"{color}HeartbeatAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AmazonMWAA", "SchedulerHeartbeat")
    assert {d["Name"]: d["Value"] for d in alarm["Dimensions"]} == {
        "Environment": f"airflow-{color.lower()}",
        "Function": "Scheduler",
    }
    assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == ("Sum", "LessThanThreshold", 1)
    assert alarm["DatapointsToAlarm"] == alarm["EvaluationPeriods"]
    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["AlarmActions"] == ["HealthWatcherFunction.Arn"]


def test_an_alarm_cannot_watch_another_region(full: Stack) -> None:
    far = Stack(**EVERYTHING, BlueRegion="us-east-1", GreenRegion="eu-west-1")
    gone = set(full.resources) - set(far.resources)
    assert gone == {
        "GreenHeartbeatAlarm",
        "GreenHeartbeatAlarmPermission",
        "GreenNamedAlarmRule",
        "GreenNamedAlarmPermission",
    }


def test_the_watcher_is_watched(plain: Stack) -> None:
    watched = {
        (p["Namespace"], p["MetricName"], p["Dimensions"][0]["Value"]): p
        for p in plain.of_type("AWS::CloudWatch::Alarm").values()
        if p["AlarmActions"] == ["mwaa-blue-green-notifications"]
    }
    watcher = "mwaa-blue-green-health-watcher"
    assert set(watched) == {
        ("AWS/Lambda", "Errors", watcher),
        ("AWS/Lambda", "Throttles", watcher),
        ("AWS/Lambda", "Invocations", watcher),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "DeadLetterQueue.QueueName"),
        ("MWAA/BlueGreen", "ReadinessScore", "mwaa-blue-green"),
        ("MWAA/BlueGreen", "EnvironmentUnknown", "mwaa-blue-green"),
    }
    # A watcher that publishes nothing for a while has found no improvement.
    assert watched.pop(("MWAA/BlueGreen", "ReadinessScore", "mwaa-blue-green"))["TreatMissingData"] == "ignore"
    silence = watched["AWS/Lambda", "Invocations", watcher]
    assert (silence["ComparisonOperator"], silence["Threshold"], silence["TreatMissingData"]) == (
        "LessThanThreshold",
        1,
        "breaching",
    )
    for key, properties in watched.items():
        if properties is not silence:
            assert properties["TreatMissingData"] == "notBreaching", key


def test_alarms_that_people_get_name_a_runbook_that_exists() -> None:
    base = "https://wiki.example.com/runbooks"
    for stack, at in ((Stack(**EVERYTHING), "docs/runbooks"), (Stack(**EVERYTHING, RunbookBaseUrl=base), base)):
        told = {n: p for n, p in stack.of_type("AWS::CloudWatch::Alarm").items() if "HealthWatcherFunction.Arn" not in p["AlarmActions"]}
        # It contains its own advice, and is not urgent at night.
        del told["DrillOverdueAlarm"]
        assert len(told) == 7
        for name, properties in told.items():
            (page,) = re.findall(rf"Runbook: {re.escape(at)}/(\S+\.md)", properties["AlarmDescription"])
            assert (PROJECT / "docs/runbooks" / page).is_file(), name
            assert len(properties["AlarmDescription"]) <= 1024 - 300, f"{name}: CloudWatch takes 1024, the address may have 300"


def test_an_overdue_drill_rings_as_long_as_it_is_published(full: Stack) -> None:
    alarm = full.resources["DrillOverdueAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("MWAA/BlueGreen", "DrillOverdue")
    assert {d["Name"]: d["Value"] for d in alarm["Dimensions"]} == {"Pair": "mwaa-blue-green"}
    assert (alarm["Statistic"], alarm["TreatMissingData"]) == ("Maximum", "notBreaching")
    longest = load()["Parameters"]["MetricsIntervalMinutes"]["MaxValue"] * 60
    assert int(alarm["Period"]) * int(alarm["EvaluationPeriods"]) >= longest, "or it would come and go"
    assert alarm["AlarmActions"] == ["mwaa-blue-green-notifications"]


def test_a_failed_drill_rings_for_an_hour(full: Stack) -> None:
    alarm = full.resources["DrillFailedAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("MWAA/BlueGreen", "DrillOutcome")
    assert {d["Name"]: d["Value"] for d in alarm["Dimensions"]} == {"Pair": "mwaa-blue-green", "Outcome": "failed"}
    assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == ("Sum", "GreaterThanOrEqualToThreshold", 1)
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (3600, 1, "notBreaching")
    assert alarm["AlarmActions"] == ["mwaa-blue-green-notifications"]


def test_every_alarm_has_an_action(full: Stack) -> None:
    for name, properties in full.of_type("AWS::CloudWatch::Alarm").items():
        assert properties["AlarmActions"], name


def test_the_topic_takes_alarms_and_the_listener_only(plain: Stack) -> None:
    assert "KmsMasterKeyId" not in plain.resources["NotificationTopic"]["Properties"]
    statements = plain.resources["NotificationTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert {s["Principal"]["Service"]: s["Condition"] for s in statements if s["Effect"] == "Allow"} == {
        "cloudwatch.amazonaws.com": {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    }
    publishers = {role: s["Resource"] for role, s in all_statements(plain) if "sns:Publish" in as_list(s["Action"])}
    assert publishers == {"ChangeListenerRole": "mwaa-blue-green-notifications"}


# ---- Drills ------------------------------------------------------------------------------------------------


def test_drills_are_off_unless_a_schedule_is_given(plain: Stack, full: Stack) -> None:
    gone = {"ScheduledDrill", "ScheduledDrillRole", "DrillFailedAlarm"}
    assert not gone & set(plain.resources)
    assert gone <= set(full.resources)


def test_the_schedule_asks_for_a_drill_as_a_person_would() -> None:
    stack = Stack(DrillSchedule="rate(7 days)", DrillTimeZone="Europe/Amsterdam", DrillMode="switch")
    schedule = stack.resources["ScheduledDrill"]["Properties"]
    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]) == ("rate(7 days)", "Europe/Amsterdam")
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert len(schedule["Name"]) <= 64
    target = schedule["Target"]
    assert target["Arn"] == "SwitchHandlerFunction.Arn"
    assert json.loads(target["Input"]) == {
        "action": "drill",
        "mode": "switch",
        "requested_by": "schedule",
        "reason": "scheduled drill",
    }
    assert 60 <= target["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 300
    assert 0 <= target["RetryPolicy"]["MaximumRetryAttempts"] <= 2
    assert target["DeadLetterConfig"] == {"Arn": "DeadLetterQueue.Arn"}


def test_the_schedules_role_may_do_that_and_no_more(full: Stack) -> None:
    assert full.resources["ScheduledDrill"]["Properties"]["Target"]["RoleArn"] == "ScheduledDrillRole.Arn"
    (trust,) = full.resources["ScheduledDrillRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    assert {s["Action"]: s["Resource"] for s in statements_of(full, "ScheduledDrillRole")} == {
        "lambda:InvokeFunction": "SwitchHandlerFunction.Arn",
        "sqs:SendMessage": "DeadLetterQueue.Arn",
    }


# ---- Permissions -------------------------------------------------------------------------------------------

# Every action that may have Resource "*", and why it cannot be narrower.
UNBOUNDED = {
    "ssm:DescribeParameters": "knows no single parameters; shows names and patterns, never values",
    "cloudwatch:GetMetricData": "knows no resources and no namespace condition",
    "cloudwatch:PutMetricData": "knows no resources; bounded by the condition on the namespace",
    "cloudwatch:DescribeAlarms": "with less than * the answer silently leaves out composite alarms",
    "ec2:CreateNetworkInterface": "Lambda checks it in this form before it accepts a function in a VPC",
    "ec2:DescribeNetworkInterfaces": "the same",
    "ec2:DescribeSubnets": "the same",
    "ec2:DeleteNetworkInterface": "the same",
    "ec2:AssignPrivateIpAddresses": "the same",
    "ec2:UnassignPrivateIpAddresses": "the same",
}

ACTIONS = {
    "get": "ssm:GetParameters", "history": "ssm:GetParameterHistory", "list": "ssm:GetParametersByPath", "put": "ssm:PutParameter",
    "create": "ssm:PutParameter", "delete": "ssm:DeleteParameter",
}  # fmt: skip


def parameter_store(function: str) -> dict[str, set[str]]:
    """A function's operations on Parameter Store, with exactly these names."""
    found: dict[str, set[str]] = {}
    for parameter in PARAMETERS:
        name = parameter["name"]
        for access in parameter["access"][function]:
            names = {name, name.rstrip("/")} if access == "list" else {f"{name}*" if name.endswith("/") else name}
            found.setdefault(ACTIONS[access], set()).update(names)
    if function != "change-listener":
        found["ssm:DescribeParameters"] = {"*"}
    return found


OWN_LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
NETWORK = {
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
}
OTHER_ACTIONS = {
    "HealthWatcherRole": OWN_LOG
    | NETWORK
    | {
        "sqs:SendMessage",
        "airflow:GetEnvironment",
        "airflow:InvokeRestApi",
        "cloudwatch:GetMetricData",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:PutMetricData",
        "events:PutEvents",
    },
    "SwitchHandlerRole": OWN_LOG
    | NETWORK
    | {
        "sqs:SendMessage",
        "airflow:GetEnvironment",
        "airflow:InvokeRestApi",
        "cloudwatch:GetMetricData",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:PutMetricData",
        "events:PutEvents",
    },
    "ChangeListenerRole": OWN_LOG | {"sqs:SendMessage", "cloudwatch:PutMetricData", "events:PutEvents", "sns:Publish"},
}


def test_every_statement_is_named_and_bounded(full: Stack) -> None:
    seen = set()
    for owner, statement in all_statements(full):
        assert (owner, statement["Sid"]) not in seen
        seen.add((owner, statement["Sid"]))
        if statement["Effect"] == "Deny":
            continue  # takes away, see test_house_rules.py
        assert statement["Effect"] == "Allow"
        assert not {"NotAction", "NotResource"} & set(statement)
        for action in as_list(statement["Action"]):
            assert "*" not in action, (owner, action)
            if "*" in as_list(statement["Resource"]):
                assert action in UNBOUNDED, f"{owner} may {action} on everything; bound it, or say here why not"
        for resource in as_list(statement["Resource"]):
            if resource != "*" and "*" in resource:
                assert resource.endswith(("/transitions/*", "/managed-dags/*", "/unsent/*")), (owner, resource)


def test_metrics_go_to_our_namespace_only(full: Stack) -> None:
    found = [s for _, s in all_statements(full) if "cloudwatch:PutMetricData" in as_list(s["Action"])]
    assert len(found) == 3
    for statement in found:
        assert statement["Condition"] == {"StringEquals": {"cloudwatch:namespace": "MWAA/BlueGreen"}}


@pytest.mark.parametrize("role", OTHER_ACTIONS)
def test_functions_may_do_what_they_do_and_no_more(full: Stack, role: str) -> None:
    root = "arn:aws:ssm:us-east-1:123456789012:parameter/mwaa/blue-green/"
    allowed: dict[str, set[str]] = {}
    others = set()
    for statement in statements_of(full, role):
        if statement["Effect"] == "Deny":
            continue
        for action in as_list(statement["Action"]):
            if action.startswith("ssm:"):
                # DescribeParameters cannot be restricted to single parameters.
                anything = ["*"] if action == "ssm:DescribeParameters" else []
                assert all(r.startswith(root) for r in as_list(statement["Resource"]) if r not in anything)
                names = {r.removeprefix(root) for r in as_list(statement["Resource"])}
                allowed.setdefault(action, set()).update(names)
            else:
                others.add(action)
    assert allowed == parameter_store(FUNCTIONS[role.replace('Role', 'Function')])
    assert others == OTHER_ACTIONS[role]


@pytest.mark.parametrize("role", ["HealthWatcherRole", "SwitchHandlerRole"])
def test_a_claim_can_only_be_created(full: Stack, role: str) -> None:
    (claims,) = [s for s in statements_of(full, role) if s["Sid"] == "CreateClaims"]
    assert claims["Condition"] == {"StringNotEquals": {"ssm:Overwrite": "true"}}
    (flag,) = [s for s in statements_of(full, role) if s["Sid"].startswith("WriteFlag")]
    assert not [r for r in as_list(flag["Resource"]) if "transitions" in r]


@pytest.mark.parametrize("role", ["HealthWatcherRole", "SwitchHandlerRole"])
def test_functions_reach_both_environments_in_their_regions(role: str) -> None:
    stack = Stack(GreenRegion="eu-west-1", AirflowRole="User")
    by_action = {s["Action"]: s["Resource"] for s in statements_of(stack, role) if isinstance(s["Action"], str)}
    assert by_action["airflow:GetEnvironment"] == [
        "arn:aws:airflow:us-east-1:123456789012:environment/airflow-blue",
        "arn:aws:airflow:eu-west-1:123456789012:environment/airflow-green",
    ]
    assert by_action["airflow:InvokeRestApi"] == [
        "arn:aws:airflow:us-east-1:123456789012:role/airflow-blue/User",
        "arn:aws:airflow:eu-west-1:123456789012:role/airflow-green/User",
    ]


def test_each_function_has_its_own_role_and_log(plain: Stack) -> None:
    for name in FUNCTIONS:
        role = name.replace("Function", "Role")
        assert plain.resources[name]["Properties"]["Role"] == f"{role}.Arn"
        assert "Policies" not in plain.resources[name]["Properties"]
        (log,) = [s for s in statements_of(plain, role) if OWN_LOG & set(as_list(s["Action"]))]
        assert log["Resource"] == name.replace("Function", "LogGroup.Arn")
        (trust,) = plain.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_shared_policies_hold_what_every_role_that_has_them_needs(plain: Stack, full: Stack) -> None:
    """test_functions_may_do_what_they_do_and_no_more checks a role's rights; this checks that no right is shared with a role that does
    not need it."""
    deciders = ["FunctionsPolicy", "DecidersPolicy"]
    shared = {"HealthWatcherRole": deciders, "SwitchHandlerRole": deciders, "ChangeListenerRole": ["FunctionsPolicy"]}
    for stack, in_vpc in ((plain, []), (full, ["NetworkPolicy"])):
        attached = {n: p["ManagedPolicyArns"] for n, p in stack.of_type("AWS::IAM::Role").items() if "ManagedPolicyArns" in p}
        assert attached == {n: [*p, *(in_vpc if p == deciders else [])] for n, p in shared.items()}
        assert {name for names in attached.values() for name in names} == set(stack.of_type("AWS::IAM::ManagedPolicy"))
        for properties in stack.of_type("AWS::IAM::ManagedPolicy").values():
            assert not {"Roles", "Users", "Groups"} & set(properties)


def test_who_looks_at_environments_may_read_alarms(plain: Stack) -> None:
    readers = [o for o, s in all_statements(plain) if "cloudwatch:DescribeAlarms" in as_list(s["Action"])]
    assert sorted(readers) == ["HealthWatcherRole", "SwitchHandlerRole"]


# ---- The rest ----------------------------------------------------------------------------------------------


def test_the_stack_does_not_own_the_flag(template: dict[str, Any]) -> None:
    """An update of the stack would reset it, and so switch environments."""
    owned = {n: r["Properties"] for n, r in template["Resources"].items() if r["Type"].startswith("AWS::SSM::")}
    assert list(owned) == [OWNER_RESOURCE]
    assert owned[OWNER_RESOURCE]["Name"]["Fn::Sub"][0] == "${Root}/owner"


# ---- The owner of the root ---------------------------------------------------------------------------------

OWNER_RESOURCE = "ParameterRootBelongsToOnePair"


@pytest.mark.parametrize(
    ("parameters", "root"),
    [
        ({}, "/mwaa/blue-green"),
        ({"PairName": "orders"}, "/mwaa/orders"),
        ({"PairName": "orders", "ParameterRoot": "/team/x"}, "/team/x"),
        ({"ParameterRoot": "/team/x"}, "/team/x"),
        ({"PairName": "orders", "ParameterRoot": "/mwaa/blue-green"}, "/mwaa/blue-green"),
    ],
)
def test_a_pair_without_a_root_has_one_with_its_name(parameters: dict[str, str], root: str) -> None:
    stack = Stack(**parameters)
    pair = parameters.get("PairName", "mwaa-blue-green")
    assert stack.environment["FLAG_PARAMETER"] == f"{root}/active-environment"
    assert stack.resources[OWNER_RESOURCE]["Properties"]["Name"] == f"{root}/owner"
    assert stack.outputs["FlagParameter"]["Value"] == f"{root}/active-environment"
    names = stack.resources["ChangeListenerFunctionFlagChange"]["Properties"]["EventPattern"]["detail"]["name"]
    assert names == [f"{root}/active-environment", f"{root}/hold"]
    prefix = f"arn:aws:ssm:us-east-1:123456789012:parameter{root}/"
    for owner, statement in all_statements(stack):
        for action in as_list(statement["Action"]):
            if action.startswith("ssm:") and action != "ssm:DescribeParameters":
                assert all(resource.startswith(prefix) for resource in as_list(statement["Resource"])), (owner, statement)
    value = json.loads(stack.resources[OWNER_RESOURCE]["Properties"]["Value"])
    assert value == {"pair": pair, "stack": "mwaa-blue-green", "account": "123456789012", "region": "us-east-1"}


def test_no_function_of_a_second_stack_comes_to_life_on_a_root_that_is_taken(template: dict[str, Any]) -> None:
    for name in FUNCTIONS:
        assert OWNER_RESOURCE in as_list(template["Resources"][name].get("DependsOn", [])), name


def test_nobody_but_the_stack_writes_the_owner(full: Stack) -> None:
    for owner, statement in all_statements(full):
        if any(action in ("ssm:PutParameter", "ssm:DeleteParameter") for action in as_list(statement["Action"])):
            assert not [r for r in as_list(statement["Resource"]) if r.endswith(("/owner", "blue-green/*"))], owner


def test_the_owner_goes_with_the_stack_and_leaves_the_root_to_the_next(template: dict[str, Any]) -> None:
    """If it were retained, the same pair could not be deployed again."""
    owner = template["Resources"][OWNER_RESOURCE]
    assert owner.get("DeletionPolicy", "Delete") == "Delete" and owner.get("UpdateReplacePolicy", "Delete") == "Delete"


def test_the_template_fits_any_account_and_partition() -> None:
    text = TEMPLATE.read_text()
    assert not re.search(r"\b\d{12}\b", text), "an account number"
    assert "arn:aws:" not in text, "a partition written out"


def test_the_template_has_no_yaml_aliases() -> None:
    """CloudFormation does not support them."""
    assert not [t for t in yaml.scan(TEMPLATE.read_text()) if isinstance(t, (yaml.AnchorToken, yaml.AliasToken))]


def test_the_audit_trail_reaches_its_log(plain: Stack) -> None:
    (target,) = plain.resources["AuditLogRule"]["Properties"]["Targets"]
    group = plain.resources["AuditLogGroup"]["Properties"]["LogGroupName"]
    assert group.startswith("/aws/events/")
    assert target["Arn"].endswith(f":log-group:{group}")
    policy = json.loads(plain.resources["AuditLogPolicy"]["Properties"]["PolicyDocument"])
    allowed = {s["Action"]: s for s in policy["Statement"]}
    assert set(allowed) == {"logs:CreateLogStream", "logs:PutLogEvents"}
    for statement in allowed.values():
        assert "events.amazonaws.com" in statement["Principal"]["Service"]
        assert statement["Resource"] == "AuditLogGroup.Arn"
    assert allowed["logs:PutLogEvents"]["Condition"] == {"ArnEquals": {"aws:SourceArn": "AuditLogRule.Arn"}}
    assert plain.resources["AuditArchive"]["Properties"]["SourceArn"] == "AuditBus.Arn"


def test_outputs_are_the_five_that_a_user_needs(plain: Stack) -> None:
    """Every other name starts with the pair's, so documents can give a command as it is."""
    assert set(plain.outputs) == {"InitializeCommand", "StatusCommand", "FlagParameter", "NotificationTopicArn", "DashboardUrl"}
    assert all(output["Description"] for output in plain.outputs.values())


@pytest.mark.parametrize(("name", "request_"), [("InitializeCommand", {"action": "initialize"}), ("StatusCommand", {"action": "status"})])
def test_output_commands_name_what_exists(plain: Stack, name: str, request_: dict[str, str]) -> None:
    words = shlex.split(plain.outputs[name]["Value"])
    options = {word: words[at + 1] for at, word in enumerate(words[:-1]) if word.startswith("--")}
    assert (words[0], json.loads(words[1])) == ("printf", request_)
    assert options == {
        "--region": "us-east-1",
        "--function-name": plain.resources["SwitchHandlerFunction"]["Properties"]["FunctionName"],
        "--payload": "fileb:///dev/stdin",
    }


def test_the_alarm_on_dead_letters_gives_the_command_that_shows_them(plain: Stack) -> None:
    text = plain.resources["DeadLettersAlarm"]["Properties"]["AlarmDescription"]
    words = shlex.split(text.partition("Read it with: ")[2].partition(" Runbook: ")[0])
    assert words[:3] == ["aws", "sqs", "receive-message"]
    options = {word: words[at + 1] for at, word in enumerate(words[:-1]) if word.startswith("--")}
    assert options["--queue-url"] == plain.resources["DeadLetterQueue"]["Properties"]["QueueName"]
    assert (options["--region"], options["--visibility-timeout"]) == ("us-east-1", "0"), "it leaves them where they are"


def test_samconfig_gives_parameters_that_exist(template: dict[str, Any]) -> None:
    config = tomllib.loads((PROJECT / "samconfig.toml").read_text())["default"]
    given = [pair.split("=", 1)[0] for pair in config["global"]["parameters"]["parameter_overrides"]]
    examples = re.findall(r'^#\s+"(\w+)=', (PROJECT / "samconfig.toml").read_text(), re.M)
    assert set(given) | set(examples) <= set(template["Parameters"])
    assert len(examples) >= 3
    # CAPABILITY_IAM suffices only while no role or policy has a custom name.
    for name, resource in template["Resources"].items():
        assert not {"RoleName", "ManagedPolicyName"} & set(resource["Properties"]), name


def test_lint_tools_are_pinned() -> None:
    lines = (PROJECT / "tests/template/requirements-lint.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9A-Za-z.]+", line) for line in pins)
    assert {"aws-sam-cli", "cfn-lint"} <= {line.split("==")[0] for line in pins}
