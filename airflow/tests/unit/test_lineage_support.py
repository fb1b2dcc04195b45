"""The collector of test_lineage.py takes what OpenLineage's schema allows, refuses what it does not, and is dead in each way it says."""

from __future__ import annotations

import copy
import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.lineage_collector import ANSWERS, REFUSES, SILENT, UNREACHABLE, Collector
from support.lineage_events import faults

FACET = {"_producer": "https://example.org/producer", "_schemaURL": "https://example.org/facet.json#/$defs/Facet"}
EVENT: dict[str, Any] = {
    "eventType": "COMPLETE",
    "eventTime": "2026-11-23T10:00:00.123456+00:00",
    "producer": "https://example.org/producer",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "run": {"runId": "01a205ea-be80-7ce4-b734-dba436dd26de", "facets": {"airflowState": {**FACET, "dagRunState": "success"}}},
    "job": {"namespace": "orders-blue", "name": "orders", "facets": {"jobType": dict(FACET)}},
    "inputs": [{"namespace": "s3://orders", "name": "raw", "facets": {"schema": {**FACET, "_deleted": True}}}],
    "outputs": [{"namespace": "s3://orders", "name": "totals", "outputFacets": {"outputStatistics": dict(FACET)}}],
}  # fmt: skip


def without(*path: str) -> Callable[[Any], None]:
    def change(event: Any) -> None:
        for part in path[:-1]:
            event = event[part]
        del event[path[-1]]

    return change


def with_(value: Any, *path: Any) -> Callable[[Any], None]:
    def change(event: Any) -> None:
        for part in path[:-1]:
            event = event[part]
        event[path[-1]] = value

    return change


ALLOWED = {
    "all of it": lambda event: None,
    "Z for UTC": with_("2026-11-23T10:00:00Z", "eventTime"),
    "no type": without("eventType"),
    "running": with_("RUNNING", "eventType"),
    "no facets": without("run", "facets"),
    "no data": without("inputs"),
    "further members": with_({"any": 1}, "more"),
    "an event of a job": without("run"),
}
WRONG = {
    "no time": without("eventTime"),
    "no producer": without("producer"),
    "no schema": without("schemaURL"),
    "no job": without("job"),
    "no run id": without("run", "runId"),
    "no namespace": without("job", "namespace"),
    "no name": without("job", "name"),
    "a time without a zone": with_("2026-11-23T10:00:00", "eventTime"),
    "a day": with_("2026-11-23", "eventTime"),
    "no time at all": with_("yesterday", "eventTime"),
    "a type in lower case": with_("complete", "eventType"),
    "a type of nobody": with_("SKIPPED", "eventType"),
    "a type that is null": with_(None, "eventType"),
    "a run id that is no UUID": with_("manual__2026", "run", "runId"),
    "a producer that is no URI": with_("airflow", "producer"),
    "a URI with a space": with_("https://example.org/a b", "schemaURL"),
    "a run that is null": with_(None, "run"),
    "a run facet without a producer": without("run", "facets", "airflowState", "_producer"),
    "a job facet without a schema": without("job", "facets", "jobType", "_schemaURL"),
    "a facet that is a list": with_([], "run", "facets", "airflowState"),
    "a facet that is deleted by a text": with_({**FACET, "_deleted": "yes"}, "job", "facets", "jobType"),
    "inputs that are null": with_(None, "inputs"),
    "an input without a name": with_([{"namespace": "s3://orders"}], "inputs"),
    "an output whose facet is empty": with_({}, "outputs", 0, "outputFacets", "outputStatistics"),
}


def changed(change: Callable[[Any], None]) -> Any:
    event = copy.deepcopy(EVENT)
    change(event)
    return event


@pytest.mark.parametrize("name", ALLOWED)
def test_what_the_schema_allows(name: str) -> None:
    assert faults(changed(ALLOWED[name])) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_it_does_not(name: str) -> None:
    assert faults(changed(WRONG[name])) != []


@pytest.mark.parametrize("event", [None, [], "text", 1, {}])
def test_what_is_no_event(event: Any) -> None:
    assert faults(event) != []


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


def post(collector: Collector, body: bytes, timeout: float = 0.3) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=timeout)
    try:
        connection.request("POST", "/api/v1/lineage", body)
        return connection.getresponse().status
    finally:
        connection.close()


def test_it_records_what_is_right_and_refuses_the_rest(collector: Collector) -> None:
    assert post(collector, json.dumps(EVENT).encode(), 10) == 201
    assert [(one.namespace, one.job, one.kind, one.path) for one in collector.received()] == [
        ("orders-blue", "orders", "COMPLETE", "/api/v1/lineage")]  # fmt: skip
    assert collector.faults == []
    for wrong in (b"", b"{", b"[]", json.dumps(changed(without("job"))).encode(), json.dumps(changed(without("run"))).encode()):
        assert post(collector, wrong, 10) == 400
    assert (len(collector.faults) >= 5, len(collector.all)) == (True, 1)
    collector.forget()
    assert (collector.received(), len(collector.all)) == ([], 1)


def test_it_is_dead_in_each_way_and_comes_back(collector: Collector) -> None:
    body = json.dumps(EVENT).encode()
    collector.become(REFUSES)
    with pytest.raises(ConnectionRefusedError):
        post(collector, body)
    collector.become(UNREACHABLE)
    with pytest.raises(TimeoutError):
        post(collector, body)
    collector.become(SILENT)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        post(collector, body)
    assert time.monotonic() - began >= 0.3
    deadline = time.monotonic() + 10
    while not collector.held and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(collector.held) == 1
    assert collector.held[0] >= 0.25
    collector.become(ANSWERS)
    assert post(collector, body, 10) == 201
    assert len(collector.all) == 1
