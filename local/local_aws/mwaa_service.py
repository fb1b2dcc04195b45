"""Creating, updating and deleting an environment as MWAA does it: refused first where it can be, then carried out after a while.

An environment is CREATING, UPDATING or DELETING for the seconds that the control API has set. A change of the Airflow version also has
CREATING_SNAPSHOT in its midst. An update that the control API lets fail is ROLLING_BACK, and then UPDATE_FAILED with nothing changed.

Known differences: Airflow keeps running and answering during an update, and GRACEFUL waits for no task.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ministack.services import ec2, iam, s3

from local_aws import mwaa_environments, mwaa_rules, patches, scope
from local_aws.mwaa_environments import REQUEST_FIELDS, Environment, Made, Settings, environments, lock
from local_aws.mwaa_rules import Refused

READY = ("AVAILABLE", "UPDATE_FAILED")

Step = Callable[[Environment, Any], None]


@dataclass
class Defaults:
    """What the control API sets for every environment that is made from now on."""

    create_seconds: float = 0.5
    update_seconds: float = 0.5
    delete_seconds: float = 0.5
    parse_seconds: float = 0.5
    fail_next_create: str | None = None
    downgrades: bool = True
    roll_back_updates: bool = False  # whether a stack's rollback updates an environment once more after its update has failed


defaults = Defaults()


def set_defaults(changes: dict[str, Any]) -> dict[str, Any]:
    global defaults
    unknown = set(changes) - {field.name for field in fields(Defaults)}
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    defaults = replace(defaults, **changes)
    return asdict(defaults)


def create(name: str, region: str, request: dict[str, Any]) -> Environment:
    global defaults
    request = {"AirflowVersion": Settings.airflow_version, "EnvironmentClass": Settings.environment_class,
               "WebserverAccessMode": "PRIVATE_ONLY", **{key: value for key, value in request.items() if value is not None}}
    mwaa_rules.check_creation(name, region, request)
    micro = request["EnvironmentClass"] == "mw1.micro"
    few = 1 if micro else 2
    request = {"MinWorkers": 1, "MaxWorkers": 1 if micro else 10, "Schedulers": few, "MinWebservers": few, "MaxWebservers": few,
               "WeeklyMaintenanceWindowStart": Settings.weekly_maintenance_window_start, **request}
    with lock:
        if (region, name) in environments:
            raise Refused(f"Environment with name {name} already exists")
        settings = Settings(region=region, status="CREATING", scheduler="never-started", rest_api="down",
                            update_seconds=defaults.update_seconds, delete_seconds=defaults.delete_seconds,
                            parse_seconds=defaults.parse_seconds, **_settings(request))
        environment = mwaa_environments.enter(Environment(name, settings, made=Made(request)))
        failure = defaults.fail_next_create
        defaults = replace(defaults, fail_next_create=None)
    _later(environment, lambda: defaults.create_seconds, (_created, failure))
    return environment


def _created(environment: Environment, failure: str | None) -> None:
    if environment.made:
        environment.made.error = failure
    if failure:
        mwaa_environments.put(environment.name, {"region": environment.settings.region, "status": "CREATE_FAILED"})
    else:
        mwaa_environments.put(environment.name, {"region": environment.settings.region, "status": "AVAILABLE", "scheduler": "running",
                                                 "rest_api": "up"})


def update(name: str, region: str, asked: dict[str, Any]) -> Environment:
    asked = {key: value for key, value in asked.items() if value is not None}
    with lock:
        environment = existing(name, region)
        if environment.made is None:
            raise Refused(f"{name} was made by the control API, which also changes it")
        if environment.settings.status not in READY:
            raise Refused(f"Environment {name} is in {environment.settings.status} state and cannot be updated")
        old = environment.asked()
        new = merged(old, asked)
        mwaa_rules.check_update(region, old, asked, new, defaults.downgrades)
        failure = environment.settings.fail_next_update
        environment.made.error, environment.made.strategy = None, asked.get("WorkerReplacementStrategy", "FORCED")
        mwaa_environments.put(name, {"region": region, "status": "UPDATING", "fail_next_update": None})
    if failure:
        steps: list[tuple[Step, Any]] = [(_to, "ROLLING_BACK"), (_update_failed, failure)]
    elif old["AirflowVersion"] != new["AirflowVersion"]:
        steps = [(_to, "CREATING_SNAPSHOT"), (_to, "UPDATING"), (_updated, new)]
    else:
        steps = [(_updated, new)]
    _later(environment, lambda: environment.settings.update_seconds, *steps)
    return environment


def merged(old: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """What is not asked for stays. Networks and logs are merged by their parts, the options are replaced."""
    new = {**old, **asked}
    new.pop("WorkerReplacementStrategy", None)
    for name in ("NetworkConfiguration", "LoggingConfiguration"):
        if old.get(name) or asked.get(name):
            new[name] = {**(old.get(name) or {}), **(asked.get(name) or {})}
    return new


def _updated(environment: Environment, request: dict[str, Any]) -> None:
    if environment.made:
        environment.made.request = request
    mwaa_environments.put(environment.name, {"region": environment.settings.region, "status": "AVAILABLE", **_settings(request)})


def _update_failed(environment: Environment, failure: str) -> None:
    if environment.made:
        environment.made.error = failure
    mwaa_environments.put(environment.name, {"region": environment.settings.region, "status": "UPDATE_FAILED"})


def delete(name: str, region: str) -> None:
    with lock:
        environment = existing(name, region)
        status, made = environment.settings.status, environment.made
        if made is not None and status not in (*READY, "CREATE_FAILED", "UNAVAILABLE"):
            raise Refused(f"Environment {name} is in {status} state and cannot be deleted")
        if made is not None:
            _to(environment, "DELETING")
    if made is None:
        mwaa_environments.delete(name, region)
    else:
        _later(environment, lambda: environment.settings.delete_seconds, (_deleted, None))


def _deleted(environment: Environment, _: None) -> None:
    mwaa_environments.delete(environment.name, environment.settings.region)


def tag(environment: Environment, tags: dict[str, str]) -> None:
    if environment.made:
        environment.made.request["Tags"] = tags


def wait(environment: Environment, *passing: str) -> str:
    """Wait until the environment is in none of these states. Only from a thread of one's own."""
    while exists(environment) and environment.settings.status in passing:
        time.sleep(0.02)
    return environment.settings.status if exists(environment) else "DELETED"


def exists(environment: Environment) -> bool:
    return environments.get((environment.settings.region, environment.name)) is environment


def existing(name: str, region: str) -> Environment:
    if (region, name) not in environments:
        raise Refused(f"No environment named {name} found", "ResourceNotFoundException")
    return environments[(region, name)]


def _settings(request: dict[str, Any]) -> dict[str, Any]:
    return {setting: request[name] for setting, name in REQUEST_FIELDS.items() if request.get(name) is not None}


def _to(environment: Environment, status: str) -> None:
    mwaa_environments.put(environment.name, {"region": environment.settings.region, "status": status})


def _later(environment: Environment, seconds: Callable[[], float], *steps: tuple[Step, Any]) -> None:
    """Take these steps, the last of them after so many seconds; sooner if they become fewer meanwhile."""
    def run() -> None:
        scope.enter(environment.settings.region)
        for do, argument in steps:
            began = time.monotonic()
            while (left := began + seconds() / len(steps) - time.monotonic()) > 0:
                time.sleep(min(left, 0.05))
            with lock:
                if not exists(environment):
                    return
                do(environment, argument)

    threading.Thread(target=run, daemon=True, name=f"local-aws-mwaa-{environment.name}").start()


def install() -> None:
    for module, names in ((ec2, ("_subnets", "_security_groups")), (iam, ("_roles",)),
                          (s3, ("_buckets", "_bucket_versioning", "bucket_region", "_get_object_data"))):
        for name in names:
            patches.original(module, name)
