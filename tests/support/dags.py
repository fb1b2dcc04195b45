"""DAGs that are paused and unpaused in the two Airflows of the local AWS."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from support.pair import Pair


def dags(*, paused: tuple[str, ...] = (), running: tuple[str, ...] = ("orders", "invoices", "stock")) -> dict[str, dict[str, bool]]:
    return {**{dag_id: {"paused": False} for dag_id in running}, **{dag_id: {"paused": True} for dag_id in paused}}


def ask_airflow(pair: Pair, color: str, method: str, path: str, body: Any = None, **query: str) -> Any:
    more = {"Body": body} if body is not None else {}
    return pair.client("mwaa").invoke_rest_api(Name=pair.environments[color], Method=method, Path=path, QueryParameters=query,
                                               **more)["RestApiResponse"]


def unpaused(pair: Pair, color: str) -> set[str]:
    """The DAGs that are unpaused in it, as its Airflow lists them."""
    found: set[str] = set()
    offset, total = 0, 1
    while offset < total:
        page = ask_airflow(pair, color, "GET", "/dags", limit="100", offset=str(offset))
        found |= {dag["dag_id"] for dag in page["dags"] if not dag["is_paused"]}
        offset, total = offset + max(1, len(page["dags"])), page["total_entries"]
    return found


def pause_by_hand(pair: Pair, color: str, dag_id: str, is_paused: bool = True) -> None:
    ask_airflow(pair, color, "PATCH", f"/dags/{dag_id}", {"is_paused": is_paused})


def progress(pair: Pair) -> dict[str, Any]:
    return (pair.stored("managed-dags") or {})


def let_time_pass(pair: Pair, seconds: float) -> None:
    """Every dated event happened so much earlier."""
    def earlier(text: str) -> str:
        return (datetime.fromisoformat(text) - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")

    stored = progress(pair)
    for dated in (stored, stored["failing"] or {}):
        dated.update({name: earlier(dated[name]) for name in ("since", "written") if name in dated})
    pair.client("ssm").put_parameter(Name=f"{pair.root}/managed-dags", Value=json.dumps(stored), Type="String", Overwrite=True)


def settle(pair: Pair) -> dict[str, Any]:
    """The time in which a straggler may still act passes, and the watcher ticks."""
    let_time_pass(pair, 100)
    return pair.tick()["dag_management"]
