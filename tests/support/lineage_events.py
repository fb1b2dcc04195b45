"""What OpenLineage's published schema, version 2-0-2, demands of an event.

These are the rules of https://openlineage.io/spec/2-0-2/OpenLineage.json, rewritten: that file is not a part of this repository.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker

RUN_STATES = ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]


def _is_instant(value: Any) -> bool:
    return not isinstance(value, str) or ("T" in value and datetime.fromisoformat(value).tzinfo is not None)


def _is_uri(value: Any) -> bool:
    return not isinstance(value, str) or (bool(urlsplit(value).scheme) and not any(letter.isspace() for letter in value))


# Without a checker, `format` demands nothing. Those of the library for these two need further packages.
_FORMATS = FormatChecker(("uuid",))
_FORMATS.checks("date-time", raises=ValueError)(_is_instant)
_FORMATS.checks("uri", raises=ValueError)(_is_uri)


def _this(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _object(required: str = "", **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


def _text(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


def _all_of(name: str, *also: dict[str, Any]) -> dict[str, Any]:
    return {"allOf": [_this(name), *also]}


def _facets(name: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": _this(name)}


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _this(name)}


_FLOW = {"job": _this("Job"), "inputs": _list_of("InputDataset"), "outputs": _list_of("OutputDataset")}
_URI, _DELETABLE = _text(format="uri"), _object(_deleted={"type": "boolean"})
_DEFINITIONS: dict[str, Any] = {
    "Event": _object("eventTime producer schemaURL", eventTime=_text(format="date-time"), producer=_URI, schemaURL=_URI),
    "RunEvent": _all_of("Event", _object("run job", eventType=_text(enum=RUN_STATES), run=_this("Run"), **_FLOW)),
    "JobEvent": _all_of("Event", _object("job", **_FLOW), {"not": {"required": ["run"]}}),
    "DatasetEvent": _all_of("Event", _object("dataset", dataset=_this("Dataset")), {"not": {"required": ["job", "run"]}}),
    "Run": _object("runId", runId=_text(format="uuid"), facets=_facets("Facet")),
    "Job": _object("namespace name", namespace=_text(), name=_text(), facets=_facets("DeletableFacet")),
    "Dataset": _object("namespace name", namespace=_text(), name=_text(), facets=_facets("DeletableFacet")),
    "InputDataset": _all_of("Dataset", _object(inputFacets=_facets("Facet"))),
    "OutputDataset": _all_of("Dataset", _object(outputFacets=_facets("Facet"))),
    "Facet": _object("_producer _schemaURL", _producer=_URI, _schemaURL=_URI),
    "DeletableFacet": _all_of("Facet", _DELETABLE),
}  # fmt: skip
KINDS = ("RunEvent", "JobEvent", "DatasetEvent")
_ONE_OF_ALL = Draft202012Validator({"oneOf": [_this(kind) for kind in KINDS], "$defs": _DEFINITIONS}, format_checker=_FORMATS)
_RUN_EVENT = Draft202012Validator({**_this("RunEvent"), "$defs": _DEFINITIONS}, format_checker=_FORMATS)


def faults(event: Any) -> list[str]:
    """What is wrong with the event by the schema; empty if nothing is."""
    wrong = list(_ONE_OF_ALL.iter_errors(event))
    # Of alternatives the library says only that none fits. Of a run it is clear which one is meant.
    if wrong and isinstance(event, dict) and "run" in event:
        wrong = list(_RUN_EVENT.iter_errors(event)) or wrong
    return [f"{error.json_path}: {error.message[:300]}" for error in wrong]
