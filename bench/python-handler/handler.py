"""A healthy tick of the health-watcher in typical Python: the same clients, created at start, the same parallel requests, the same
metrics. It has only what the comparison needs; it decides nothing."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3

SSM, MWAA, CLOUDWATCH, EVENTS = (boto3.client(service) for service in ("ssm", "mwaa", "cloudwatch", "events"))
ENVIRONMENTS = {color: os.environ[f"{color.upper()}_ENVIRONMENT_NAME"] for color in ("blue", "green")}
POOL = ThreadPoolExecutor(max_workers=5)


def handle(_event: Any) -> dict[str, Any]:
    flag = POOL.submit(SSM.get_parameters, Names=[os.environ["FLAG_PARAMETER"]])
    status = {color: POOL.submit(MWAA.get_environment, Name=name) for color, name in ENVIRONMENTS.items()}
    airflow = {color: POOL.submit(MWAA.invoke_rest_api, Name=name, Path="/monitor/health", Method="GET")
               for color, name in ENVIRONMENTS.items()}
    healthy = {
        color: status[color].result()["Environment"]["Status"] == "AVAILABLE"
        and airflow[color].result()["RestApiResponse"]["scheduler"]["status"] == "healthy"
        for color in ENVIRONMENTS
    }
    active = flag.result()["Parameters"][0]["Value"]
    pair = {"Name": "Pair", "Value": os.environ["PAIR_NAME"]}
    values = {("EnvironmentHealthy", color): healthy[color] for color in healthy}
    values |= {("ActiveEnvironment", color): color == active for color in healthy}
    CLOUDWATCH.put_metric_data(Namespace="MWAA/BlueGreen", MetricData=[
        {"MetricName": name, "Value": float(value), "Dimensions": [pair, {"Name": "Color", "Value": color}]}
        for (name, color), value in values.items()])
    return {"active": active, "healthy": healthy}
