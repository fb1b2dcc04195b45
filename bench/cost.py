"""Monthly cost of one pair: the template's resources, the counted requests, and the public price list.

A figure that cannot be measured here (how long AWS takes to answer, how often failures happen) is one of the assumptions below, and is
printed with the result.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PRICES = Path(__file__).resolve().parent / "prices.json"
HOURS, MINUTES = 730, 730 * 60
# What the stack *does*, beside its standing alarms and metrics, is where waste would show. The targets leave room for 20 ms more
# processor time a tick, as a busy machine may measure (0.02). They leave no room for one more billed request on every tick that publishes
# (0.09).
DOING_TARGETS_USD = {"calm": 0.23, "alarms named": 0.33, "standby down": 0.32}
# What the stack holds ready has its list price, and each item is intended: eight alarms (0.80) and five metrics (1.50). With the most
# expensive target above that is 2.63; a ninth alarm or a sixth metric would exceed the total.
TOTAL_TARGET_USD = 2.65

# Assumptions, all on the high side.
READS_MS, WRITES_MS = 500, 100  # AWS's time for a tick's reads (Airflow's web server answers one) and for a write
TRANSITIONS_A_MONTH = 4
SUSPECT_HOURS = 1.0
LAMBDA_LINES_BYTES = 71 + 55 + 170  # START, END and REPORT, which Lambda itself writes
LOG_EVENT_BYTES = 26  # added to each line by CloudWatch Logs
AUDIT_EVENT_BYTES = 4096
CHECK_SECONDS = 2  # for two environments with some hundreds of DAGs each
HANDSHAKE_MS = 0.5  # of a whole processor for one TLS handshake; 1 to 3 ms for the five or so of a tick, through a TLS proxy
FULL_PROCESSOR_MB = 1769  # memory for which Lambda gives one whole processor


@dataclass(frozen=True)
class Template:
    alarms: int
    memory_mb: int
    metrics_interval_minutes: int
    probe_interval_seconds: int
    readiness_interval_minutes: int

    @staticmethod
    def read(path: Path) -> Template:
        class Loader(yaml.SafeLoader):
            """Accepts !Ref and other short forms, without interpreting them."""

        Loader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)
        template = yaml.load(path.read_text(), Loader)
        alarms = [resource for resource in template["Resources"].values() if resource["Type"] == "AWS::CloudWatch::Alarm"]
        return Template(
            # Drills are off by default, and so are their alarms.
            alarms=sum(alarm.get("Condition") not in ("DrillsScheduled", "DrillsMayBeOverdue") for alarm in alarms),
            memory_mb=template["Globals"]["Function"]["MemorySize"],
            metrics_interval_minutes=template["Parameters"]["MetricsIntervalMinutes"]["Default"],
            probe_interval_seconds=template["Parameters"]["ProbeIntervalSeconds"]["Default"],
            readiness_interval_minutes=template["Parameters"]["ReadinessIntervalMinutes"]["Default"],
        )


@dataclass(frozen=True)
class Line:
    what: str
    quantity: float
    unit: str
    usd: float
    # Billed all month, whatever happens.
    is_standing: bool = False


def month(template: Template, cases: dict[str, Any], always_on_metrics: int, processor_ms: float, log_bytes: float,
          tick: str) -> list[Line]:
    """`tick`: name of the counted case of a publishing tick."""
    prices = {name: price["usd"] for name, price in json.loads(PRICES.read_text())["prices"].items()}
    asked: dict[str, int] = cases[tick]["billable"]
    listener: dict[str, int] = cases["listener event (flag written)"]["billable"]
    checked: dict[str, int] = cases["healthy tick, with the hourly readiness check"]["billable"]
    checks = MINUTES / template.readiness_interval_minutes
    suspect_ticks = SUSPECT_HOURS * 60
    probes = SUSPECT_HOURS * 3600 / template.probe_interval_seconds
    publishing = MINUTES / template.metrics_interval_minutes + suspect_ticks
    # A switch or an extra tick, the listener that audits it, and the listener that notifies people.
    invocations = MINUTES + 3 * TRANSITIONS_A_MONTH

    put_metrics = (publishing * asked["PutMetricData"] + checks * checked.get("PutMetricData", 0)
                   + TRANSITIONS_A_MONTH * listener["PutMetricData"])
    # Billed reads are made on the ticks that publish, and by every probe of a suspect active.
    get_metrics = publishing * asked.get("GetMetricData", 0) + probes * cases["suspect probe"]["billable"]["GetMetricData"]
    get_metrics += checks * checked.get("GetMetricData", 0)
    describe_alarms = (publishing + probes) * asked.get("DescribeAlarms", 0) + checks * checked.get("DescribeAlarms", 0)
    seconds = (MINUTES * (READS_MS + processor_ms * FULL_PROCESSOR_MB / template.memory_mb) + publishing * WRITES_MS
               + TRANSITIONS_A_MONTH * 2 * 5 * WRITES_MS) / 1000 + SUSPECT_HOURS * 3600 + checks * CHECK_SECONDS
    gb_seconds = seconds * template.memory_mb / 1024
    log_gb = (MINUTES * (log_bytes + LAMBDA_LINES_BYTES + 4 * LOG_EVENT_BYTES) + probes * (log_bytes + LOG_EVENT_BYTES)
              + TRANSITIONS_A_MONTH * AUDIT_EVENT_BYTES) / 1e9
    events = TRANSITIONS_A_MONTH * listener["PutEvents"]
    event_gb = events * AUDIT_EVENT_BYTES / 1e9
    # Three series, each for the hour of its transition.
    rare_metrics = 3 * TRANSITIONS_A_MONTH / HOURS
    return [
        Line("CloudWatch alarms", template.alarms, "alarms", template.alarms * prices["alarm_month"], is_standing=True),
        Line("custom metrics, always on", always_on_metrics, "metrics", always_on_metrics * prices["custom_metric_month"],
             is_standing=True),
        Line("custom metrics of transitions", rare_metrics, "metric months", rare_metrics * prices["custom_metric_month"]),
        Line("PutMetricData", put_metrics, "requests", put_metrics * prices["cloudwatch_request"]),
        Line("GetMetricData", get_metrics, "metrics asked", get_metrics * prices["get_metric_data_metric"]),
        Line("DescribeAlarms", describe_alarms, "requests", describe_alarms * prices["cloudwatch_request"]),
        Line("Lambda requests", invocations, "requests", invocations * prices["lambda_request"]),
        Line("Lambda time", gb_seconds, "GB-seconds", gb_seconds * prices["lambda_arm64_gb_second"]),
        Line("logs", log_gb, "GB", log_gb * (prices["log_gb"] + prices["log_gb_month"])),
        Line("EventBridge events, archive", events, "events", events * prices["custom_event"]
             + event_gb * (prices["archive_gb"] + 3 * prices["archive_gb_month"])),
        Line("SNS e-mails", events, "messages", events * prices["sns_email"]),
        Line("SQS dead letters", 0, "requests", 0),
        Line("dashboard, of an account's first three", 1, "dashboards", 0),
        Line("Parameter Store, MWAA calls", 0, "billable", 0),
    ]


def compute(template: Template, calls: dict[str, Any], cold_start: dict[str, Any], connections: dict[str, Any]) -> dict[str, Any]:
    # After a minute no connection is trusted, so a tick costs as much as the first one of a process, and reconnects.
    handshakes = connections["healthy tick, calm"]["after_idle"]
    processor_ms = statistics.median(cold_start["health-watcher"]["first_processor_ms"]) + handshakes * HANDSHAKE_MS
    log_bytes = statistics.median(cold_start["health-watcher"]["warm_log_bytes"])
    variants = {"calm": "healthy tick, publishing", "alarms named": "tick, publishing, named alarms",
                "standby down": "tick, publishing, standby down"}
    months = {name: month(template, calls["cases"], calls["always_on_metrics"], processor_ms, log_bytes, tick)
              for name, tick in variants.items()}
    return {
        "target_usd": {"doing": DOING_TARGETS_USD, "total": TOTAL_TARGET_USD},
        "lines": {name: [vars(line) for line in lines] for name, lines in months.items()},
        "doing_usd": {name: round(sum(line.usd for line in lines if not line.is_standing), 4) for name, lines in months.items()},
        "total_usd": {name: round(sum(line.usd for line in lines), 4) for name, lines in months.items()},
        "template": vars(template),
        "measured": {"processor_ms_a_tick": processor_ms, "handshakes_a_tick": handshakes, "log_bytes_a_tick": log_bytes},
        "assumed": {
            "handshake_ms": HANDSHAKE_MS, "reads_ms": READS_MS, "writes_ms": WRITES_MS, "transitions_a_month": TRANSITIONS_A_MONTH,
            "suspect_hours": SUSPECT_HOURS, "check_seconds": CHECK_SECONDS,
            "lambda_lines_bytes": LAMBDA_LINES_BYTES, "hours_a_month": HOURS,
            "processor_share": f"{template.memory_mb}/{FULL_PROCESSOR_MB}",
        },
    }
