"""The control API under `/_local/`, by which a test, the demo or a person controls this local AWS. Table in local/README.md."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import unquote

from local_aws import alarms, change_sets, faults, mwaa_environments, mwaa_service, parameter_store, timeline


async def handle(method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
    try:
        asked = json.loads(body) if body else {}
        if not isinstance(asked, dict):
            raise ValueError("the body must be a JSON object")
        since = int((query.get("since") or ["0"])[0])
        return await _route(method, [unquote(part) for part in path.strip("/").split("/")[1:]], since, asked)
    except (ValueError, TypeError) as error:
        return 400, {"error": str(error)}


async def _route(method: str, parts: list[str], since: int, asked: dict[str, Any]) -> tuple[int, Any]:
    match method, parts:
        case "PUT", ["mwaa", "environments", name]:
            return 200, mwaa_environments.put(name, asked)
        case "GET", ["mwaa", "environments"]:
            return 200, {"environments": mwaa_environments.listing()}
        case "DELETE", ["mwaa", "environments", name]:
            return (200, {}) if mwaa_environments.delete(name) else (404, {"error": f"no environment {name}"})
        case "PUT", ["mwaa", "defaults"]:
            return 200, mwaa_service.set_defaults(asked)
        case "PUT", ["cloudformation"]:
            return 200, change_sets.set_settings(asked)
        case "POST", ["faults"]:
            return 200, {"id": faults.add(asked).id}
        case "GET", ["faults"]:
            return 200, {"faults": faults.listing()}
        case "DELETE", ["faults"]:
            faults.remove(None)
            return 200, {}
        case "DELETE", ["faults", fault_id]:
            return (200, {}) if faults.remove(fault_id) else (404, {"error": f"no fault {fault_id}"})
        case "POST", ["parameters", "age"]:
            parameter_store.age(str(asked.get("name")), float(asked.get("seconds", 0)), bool(asked.get("every_version")))
            return 200, {}
        case "GET", ["calls"]:
            entries, following = timeline.calls.since(since)
            return 200, {"calls": entries, "next": following}
        case "GET", ["timeline"]:
            entries, following = timeline.since(since)
            return 200, {"timeline": entries, "next": following}
        case "POST", ["alarms", "evaluate"]:
            return 200, {"alarms": await asyncio.to_thread(alarms.evaluate_all)}
        case "GET", ["health"]:
            return 200, {"status": "ok"}
    return 404, {"error": f"{method} /_local/{'/'.join(parts)} is not part of the control API"}
