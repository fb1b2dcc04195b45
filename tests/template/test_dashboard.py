"""The dashboard against CloudWatch's own rules ("Dashboard Body Structure and Syntax" of its API reference), and against the metrics that
the code publishes.

CloudWatch accepts a dashboard with mistakes in it, and shows an empty graph.
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
from typing import Any

import pytest

from support.schema import ACTIONS, METRICS, SCHEMA
from support.template import Stack

COLUMNS = 24
NAMESPACE = SCHEMA["metrics"]["namespace"]
MOST_WIDGETS, MOST_METRICS_A_WIDGET, MOST_METRICS = 500, 500, 2500
# With more metrics the dashboard is not one of the three that are free in an account.
FREE_METRICS = 50

TOP = {"start", "end", "periodOverride", "widgets", "variables"}
PROPERTIES = {
    "metric": {
        "accountId", "annotations", "labels", "legend", "liveData", "metrics", "period", "region", "setPeriodToTimeRange",
        "singleValueFullPrecision", "sparkline", "stacked", "stat", "table", "timezone", "title", "trend", "view", "yAxis",
    },
    "text": {"markdown", "background"},
    "alarm": {"alarms", "sortBy", "states", "title"},
}  # fmt: skip
RENDERING = {"accountId", "color", "expression", "id", "label", "period", "region", "stat", "visible", "yAxis"}
VIEWS = {"timeSeries", "singleValue", "gauge", "bar", "pie", "table"}
STATISTIC = re.compile(r"SampleCount|Average|Sum|Minimum|Maximum|IQM|p\d{1,2}(\.\d+)?")
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
COLOR = re.compile(r"#[0-9a-f]{6}")

CASES = [
    {},
    {"DrillSchedule": "cron(0 10 ? * TUE *)"},
    {"PairName": "orders", "BlueRegion": "us-east-1", "GreenRegion": "eu-west-1", "DrillSchedule": "rate(7 days)"},
]


def body_of(stack: Stack) -> dict[str, Any]:
    return json.loads(stack.resources["PairDashboard"]["Properties"]["DashboardBody"])


@pytest.fixture(params=CASES, ids=["plain", "drills", "two regions"])
def stack(request: pytest.FixtureRequest) -> Stack:
    return Stack(**request.param)


@pytest.fixture
def body(stack: Stack) -> dict[str, Any]:
    return body_of(stack)


def widgets(body: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [widget["properties"] for widget in body["widgets"] if widget["type"] == kind]


def series(body: dict[str, Any]) -> list[tuple[str, str, dict[str, str], dict[str, Any]]]:
    """Every metric: namespace, name, dimensions, how it is drawn."""
    found = []
    for properties in widgets(body, "metric"):
        for metric in properties["metrics"]:
            *words, drawn = metric if isinstance(metric[-1], dict) else [*metric, {}]
            namespace, name, *dimensions = words
            found.append((namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True)), drawn))
    return found


# ---- CloudWatch's rules ------------------------------------------------------------------------------------


def test_its_outline_is_one_that_cloudwatch_knows(body: dict[str, Any]) -> None:
    assert set(body) <= TOP
    assert re.fullmatch(r"-P(T\d+[HM]|\d+[DWM])", body["start"])
    assert body["periodOverride"] in ("auto", "inherit")
    assert 1 <= len(body["widgets"]) <= MOST_WIDGETS
    for widget in body["widgets"]:
        assert set(widget) == {"type", "x", "y", "width", "height", "properties"}
        assert set(widget["properties"]) <= PROPERTIES[widget["type"]], widget["properties"].get("title")


def test_widgets_lie_on_the_grid_and_not_on_each_other(body: dict[str, Any]) -> None:
    cells: dict[tuple[int, int], str] = {}
    for widget in body["widgets"]:
        x, y, width, height = (widget[name] for name in ("x", "y", "width", "height"))
        assert all(isinstance(number, int) for number in (x, y, width, height))
        assert 0 <= x <= COLUMNS - 1 and y >= 0 and 1 <= width <= COLUMNS - x and 1 <= height <= 1000
        for cell in itertools.product(range(x, x + width), range(y, y + height)):
            title = widget["properties"].get("title", widget["type"])
            assert cells.setdefault(cell, title) == title, f"{title} lies on {cells[cell]}"
    rows = max(y for _, y in cells) + 1
    assert len(cells) == COLUMNS * rows, "there is a hole"


def test_every_graph_is_drawn_by_rules(body: dict[str, Any]) -> None:
    for graph in widgets(body, "metric"):
        title = graph["title"]
        assert REGION.fullmatch(graph["region"]), title
        assert graph["view"] in VIEWS, title
        assert STATISTIC.fullmatch(graph["stat"]), title
        assert graph["period"] % 60 == 0, title
        assert isinstance(graph.get("stacked", False), bool), title
        assert set(graph.get("yAxis", {})) <= {"left", "right"}
        for axis in graph.get("yAxis", {}).values():
            assert set(axis) <= {"min", "max", "label", "showUnits"}
        assert set(graph.get("annotations", {})) <= {"horizontal", "vertical", "alarms"}
        for line in graph.get("annotations", {}).get("horizontal", []):
            assert set(line) <= {"value", "label", "color", "fill", "visible", "yAxis"}
            assert line.get("fill", "none") in ("above", "below", "none")
        assert 1 <= len(graph["metrics"]) <= MOST_METRICS_A_WIDGET


def test_every_metric_is_well_formed(body: dict[str, Any]) -> None:
    for metric in [metric for graph in widgets(body, "metric") for metric in graph["metrics"]]:
        *words, drawn = metric
        assert len(words) % 2 == 0 and 4 <= len(words) <= 2 + 2 * 30, "namespace, name, and dimensions by name and value"
        assert all(isinstance(word, str) and word for word in words), metric
        assert set(drawn) <= RENDERING, metric
        assert COLOR.fullmatch(drawn["color"]) and drawn["label"], metric
        assert REGION.fullmatch(drawn.get("region", "us-east-1")), metric
        assert STATISTIC.fullmatch(drawn.get("stat", "Sum")), metric
        assert drawn.get("yAxis", "left") in ("left", "right"), metric


def test_no_series_is_drawn_twice_and_colors_differ_within_a_graph(body: dict[str, Any]) -> None:
    drawn = [(namespace, name, *sorted(dimensions.items()), how.get("stat")) for namespace, name, dimensions, how in series(body)]
    assert len(drawn) == len(set(drawn))
    for graph in widgets(body, "metric"):
        colors = [metric[-1]["color"] for metric in graph["metrics"]]
        assert len(colors) == len(set(colors)), graph["title"]


def test_it_stays_within_what_is_free(body: dict[str, Any]) -> None:
    assert len(series(body)) <= min(FREE_METRICS, MOST_METRICS)


def test_its_name_and_size_are_allowed() -> None:
    properties = Stack(PairName="p" * 32).resources["PairDashboard"]["Properties"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,255}", properties["DashboardName"])
    # A template may have a megabyte. The body's own limit is not published, and this is far below any.
    assert len(properties["DashboardBody"].encode()) < 50_000


# ---- Its content -------------------------------------------------------------------------------------------


def test_it_shows_every_metric_that_the_code_publishes_and_no_other(body: dict[str, Any]) -> None:
    shown = {name for namespace, name, _, _ in series(body) if namespace == NAMESPACE}
    assert shown == {metric["name"] for metric in METRICS}


def values(body: dict[str, Any], metric: str, dimension: str) -> set[str]:
    return {dimensions[dimension] for _, name, dimensions, _ in series(body) if name == metric}


def test_a_change_within_a_period_is_seen_in_the_active_color(body: dict[str, Any]) -> None:
    """Averages of the two add up to one; of two maxima the stack would hide one behind the upper edge."""
    (graph,) = [g for g in widgets(body, "metric") if g["title"] == "Active color"]
    assert graph["stacked"] and graph["stat"] == "Average"


@pytest.mark.parametrize("metric", [metric for metric in METRICS if metric["dimension"]], ids=lambda metric: metric["name"])
def test_it_shows_every_value_of_a_dimension(body: dict[str, Any], metric: dict[str, Any]) -> None:
    assert values(body, metric["name"], metric["dimension"]) == set(metric["values"])
    assert len(metric["values"]) > 1


def test_our_metrics_have_the_dimensions_that_they_are_published_with(stack: Stack, body: dict[str, Any]) -> None:
    second = {metric["name"]: metric["dimension"] for metric in METRICS if metric["dimension"]}
    for namespace, name, dimensions, how in series(body):
        if namespace == "MWAA/BlueGreen":
            assert dimensions.pop("Pair") == stack.environment["PAIR_NAME"]
            assert set(dimensions) == ({second[name]} if name in second else set()), name
            assert "region" not in how, "they are in the stack's own region"


def test_the_heartbeats_are_looked_for_where_the_environments_are(stack: Stack, body: dict[str, Any]) -> None:
    shown = [(d["Environment"], d["Function"], how["region"]) for n, _, d, how in series(body) if n == "AmazonMWAA"]
    regions = [stack.parameters[f"{color}Region"] or "us-east-1" for color in ("Blue", "Green")]
    assert shown == [("airflow-blue", "Scheduler", regions[0]), ("airflow-green", "Scheduler", regions[1])]


def test_the_watcher_and_the_dead_letters_are_shown(stack: Stack, body: dict[str, Any]) -> None:
    watcher = stack.resources["HealthWatcherFunction"]["Properties"]["FunctionName"]
    shown = {(name, *dimensions.items()) for namespace, name, dimensions, _ in series(body) if namespace == "AWS/Lambda"}
    assert shown == {(name, ("FunctionName", watcher)) for name in ("Invocations", "Errors", "Throttles", "Duration")}
    assert {d["QueueName"] for n, _, d, _ in series(body) if n == "AWS/SQS"} == {"DeadLetterQueue.QueueName"}


def test_it_shows_every_alarm_that_there_is(stack: Stack, body: dict[str, Any]) -> None:
    (panel,) = widgets(body, "alarm")
    assert sorted(panel["alarms"]) == sorted(f"{name}.Arn" for name in stack.of_type("AWS::CloudWatch::Alarm"))
    assert len(panel["alarms"]) <= 100


def test_the_red_line_is_where_the_alarm_rings(stack: Stack, body: dict[str, Any]) -> None:
    (graph,) = [g for g in widgets(body, "metric") if "annotations" in g]
    assert graph["metrics"][0][1] == "ReadinessScore"
    assert graph["annotations"]["horizontal"][0]["value"] == stack.resources["ReadinessAlarm"]["Properties"]["Threshold"]


def test_the_runbook_can_be_pasted_into_a_shell(stack: Stack, body: dict[str, Any]) -> None:
    (panel,) = widgets(body, "text")
    assert "${" not in panel["markdown"]
    block = panel["markdown"].split("```")[1]
    function, *commands = block.strip().splitlines()
    assert f"--function-name {stack.resources['SwitchHandlerFunction']['Properties']['FunctionName']} " in function
    assert "--region us-east-1 " in function
    requests = [json.loads(shlex.split(command)[1]) for command in commands]
    assert all(shlex.split(command)[0] == "ask" for command in commands)
    actions = {request.get("action", "switch") for request in requests}
    # The actions that a person on call needs; every other action is a similar request.
    assert {"status", "check", "switch", "failover", "rollback", "hold", "release"} <= actions <= {action["name"] for action in ACTIONS}
    assert stack.environment["FLAG_PARAMETER"] in panel["markdown"]


# ---- Whether there is one ----------------------------------------------------------------------------------


def test_it_can_be_left_out() -> None:
    without = Stack(Dashboard="disabled")
    assert "PairDashboard" not in without.resources and "DashboardUrl" not in without.outputs
    assert Stack().outputs["DashboardUrl"]["Value"].endswith("#dashboards/dashboard/mwaa-blue-green")
