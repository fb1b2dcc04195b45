"""CloudFormation resources and properties.

ministack lacks the types Events::Archive, Events::EventBusPolicy and CloudWatch::CompositeAlarm. It refuses metric-math alarms. It drops
ReservedConcurrentExecutions and DeadLetterConfig of a function, and the time zone, start and end of a schedule. This module adds them.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, eventbridge, lambda_svc, scheduler
from ministack.services.cloudformation import provisioners

from local_aws import patches

Made = tuple[str, dict[str, Any]]


def _raise(answer: tuple[int, dict[str, str], bytes], what: str) -> None:
    if answer[0] >= 400:
        raise ValueError(f"{what}: {answer[2].decode(errors='replace')}")


# -- AWS::Events::Archive

def _archive_request(name: str, props: dict[str, Any]) -> dict[str, Any]:
    pattern = props.get("EventPattern") or ""
    return {"ArchiveName": name, "EventSourceArn": props.get("SourceArn", ""), "Description": props.get("Description", ""),
            "EventPattern": json.dumps(pattern) if isinstance(pattern, dict) else pattern,
            "RetentionDays": int(props.get("RetentionDays") or 0)}


def _archive_create(logical_id: str, props: dict[str, Any], stack_name: str) -> Made:
    name = props.get("ArchiveName") or provisioners._physical_name(stack_name, logical_id, max_len=48)
    _raise(eventbridge._create_archive(_archive_request(name, props)), "AWS::Events::Archive")
    return name, {"Arn": f"arn:aws:events:{get_region()}:{get_account_id()}:archive/{name}", "ArchiveName": name}


def _archive_update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Made:
    if new.get("ArchiveName") != physical_id:
        made = _archive_create(physical_id, new, stack_name)
        # Retained where the template's UpdateReplacePolicy says so.
        provisioners._delete_predecessor(_archive_delete, physical_id, old)
        return made
    if old.get("SourceArn") != new.get("SourceArn"):
        raise ValueError("AWS::Events::Archive: another bus under the same name is not imitated")
    _raise(eventbridge._update_archive(_archive_request(physical_id, new)), "AWS::Events::Archive")
    return physical_id, {"Arn": f"arn:aws:events:{get_region()}:{get_account_id()}:archive/{physical_id}",
                         "ArchiveName": physical_id}


def _archive_delete(physical_id: str, _props: dict[str, Any]) -> None:
    eventbridge._delete_archive({"ArchiveName": physical_id})


# -- AWS::Events::EventBusPolicy: stored and shown by DescribeEventBus, but not enforced here

def _bus_policy_create(_logical_id: str, props: dict[str, Any], _stack_name: str) -> Made:
    bus, sid, statement = props.get("EventBusName") or "default", props["StatementId"], props.get("Statement")
    if not statement:
        raise ValueError("AWS::Events::EventBusPolicy: only the form with Statement is imitated")
    if bus not in eventbridge._event_buses:
        raise ValueError(f"AWS::Events::EventBusPolicy: Event bus {bus} does not exist.")
    policy = eventbridge._event_bus_policies.setdefault(bus, {"Version": "2012-10-17", "Statement": []})
    policy["Statement"] = [known for known in policy["Statement"] if known.get("Sid") != sid] + [{**statement, "Sid": sid}]
    return f"{bus}|{sid}", {}


def _bus_policy_update(physical_id: str, _old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Made:
    made = _bus_policy_create("", new, stack_name)
    if made[0] != physical_id:
        _bus_policy_delete(physical_id, {})
    return made


def _bus_policy_delete(physical_id: str, _props: dict[str, Any]) -> None:
    bus, _, sid = physical_id.partition("|")
    eventbridge._remove_permission({"EventBusName": bus, "StatementId": sid})


# -- AWS::CloudWatch::CompositeAlarm

def _composite_put(name: str, props: dict[str, Any]) -> Made:
    request = {**props, "AlarmName": name}
    enabled = props.get("ActionsEnabled", True)
    request["ActionsEnabled"] = str(enabled).lower() not in ("false", "0", "no")
    _raise(cloudwatch._put_composite_alarm({}, request, False, True), "AWS::CloudWatch::CompositeAlarm")
    return name, {"Arn": f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm:{name}"}


def _composite_create(logical_id: str, props: dict[str, Any], stack_name: str) -> Made:
    return _composite_put(props.get("AlarmName") or provisioners._physical_name(stack_name, logical_id, max_len=255), props)


def _composite_update(physical_id: str, _old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Made:
    return _composite_put(physical_id, new)


def _composite_delete(physical_id: str, _props: dict[str, Any]) -> None:
    cloudwatch._delete_alarms({}, {"AlarmNames": [physical_id]}, False, True)


# -- AWS::CloudWatch::Alarm with metric math

def _alarm_record(original: Any) -> Any:
    def record(name: str, props: dict[str, Any]) -> dict[str, Any]:
        queries = props.get("Metrics")
        if not queries:
            return original(name, props)
        for query in queries:
            if query.get("MetricStat"):
                query["MetricStat"]["Period"] = int(query["MetricStat"].get("Period") or 60)
        # Let ministack build the rest around a metric that is then removed.
        plain = {**{key: value for key, value in props.items() if key != "Metrics"}, "MetricName": "math", "Namespace": "math"}
        alarm = original(name, plain)
        for field in ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Dimensions"):
            alarm.pop(field, None)
        alarm["Metrics"] = queries
        return alarm

    return record


# -- AWS::Lambda::Function

def _with_function_properties(original: Any, props_at: int) -> Any:
    def make(*arguments: Any, **named: Any) -> Made:
        made = original(*arguments, **named)
        props = arguments[props_at]
        func = lambda_svc._functions[made[0]]
        reserved = props.get("ReservedConcurrentExecutions")
        func["concurrency"] = None if reserved is None else int(reserved)
        if props.get("DeadLetterConfig"):
            func["config"]["DeadLetterConfig"] = props["DeadLetterConfig"]
        else:
            func["config"].pop("DeadLetterConfig", None)
        return made

    return make


# -- AWS::Scheduler::Schedule

def _with_schedule_properties(original: Any, props_at: int) -> Any:
    def make(*arguments: Any, **named: Any) -> Made:
        made = original(*arguments, **named)
        props = arguments[props_at]
        schedule = scheduler._schedules.get(f"{props.get('GroupName', 'default')}/{made[0]}")
        if schedule is not None:
            for name in ("ScheduleExpressionTimezone", "StartDate", "EndDate", "KmsKeyArn"):
                if props.get(name) is not None:
                    schedule[name] = props[name]
        return made

    return make


def install() -> None:
    handlers = patches.original(provisioners, "_RESOURCE_HANDLERS")
    handlers.update({
        "AWS::Events::Archive": {"create": _archive_create, "update": _archive_update, "delete": _archive_delete},
        "AWS::Events::EventBusPolicy": {"create": _bus_policy_create, "update": _bus_policy_update, "delete": _bus_policy_delete},
        "AWS::CloudWatch::CompositeAlarm": {"create": _composite_create, "update": _composite_update, "delete": _composite_delete},
    })
    patches.replace(provisioners, "_cw_metric_alarm_record", _alarm_record)
    # The table holds the functions themselves, so they are replaced in the table.
    function, schedule = handlers["AWS::Lambda::Function"], handlers["AWS::Scheduler::Schedule"]
    function["create"] = _with_function_properties(function["create"], props_at=1)
    function["update"] = _with_function_properties(function["update"], props_at=2)
    schedule["create"] = _with_schedule_properties(schedule["create"], props_at=1)
    schedule["update"] = _with_schedule_properties(schedule["update"], props_at=2)
    for module, names in (
        (provisioners, ("_physical_name", "_delete_predecessor")),
        (eventbridge, ("_create_archive", "_update_archive", "_delete_archive", "_event_buses", "_event_bus_policies", "_remove_permission")),
        (cloudwatch, ("_put_composite_alarm", "_delete_alarms")),
    ):
        for name in names:
            patches.original(module, name)
