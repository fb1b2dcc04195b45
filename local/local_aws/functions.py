"""Function processes and their invocations.

ministack runs a `bootstrap` by itself. It lacks these, and this module adds them:
- a clean environment (as shipped a function inherits every variable with which ministack was started);
- the credentials of the function's role without AUTH=true;
- the messages of AWS when a process dies or times out;
- asynchronous invocation where a throttled event waits instead of using up retries, and with AWS's failure record;
- AWS/Lambda metrics for every invocation, not only for those over HTTP;
- an entry in the timeline.

Scaled down: on AWS the retries of an asynchronous invocation come after one and two minutes, here after one and two seconds.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import json
import logging
import os
import signal
import threading
import time
import uuid
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc, sns, sts
from ministack.services.cloudformation import provisioners

from local_aws import delivery, patches, scope, timeline

log = logging.getLogger("local_aws.functions")

RETRY_SECONDS = (1.0, 2.0)
THROTTLE_RETRY_SECONDS = 0.5

# Who a function is, by its access key. ministack would parse every policy of the role to answer that, for each of its calls.
session_arns: dict[str, str] = {}

# The variables that a function inherits from the local AWS's own environment.
INHERITED = {"PATH"}
# The variables that ministack sets, or we do, as Lambda would.
LAMBDA_SETS = {
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION",
    "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_LOG_STREAM_NAME", "LAMBDA_TASK_ROOT", "_HANDLER",
    "AWS_ENDPOINT_URL", "AWS_DISABLE_HOST_PREFIX_INJECTION",
}


def _worker_env(original: Any) -> Any:
    def environment(config: dict[str, Any], code_dir: str, port: int) -> dict[str, str]:
        own = lambda_svc._runtime_env_vars(config)
        made = original(config, code_dir, port)
        keep = {key: value for key, value in made.items() if key in INHERITED | LAMBDA_SETS | own.keys()}
        return {
            "LANG": "en_US.UTF-8", "TZ": ":UTC", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{config.get('FunctionName', '')}",
            # Host prefixes (`api.`, `env.` of MWAA) cannot be resolved under 127.0.0.1. Botocore honors this variable; the Rust SDK does
            # not and must strip the prefix itself.
            **keep,
        }

    return environment


def _role_credentials(_original: Any) -> Any:
    """ministack does this under AUTH=true only; without it every call of a function would appear as root's."""

    def credentials(config: dict[str, Any]) -> dict[str, str]:
        role, function_arn = config.get("Role", ""), config.get("FunctionArn", "")
        account = function_arn.split(":")[4]
        session = config.get("FunctionName", "")[:64]
        role_name = role.rsplit("/", 1)[-1]
        digest = hashlib.sha256(f"{function_arn} {role}".encode()).hexdigest()
        key, secret, token = f"ASIA{digest[:16].upper()}", digest[16:56], digest
        session_arns[key] = f"arn:aws:sts::{account}:assumed-role/{role_name}/{session}"
        sts.register_session(key, {
            "Arn": session_arns[key], "UserId": f"{role_name}:{session}", "SecretAccessKey": secret, "SessionToken": token,
        })
        return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}

    return credentials


def _remember_exit(original: Any) -> Any:
    def teardown(worker: Any) -> None:
        if worker._proc is not None:
            worker.last_exit = worker._proc.poll()
        original(worker)

    return teardown


def _invoke(original: Any) -> Any:
    """Answer with AWS's messages when the process has died or timed out."""

    def invoke(worker: Any, event: Any, request_id: str, **kwargs: Any) -> dict[str, Any]:
        worker.last_exit = None
        answer = original(worker, event, request_id, **kwargs)
        if (entry := _running.get(request_id)) and worker._proc is not None:
            entry["detail"]["pid"] = worker._proc.pid
        payload = answer.get("error_payload")
        if answer.get("status") == "error" and isinstance(payload, dict):
            if payload.get("errorMessage") == "Runtime exited before returning a response":
                payload["errorMessage"] = f"RequestId: {request_id} Error: Runtime exited{_exit(worker.last_exit)}"
                payload["errorType"] = "Runtime.ExitError"
            elif payload.get("errorType") == "Sandbox.Timedout":
                payload["errorMessage"] = f"RequestId: {request_id} Error: {payload['errorMessage']}"
        return answer

    return invoke


def _exit(code: int | None) -> str:
    if code is None or code == 0:
        return " without providing a reason"
    if code < 0:
        return f" with error: signal: {_SIGNAL_WORDS.get(signal.Signals(-code), signal.Signals(-code).name)}"
    return f" with error: exit status {code}"


# The entries in the timeline of the invocations that have not ended, by request id.
_running: dict[str, dict[str, Any]] = {}

_SIGNAL_WORDS = {signal.SIGKILL: "killed", signal.SIGTERM: "terminated", signal.SIGABRT: "aborted",
                 signal.SIGSEGV: "segmentation fault"}


def _dispatch(original: Any) -> Any:
    """Wraps every invocation that got a slot, whatever caused it."""

    def dispatch(func: Any, config: dict[str, Any], event: Any, request_id: str, started: float) -> dict[str, Any]:
        entry = timeline.note("invoke", function=config.get("FunctionName"), trigger=scope.trigger.get(),
                              request_id=request_id, duration_ms=None, status="running", pid=None)
        _running[request_id] = entry
        _live_logs[request_id] = _LiveLog(config, request_id)
        result = original(func, config, event, request_id, started)
        _running.pop(request_id, None)
        milliseconds = (time.time() - started) * 1000
        failed = bool(result.get("error"))
        body = result.get("body")
        entry["detail"]["duration_ms"] = round(milliseconds, 1)
        entry["detail"]["ended_at"] = time.time()
        entry["detail"]["status"] = f"error:{body.get('errorType', 'Unhandled') if isinstance(body, dict) else 'Unhandled'}" if failed else "ok"
        dimensions = {"FunctionName": config.get("FunctionName", "")}
        cloudwatch.record_metric("AWS/Lambda", "Invocations", 1, "Count", dimensions)
        cloudwatch.record_metric("AWS/Lambda", "Errors", 1 if failed else 0, "Count", dimensions)
        cloudwatch.record_metric("AWS/Lambda", "Duration", milliseconds, "Milliseconds", dimensions)
        return result

    return dispatch


class _LiveLog:
    """The log of one invocation, open from its START line."""

    def __init__(self, config: dict[str, Any], request_id: str) -> None:
        self.group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config.get('FunctionName')}"
        self.stream = time.strftime("%Y/%m/%d/[$LATEST]", time.gmtime()) + uuid.uuid4().hex
        self.account, self.region = lambda_svc._account_region_from_function_config(config)
        self.written: list[str] = []
        self.write(f"START RequestId: {request_id} Version: $LATEST")

    def write(self, line: str) -> None:
        self.written.append(line)
        scope.enter(self.region, self.account)
        now = int(time.time() * 1000)
        group = cloudwatch_logs._log_groups.get(self.group)
        if group is None:  # as on AWS, the first line creates it
            group = cloudwatch_logs._log_groups[self.group] = {
                "arn": cloudwatch_logs._make_group_arn(self.group), "creationTime": now, "retentionInDays": None,
                "tags": {}, "subscriptionFilters": {}, "streams": {}}
        stream = group["streams"].setdefault(self.stream, {
            "events": [], "uploadSequenceToken": "1", "creationTime": now, "firstEventTimestamp": None,
            "lastEventTimestamp": None, "lastIngestionTime": None})
        cloudwatch_logs._append_log_events(stream, [{"timestamp": now, "message": line, "ingestionTime": now}])


_live_logs: dict[str, _LiveLog] = {}  # by request id


class _Tapped:
    """The output of a function process: a line is in CloudWatch Logs when it is written, not when the invocation ends."""

    def __init__(self, worker: Any, stream: Any) -> None:
        self.worker, self.stream = worker, stream

    def readline(self) -> bytes:
        line = self.stream.readline()
        live = _live_logs.get(self.worker._current_request_id or "")
        if line and live:
            live.write(line.decode("utf-8", errors="replace").rstrip("\r\n"))
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _pump_output(original: Any) -> Any:
    return lambda worker, stream, lines: original(worker, _Tapped(worker, stream), lines)


def _emit_lambda_logs(_original: Any) -> Any:
    def emit(func: dict[str, Any], request_id: str, text: str, error: bool, duration_ms: int, **_: Any) -> None:
        config = func.get("config") or func
        live = _live_logs.pop(request_id, None) or _LiveLog(config, request_id)
        for line in text.splitlines() if text else []:
            if line not in live.written:  # written before the invocation started, or by another program
                live.write(line)
        live.write(f"END RequestId: {request_id}")
        live.write(f"REPORT RequestId: {request_id}\tDuration: {duration_ms} ms\tBilled Duration: {duration_ms} ms\t"
                   f"Memory Size: {config.get('MemorySize', 128)} MB\tMax Memory Used: 0 MB")

    return emit


def _metrics_of_throttles(_original: Any) -> Any:
    """The only rest of ministack's own counting, which misses asynchronous invocations and counts some twice."""

    def emit(function_name: str, duration_ms: float, error: bool, throttle: bool) -> None:
        if throttle and not error:
            cloudwatch.record_metric("AWS/Lambda", "Throttles", 1, "Count", {"FunctionName": function_name})

    return emit


def _invoke_async(_original: Any) -> Any:
    def invoke(func: dict[str, Any], event: Any) -> None:
        config = func.get("config") or func
        function_arn = config.get("FunctionArn", "")
        context = contextvars.copy_context()
        if scope.trigger.get() == "invoke":
            context.run(scope.trigger.set, "invoke-async")
        threading.Thread(target=context.run, args=(_run_async, func, config, function_arn, event), daemon=True,
                         name=f"local-aws-async-{config.get('FunctionName')}").start()

    return invoke


def _run_async(func: dict[str, Any], config: dict[str, Any], function_arn: str, event: Any) -> None:
    _, _, _, region, account, *_ = function_arn.split(":")
    scope.enter(region, account)
    settings = lambda_svc._event_invoke_config(func, "$LATEST") or lambda_svc._event_invoke_config(func, None) or {}
    retries = settings.get("MaximumRetryAttempts", 2)
    retries = 2 if retries is None else int(retries)
    give_up_at = time.time() + int(settings.get("MaximumEventAgeInSeconds") or 21600)
    attempts = 0
    condition = "RetriesExhausted"
    while True:
        result = lambda_svc._execute_function(func, event)
        if result.get("throttle"):
            delay = THROTTLE_RETRY_SECONDS  # A throttled event waits, and uses up no retry.
        else:
            attempts += 1
            if not result.get("error"):
                return
            if attempts > retries:
                break
            delay = RETRY_SECONDS[min(attempts, len(RETRY_SECONDS)) - 1]
        if time.time() + delay > give_up_at:
            condition = "EventAgeExceeded"
            break
        time.sleep(delay)
    _failed(settings, config, function_arn, event, result, condition, attempts)


def _failed(settings: dict[str, Any], config: dict[str, Any], function_arn: str, event: Any, result: dict[str, Any],
            condition: str, attempts: int) -> None:
    destination = ((settings.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
    if destination:
        body = json.dumps({
            "version": "1.0", "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
            "requestContext": {"requestId": "", "functionArn": f"{function_arn}:$LATEST", "condition": condition,
                               "approximateInvokeCount": attempts},
            "requestPayload": event,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST",
                                "functionError": result.get("function_error") or "Unhandled"},
            "responsePayload": result.get("body"),
        })
        _send(destination, body)
    dead_letters = (config.get("DeadLetterConfig") or {}).get("TargetArn")
    if dead_letters:
        _send(dead_letters, json.dumps(event))


def _send(arn: str, body: str) -> None:
    service = arn.split(":")[2]
    if service == "sqs":
        delivery.send_to_queue(arn, body)
    elif service == "sns":
        sns._fanout(arn, lambda_svc.new_uuid(), body, "Lambda asynchronous failure", "", {})
    elif service == "lambda":
        delivery.invoke_async(arn, json.loads(body), "destination", principal=None, source_arn="")
    else:
        log.warning("no way to send a failed event to %s", arn)


def processes() -> list[int]:
    """Process ids of the running function processes."""
    with lambda_runtime._lock:
        workers = [worker for entries in lambda_runtime._workers.values() for worker in entries]
    return [worker._proc.pid for worker in workers if worker._proc is not None and worker._proc.poll() is None]


def stop_all() -> None:
    """End every function process, so that none is left."""
    pids = processes()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    lambda_runtime.reset()


def _delete(original: Any) -> Any:
    """Deleting a stack ends its functions' processes, too."""

    def delete(physical_id: str, props: dict[str, Any]) -> Any:
        answer = original(physical_id, props)
        lambda_svc.invalidate_worker(physical_id)
        return answer

    return delete


def install() -> None:
    handlers = patches.original(provisioners, "_RESOURCE_HANDLERS")["AWS::Lambda::Function"]
    handlers["delete"] = _delete(handlers["delete"])
    patches.replace(lambda_svc, "_provided_worker_env", _worker_env)
    patches.original(sts, "register_session")
    patches.replace(lambda_svc, "execution_credentials", _role_credentials)
    patches.original(lambda_runtime, "_workers")
    patches.replace(lambda_runtime.ProvidedWorker, "_teardown", _remember_exit)
    patches.replace(lambda_runtime.ProvidedWorker, "invoke", _invoke)
    patches.replace(lambda_svc, "_execute_function_dispatch", _dispatch)
    patches.replace(lambda_svc, "_emit_lambda_logs", _emit_lambda_logs)
    patches.original(lambda_svc, "_account_region_from_function_config")
    patches.original(cloudwatch_logs, "_append_log_events")
    patches.replace(lambda_runtime.ProvidedWorker, "_pump_output", _pump_output)
    patches.replace(lambda_svc, "_emit_lambda_metrics", _metrics_of_throttles)
    patches.replace(lambda_svc, "invoke_async_with_retry", _invoke_async)
    for name in ("_runtime_env_vars", "_event_invoke_config", "_execute_function"):
        patches.original(lambda_svc, name)
    lambda_runtime._REAP_GRACE = 0.2  # Lambda kills immediately; two seconds of grace would only delay every time-out
