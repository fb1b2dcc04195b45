"""The environments of MWAA: what each is, and how the control API makes and changes one.

`put` is the control API's: it creates an environment at once, and nothing is checked but its own words. What AWS checks is in
`mwaa_rules`, and what takes AWS its time in `mwaa_service`: both only for an environment that a stack or the API of MWAA makes.
"""

from __future__ import annotations

import re
import threading
import time
import zlib
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from typing import Any

from local_aws import delivery, scope, timeline

STATUSES = ("CREATING", "CREATE_FAILED", "AVAILABLE", "UPDATING", "DELETING", "DELETED", "UNAVAILABLE", "UPDATE_FAILED",
            "ROLLING_BACK", "CREATING_SNAPSHOT", "PENDING", "MAINTENANCE")
SCHEDULERS = ("running", "stopped", "unhealthy", "never-started")
REQUEST_FIELDS = {  # what the API of MWAA calls a setting
    "airflow_version": "AirflowVersion", "environment_class": "EnvironmentClass", "max_workers": "MaxWorkers", "min_workers": "MinWorkers",
    "schedulers": "Schedulers", "max_webservers": "MaxWebservers", "webserver_access_mode": "WebserverAccessMode",
    "weekly_maintenance_window_start": "WeeklyMaintenanceWindowStart", "source_bucket_arn": "SourceBucketArn",
    "requirements_s3_path": "RequirementsS3Path", "requirements_s3_object_version": "RequirementsS3ObjectVersion",
    "plugins_s3_path": "PluginsS3Path", "plugins_s3_object_version": "PluginsS3ObjectVersion",
    "startup_script_s3_path": "StartupScriptS3Path", "startup_script_s3_object_version": "StartupScriptS3ObjectVersion",
    "configuration_options": "AirflowConfigurationOptions",
}
NAME = r"[a-zA-Z][0-9a-zA-Z\-_]{0,79}"
MODULES = {"DagProcessingLogs": "DAGProcessing", "SchedulerLogs": "Scheduler", "WebserverLogs": "WebServer", "WorkerLogs": "Worker",
           "TaskLogs": "Task"}


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
    # Only for an environment that a stack or the API of MWAA made:
    update_seconds: float = 0.5
    delete_seconds: float = 0.5
    parse_seconds: float = 0.5  # from a changed file in the bucket to Airflow's lists
    fail_next_update: str | None = None  # why the next update is rolled back

    def check(self) -> None:
        allowed = {"status": STATUSES, "scheduler": SCHEDULERS, "metadatabase": ("healthy", "unhealthy"),
                   "rest_api": ("up", "down", "timeout", "malformed")}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name}: {getattr(self, name)!r} is not one of {', '.join(values)}")
        if not isinstance(self.dags, (int, dict)):
            raise ValueError(f"dags: {self.dags!r} is neither a number nor an object of DAGs by id")


@dataclass
class Made:
    """What an environment has that a stack or the API of MWAA made: all it was asked for, and the DAGs of its bucket."""

    request: dict[str, Any]  # as CreateEnvironment and the updates since left it
    error: str | None = None  # of the last creation or update
    strategy: str | None = None  # WorkerReplacementStrategy of the last update
    reads_bucket: bool = True  # until the control API says what the DAGs or the import errors are
    files: dict[str, str] = field(default_factory=dict)  # the parsed files of the bucket: name -> entity tag
    noticed: dict[str, tuple[str | None, float]] = field(default_factory=dict)  # changed: name -> entity tag, parsed at
    broken: set[str] = field(default_factory=set)  # files with an import error
    looked_at: float = 0.0  # every change in the bucket before it is noticed, and parsed if it was due


@dataclass
class Environment:
    name: str
    settings: Settings
    created_at: float = field(default_factory=time.time)
    updated_at: float = field(default_factory=time.time)
    heartbeat: float | None = None  # when the scheduler last wrote its heartbeat
    metric_at: float = 0.0  # when SchedulerHeartbeat was last measured
    dags: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id, in the order of the list
    made: Made | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:airflow:{self.settings.region}:{scope.ACCOUNT}:environment/{self.name}"

    def parsed_at(self, now: float) -> float:
        """When every file was last parsed. Airflow parses again and again, also what the bucket has otherwise by now."""
        if self.settings.scheduler == "running":
            # What a late look has not noticed yet is not parsed, and the error of a deleted file is not renewed.
            return min(now, self.made.looked_at) if self.made and self.made.reads_bucket else now
        return self.heartbeat or self.created_at

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
                "scheduler": {"status": self.scheduler_status(now), "latest_scheduler_heartbeat": iso(self.heartbeat)},
                "triggerer": {"status": "healthy", "latest_triggerer_heartbeat": iso(now)},
                "dag_processor": {"status": "healthy", "latest_dag_processor_heartbeat": iso(now)}}

    def description(self) -> dict[str, Any]:
        s = self.settings
        group = f"arn:aws:logs:{s.region}:{scope.ACCOUNT}:log-group:airflow-{self.name}"
        logs = {"Enabled": True, "LogLevel": "INFO"}
        last_update: dict[str, Any] = {"Status": "FAILED" if s.status == "UPDATE_FAILED" else
                                       "PENDING" if s.status in ("UPDATING", "CREATING_SNAPSHOT", "MAINTENANCE") else
                                       "SUCCESS", "CreatedAt": self.updated_at}
        if s.last_update_source:
            last_update["Source"] = s.last_update_source
        plain = {
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
            "LoggingConfiguration": {module: {**logs, "CloudWatchLogGroupArn": f"{group}-{suffix}"} for module, suffix in MODULES.items()},
            "LastUpdate": last_update, "WeeklyMaintenanceWindowStart": s.weekly_maintenance_window_start,
            "AirflowConfigurationOptions": s.configuration_options, "MaxWorkers": s.max_workers,
            "MinWorkers": s.min_workers, "Schedulers": s.schedulers, "MinWebservers": min(2, s.max_webservers),
            "MaxWebservers": s.max_webservers, "Tags": {},
        }
        return plain if self.made is None else {**plain, **self._as_asked(self.made, plain)}

    def _as_asked(self, made: Made, plain: dict[str, Any]) -> dict[str, Any]:
        """What differs in GetEnvironment if it is known what the environment was asked for."""
        region, asked = self.settings.region, made.request
        service = f"com.amazonaws.vpce.{region}.vpce-svc-{zlib.crc32(self.name.encode()):08x}"
        shown = {name: asked[name] for name in ("ExecutionRoleArn", "DagS3Path", "NetworkConfiguration", "EndpointManagement", "KmsKey",
                                                "MinWebservers", "Tags") if asked.get(name) is not None}
        group, logs = f"arn:aws:logs:{region}:{scope.ACCOUNT}:log-group:airflow-{self.name}", asked.get("LoggingConfiguration") or {}
        shown["LoggingConfiguration"] = {
            module: {"Enabled": False, "LogLevel": "INFO", **logs.get(module, {}), "CloudWatchLogGroupArn": f"{group}-{suffix}"}
            for module, suffix in MODULES.items()}
        shown["LastUpdate"] = {**plain["LastUpdate"], **({"WorkerReplacementStrategy": made.strategy} if made.strategy else {}),
                               **({"Error": {"ErrorCode": "INCORRECT_CONFIGURATION", "ErrorMessage": made.error}} if made.error else {})}
        return {**shown, "CeleryExecutorQueue": f"arn:aws:sqs:{region}:000000000000:airflow-celery-{self.name}",
                "WebserverVpcEndpointService": f"{service}w", "DatabaseVpcEndpointService": f"{service}d"}

    def asked(self) -> dict[str, Any]:
        """The request that would make this environment as it is, with what the control API has changed since."""
        request = dict(self.made.request) if self.made else {}
        for setting, name in REQUEST_FIELDS.items():
            if getattr(self.settings, setting) is not None:
                request[name] = getattr(self.settings, setting)
        return request

    def _source_files(self) -> dict[str, str]:
        s = self.settings
        found = {"RequirementsS3Path": s.requirements_s3_path, "RequirementsS3ObjectVersion": s.requirements_s3_object_version,
                 "PluginsS3Path": s.plugins_s3_path, "PluginsS3ObjectVersion": s.plugins_s3_object_version,
                 "StartupScriptS3Path": s.startup_script_s3_path,
                 "StartupScriptS3ObjectVersion": s.startup_script_s3_object_version}
        return {name: value for name, value in found.items() if value is not None}


environments: dict[tuple[str, str], Environment] = {}  # (region, name)
lock = threading.RLock()


def iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, tz=timezone.utc).isoformat(timespec="microseconds")


# -- for the control API ------------------------------------------------------------------------------------------

def put(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Create or change an environment."""
    if not re.fullmatch(NAME, name):
        raise ValueError(f"{name!r} is no name of an MWAA environment")
    unknown = set(changes) - {f.name for f in fields(Settings)}
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    now = time.time()
    with lock:
        environment = find(name, changes.get("region"))
        settings = Settings(**{**(asdict(environment.settings) if environment else {}), **changes})
        settings.check()
        created = environment is None
        dags = _dags(settings.dags) if environment is None or "dags" in changes else environment.dags
        if environment is None:
            environment, was = Environment(name, settings), None
            environments[(settings.region, name)] = environment
        else:
            was, environment.settings = environment.settings, settings
            if was.region != settings.region:
                del environments[(was.region, name)]
                environments[(settings.region, name)] = environment
        environment.dags = dags
        if environment.made and {"dags", "import_errors"} & set(changes):
            environment.made.reads_bucket = False
        if settings.scheduler == "never-started":
            environment.heartbeat = None
        elif settings.scheduler == "running" and (was is None or was.scheduler != "running"):
            environment.heartbeat, environment.metric_at = now, 0.0
        elif created:
            environment.heartbeat = now
        ill = settings.scheduler != "running"
        if was is not None and (was.scheduler != "running") != ill:
            timeline.note("heartbeat-lost" if ill else "heartbeat-back", environment=name, scheduler=settings.scheduler,
                          latest_heartbeat=iso(environment.heartbeat))
        if created or (was is not None and was.status != settings.status):
            environment.updated_at = now
            _announce(environment, was.status if was else None)
        return {"name": name, **asdict(settings)}


def enter(environment: Environment) -> Environment:
    """Add a new environment that is not the control API's."""
    environments[(environment.settings.region, environment.name)] = environment
    _announce(environment, None)
    return environment


def _announce(environment: Environment, previous: str | None, status: str | None = None) -> None:
    status = status or environment.settings.status
    timeline.note("mwaa-status", environment=environment.name, status=status, previous=previous)
    scope.enter(environment.settings.region)
    delivery.emit("aws.airflow", "MWAA Environment Status Change",
                  {"environmentName": environment.name, "status": status, "previousStatus": previous}, [environment.arn])


def _dags(asked: int | dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    named = {f"dag_{number:05}": {} for number in range(1, asked + 1)} if isinstance(asked, int) else asked
    plain = {"paused": False, "import_errors": False, "stale": False}
    return {dag_id: {**plain, **named[dag_id]} for dag_id in sorted(named)}


def find(name: str, region: str | None = None) -> Environment | None:
    if region and (region, name) in environments:
        return environments[(region, name)]
    return next((e for (_, known), e in environments.items() if known == name), None)


def listing() -> list[dict[str, Any]]:
    now = time.time()
    with lock:
        return [{"name": e.name, **asdict(e.settings), "scheduler_status": e.scheduler_status(now),
                 "latest_scheduler_heartbeat": iso(e.heartbeat)} for e in environments.values()]


def delete(name: str, region: str | None = None) -> bool:
    with lock:
        environment = find(name, region)
        if environment is None:
            return False
        del environments[(environment.settings.region, name)]
    _announce(environment, environment.settings.status, "DELETED")
    return True
