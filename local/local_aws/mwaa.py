"""Amazon MWAA: two environments that can be made unhealthy.

ministack implements MWAA as a front of an Airflow container and needs Docker for it. This module answers in its place, with
environments that the control API creates and changes. It supports GetEnvironment, ListEnvironments, Create/DeleteEnvironment and
InvokeRestApi. InvokeRestApi answers from a script (the health of the scheduler, the DAGs and the import errors, in both generations of
Airflow's API) or calls a real Airflow. While an environment's scheduler runs, its SchedulerHeartbeat is published with both its
dimensions.

Known differences: `latest_scheduler_heartbeat` and SchedulerHeartbeat are late only by metric_delay_seconds. The answer of the real
service when Airflow cannot be reached is unverified; here it is a RestApiServerException with 503 or, after ten seconds, 504.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote

from ministack.core.responses import get_region
from ministack.services import cloudwatch, mwaa

from local_aws import delivery, patches, scope, timeline

log = logging.getLogger("local_aws.mwaa")

HEARTBEAT_EVERY_SECONDS = 5.0  # Airflow's [scheduler] scheduler_heartbeat_sec
REST_PATH_LIMIT = 64
ANSWER_LIMIT_BYTES = 6 * 1024 * 1024
STATUSES = ("CREATING", "CREATE_FAILED", "AVAILABLE", "UPDATING", "DELETING", "DELETED", "UNAVAILABLE", "UPDATE_FAILED",
            "ROLLING_BACK", "CREATING_SNAPSHOT", "PENDING", "MAINTENANCE")
SCHEDULERS = ("running", "stopped", "unhealthy", "never-started")

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Settings:
    """The settings of an environment that the control API can change; see local/README.md."""

    status: str = "AVAILABLE"
    scheduler: str = "running"
    metadatabase: str = "healthy"
    airflow_version: str = "3.0.6"
    health_threshold_seconds: float = 30
    heartbeat_metric: bool = True
    metric_delay_seconds: float = 0
    metric_interval_seconds: float = 5
    forward_to: str | None = None
    forward_auth: str | None = None
    region: str = scope.REGION
    last_update_source: str | None = None
    rest_api: str = "up"
    rest_api_timeout_seconds: float = 10
    environment_class: str = "mw1.small"
    max_workers: int = 5
    min_workers: int = 1
    schedulers: int = 2
    max_webservers: int = 2
    webserver_access_mode: str = "PUBLIC_ONLY"
    weekly_maintenance_window_start: str = "SUN:03:00"
    source_bucket_arn: str | None = None
    requirements_s3_path: str | None = None
    requirements_s3_object_version: str | None = None
    plugins_s3_path: str | None = None
    plugins_s3_object_version: str | None = None
    startup_script_s3_path: str | None = None
    startup_script_s3_object_version: str | None = None
    configuration_options: dict[str, str] = field(default_factory=dict)
    dags: Any = 0  # how many, or {"id": {"paused": false, "import_errors": false, "stale": false, "next_run": null, "tags": []}}
    import_errors: list[str] = field(default_factory=list)  # file names
    runs: list[dict[str, Any]] = field(default_factory=list)  # DAG runs, see local/README.md
    page_cap: int | None = None  # Airflow's [api] maximum_page_limit; None is the version's default

    def check(self) -> None:
        allowed = {"status": STATUSES, "scheduler": SCHEDULERS, "metadatabase": ("healthy", "unhealthy"),
                   "rest_api": ("up", "down", "timeout", "malformed")}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name}: {getattr(self, name)!r} is not one of {', '.join(values)}")
        if not isinstance(self.dags, (int, dict)):
            raise ValueError(f"dags: {self.dags!r} is neither a number nor an object of DAGs by id")


@dataclass
class Environment:
    name: str
    settings: Settings
    created_at: float = field(default_factory=time.time)
    updated_at: float = field(default_factory=time.time)
    heartbeat: float | None = None  # when the scheduler last wrote its heartbeat
    metric_at: float = 0.0  # when SchedulerHeartbeat was last measured
    dags: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id, in the order of the list

    @property
    def arn(self) -> str:
        return f"arn:aws:airflow:{self.settings.region}:{scope.ACCOUNT}:environment/{self.name}"

    def scheduler_status(self, now: float) -> str | None:
        match self.settings.scheduler:
            case "never-started":
                return None
            case "unhealthy":
                return "unhealthy"
            case _:
                fresh = self.heartbeat is not None and now - self.heartbeat <= self.settings.health_threshold_seconds
                return "healthy" if fresh else "unhealthy"

    def health(self, now: float) -> dict[str, Any]:
        """Airflow's answer: HTTP 200, whatever health it reports."""
        if self.settings.metadatabase == "unhealthy":
            # Airflow reads everything else from its database.
            return {"metadatabase": {"status": "unhealthy"},
                    "scheduler": {"status": "unhealthy", "latest_scheduler_heartbeat": None},
                    "triggerer": {"status": "unhealthy", "latest_triggerer_heartbeat": None},
                    "dag_processor": {"status": "unhealthy", "latest_dag_processor_heartbeat": None}}
        return {"metadatabase": {"status": "healthy"},
                "scheduler": {"status": self.scheduler_status(now), "latest_scheduler_heartbeat": _iso(self.heartbeat)},
                "triggerer": {"status": "healthy", "latest_triggerer_heartbeat": _iso(now)},
                "dag_processor": {"status": "healthy", "latest_dag_processor_heartbeat": _iso(now)}}

    def description(self) -> dict[str, Any]:
        s = self.settings
        group = f"arn:aws:logs:{s.region}:{scope.ACCOUNT}:log-group:airflow-{self.name}"
        logs = {"Enabled": True, "LogLevel": "INFO"}
        last_update: dict[str, Any] = {"Status": "FAILED" if s.status == "UPDATE_FAILED" else
                                       "PENDING" if s.status in ("UPDATING", "CREATING_SNAPSHOT", "MAINTENANCE") else
                                       "SUCCESS", "CreatedAt": self.updated_at}
        if s.last_update_source:
            last_update["Source"] = s.last_update_source
        return {
            "Name": self.name, "Arn": self.arn, "Status": s.status, "CreatedAt": self.created_at,
            "AirflowVersion": s.airflow_version, "EnvironmentClass": s.environment_class,
            "WebserverUrl": f"{self.name}.c2.{s.region}.airflow.amazonaws.com",
            "WebserverAccessMode": s.webserver_access_mode, "EndpointManagement": "SERVICE",
            "ExecutionRoleArn": f"arn:aws:iam::{scope.ACCOUNT}:role/{self.name}-execution",
            "ServiceRoleArn": f"arn:aws:iam::{scope.ACCOUNT}:role/aws-service-role/airflow.amazonaws.com/"
                              "AWSServiceRoleForAmazonMWAA",
            "SourceBucketArn": s.source_bucket_arn or f"arn:aws:s3:::{self.name}-dags", "DagS3Path": "dags",
            **self._source_files(),
            "NetworkConfiguration": {"SubnetIds": ["subnet-11111111", "subnet-22222222"],
                                     "SecurityGroupIds": ["sg-11111111"]},
            "LoggingConfiguration": {module: {**logs, "CloudWatchLogGroupArn": f"{group}-{suffix}"} for module, suffix in (
                ("DagProcessingLogs", "DAGProcessing"), ("SchedulerLogs", "Scheduler"), ("WebserverLogs", "WebServer"),
                ("WorkerLogs", "Worker"), ("TaskLogs", "Task"))},
            "LastUpdate": last_update, "WeeklyMaintenanceWindowStart": s.weekly_maintenance_window_start,
            "AirflowConfigurationOptions": s.configuration_options, "MaxWorkers": s.max_workers,
            "MinWorkers": s.min_workers, "Schedulers": s.schedulers, "MinWebservers": min(2, s.max_webservers),
            "MaxWebservers": s.max_webservers, "Tags": {},
        }

    def _source_files(self) -> dict[str, str]:
        s = self.settings
        found = {"RequirementsS3Path": s.requirements_s3_path, "RequirementsS3ObjectVersion": s.requirements_s3_object_version,
                 "PluginsS3Path": s.plugins_s3_path, "PluginsS3ObjectVersion": s.plugins_s3_object_version,
                 "StartupScriptS3Path": s.startup_script_s3_path,
                 "StartupScriptS3ObjectVersion": s.startup_script_s3_object_version}
        return {name: value for name, value in found.items() if value is not None}


_environments: dict[tuple[str, str], Environment] = {}  # (region, name)
_lock = threading.RLock()
_late: list[tuple[float, Environment, float]] = []  # datapoints on their way: (visible at, environment, timestamp)


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, tz=timezone.utc).isoformat(timespec="microseconds")


# -- for the control API ------------------------------------------------------------------------------------------

def put(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Create or change an environment."""
    if not re.fullmatch(r"[a-zA-Z][0-9a-zA-Z\-_]{0,79}", name):
        raise ValueError(f"{name!r} is no name of an MWAA environment")
    unknown = set(changes) - {f.name for f in fields(Settings)}
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    now = time.time()
    with _lock:
        environment = _find(name, changes.get("region"))
        settings = Settings(**{**(asdict(environment.settings) if environment else {}), **changes})
        settings.check()
        created = environment is None
        dags = _dags(settings.dags) if environment is None or "dags" in changes else environment.dags
        if environment is None:
            environment = _environments[(settings.region, name)] = Environment(name, settings)
            was = None
        else:
            was, environment.settings = environment.settings, settings
            if was.region != settings.region:
                del _environments[(was.region, name)]
                _environments[(settings.region, name)] = environment
        environment.dags = dags
        if settings.scheduler == "never-started":
            environment.heartbeat = None
        elif settings.scheduler == "running" and (was is None or was.scheduler != "running"):
            environment.heartbeat, environment.metric_at = now, 0.0
        elif created:
            environment.heartbeat = now
        ill = settings.scheduler != "running"
        if was is not None and (was.scheduler != "running") != ill:
            timeline.note("heartbeat-lost" if ill else "heartbeat-back", environment=name, scheduler=settings.scheduler,
                          latest_heartbeat=_iso(environment.heartbeat))
        if created or (was is not None and was.status != settings.status):
            environment.updated_at = now
            timeline.note("mwaa-status", environment=name, status=settings.status, previous=was.status if was else None)
            scope.enter(settings.region)
            delivery.emit("aws.airflow", "MWAA Environment Status Change",
                          {"environmentName": name, "status": settings.status,
                           "previousStatus": was.status if was else None}, [environment.arn])
        return {"name": name, **asdict(settings)}


def _dags(asked: int | dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    named = {f"dag_{number:05}": {} for number in range(1, asked + 1)} if isinstance(asked, int) else asked
    plain = {"paused": False, "import_errors": False, "stale": False}
    return {dag_id: {**plain, **named[dag_id]} for dag_id in sorted(named)}


def _find(name: str, region: str | None = None) -> Environment | None:
    if region and (region, name) in _environments:
        return _environments[(region, name)]
    return next((e for (_, known), e in _environments.items() if known == name), None)


def listing() -> list[dict[str, Any]]:
    now = time.time()
    with _lock:
        return [{"name": e.name, **asdict(e.settings), "scheduler_status": e.scheduler_status(now),
                 "latest_scheduler_heartbeat": _iso(e.heartbeat)} for e in _environments.values()]


def delete(name: str, region: str | None = None) -> bool:
    with _lock:
        environment = _find(name, region)
        if environment is None:
            return False
        del _environments[(environment.settings.region, name)]
    timeline.note("mwaa-status", environment=name, status="DELETED", previous=environment.settings.status)
    scope.enter(environment.settings.region)
    delivery.emit("aws.airflow", "MWAA Environment Status Change",
                  {"environmentName": name, "status": "DELETED", "previousStatus": environment.settings.status},
                  [environment.arn])
    return True


# -- the service's answers -----------------------------------------------------------------------------------------

def _answer(status: int, body: dict[str, Any], error: str | None = None) -> Answer:
    headers = {"Content-Type": "application/json"}
    if error:
        headers["x-amzn-ErrorType"] = error
    return status, headers, json.dumps(body).encode()


def _not_found(name: str) -> Answer:
    return _answer(404, {"message": f"No environment named {name} found"}, "ResourceNotFoundException")


def _rest_error(code: int, response: Any) -> Answer:
    error = "RestApiClientException" if 400 <= code < 500 else "RestApiServerException"
    return _answer(400, {"RestApiStatusCode": code, "RestApiResponse": response}, error)


async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]) -> Answer:
    parts = [unquote(part) for part in path.strip("/").split("/")]
    match method, parts:
        case "GET", ["environments"]:
            with _lock:
                return _answer(200, {"Environments": sorted(n for r, n in _environments if r == get_region())})
        case "GET", ["environments", name]:
            with _lock:
                found = _environments.get((get_region(), name))
                return _answer(200, {"Environment": found.description()}) if found else _not_found(name)
        case "PUT", ["environments", name]:
            asked = json.loads(body or b"{}")
            put(name, {"region": get_region(), "airflow_version": asked.get("AirflowVersion", Settings.airflow_version)})
            return _answer(200, {"Arn": f"arn:aws:airflow:{get_region()}:{scope.ACCOUNT}:environment/{name}"})
        case "DELETE", ["environments", name]:
            return _answer(200, {}) if delete(name, get_region()) else _not_found(name)
        case "POST", ["restapi", name]:
            with _lock:
                found = _environments.get((get_region(), name))
            if found is None:
                return _not_found(name)
            return await _invoke_rest_api(found, json.loads(body or b"{}"))
    return _answer(400, {"message": f"{method} {path} is not imitated"}, "ValidationException")


async def _invoke_rest_api(environment: Environment, call: dict[str, Any]) -> Answer:
    path, method = call.get("Path") or "", call.get("Method") or ""
    if not 1 <= len(path) <= REST_PATH_LIMIT:
        return _answer(400, {"message": f"1 validation error detected: Value '{path}' at 'path' failed to satisfy "
                             f"constraint: Member must have length less than or equal to {REST_PATH_LIMIT}"},
                       "ValidationException")
    if method not in ("GET", "PUT", "POST", "PATCH", "DELETE"):
        return _answer(400, {"message": f"1 validation error detected: Value '{method}' at 'method' failed to satisfy "
                             "constraint: Member must satisfy enum value set: [GET, PUT, POST, PATCH, DELETE]"},
                       "ValidationException")
    settings = environment.settings
    match settings.rest_api:
        case "down":
            return _rest_error(503, {"detail": "Service Unavailable"})
        case "timeout":
            await asyncio.sleep(settings.rest_api_timeout_seconds)
            return _rest_error(504, {"detail": "Gateway Timeout"})
        case "malformed":
            return _answer(200, {"RestApiStatusCode": 200, "RestApiResponse": "<html>Please wait</html>"})
    if settings.forward_to:
        return await asyncio.to_thread(_forward, settings, path, method, call)
    health_path = "/monitor/health" if _is_airflow_3(settings) else "/health"
    if (method, path) == ("GET", health_path):
        with _lock:
            return _answer(200, {"RestApiStatusCode": 200, "RestApiResponse": environment.health(time.time())})
    with _lock:
        answer = _lists(environment, method, path, call.get("QueryParameters") or {}, call.get("Body"))
    if answer is not None:
        return answer
    return _rest_error(404, {"detail": "Not Found"} if _is_airflow_3(settings) else
                       {"detail": "The requested URL was not found on the server.", "status": 404, "title": "Not Found",
                        "type": "about:blank"})


# -- Airflow's lists -----------------------------------------------------------------------------------------------
# As measured on 2.10.5, 3.0.6 and 3.3.2: only 3.0 has no upper limit of a page, and only 3.0 returns 50 by default.

def _lists(environment: Environment, method: str, path: str, query: dict[str, Any], body: Any) -> Answer | None:
    settings = environment.settings
    match method, [unquote(part) for part in path.strip("/").split("/")]:
        case "GET", ["dags"]:
            asked = query.get("paused")
            listed = [_dag(settings, dag_id, dag) for dag_id, dag in environment.dags.items()
                      if not dag["stale"] and asked in (None, "true" if dag["paused"] else "false")]
            return _rest_answer({"dags": _page(settings, listed, query), "total_entries": len(listed)})
        case "GET", ["importErrors"]:
            errors = [{"import_error_id": number, "timestamp": _iso(environment.created_at), "filename": file,
                       **({"bundle_name": "dags-folder"} if _is_airflow_3(settings) else {}),
                       "stack_trace": f"Traceback (most recent call last):\n  File \"{file}\", line 1\nImportError"}
                      for number, file in enumerate(settings.import_errors, 1)]
            return _rest_answer({"import_errors": _page(settings, errors, query), "total_entries": len(errors)})
        case "GET", ["dags", "~", "dagRuns"]:
            return _dag_runs(settings, query)
        case "POST", ["dags", "~", "dagRuns", "list"]:
            return _dag_runs_of(settings, body or {})
        case "POST", ["dags", "~", "dagRuns", "~", "taskInstances", "list"]:
            return _task_instances(settings, body or {})
        case "PATCH", ["dags", dag_id] if dag_id in environment.dags:
            environment.dags[dag_id]["paused"] = bool((body or {}).get("is_paused"))
            return _rest_answer(_dag(settings, dag_id, environment.dags[dag_id]))
        case "PATCH", ["dags"]:
            return _patch_many(environment, query, bool((body or {}).get("is_paused")))
    return None


def _dag_runs(settings: Settings, query: dict[str, Any]) -> Answer:
    is_3 = _is_airflow_3(settings)
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
    unknown = set(asked) - {"dag_ids", "start_date_gte", "start_date_lte", "page_limit", "page_offset", "order_by"}
    if unknown:
        return _rest_error(422 if _is_airflow_3(settings) else 400, {"detail": f"unknown field: {sorted(unknown)}"})
    fitting = [run for run in settings.runs if asked.get("dag_ids") is None or run["dag_id"] in asked["dag_ids"]
               if _between(run.get("start_date"), asked.get("start_date_gte"), asked.get("start_date_lte"))]
    page = _page(settings, fitting, {"limit": asked.get("page_limit", 100), "offset": asked.get("page_offset", 0)})
    return _rest_answer({"dag_runs": [_dag_run(settings, run) for run in page], "total_entries": len(fitting)})


def _dag_run(settings: Settings, run: dict[str, Any]) -> dict[str, Any]:
    shown = {"dag_run_id": run["run_id"], "dag_id": run["dag_id"], "logical_date": run.get("logical_date", run["instant"]),
             "start_date": run.get("start_date"), "end_date": run.get("end_date"), "data_interval_start": run["instant"],
             "data_interval_end": run["instant"], "last_scheduling_decision": run.get("start_date"),
             "run_type": run.get("run_type", "scheduled"), "state": run["state"], "conf": run.get("conf", {}), "note": None}
    if _is_airflow_3(settings):
        return {**shown, "run_after": run["instant"], "queued_at": None, "triggered_by": "timetable", "dag_versions": [],
                "bundle_version": None}
    return {**shown, "external_trigger": False}


def _task_instances(settings: Settings, asked: dict[str, Any]) -> Answer:
    """The batch form. Both generations refuse unknown fields."""
    known = {"dag_ids", "dag_run_ids", "task_ids", "state", "start_date_gte", "start_date_lte", "page_limit", "page_offset"}
    unknown = set(asked) - known - ({"order_by"} if _is_airflow_3(settings) else set())
    if unknown:
        return _rest_error(422 if _is_airflow_3(settings) else 400, {"detail": f"unknown field: {sorted(unknown)}"})
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
    if not _is_airflow_3(settings) and (pattern is None or set(query) - known):
        why = "Missing query parameter 'dag_id_pattern'" if pattern is None else f"Extra query parameter(s) {', '.join(set(query) - known)}"
        return _rest_error(400, {"detail": why, "status": 400, "title": "Bad Request", "type": "about:blank"})
    asked = query.get("paused")
    fitting = [dag_id for dag_id, dag in environment.dags.items()
               if pattern is not None and not dag["stale"] and _is_like(pattern, dag_id)
               and asked in (None, "true" if dag["paused"] else "false")]
    page = _page(settings, fitting, query)
    for dag_id in fitting if _patches_all(settings) else page:
        environment.dags[dag_id]["paused"] = paused
    return _rest_answer({"dags": [_dag(settings, dag_id, environment.dags[dag_id]) for dag_id in page],
                         "total_entries": len(fitting)})


def _is_like(pattern: str, dag_id: str) -> bool:
    """SQL's ILIKE '%pattern%', in which `_` is any character and `%` any sequence of characters."""
    words = "".join({"_": ".", "%": ".*"}.get(sign, re.escape(sign)) for sign in ("%" if pattern == "~" else pattern))
    return re.search(words, dag_id, re.IGNORECASE | re.DOTALL) is not None


def _patches_all(settings: Settings) -> bool:
    return _is_airflow_3(settings) and not settings.airflow_version.startswith("3.0.")


def _page(settings: Settings, entries: list[Any], query: dict[str, Any]) -> list[Any]:
    is_3_0 = settings.airflow_version.startswith("3.0.")
    limit = int(query.get("limit", 50 if is_3_0 else 100))
    cap = settings.page_cap or (None if is_3_0 else 100)
    offset = int(query.get("offset", 0))
    return entries[offset:offset + (limit if cap is None else min(limit, cap))]


def _dag(settings: Settings, dag_id: str, dag: dict[str, Any]) -> dict[str, Any]:
    tomorrow = _iso((time.time() // 86400 + 1) * 86400)
    next_run = dag.get("next_run", tomorrow)
    file = f"/usr/local/airflow/dags/{dag_id}.py"
    shown = {"dag_id": dag_id, "dag_display_name": dag_id, "is_paused": dag["paused"], "has_import_errors": dag["import_errors"],
             "description": None, "fileloc": file, "owners": ["airflow"], "tags": [{"name": tag} for tag in dag.get("tags", [])],
             "max_active_runs": dag.get("max_active_runs", 16),
             "max_active_tasks": 16, "max_consecutive_failed_dag_runs": 0, "has_task_concurrency_limits": False,
             "timetable_description": "At 00:00", "next_dagrun_data_interval_start": "2026-11-23T00:00:00Z",
             "next_dagrun_data_interval_end": "2026-11-24T00:00:00Z", "last_expired": None}
    if _is_airflow_3(settings):
        return {**shown, "is_stale": dag["stale"], "timetable_summary": "0 0 * * *", "relative_fileloc": f"{dag_id}.py",
                "last_parsed_time": "2026-11-23T10:00:00Z", "bundle_name": "dags-folder", "bundle_version": None,
                "next_dagrun_logical_date": "2026-11-23T00:00:00Z", "next_dagrun_run_after": next_run,
                "file_token": "t" * 80}
    return {**shown, "is_active": not dag["stale"], "is_subdag": False, "root_dag_id": None, "pickle_id": None,
            "default_view": "grid", "schedule_interval": {"__type": "CronExpression", "value": "0 0 * * *"},
            "last_parsed_time": "2026-11-23T10:00:00+00:00", "last_pickled": None, "scheduler_lock": None,
            "next_dagrun": "2026-11-23T00:00:00+00:00", "next_dagrun_create_after": next_run,
            "file_token": "t" * 80}


def _rest_answer(body: dict[str, Any]) -> Answer:
    return _answer(200, {"RestApiStatusCode": 200, "RestApiResponse": body})


def _is_airflow_3(settings: Settings) -> bool:
    return settings.airflow_version.startswith("3.")


def _forward(settings: Settings, path: str, method: str, call: dict[str, Any]) -> Answer:
    """Call a real Airflow. MWAA adds the API's version to the path."""
    url = f"{(settings.forward_to or '').rstrip('/')}/api/{'v2' if _is_airflow_3(settings) else 'v1'}/{path.lstrip('/')}"
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
                return _rest_error(500, {"detail": "the answer is larger than 6 MB"})
            return _answer(200, {"RestApiStatusCode": response.status, "RestApiResponse": _parsed(text)})
    except urllib.error.HTTPError as error:
        return _rest_error(error.code, _parsed(error.read()))
    except TimeoutError:
        return _rest_error(504, {"detail": "Gateway Timeout"})
    except OSError as error:
        if isinstance(getattr(error, "reason", None), TimeoutError):
            return _rest_error(504, {"detail": "Gateway Timeout"})
        return _rest_error(503, {"detail": f"Airflow cannot be reached: {error}"})


# No proxies, no redirects to another host: the Airflow is on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text.decode("utf-8", errors="replace")


# -- the scheduler's heartbeat -------------------------------------------------------------------------------------

def _beat() -> None:
    while True:
        time.sleep(0.2)
        now = time.time()
        with _lock:
            due = [e for e in _environments.values() if _advance(e, now)]
        for environment in due:
            if environment.settings.forward_to:
                # A real Airflow may take seconds to answer; the heartbeats of the other environments must not wait for it.
                threading.Thread(target=_measure_real, args=(environment, now), daemon=True).start()
            else:
                _measured(environment, now)
        for entry in [entry for entry in _late if entry[0] <= time.time()]:
            _late.remove(entry)
            _publish(entry[1], entry[2])


def _advance(environment: Environment, now: float) -> bool:
    """Advance the scheduler's heartbeat; returns whether its metric is due."""
    settings = environment.settings
    if settings.scheduler != "running":
        return False
    if environment.heartbeat is None or now - environment.heartbeat >= HEARTBEAT_EVERY_SECONDS:
        environment.heartbeat = now
    if not settings.heartbeat_metric or now - environment.metric_at < settings.metric_interval_seconds:
        return False
    environment.metric_at = now
    return True


def _measured(environment: Environment, at: float) -> None:
    _late.append((at + environment.settings.metric_delay_seconds, environment, at))


def _measure_real(environment: Environment, at: float) -> None:
    """A forwarded environment has a real scheduler: its heartbeat is measured in place of the script's."""
    if _real_scheduler_beats(environment):
        _measured(environment, at)


def _real_scheduler_beats(environment: Environment) -> bool:
    path = "/monitor/health" if _is_airflow_3(environment.settings) else "/health"
    status, _, body = _forward(environment.settings, path, "GET", {})
    try:
        scheduler = json.loads(body)["RestApiResponse"]["scheduler"]
        beat = datetime.fromisoformat(scheduler["latest_scheduler_heartbeat"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return False
    return status == 200 and time.time() - beat < 3 * HEARTBEAT_EVERY_SECONDS


def _publish(environment: Environment, measured_at: float) -> None:
    scope.enter(environment.settings.region)
    cloudwatch._store_datum("AmazonMWAA", "SchedulerHeartbeat", {"Environment": environment.name, "Function": "Scheduler"},
                            measured_at, "Count", 1.0, None, None, None)


def install() -> None:
    patches.replace(mwaa, "handle_request", lambda _: handle_request)
    patches.original(cloudwatch, "_store_datum")
    threading.Thread(target=_beat, daemon=True, name="local-aws-mwaa").start()
