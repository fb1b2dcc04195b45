"""Amazon MWAA: environments that can be made unhealthy, and that stacks and the API can make, change and delete.

ministack implements MWAA as a front of an Airflow container and needs Docker for it. This module answers in its place. It supports
GetEnvironment, ListEnvironments, Create-, Update- and DeleteEnvironment and InvokeRestApi.

An environment is made in one of two ways. The control API creates it at once and changes it at will (`mwaa_environments`). A stack or the
API of MWAA makes it as AWS does (`mwaa_service`): checked, after a while, and with the DAGs that lie in its bucket (`dag_folder`).
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from ministack.core.responses import get_region
from ministack.services import mwaa

from local_aws import dag_folder, mwaa_heartbeat, mwaa_service, patches
from local_aws.airflow_api import invoke_rest_api
from local_aws.mwaa_answers import Answer, answer
from local_aws.mwaa_environments import environments, lock
from local_aws.mwaa_rules import Refused


async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]) -> Answer:
    parts = [unquote(part) for part in path.strip("/").split("/")]
    try:
        return await _handled(method, parts, body)
    except Refused as refused:
        return answer(404 if refused.code == "ResourceNotFoundException" else 400, {"message": str(refused)}, refused.code)


async def _handled(method: str, parts: list[str], body: bytes) -> Answer:
    match method, parts:
        case "GET", ["environments"]:
            with lock:
                return answer(200, {"Environments": sorted(n for r, n in environments if r == get_region())})
        case "GET", ["environments", name]:
            with lock:
                return answer(200, {"Environment": mwaa_service.existing(name, get_region()).description()})
        case "PUT", ["environments", name]:
            return answer(200, {"Arn": mwaa_service.create(name, get_region(), json.loads(body or b"{}")).arn})
        case "PATCH", ["environments", name]:
            return answer(200, {"Arn": mwaa_service.update(name, get_region(), json.loads(body or b"{}")).arn})
        case "DELETE", ["environments", name]:
            mwaa_service.delete(name, get_region())
            return answer(200, {})
        case "POST", ["restapi", name]:
            with lock:
                found = mwaa_service.existing(name, get_region())
            return await invoke_rest_api(found, json.loads(body or b"{}"))
    return answer(400, {"message": f"{method} /{'/'.join(parts)} is not imitated"}, "ValidationException")


def install() -> None:
    patches.replace(mwaa, "handle_request", lambda _: handle_request)
    mwaa_service.install()
    mwaa_heartbeat.install()
    dag_folder.install()
