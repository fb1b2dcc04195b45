"""Lambda's asynchronous queue delivers at least once: the same request, with the same id, may come twice."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from conftest import BINARIES
from pair import Pair, only

DRILL = {"action": "drill", "hold_minutes": 1}
PATIENCE = 60


class Runtime:
    """Lambda's runtime API for one invocation: the local AWS chooses the ids of its own."""

    def __init__(self, request_id: str, payload: dict[str, Any]) -> None:
        self.answer, self.done, given = None, threading.Event(), threading.Event()
        runtime = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                if given.is_set():
                    runtime.done.wait(PATIENCE)
                    return
                given.set()
                body = json.dumps(payload).encode()
                self.send_response(200)
                for name, value in {
                    "Lambda-Runtime-Aws-Request-Id": request_id,
                    "Lambda-Runtime-Deadline-Ms": str(int((time.time() + 30) * 1000)),
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:switch-handler",
                    "Content-Length": str(len(body)),
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                runtime.answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                runtime.done.set()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def deliver(pair: Pair, request_id: str) -> dict[str, Any]:
    configuration = pair.client("lambda").get_function_configuration(FunctionName=f"{pair.name}-switch-handler")
    runtime = Runtime(request_id, DRILL)
    function = subprocess.Popen(
        [BINARIES / "switch-handler"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**pair.aws.environment(), **configuration["Environment"]["Variables"],
             "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{runtime.server.server_address[1]}", "AWS_LAMBDA_FUNCTION_NAME": "switch-handler",
             "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"})
    try:
        assert runtime.done.wait(PATIENCE), "no answer"
        assert runtime.answer is not None
        return runtime.answer
    finally:
        function.kill()
        function.wait()
        runtime.server.shutdown()
        runtime.server.server_close()


def is_drilled_once(pair: Pair, request_id: str) -> None:
    assert pair.stands_at() == ("green", 2)
    pair.aws.age_parameter(pair.flag_name, 61)
    assert pair.tick()["drill"]["outcome"] == "succeeded"
    assert pair.stands_at() == ("blue", 3)
    told = {event["id"]: event for event in pair.wait_for_audit("Drill Finished")}
    finished = only(list(told.values()))
    assert (finished["drill"], finished["outcome"]) == (request_id, "succeeded")
    assert json.loads(pair.parameter("drill"))["outcome"] == "succeeded"


def test_a_drill_delivered_again_later_is_begun_once(pair: Pair):
    request_id = "11111111-1111-4111-8111-111111111111"
    assert [deliver(pair, request_id)["outcome"] for _ in range(2)] == ["pending", "pending"]
    is_drilled_once(pair, request_id)
    assert deliver(pair, request_id)["outcome"] == "succeeded", "also after its end"
    assert pair.stands_at() == ("blue", 3)


def test_a_drill_delivered_twice_at_once_is_begun_once_and_comes_back(pair: Pair):
    request_id = "22222222-2222-4222-8222-222222222222"
    pair.aws.add_fault("latency", "ssm", "PutParameter", match="/drill", latency_ms=2000, times=2)
    with ThreadPoolExecutor(2) as deliveries:
        answers = list(deliveries.map(lambda _: deliver(pair, request_id), range(2)))
    assert sorted(answer["outcome"] for answer in answers) == ["conflict", "pending"], answers
    assert {answer["drill"]["outcome"] for answer in answers} == {"pending"}
    is_drilled_once(pair, request_id)
