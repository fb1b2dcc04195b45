"""Reading metrics."""

from __future__ import annotations

import time
import urllib.request

import cbor2
import pytest


def put(client, name, value, at=None, **dimensions):
    client("cloudwatch").put_metric_data(Namespace=name, MetricData=[{
        "MetricName": "M", "Value": value, "Timestamp": at or time.time(),
        "Dimensions": [{"Name": k, "Value": v} for k, v in dimensions.items()]}])


def read(client, name, dimensions=None, **more):
    now = time.time()
    return client("cloudwatch").get_metric_data(StartTime=now - 600, EndTime=now + 60, MetricDataQueries=[{
        "Id": "m", "MetricStat": {"Metric": {"Namespace": name, "MetricName": "M", "Dimensions": [
            {"Name": k, "Value": v} for k, v in (dimensions or {}).items()]}, "Period": 60, "Stat": "Sum"}}], **more)["MetricDataResults"][0]


@pytest.mark.parametrize(("more", "values"), [({}, [1, 2, 3]), ({"ScanBy": "TimestampDescending"}, [1, 2, 3]),
                                          ({"ScanBy": "TimestampAscending"}, [3, 2, 1])])
def test_the_newest_value_comes_first_unless_asked_otherwise(client, unique, more, values):
    now = time.time()  # read once: otherwise two of them could fall into one minute
    for index, value in enumerate((1, 2, 3)):
        put(client, unique, value, at=now - 60 * index)
    found = read(client, unique, **more)
    assert found["Values"] == values
    assert found["Timestamps"] == sorted(found["Timestamps"], reverse=values[0] == 1)


def test_so_it_does_in_the_protocol_of_the_rust_sdk(local_aws, client, unique):
    now = time.time()
    for index, value in enumerate((1, 2)):
        put(client, unique, value, at=now - 60 * index)
    query = {"StartTime": cbor2.CBORTag(1, now - 600), "EndTime": cbor2.CBORTag(1, now + 60), "MetricDataQueries": [
        {"Id": "m", "MetricStat": {"Metric": {"Namespace": unique, "MetricName": "M"}, "Period": 60, "Stat": "Sum"}}]}
    request = urllib.request.Request(
        f"{local_aws.endpoint}/service/GraniteServiceVersion20100801/operation/GetMetricData", data=cbor2.dumps(query),
        headers={"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor", "Accept": "application/cbor"})
    with urllib.request.urlopen(request) as answer:
        found = cbor2.loads(answer.read())["MetricDataResults"][0]
    assert found["Values"] == [1, 2]
    assert found["Timestamps"][0] > found["Timestamps"][1]
    assert local_aws.calls()[-1]["operation"] == "GetMetricData"


def test_no_dimensions_are_a_dimension_set_too(client, unique):
    put(client, unique, 1, Color="blue")
    assert read(client, unique)["Values"] == []
    put(client, unique, 5)
    assert read(client, unique)["Values"] == [5]
    assert read(client, unique, {"Color": "blue"})["Values"] == [1]
    assert read(client, unique, {"Color": "green"})["Values"] == []


def test_published_product_metrics_are_in_the_timeline(local_aws, client, unique):
    since = local_aws.timeline_so_far()
    put(client, "MWAA/BlueGreen", 1, Pair=unique)
    seen = local_aws.wait_for("metric", since=since)["detail"]
    assert (seen["name"], seen["value"], seen["dimensions"]) == ("M", 1, {"Pair": unique})
