"""The answers of MWAA, as its REST protocol has them."""

from __future__ import annotations

import json
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


def answer(status: int, body: dict[str, Any], error: str | None = None) -> Answer:
    headers = {"Content-Type": "application/json"}
    if error:
        headers["x-amzn-ErrorType"] = error
    return status, headers, json.dumps(body).encode()


def rest_error(code: int, response: Any) -> Answer:
    error = "RestApiClientException" if 400 <= code < 500 else "RestApiServerException"
    return answer(400, {"RestApiStatusCode": code, "RestApiResponse": response}, error)
