"""The scheduler's heartbeat: while an environment's scheduler runs, its SchedulerHeartbeat is published with both its dimensions.

Known difference: `latest_scheduler_heartbeat` and SchedulerHeartbeat are late only by metric_delay_seconds.
"""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime

from ministack.services import cloudwatch

from local_aws import patches, scope
from local_aws.airflow_api import forward, is_airflow_3
from local_aws.mwaa_environments import Environment, environments, lock

HEARTBEAT_EVERY_SECONDS = 5.0  # Airflow's [scheduler] scheduler_heartbeat_sec

_late: list[tuple[float, Environment, float]] = []  # datapoints on their way: (visible at, environment, timestamp)


def _beat() -> None:
    while True:
        time.sleep(0.2)
        now = time.time()
        with lock:
            due = [e for e in environments.values() if _advance(e, now)]
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
    path = "/monitor/health" if is_airflow_3(environment.settings) else "/health"
    status, _, body = forward(environment.settings, path, "GET", {})
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
    patches.original(cloudwatch, "_store_datum")
    threading.Thread(target=_beat, daemon=True, name="local-aws-mwaa").start()
