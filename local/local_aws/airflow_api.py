"""What InvokeRestApi answers: Airflow's REST API from a script, in both its generations, or from a real Airflow.

The script has the health of the scheduler, the DAGs, the import errors and the runs. The answer of the real service when Airflow cannot
be reached is unverified; here it is a RestApiServerException with 503 or, after ten seconds, 504.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from local_aws.mwaa_answers import Answer, answer, rest_error
from local_aws.mwaa_environments import Environment, Settings, iso, lock

REST_PATH_LIMIT = 64
ANSWER_LIMIT_BYTES = 6 * 1024 * 1024


async def invoke_rest_api(environment: Environment, call: dict[str, Any]) -> Answer:
    path, method = call.get("Path") or "", call.get("Method") or ""
    if not 1 <= len(path) <= REST_PATH_LIMIT:
        return answer(400, {"message": f"1 validation error detected: Value '{path}' at 'path' failed to satisfy "
                             f"constraint: Member must have length less than or equal to {REST_PATH_LIMIT}"},
                       "ValidationException")
    if method not in ("GET", "PUT", "POST", "PATCH", "DELETE"):
        return answer(400, {"message": f"1 validation error detected: Value '{method}' at 'method' failed to satisfy "
                             "constraint: Member must satisfy enum value set: [GET, PUT, POST, PATCH, DELETE]"},
                       "ValidationException")
    settings = environment.settings
    match settings.rest_api:
        case "down":
            return rest_error(503, {"detail": "Service Unavailable"})
        case "timeout":
            await asyncio.sleep(settings.rest_api_timeout_seconds)
            return rest_error(504, {"detail": "Gateway Timeout"})
        case "malformed":
            return answer(200, {"RestApiStatusCode": 200, "RestApiResponse": "<html>Please wait</html>"})
    if settings.forward_to:
        return await asyncio.to_thread(forward, settings, path, method, call)
    health_path = "/monitor/health" if is_airflow_3(settings) else "/health"
    if (method, path) == ("GET", health_path):
        with lock:
            return answer(200, {"RestApiStatusCode": 200, "RestApiResponse": environment.health(time.time())})
    with lock:
        listed = _lists(environment, method, path, call.get("QueryParameters") or {}, call.get("Body"))
    if listed is not None:
        return listed
    return rest_error(404, {"detail": "Not Found"} if is_airflow_3(settings) else
                       {"detail": "The requested URL was not found on the server.", "status": 404, "title": "Not Found",
                        "type": "about:blank"})


# -- Airflow's lists -----------------------------------------------------------------------------------------------
# As measured on 2.10.5, 3.0.6 and 3.3.2: only 3.0 has no upper limit of a page, and only 3.0 returns 50 by default.

def _lists(environment: Environment, method: str, path: str, query: dict[str, Any], body: Any) -> Answer | None:
    settings = environment.settings
    match method, [unquote(part) for part in path.strip("/").split("/")]:
        case "GET", ["dags"]:
            asked = query.get("paused")
            fitting = [dag_id for dag_id, dag in environment.dags.items()
                       if not dag["stale"] and asked in (None, "true" if dag["paused"] else "false")]
            return _rest_answer({"dags": _dags(environment, _page(settings, fitting, query)), "total_entries": len(fitting)})
        case "GET", ["importErrors"]:
            errors = [{"import_error_id": number, "timestamp": iso(environment.parsed_at(time.time())), "filename": file,
                       **({"bundle_name": "dags-folder"} if is_airflow_3(settings) else {}),
                       "stack_trace": f"Traceback (most recent call last):\n  File \"{file}\", line 1\nImportError"}
                      for number, file in _page(settings, list(enumerate(settings.import_errors, 1)), query)]
            return _rest_answer({"import_errors": errors, "total_entries": len(settings.import_errors)})
        case "GET", ["dags", "~", "dagRuns"]:
            return _dag_runs(settings, query)
        case "POST", ["dags", "~", "dagRuns", "list"]:
            return _dag_runs_of(settings, body or {})
        case "POST", ["dags", "~", "dagRuns", "~", "taskInstances", "list"]:
            return _task_instances(settings, body or {})
        case "PATCH", ["dags", dag_id] if dag_id in environment.dags:
            environment.dags[dag_id]["paused"] = bool((body or {}).get("is_paused"))
            return _rest_answer(_dags(environment, [dag_id])[0])
        case "PATCH", ["dags"]:
            return _patch_many(environment, query, bool((body or {}).get("is_paused")))
    return None


def _dag_runs(settings: Settings, query: dict[str, Any]) -> Answer:
    is_3 = is_airflow_3(settings)
    before = "run_after_lte" if is_3 else "execution_date_lte"  # each generation refuses, or ignores, the other's name
    known = {"limit", "offset", "order_by", "state", "start_date_gte", "start_date_lte", before}
    if set(query) - known:
        raise ValueError(f"not imitated: {sorted(set(query) - known)}")
    fitting = [run for run in settings.runs if query.get("state") in (None, run["state"])
               and _between(run.get("start_date"), query.get("start_date_gte"), query.get("start_date_lte"))
               and _between(run["instant"] if is_3 else run.get("logical_date", run["instant"]), None, query.get(before))]
    if query.get("order_by") == "-start_date":
        fitting.sort(key=lambda run: datetime.fromisoformat(run["start_date"]).timestamp() if run.get("start_date") else 0.0, reverse=True)
    listed = [_dag_run(settings, run) for run in _page(settings, fitting, query)]
    return _rest_answer({"dag_runs": listed, "total_entries": len(fitting)})


def _dag_runs_of(settings: Settings, asked: dict[str, Any]) -> Answer:
    """The batch form. Both generations refuse unknown fields."""
    unknown = set(asked) - {"dag_ids", "states", "start_date_gte", "start_date_lte", "page_limit", "page_offset", "order_by"}
    if unknown:
        return rest_error(422 if is_airflow_3(settings) else 400, {"detail": f"unknown field: {sorted(unknown)}"})
    fitting = [run for run in settings.runs if asked.get("dag_ids") is None or run["dag_id"] in asked["dag_ids"]
               if asked.get("states") is None or run["state"] in asked["states"]
               if _between(run.get("start_date"), asked.get("start_date_gte"), asked.get("start_date_lte"))]
    page = _page(settings, fitting, {"limit": asked.get("page_limit", 100), "offset": asked.get("page_offset", 0)})
    return _rest_answer({"dag_runs": [_dag_run(settings, run) for run in page], "total_entries": len(fitting)})


def _dag_run(settings: Settings, run: dict[str, Any]) -> dict[str, Any]:
    shown = {"dag_run_id": run["run_id"], "dag_id": run["dag_id"], "logical_date": run.get("logical_date", run["instant"]),
             "start_date": run.get("start_date"), "end_date": run.get("end_date"), "data_interval_start": run["instant"],
             "data_interval_end": run["instant"], "last_scheduling_decision": run.get("start_date"),
             "run_type": run.get("run_type", "scheduled"), "state": run["state"], "conf": run.get("conf", {}), "note": None}
    if is_airflow_3(settings):
        return {**shown, "run_after": run["instant"], "queued_at": None, "triggered_by": "timetable", "dag_versions": [],
                "bundle_version": None}
    return {**shown, "external_trigger": False}


def _task_instances(settings: Settings, asked: dict[str, Any]) -> Answer:
    """The batch form. Both generations refuse unknown fields."""
    known = {"dag_ids", "dag_run_ids", "task_ids", "state", "start_date_gte", "start_date_lte", "page_limit", "page_offset"}
    unknown = set(asked) - known - ({"order_by"} if is_airflow_3(settings) else set())
    if unknown:
        return rest_error(422 if is_airflow_3(settings) else 400, {"detail": f"unknown field: {sorted(unknown)}"})
    instances = [(run, task_id, {"state": task} if isinstance(task, str) else task)
                 for run in settings.runs for task_id, task in run.get("tasks", {}).items()]
    fitting = [(run, task_id, task) for run, task_id, task in instances
               if all(asked.get(name) is None or value in asked[name] for name, value in (
                   ("dag_ids", run["dag_id"]), ("dag_run_ids", run["run_id"]), ("task_ids", task_id)))
               if asked.get("state") is None or task["state"] in asked["state"]
               if _between(task.get("start_date", run.get("start_date")), asked.get("start_date_gte"), asked.get("start_date_lte"))]
    page = _page(settings, fitting, {"limit": asked.get("page_limit", 100), "offset": asked.get("page_offset", 0)})
    listed = [{"task_id": task_id, "dag_id": run["dag_id"], "dag_run_id": run["run_id"], "map_index": -1, "state": task["state"],
               "start_date": task.get("start_date", run.get("start_date")), "end_date": task.get("end_date", run.get("start_date")),
               "duration": 1.0, "try_number": 1, "pool": "default_pool", "operator": "PythonOperator"}
              for run, task_id, task in page]
    return _rest_answer({"task_instances": listed, "total_entries": len(fitting)})


def _between(date: str | None, first: str | None, last: str | None) -> bool:
    if first is None and last is None:
        return True
    if date is None:
        return False
    at = datetime.fromisoformat(date)
    return (first is None or at >= datetime.fromisoformat(first)) and (last is None or at <= datetime.fromisoformat(last))


def _patch_many(environment: Environment, query: dict[str, Any], paused: bool) -> Answer:
    settings, pattern = environment.settings, query.get("dag_id_pattern")
    known = {"limit", "offset", "tags", "update_mask", "dag_id_pattern"}
    if not is_airflow_3(settings) and (pattern is None or set(query) - known):
        why = "Missing query parameter 'dag_id_pattern'" if pattern is None else f"Extra query parameter(s) {', '.join(set(query) - known)}"
        return rest_error(400, {"detail": why, "status": 400, "title": "Bad Request", "type": "about:blank"})
    asked = query.get("paused")
    like = None if pattern is None else _like(pattern)
    fitting = [dag_id for dag_id, dag in environment.dags.items()
               if like is not None and not dag["stale"] and like.search(dag_id)
               and asked in (None, "true" if dag["paused"] else "false")]
    page = _page(settings, fitting, query)
    for dag_id in fitting if _patches_all(settings) else page:
        environment.dags[dag_id]["paused"] = paused
    return _rest_answer({"dags": _dags(environment, page), "total_entries": len(fitting)})


def _like(pattern: str) -> re.Pattern[str]:
    """SQL's ILIKE '%pattern%', in which `_` is any character and `%` any sequence of characters."""
    words = "".join({"_": ".", "%": ".*"}.get(sign, re.escape(sign)) for sign in ("%" if pattern == "~" else pattern))
    return re.compile(words, re.IGNORECASE | re.DOTALL)


def _patches_all(settings: Settings) -> bool:
    return is_airflow_3(settings) and not settings.airflow_version.startswith("3.0.")


def _page(settings: Settings, entries: list[Any], query: dict[str, Any]) -> list[Any]:
    is_3_0 = settings.airflow_version.startswith("3.0.")
    limit = int(query.get("limit", 50 if is_3_0 else 100))
    cap = settings.page_cap or (None if is_3_0 else 100)
    offset = int(query.get("offset", 0))
    return entries[offset:offset + (limit if cap is None else min(limit, cap))]


def _dags(environment: Environment, page: list[str]) -> list[dict[str, Any]]:
    """Only those of the page: to make them all for each page of thousands takes minutes."""
    now = time.time()
    parsed, tomorrow = iso(environment.parsed_at(now)), iso((now // 86400 + 1) * 86400)
    return [_dag(environment.settings, dag_id, environment.dags[dag_id], parsed, tomorrow) for dag_id in page]


def _dag(settings: Settings, dag_id: str, dag: dict[str, Any], parsed: str | None, tomorrow: str | None) -> dict[str, Any]:
    next_run = dag.get("next_run", tomorrow)
    relative = dag.get("file", f"{dag_id}.py")
    file = f"/usr/local/airflow/dags/{relative}"
    shown = {"dag_id": dag_id, "dag_display_name": dag_id, "is_paused": dag["paused"], "has_import_errors": dag["import_errors"],
             "description": None, "fileloc": file, "owners": ["airflow"], "tags": [{"name": tag} for tag in dag.get("tags", [])],
             "max_active_runs": dag.get("max_active_runs", 16),
             "max_active_tasks": 16, "max_consecutive_failed_dag_runs": 0, "has_task_concurrency_limits": False,
             "timetable_description": "At 00:00", "next_dagrun_data_interval_start": "2026-11-23T00:00:00Z",
             "next_dagrun_data_interval_end": "2026-11-24T00:00:00Z", "last_expired": None}
    if is_airflow_3(settings):
        return {**shown, "is_stale": dag["stale"], "timetable_summary": "0 0 * * *", "relative_fileloc": relative,
                "last_parsed_time": parsed, "bundle_name": "dags-folder", "bundle_version": None,
                "next_dagrun_logical_date": "2026-11-23T00:00:00Z", "next_dagrun_run_after": next_run,
                "file_token": "t" * 80}
    return {**shown, "is_active": not dag["stale"], "is_subdag": False, "root_dag_id": None, "pickle_id": None,
            "default_view": "grid", "schedule_interval": {"__type": "CronExpression", "value": "0 0 * * *"},
            "last_parsed_time": parsed, "last_pickled": None, "scheduler_lock": None,
            "next_dagrun": "2026-11-23T00:00:00+00:00", "next_dagrun_create_after": next_run,
            "file_token": "t" * 80}


def _rest_answer(body: dict[str, Any]) -> Answer:
    return answer(200, {"RestApiStatusCode": 200, "RestApiResponse": body})


def is_airflow_3(settings: Settings) -> bool:
    return settings.airflow_version.startswith("3.")


def forward(settings: Settings, path: str, method: str, call: dict[str, Any]) -> Answer:
    """Call a real Airflow. MWAA adds the API's version to the path."""
    url = f"{(settings.forward_to or '').rstrip('/')}/api/{'v2' if is_airflow_3(settings) else 'v1'}/{path.lstrip('/')}"
    if call.get("QueryParameters"):
        url += "?" + urllib.parse.urlencode(call["QueryParameters"], doseq=True)
    sent = urllib.request.Request(url, method=method, headers={"Accept": "application/json"})
    if call.get("Body") is not None:
        sent.data = json.dumps(call["Body"]).encode()
        sent.add_header("Content-Type", "application/json")
    if settings.forward_auth:
        sent.add_header("Authorization", "Basic " + base64.b64encode(settings.forward_auth.encode()).decode())
    try:
        with _opener.open(sent, timeout=settings.rest_api_timeout_seconds) as response:
            text = response.read(ANSWER_LIMIT_BYTES + 1)
            if len(text) > ANSWER_LIMIT_BYTES:
                return rest_error(500, {"detail": "the answer is larger than 6 MB"})
            return answer(200, {"RestApiStatusCode": response.status, "RestApiResponse": _parsed(text)})
    except urllib.error.HTTPError as error:
        return rest_error(error.code, _parsed(error.read()))
    except TimeoutError:
        return rest_error(504, {"detail": "Gateway Timeout"})
    except OSError as error:
        if isinstance(getattr(error, "reason", None), TimeoutError):
            return rest_error(504, {"detail": "Gateway Timeout"})
        return rest_error(503, {"detail": f"Airflow cannot be reached: {error}"})


# No proxies, no redirects to another host: the Airflow is on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text.decode("utf-8", errors="replace")
