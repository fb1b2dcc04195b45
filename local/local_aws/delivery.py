"""Delivery of events to their targets.

ministack lacks these, and this module adds them:
- `aws.*` events from inside the process (PutEvents refuses them from outside);
- EventBridge rule -> Lambda through Lambda's asynchronous path, with the rule's RetryPolicy and DeadLetterConfig;
- the check that the function's policy admits EventBridge;
- EventBridge rule -> CloudWatch Logs;
- SNS -> Lambda through the asynchronous path;
- schedules that fire within half a second of being due (as shipped, up to ten seconds late);
- the metric of the messages in a queue, so that an alarm on dead letters can be tried.

A rule's DeadLetterConfig gets what could not be delivered to the function (function deleted, no permission). A function that fails is
handled by the function's own retries and destination, as on AWS.
"""

from __future__ import annotations

import contextvars
import fnmatch
import hashlib
import json
import logging
import queue
import threading
import time
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import cloudwatch, cloudwatch_logs, eventbridge, lambda_svc, scheduler, sns, sqs

from local_aws import patches, scope, timeline

log = logging.getLogger("local_aws.delivery")

SCHEDULE_TICK_SECONDS = 0.5
QUEUE_METRIC_SECONDS = 2.0

_outbox: queue.Queue[tuple[str, str, dict[str, Any]]] = queue.Queue()
_target: contextvars.ContextVar[tuple[dict[str, Any], dict[str, Any], dict[str, Any]] | None] = contextvars.ContextVar(
    "target", default=None)  # (target, event, rule) while ministack builds the payload of one target
_matched: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("matched", default=None)


def emit(source: str, detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
    """Send an event of an AWS service to the default bus: soon, in order, and without blocking the caller."""
    _outbox.put((get_account_id(), get_region(), {
        "Source": source, "DetailType": detail_type, "Detail": json.dumps(detail), "Resources": resources,
        "EventBusName": "default",
    }))


def _send_outbox() -> None:
    while True:
        account, region, entry = _outbox.get()
        scope.enter(region, account)
        try:
            eventbridge._ensure_default_bus()
            eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        except Exception:
            log.exception("could not send %s", entry["DetailType"])


def _dispatch_event(original: Any) -> Any:
    def dispatch(event: dict[str, Any], view: Any = None) -> None:
        rules: list[str] = []
        timeline.note("event", source=event.get("Source"), detail_type=event.get("DetailType"),
                      bus=event.get("EventBusName", "default"), id=event.get("EventId"), rules=rules)
        token = _matched.set(rules)
        try:
            original(event, view)
        finally:
            _matched.reset(token)

    return dispatch


def _invoke_target(original: Any) -> Any:
    def invoke(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
        matched = _matched.get()
        if matched is not None and rule.get("Name") not in matched:
            matched.append(rule.get("Name", ""))
        token = _target.set((target, event, rule))
        try:
            arn = target.get("Arn", "")
            if arn.split(":")[2:3] == ["logs"]:
                # ministack has no such target. It passes the finished payload only to Lambda targets. So the log group is disguised as a
                # Lambda target, and _dispatch_to_lambda below detects what it really is.
                target = {**target, "Arn": f"arn:aws:lambda:{get_region()}:{get_account_id()}:function:log-group"}
            original(target, event, rule, view)
        finally:
            _target.reset(token)

    return invoke


def _dispatch_to_lambda(_original: Any) -> Any:
    def dispatch(arn: str, payload: str) -> None:
        target, event, rule = _target.get() or ({"Arn": arn}, {}, {})
        if target["Arn"].split(":")[2:3] == ["logs"]:
            _put_log_event(target["Arn"], payload)
            return
        try:
            body = json.loads(payload)
        except ValueError:
            body = payload
        from_scheduler = event.get("Source") == "aws.scheduler"
        if from_scheduler:
            cause = "scheduler"
        elif rule.get("ScheduleExpression") and event.get("Source") == "aws.events":
            cause = "schedule"
        else:
            cause = f"event:{event.get('DetailType', '')}"
        refused = invoke_async(
            arn, body, cause,
            # EventBridge Scheduler uses the role of the target, not the function's policy.
            principal=None if from_scheduler else "events.amazonaws.com", source_arn=rule.get("Arn", ""),
        )
        if refused:
            _dead_letter(target, rule, payload, *refused)

    return dispatch


def invoke_async(function_arn: str, event: Any, cause: str, principal: str | None, source_arn: str) -> tuple[str, str] | None:
    """Put an event into a function's asynchronous queue. Returns (code, message) if that is not allowed or not possible."""
    func, config, name = lambda_svc._get_func_record_for_ref(function_arn)
    if not func or not config:
        refused = ("ResourceNotFoundException", f"Function not found: {function_arn}")
    elif principal and not _allowed(func, principal, source_arn):
        refused = ("AccessDeniedException", f"{principal} ({source_arn}) is not allowed to invoke {name}: "
                   "no statement of the function's policy (AWS::Lambda::Permission) allows it")
    else:
        token = scope.trigger.set(cause)
        try:
            lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(func, config), event)
        finally:
            scope.trigger.reset(token)
        return None
    log.warning("not delivered: %s: %s", *refused)
    timeline.note("undelivered", target=function_arn, trigger=cause, code=refused[0], message=refused[1])
    return refused


def _allowed(func: dict[str, Any], principal: str, source_arn: str) -> bool:
    for statement in (func.get("policy") or {}).get("Statement") or []:
        who = statement.get("Principal")
        if statement.get("Effect") != "Allow" or not (who == "*" or (isinstance(who, dict) and who.get("Service") == principal)):
            continue
        conditions = {key.lower(): value for operator in (statement.get("Condition") or {}).values()
                      for key, value in operator.items()}
        arn_pattern = conditions.get("aws:sourcearn")
        account = conditions.get("aws:sourceaccount")
        if (arn_pattern is None or fnmatch.fnmatchcase(source_arn, arn_pattern)) and account in (None, scope.ACCOUNT):
            return True
    return False


def _dead_letter(target: dict[str, Any], rule: dict[str, Any], payload: str, code: str, message: str) -> None:
    queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue_arn:
        return
    attributes = {"RULE_ARN": rule.get("Arn", ""), "TARGET_ARN": target.get("Arn", ""), "ERROR_CODE": code,
                  "ERROR_MESSAGE": message, "EXHAUSTED_RETRY_CONDITION": "NonRetryableError"}
    send_to_queue(queue_arn, payload, attributes)


def send_to_queue(queue_arn: str, body: str, attributes: dict[str, str] | None = None) -> None:
    found = sqs._queue_by_arn(queue_arn)
    if found is None:
        log.warning("dead-letter queue %s not found", queue_arn)
        timeline.note("undelivered", target=queue_arn, trigger="dead-letter", code="QueueDoesNotExist", message=queue_arn)
        return
    now = time.time()
    found["messages"].append({
        "id": new_uuid(), "body": body, "md5_body": hashlib.md5(body.encode()).hexdigest(), "md5_attrs": "",
        "receipt_handle": None, "sent_at": now, "visible_at": now + sqs.queue_delay(found), "receive_count": 0,
        "first_receive_at": None,
        "message_attributes": {key: {"DataType": "String", "StringValue": value}
                               for key, value in (attributes or {}).items() if value},
        "sys": {"SenderId": get_account_id(), "SentTimestamp": str(int(now * 1000))},
        "group_id": None, "dedup_id": None, "dedup_cache_key": None, "seq": None,
    })
    timeline.note("dead-letter", queue=queue_arn.rsplit(":", 1)[-1])


def _measure_queues() -> None:
    """AWS/SQS ApproximateNumberOfMessagesVisible; on AWS once a minute."""
    while True:
        time.sleep(QUEUE_METRIC_SECONDS)
        for (account, region, _), found in list(sqs._queues.all_items()):
            scope.enter(region, account)
            arn = found.get("attributes", {}).get("QueueArn", "")
            now = time.time()
            visible = sum(1 for message in list(found.get("messages") or []) if message.get("visible_at", 0) <= now)
            cloudwatch.record_metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", visible, "Count",
                                     {"QueueName": arn.rsplit(":", 1)[-1]})


def _put_log_event(group_arn: str, payload: str) -> None:
    group = group_arn.split(":log-group:", 1)[-1].removesuffix(":*")
    if group not in cloudwatch_logs._log_groups:
        log.warning("EventBridge target log group %s does not exist", group)
        timeline.note("undelivered", target=group_arn, trigger="event", code="ResourceNotFoundException", message=group)
        return
    stream = new_uuid()  # EventBridge makes a stream of its own choosing
    cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": [
        {"timestamp": int(time.time() * 1000), "message": payload}]})


def _deliver_sns_to_lambda(_original: Any) -> Any:
    def deliver(endpoint: str, envelope: str, topic_arn: str, sub_arn: str, *_: Any) -> None:
        invoke_async(endpoint, {"Records": [{"EventVersion": "1.0", "EventSubscriptionArn": sub_arn,
                                             "EventSource": "aws:sns", "Sns": json.loads(envelope)}]},
                     "sns", principal="sns.amazonaws.com", source_arn=topic_arn)

    return deliver


def install() -> None:
    patches.replace(eventbridge, "_dispatch_event", _dispatch_event)
    patches.replace(eventbridge, "_invoke_target", _invoke_target)
    patches.replace(eventbridge, "_dispatch_to_lambda", _dispatch_to_lambda)
    patches.replace(eventbridge, "_SCHEDULER_TICK_INTERVAL", lambda _: SCHEDULE_TICK_SECONDS)
    patches.replace(scheduler, "_SCHEDULE_TICK_INTERVAL", lambda _: SCHEDULE_TICK_SECONDS)
    patches.replace(sns, "_deliver_to_lambda", _deliver_sns_to_lambda)
    for module, name in ((eventbridge, "_put_events"), (eventbridge, "_ensure_default_bus"), (sqs, "_queue_by_arn"),
                         (sqs, "queue_delay"), (sqs, "_queues"), (cloudwatch, "record_metric"), (lambda_svc, "_get_func_record_for_ref"),
                         (lambda_svc, "_execution_record_for_config"), (cloudwatch_logs, "_log_groups"),
                         (cloudwatch_logs, "_create_log_stream"), (cloudwatch_logs, "_put_log_events")):
        patches.original(module, name)
    threading.Thread(target=_send_outbox, daemon=True, name="local-aws-outbox").start()
    threading.Thread(target=_measure_queues, daemon=True, name="local-aws-queues").start()
