"""Reading and recording CloudWatch metrics.

ministack answers GetMetricData oldest first, whatever ScanBy says; CloudWatch's default is newest first. A query without dimensions
gets the data of every dimension set, where CloudWatch treats it as a metric of its own. This module corrects both, for the CBOR and
JSON protocols that current SDKs use, and adds the product's own metrics to the timeline.
"""

from __future__ import annotations

import contextvars
import time
from typing import Any

from ministack.services import cloudwatch

from local_aws import patches, timeline

EVICT_EVERY_SECONDS = 60.0

_newest_first: contextvars.ContextVar[bool] = contextvars.ContextVar("newest_first", default=False)


class ExactDimensions(dict[str, str]):
    """Dimensions of a query, where an empty set is a dimension set too (ministack tests them for truth)."""

    def __bool__(self) -> bool:
        return True


def _get_metric_data(original: Any) -> Any:
    def get(params: Any, cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        asked = cbor_data.get("ScanBy") if isinstance(cbor_data, dict) else None
        token = _newest_first.set(asked != "TimestampAscending")
        try:
            return original(params, cbor_data, is_cbor, is_json)
        finally:
            _newest_first.reset(token)

    return get


def _in_order(original: Any) -> Any:
    def answer(data: dict[str, Any]) -> Any:
        if _newest_first.get():
            data = {**data, "MetricDataResults": [
                {**found, "Timestamps": found["Timestamps"][::-1], "Values": found["Values"][::-1]}
                for found in data["MetricDataResults"]]}
        return original(data)

    return answer


def _store_datum(original: Any) -> Any:
    def store(namespace: str, name: str, dims: dict[str, str], ts: float, unit: str, value: Any, *rest: Any) -> None:
        original(namespace, name, dims, ts, unit, value, *rest)
        if namespace == "MWAA/BlueGreen":
            timeline.note("metric", name=name, dimensions=dims, value=value, timestamp=ts)

    return store


def _now_and_then(original: Any) -> Any:
    """ministack looks for points of more than two weeks ago at every call, through all that there are: a tenth of what the tests ask of it.
    A minute more does not matter to points of two weeks."""
    evicted_at: dict[tuple[str, str], float] = {}
    account, region = patches.original(cloudwatch, "get_account_id"), patches.original(cloudwatch, "get_region")

    def evict() -> None:
        mine = account(), region()
        if time.monotonic() - evicted_at.get(mine, -EVICT_EVERY_SECONDS) >= EVICT_EVERY_SECONDS:
            evicted_at[mine] = time.monotonic()
            original()

    return evict


def install() -> None:
    patches.replace(cloudwatch, "_get_metric_data", _get_metric_data)
    patches.replace(cloudwatch, "_cbor_ok", _in_order)
    patches.replace(cloudwatch, "_json_ok", _in_order)
    patches.replace(cloudwatch, "_dims_from_list", lambda original: lambda listed: ExactDimensions(original(listed)))
    patches.replace(cloudwatch, "_store_datum", _store_datum)
    patches.replace(cloudwatch, "_evict_old_metrics", _now_and_then)
