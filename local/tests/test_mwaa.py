"""Environments that can be made unhealthy, and what their API answers."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlparse

import pytest
from botocore.exceptions import ClientError

from local_aws.process import LocalAwsError
from support.local_functions import connect, events_seen
from support.waiting import until


def health(client, name, path="/monitor/health"):
    return client("mwaa").invoke_rest_api(Name=name, Path=path, Method="GET")["RestApiResponse"]


def refused(call) -> dict:
    with pytest.raises(ClientError) as error:
        call()
    return error.value.response


def datapoints(client, name, function="Scheduler", seconds=60):
    now = time.time()
    dimensions = [{"Name": "Environment", "Value": name}] + ([{"Name": "Function", "Value": function}] if function else [])
    answer = client("cloudwatch").get_metric_data(StartTime=now - seconds, EndTime=now + 1, MetricDataQueries=[{
        "Id": "m", "MetricStat": {"Metric": {"Namespace": "AmazonMWAA", "MetricName": "SchedulerHeartbeat",
                                             "Dimensions": dimensions}, "Period": 1, "Stat": "Sum"}}])
    return answer["MetricDataResults"][0]["Values"]


def test_get_environment_has_the_shape_of_the_service(local_aws, client, unique):
    local_aws.put_environment(unique, last_update_source="AmazonMWAA")
    found = client("mwaa").get_environment(Name=unique)["Environment"]
    assert (found["Name"], found["Status"], found["AirflowVersion"]) == (unique, "AVAILABLE", "3.0.6")
    assert found["Arn"] == f"arn:aws:airflow:us-east-1:000000000000:environment/{unique}"
    assert found["LastUpdate"]["Status"] == "SUCCESS" and found["LastUpdate"]["Source"] == "AmazonMWAA"
    assert {"EnvironmentClass", "WebserverUrl", "WeeklyMaintenanceWindowStart", "ExecutionRoleArn"} <= found.keys()
    assert unique in client("mwaa").list_environments()["Environments"]


def test_an_unknown_or_deleted_environment_is_not_found(local_aws, client, unique):
    local_aws.put_environment(unique)
    local_aws.delete_environment(unique)
    assert refused(lambda: client("mwaa").get_environment(Name=unique))["Error"]["Code"] == "ResourceNotFoundException"
    assert refused(lambda: health(client, unique))["Error"]["Code"] == "ResourceNotFoundException"


@pytest.mark.parametrize("settings", [{"status": "HAPPY"}, {"scheduler": "dead"}, {"color": "blue"}])
def test_the_control_api_refuses_what_it_does_not_know(local_aws, unique, settings):
    with pytest.raises(LocalAwsError, match=next(iter(settings))):
        local_aws.put_environment(unique, **settings)


def test_a_status_change_sends_an_event(local_aws, client, function, unique):
    local_aws.put_environment(unique)
    connect(client, unique, {"source": ["aws.airflow"], "detail-type": ["MWAA Environment Status Change"]}, function)
    local_aws.put_environment(unique, status="UPDATING")
    seen = until("the function saw it", lambda: [e for e in events_seen(client, function) if e["detail"]["environmentName"] == unique])
    assert seen[0]["detail"]["status"] == "UPDATING" and seen[0]["source"] == "aws.airflow"
    assert client("mwaa").get_environment(Name=unique)["Environment"]["Status"] == "UPDATING"


@pytest.mark.parametrize(("version", "right", "wrong"), [("3.0.6", "/monitor/health", "/health"), ("2.10.5", "/health", "/monitor/health")])
def test_health_is_at_the_path_of_the_airflow_version(local_aws, client, unique, version, right, wrong):
    local_aws.put_environment(unique, airflow_version=version)
    assert health(client, unique, right)["scheduler"]["status"] == "healthy"
    error = refused(lambda: health(client, unique, wrong))
    assert error["Error"]["Code"] == "RestApiClientException" and error["RestApiStatusCode"] == 404
    assert error["RestApiResponse"]


def test_a_running_scheduler_beats(local_aws, client, unique):
    local_aws.put_environment(unique)
    beat = datetime.fromisoformat(health(client, unique)["scheduler"]["latest_scheduler_heartbeat"])
    assert 0 <= (datetime.now(timezone.utc) - beat).total_seconds() < 20


def test_a_stopped_scheduler_freezes_and_turns_unhealthy_when_its_beat_is_old(local_aws, client, unique):
    local_aws.put_environment(unique)
    since = local_aws.timeline_so_far()
    local_aws.put_environment(unique, scheduler="stopped")
    stopped = health(client, unique)["scheduler"]
    assert stopped["status"] == "healthy"
    local_aws.put_environment(unique, health_threshold_seconds=1)
    until("the scheduler is not healthy", lambda: health(client, unique)["scheduler"]["status"] != "healthy")
    later = health(client, unique)["scheduler"]
    assert later == {"status": "unhealthy", "latest_scheduler_heartbeat": stopped["latest_scheduler_heartbeat"]}
    assert local_aws.wait_for("heartbeat-lost", lambda d: d["environment"] == unique, since)
    local_aws.put_environment(unique, scheduler="running")
    assert health(client, unique)["scheduler"]["status"] == "healthy"


def test_other_illnesses(local_aws, client, unique):
    local_aws.put_environment(unique, scheduler="unhealthy")
    assert health(client, unique)["scheduler"]["status"] == "unhealthy"
    local_aws.put_environment(unique, scheduler="never-started")
    assert health(client, unique)["scheduler"] == {"status": None, "latest_scheduler_heartbeat": None}
    local_aws.put_environment(unique, scheduler="running", metadatabase="unhealthy")
    assert health(client, unique)["metadatabase"]["status"] == "unhealthy"


def test_the_heartbeat_metric_has_both_dimensions_and_stops_with_the_scheduler(local_aws, client, unique):
    local_aws.put_environment(unique, metric_interval_seconds=0.5)
    until("there are datapoints", lambda: len(datapoints(client, unique)) >= 2)
    assert datapoints(client, unique, function="Executor") == []
    assert datapoints(client, unique, function=None) == []
    local_aws.put_environment(unique, scheduler="stopped")
    time.sleep(1)  # one may be in transit
    before = datapoints(client, unique)
    time.sleep(1.2)
    assert datapoints(client, unique) == before


def test_the_heartbeat_metric_can_be_late_or_absent(local_aws, client, unique):
    made = time.monotonic()
    local_aws.put_environment(unique, metric_interval_seconds=0.5, metric_delay_seconds=1.5)
    local_aws.put_environment(f"{unique}-silent", metric_interval_seconds=0.5, heartbeat_metric=False)
    until("there are datapoints", lambda: datapoints(client, unique))
    assert time.monotonic() - made >= 1.5
    assert datapoints(client, f"{unique}-silent") == []


def test_a_path_may_have_sixty_four_characters(local_aws, client, unique):
    local_aws.put_environment(unique)
    error = refused(lambda: health(client, unique, "/" + "x" * 63))
    assert error["Error"]["Code"] == "RestApiClientException"
    # boto3 itself would refuse the longer path
    client("mwaa").meta.events.register("before-call.mwaa.InvokeRestApi", lengthen := (
        lambda params, **_: params.update(body=json.dumps({"Path": "/" + "x" * 64, "Method": "GET"}).encode())))
    try:
        assert refused(lambda: health(client, unique, "/x"))["Error"]["Code"] == "ValidationException"
    finally:
        client("mwaa").meta.events.unregister("before-call.mwaa.InvokeRestApi", lengthen)


def test_a_web_server_that_is_down_slow_or_odd(local_aws, client, unique):
    local_aws.put_environment(unique, rest_api="down")
    error = refused(lambda: health(client, unique))
    assert (error["Error"]["Code"], error["RestApiStatusCode"]) == ("RestApiServerException", 503)
    local_aws.put_environment(unique, rest_api="timeout", rest_api_timeout_seconds=0.7)
    started = time.monotonic()
    error = refused(lambda: health(client, unique))
    assert (error["Error"]["Code"], error["RestApiStatusCode"]) == ("RestApiServerException", 504)
    assert 0.7 <= time.monotonic() - started < 9, "its own time-out, not the ten seconds that are the default"
    local_aws.put_environment(unique, rest_api="malformed")
    assert health(client, unique) == "<html>Please wait</html>"


class Airflow(BaseHTTPRequestHandler):
    """Stands for a real Airflow behind the forwarding: a server that answers HTTP."""

    asked: ClassVar[list[Any]] = []
    beat: str | None = None

    def _answer(self):
        url = urlparse(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        type(self).asked.append((self.command, url.path, parse_qs(url.query), self.rfile.read(length)))
        status: int = 200
        body: dict[str, Any] = {"dags": []}
        if url.path.endswith("/monitor/health"):
            body = {"scheduler": {"status": "healthy", "latest_scheduler_heartbeat": type(self).beat}}
        if url.path.endswith("/missing"):
            status, body = 404, {"detail": "no such thing"}
        if url.path.endswith("/broken"):
            status, body = 500, {"detail": "oh"}
        if url.path.endswith("/slow"):
            time.sleep(2)
        answer = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PATCH = _answer

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def airflow():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Airflow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_calls_are_forwarded_to_a_real_airflow(local_aws, client, unique, airflow):
    # The heartbeat's metric would request its health in between.
    local_aws.put_environment(unique, forward_to=airflow, heartbeat_metric=False)
    answer = client("mwaa").invoke_rest_api(Name=unique, Path="/dags", Method="PATCH", QueryParameters={"limit": 5},
                                            Body={"is_paused": True})
    assert answer["RestApiStatusCode"] == 200 and answer["RestApiResponse"] == {"dags": []}
    assert ("PATCH", "/api/v2/dags", {"limit": ["5"]}, b'{"is_paused": true}') in Airflow.asked
    local_aws.put_environment(unique, airflow_version="2.10.5")
    client("mwaa").invoke_rest_api(Name=unique, Path="/dags", Method="GET")
    assert Airflow.asked[-1][1] == "/api/v1/dags"


@pytest.mark.parametrize(("path", "code", "status"), [("/missing", "RestApiClientException", 404),
                                                ("/broken", "RestApiServerException", 500),
                                                ("/slow", "RestApiServerException", 504)])
def test_errors_of_a_real_airflow_are_mapped(local_aws, client, unique, airflow, path, code, status):
    patience = {"rest_api_timeout_seconds": 0.5} if path == "/slow" else {}
    local_aws.put_environment(unique, forward_to=airflow, heartbeat_metric=False, **patience)
    error = refused(lambda: health(client, unique, path))
    assert (error["Error"]["Code"], error["RestApiStatusCode"]) == (code, status)


def test_a_real_airflow_that_cannot_be_reached_is_a_server_error(local_aws, client, unique):
    local_aws.put_environment(unique, forward_to="http://127.0.0.1:9", heartbeat_metric=False)
    assert refused(lambda: health(client, unique))["Error"]["Code"] == "RestApiServerException"


def test_the_heartbeat_metric_of_a_forwarded_environment_follows_the_real_scheduler(local_aws, client, unique, airflow):
    Airflow.beat = "2026-01-01T00:00:00+00:00"
    local_aws.put_environment(unique, forward_to=airflow, metric_interval_seconds=0.3)
    time.sleep(1)
    assert datapoints(client, unique) == []
    Airflow.beat = datetime.now(timezone.utc).isoformat()
    until("there are datapoints", lambda: datapoints(client, unique))


# -- Airflow's lists, and possible differences between two environments -----------------------------------------------

def rest(client, name, path, method="GET", body=None, **query):
    more = {"Body": body} if body is not None else {}
    return client("mwaa").invoke_rest_api(Name=name, Path=path, Method=method, QueryParameters=query, **more)["RestApiResponse"]


@pytest.mark.parametrize(("version", "unasked", "most"), [("2.10.5", 100, 100), ("3.0.6", 50, 250), ("3.3.2", 100, 100)])
def test_dags_are_listed_page_by_page(local_aws, client, unique, version, unasked, most):
    local_aws.put_environment(unique, airflow_version=version, dags=250)
    first = rest(client, unique, "/dags")
    assert (len(first["dags"]), first["total_entries"]) == (unasked, 250)
    assert len(rest(client, unique, "/dags", limit=1000)["dags"]) == most
    last = rest(client, unique, "/dags", limit=100, offset=240)["dags"]
    assert [dag["dag_id"] for dag in last] == [f"dag_{number:05}" for number in range(241, 251)]
    local_aws.put_environment(unique, page_cap=20)
    assert len(rest(client, unique, "/dags", limit=100)["dags"]) == 20


def test_stale_dags_are_not_listed_and_import_errors_are(local_aws, client, unique):
    local_aws.put_environment(unique, dags={"a": {}, "b": {"paused": True}, "c": {"stale": True}}, import_errors=["x.py"])
    assert [(dag["dag_id"], dag["is_paused"]) for dag in rest(client, unique, "/dags")["dags"]] == [("a", False), ("b", True)]
    errors = rest(client, unique, "/importErrors")
    assert (errors["import_errors"][0]["filename"], errors["total_entries"]) == ("x.py", 1)


@pytest.mark.parametrize(("version", "patched"), [("2.10.5", 2), ("3.0.6", 2), ("3.3.2", 5)])
def test_dags_are_paused_one_by_one_and_together(local_aws, client, unique, version, patched):
    def paused():
        return sum(dag["is_paused"] for dag in rest(client, unique, "/dags")["dags"])

    local_aws.put_environment(unique, airflow_version=version, dags=5)
    assert rest(client, unique, "/dags/dag_00003", "PATCH", {"is_paused": True})["is_paused"] and paused() == 1
    rest(client, unique, "/dags/dag_00003", "PATCH", {"is_paused": False})
    rest(client, unique, "/dags", "PATCH", {"is_paused": True}, dag_id_pattern="~", limit=2)
    assert paused() == patched
    assert refused(lambda: rest(client, unique, "/dags/none", "PATCH", {"is_paused": True}))["RestApiStatusCode"] == 404


@pytest.mark.parametrize("version", ["2.10.5", "3.0.6", "3.3.2"])
def test_dags_are_listed_and_set_by_pattern_and_state(local_aws, client, unique, version):
    ids = ["a_1", "aX1b", "b", "A_1"]
    local_aws.put_environment(unique, airflow_version=version, dags={dag_id: {"paused": dag_id == "b"} for dag_id in ids})

    def listed(**query):
        return {dag["dag_id"] for dag in rest(client, unique, "/dags", **query)["dags"]}

    assert listed(paused="true") == {"b"} and listed(paused="false") == {"a_1", "aX1b", "A_1"}
    rest(client, unique, "/dags", "PATCH", {"is_paused": True}, dag_id_pattern="a_1", limit=100)
    assert listed(paused="false") == set(), "as in SQL, the underscore is any character, and case does not count"
    rest(client, unique, "/dags", "PATCH", {"is_paused": False}, dag_id_pattern="x1", limit=100)
    assert listed(paused="false") == {"aX1b"}
    query = {"dag_id_pattern": "~", "limit": 100, "paused": "true"}
    if version == "2.10.5":
        error = refused(lambda: rest(client, unique, "/dags", "PATCH", {"is_paused": False}, **query))
        assert error["RestApiStatusCode"] == 400, "Airflow 2 refuses parameters that it does not know"
    else:
        assert rest(client, unique, "/dags", "PATCH", {"is_paused": False}, **query)["total_entries"] == 3
        assert listed(paused="true") == set()


def test_what_get_environment_says_can_be_set(local_aws, client, unique):
    local_aws.put_environment(unique, environment_class="mw1.large", max_workers=7, requirements_s3_path="r.txt",
                              requirements_s3_object_version="v1", weekly_maintenance_window_start="MON:01:00",
                              configuration_options={"custom.environment_color": "blue"}, dags=3)
    local_aws.put_environment(unique, status="UPDATING")
    found = client("mwaa").get_environment(Name=unique)["Environment"]
    assert (found["EnvironmentClass"], found["MaxWorkers"], found["RequirementsS3Path"]) == ("mw1.large", 7, "r.txt")
    assert found["RequirementsS3ObjectVersion"] == "v1" and "PluginsS3Path" not in found
    assert found["AirflowConfigurationOptions"] == {"custom.environment_color": "blue"}
    assert rest(client, unique, "/dags")["total_entries"] == 3, "kept when left out"
