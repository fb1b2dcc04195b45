"""A minimal Lambda runtime loop for Python: the real one (awslambdaric) does more."""

from __future__ import annotations

import http.client
import json
import os

from handler import handle


def main() -> None:
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        api.request("GET", "/2018-06-01/runtime/invocation/next")
        invocation = api.getresponse()
        event = json.loads(invocation.read())
        answer = json.dumps(handle(event))
        api.request("POST", f"/2018-06-01/runtime/invocation/{invocation.headers['Lambda-Runtime-Aws-Request-Id']}/response", answer)
        api.getresponse().read()


main()
