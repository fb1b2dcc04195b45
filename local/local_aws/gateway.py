"""The entry point of every request.

ministack's own application answers. Before it come the control API (`/_local/…`), the faults, the log of calls, and the caller's
identity. Parameter Store and the event log need the identity, and ministack determines it only under AUTH=true.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs, unquote

import ministack.app
from ministack.core import iam_actions, iam_evaluator, responses, router
from ministack.core.responses import error_response_json
from ministack.services import cloudwatch

from local_aws import control, faults, functions, patches, scope, timeline

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_CBOR_OPERATION = re.compile(r"/service/[^/]+/operation/(\w+)$")
_MWAA_OPERATIONS = {
    ("GET", "environments", 1): "ListEnvironments", ("GET", "environments", 2): "GetEnvironment",
    ("PUT", "environments", 2): "CreateEnvironment", ("PATCH", "environments", 2): "UpdateEnvironment",
    ("DELETE", "environments", 2): "DeleteEnvironment", ("POST", "restapi", 2): "InvokeRestApi",
    ("POST", "webtoken", 2): "CreateWebLoginToken", ("POST", "clitoken", 2): "CreateCliToken",
}
_QUERY_SERVICES = {"sns", "sqs", "sts", "iam", "cloudformation", "ec2"}
_REST_SERVICES = {"airflow", "lambda", "scheduler"}
_ACCESS_DENIED = {"monitoring": "AccessDenied", "s3": "AccessDenied"}
_SERVER_ERROR = {"ssm": "InternalServerError", "airflow": "InternalServerException", "lambda": "ServiceException",
                 "events": "InternalException", "monitoring": "InternalServiceFault", "s3": "InternalError"}


class Request:
    """One complete HTTP request, and the AWS call that it is."""

    def __init__(self, asgi: dict[str, Any], body: bytes) -> None:
        self.method: str = asgi["method"]
        self.path: str = asgi["path"]
        self.query = parse_qs(asgi.get("query_string", b"").decode(), keep_blank_values=True)
        self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in asgi["headers"]}
        self.body = body
        self.peer_port: int = (asgi.get("client") or ("", 0))[1]
        self.own_port: int = (asgi.get("server") or ("", 0))[1]

    def identify(self) -> tuple[str, str]:
        """The service (by its signing name) and the operation."""
        params = ministack.app._routing_params(self.method, self.path, self.headers, self.body, self.query)
        service = router.detect_service(self.method, self.path, self.headers, params)
        if cbor := _CBOR_OPERATION.search(self.path):
            return service, cbor.group(1)
        if service == "airflow":
            parts = self.path.strip("/").split("/")
            return service, _MWAA_OPERATIONS.get((self.method, parts[0], len(parts)), "Unknown")
        action = iam_actions.extract_iam_action(service, self.method, self.path, self.headers, self.body, params)
        operation = (action or f"{service}:Unknown").split(":", 1)[1]
        return service, "Invoke" if (service, operation) == ("lambda", "InvokeFunction") else operation

    def caller(self) -> str:
        key = router.extract_access_key_id(self.headers, self.query)
        if not key or key.isdigit() or not key.startswith(("ASIA", "AKIA")):
            return scope.ROOT_ARN
        return functions.session_arns.get(key) or iam_evaluator.request_caller_arn(self.headers, self.query)

    def text(self) -> str:
        return unquote(self.path) + "\n" + self.body.decode("utf-8", errors="replace")


async def application(asgi: dict[str, Any], receive: Receive, send: Send) -> None:
    if asgi["type"] != "http":
        await ministack.app.app(asgi, receive, send)
        return
    body = await _read(receive)
    if body is None:
        return
    request = Request(asgi, body)
    if request.path.startswith("/_local/"):
        status, answer = await control.handle(request.method, request.path, request.query, body)
        await _send(send, status, {"Content-Type": "application/json"}, json.dumps(answer).encode())
        return
    again = _replay(body, receive)
    if request.path.startswith(("/_ministack/", "/_localstack/")):
        await ministack.app.app(asgi, again, send)
        return
    await _call(asgi, request, again, send)


async def _call(asgi: dict[str, Any], request: Request, receive: Receive, send: Send) -> None:
    started = time.time()
    service, operation = request.identify()
    caller = request.caller()
    scope.caller_arn.set(caller)
    chosen = faults.choose(service, operation, request.text, scope.caller_name(caller), request.peer_port, request.own_port)
    fault, victim = chosen or (None, None)
    # Logged before the work, so that the log has the order in which the calls arrived.
    entry = timeline.calls.add({"service": service, "operation": operation, "caller": scope.caller_name(caller),
                                "status": None, "ms": None, "fault": fault.kind if fault else None}, at=started)

    async def counting(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            entry["status"] = message["status"]
            entry["ms"] = round((time.time() - started) * 1000, 1)
        await send(message)

    if fault is None:
        await ministack.app.app(asgi, receive, counting)
    else:
        await _with_fault(fault, victim, service, asgi, request, receive, counting)


async def _with_fault(fault: faults.Fault, victim: int | None, service: str, asgi: dict[str, Any], request: Request,
                      receive: Receive, send: Send) -> None:
    if fault.kind.startswith("error:"):
        await _refuse(send, service, request, fault.kind.removeprefix("error:"), "injected by a fault", 400)
        return
    match fault.kind:
        case "throttle":
            if service == "s3":
                await _refuse(send, service, request, "SlowDown", "Please reduce your request rate.", 503)
            else:
                await _refuse(send, service, request, "ThrottlingException", "Rate exceeded", 400)
        case "server-error":
            await _refuse(send, service, request, _SERVER_ERROR.get(service, "InternalFailure"), "injected by a fault", 500)
        case "access-denied":
            await _refuse(send, service, request, _ACCESS_DENIED.get(service, "AccessDeniedException"),
                          "User is not authorized to perform this action (injected by a fault)",
                          403 if service in _REST_SERVICES or service in ("monitoring", "s3") else 400)
        case "malformed":
            await _send(send, 200, {"Content-Type": "application/json"}, b'{"this is": not an answer')
        case "timeout":
            await _silence(fault.silence_seconds, receive, send)
        case "latency":
            await asyncio.sleep((fault.latency_ms or 0) / 1000)
            await ministack.app.app(asgi, receive, send)
        case "stale":
            token = scope.as_of.set(time.time() - (fault.stale_seconds or 0) if fault.as_of is None else fault.as_of)
            try:
                await ministack.app.app(asgi, receive, send)
            finally:
                scope.as_of.reset(token)
        case "lost-response":
            await ministack.app.app(asgi, receive, _nowhere)
            await _refuse(send, service, request, _SERVER_ERROR.get(service, "InternalFailure"),
                          "injected by a fault, after the work was done", 500)
        case "lost-response-timeout":
            await ministack.app.app(asgi, receive, _nowhere)
            await _silence(fault.silence_seconds, receive, send)
        case "kill-caller":
            assert victim is not None
            faults.kill(victim)
            await _silence(0, receive, send)
        case "kill-caller-after":
            assert victim is not None
            await ministack.app.app(asgi, receive, _nowhere)
            faults.kill(victim)
            await _silence(0, receive, send)


async def _refuse(send: Send, service: str, request: Request, code: str, message: str, status: int) -> None:
    """An error in the protocol of the service, so that an SDK parses it as that error."""
    if service == "monitoring":
        cbor = "cbor" in request.headers.get("content-type", "") or "cbor" in request.headers.get("smithy-protocol", "")
        status, headers, body = cloudwatch._error(code, message, status, use_json=not cbor, use_cbor=cbor)
    elif service in _QUERY_SERVICES and "x-amz-target" not in request.headers:
        headers = {"Content-Type": "text/xml"}
        body = (f"<ErrorResponse><Error><Type>{'Sender' if status < 500 else 'Receiver'}</Type><Code>{code}</Code>"
                f"<Message>{message}</Message></Error><RequestId>fault</RequestId></ErrorResponse>").encode()
    elif service == "s3":
        headers = {"Content-Type": "application/xml"}
        body = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>fault</RequestId></Error>".encode()
        if request.method == "HEAD":
            body = b""
    else:
        status, headers, body = error_response_json(code, message, status)
    await _send(send, status, {**headers, "x-amzn-requestid": "injected-fault"}, body)


async def _silence(seconds: float, receive: Receive, send: Send) -> None:
    """Send nothing for so long, or until the caller gives up, and then close the connection in the middle of an answer."""
    if seconds:
        gone = asyncio.ensure_future(_disconnected(receive))
        await asyncio.wait({gone}, timeout=seconds)
        gone.cancel()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
    await send({"type": "http.response.body", "body": b"", "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nowhere(_message: dict[str, Any]) -> None:
    """Discards an answer that must not arrive."""


async def _read(receive: Receive) -> bytes | None:
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> dict[str, Any]:
        return pending.pop() if pending else await receive()

    return again


async def _send(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status,
                "headers": [*encoded, (b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


def install() -> None:
    for module, name in ((ministack.app, "app"), (ministack.app, "_routing_params"), (router, "detect_service"),
                         (router, "extract_access_key_id"), (iam_actions, "extract_iam_action"),
                         (iam_evaluator, "request_caller_arn"), (cloudwatch, "_error")):
        patches.original(module, name)
    # Plain HTTP to the loopback device counts as TLS here: a policy that denies plain HTTP must not deny everything.
    origin: ContextVar[tuple[str, bool]] = ContextVar("request_origin", default=("127.0.0.1", True))
    patches.replace(iam_evaluator, "_request_origin", lambda _: origin)
    patches.replace(ministack.app, "pin_request_origin", lambda pin: lambda source, _secure: pin(source, True))
    # ministack loads a service's model with its first answer, which would delay that answer by up to 80 ms.
    for service in ("ssm", "airflow", "events", "lambda"):
        patches.original(responses, "_service_model")(service)
