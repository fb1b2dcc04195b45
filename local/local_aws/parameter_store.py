"""Parameter Store, as far as the flag protocol depends on it.

ministack lacks these, and this module adds them:
- the `Parameter Store Change` event;
- LastModifiedUser of the real caller;
- AllowedPattern;
- the limits of 100 versions, of value, description and label sizes and of page sizes;
- stale reads (a read that sees the store as it was some seconds ago), which the real, eventually consistent service has.

Unverified against AWS, so nothing may depend on it: whether AllowedPattern is remembered when a later put omits it (here it is), and
whether it must match the whole value (here it must).

Not imitated: the 30 s before a deleted name may be created again.
"""

from __future__ import annotations

import bisect
import copy
import json
import re
import time
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, error_response_json, get_account_id, get_region, json_response
from ministack.services import ssm

from local_aws import delivery, patches, scope, timeline

VERSIONS_KEPT = 100
VALUE_BYTES_STANDARD = 4096
DESCRIPTION_CHARACTERS = 1024
LABELS_PER_VERSION = 10
HIERARCHY_LEVELS = 15
JOURNAL_ENTRIES = 300

Answer = tuple[int, dict[str, str], bytes]


class RememberingStore(AccountRegionScopedDict):
    """ministack's store with the previous values of each key, so that a stale read can be answered."""

    def __init__(self) -> None:
        self._live: dict[tuple[str, str, str], Any] = {}
        self._journal: dict[tuple[str, str, str], list[tuple[float, Any]]] = {}

    @property
    def _data(self) -> dict[tuple[str, str, str], Any]:
        moment = scope.as_of.get()
        return self._live if moment is None else self._at(moment)

    def remember(self, name: str) -> None:
        """Call after every change of `name`."""
        key = (get_account_id(), get_region(), name)
        entries = self._journal.setdefault(key, [])
        entries.append((time.time(), copy.deepcopy(self._live.get(key))))
        del entries[:-JOURNAL_ENTRIES]

    def _at(self, moment: float) -> dict[tuple[str, str, str], Any]:
        seen = {}
        for key, entries in list(self._journal.items()):
            index = bisect.bisect_right([at for at, _ in entries], moment)
            if index and entries[index - 1][1] is not None:
                seen[key] = entries[index - 1][1]
        return seen


def _refuse(code: str, message: str) -> Answer:
    return error_response_json(code, message, 400)


def _invalid_put(data: dict[str, Any], existing: dict[str, Any] | None) -> Answer | None:
    name, value = data.get("Name") or "", data.get("Value") or ""
    if not value:
        return _refuse("ValidationException", "Parameter value can't be empty.")
    # CloudFormation's page on AWS::SSM::Parameter: "Value must not nest another parameter. Do not use {{}} in the value."
    if "{{" in value:
        return _refuse("ValidationException", "Parameter value can't nest another parameter. Do not use {{}} in the value.")
    if len(data.get("Description") or "") > DESCRIPTION_CHARACTERS:
        return _refuse("ValidationException", "1 validation error detected: Value at 'description' failed to satisfy "
                       f"constraint: Member must have length less than or equal to {DESCRIPTION_CHARACTERS}")
    advanced = data.get("Tier") in ("Advanced", "Intelligent-Tiering") or (existing or {}).get("Tier") == "Advanced"
    if not advanced and len(value.encode()) > VALUE_BYTES_STANDARD:
        return _refuse("ValidationException", "Standard tier parameters support a maximum parameter value of "
                       f"{VALUE_BYTES_STANDARD} characters.")
    if name.count("/") > HIERARCHY_LEVELS:
        return _refuse("HierarchyLevelLimitExceededException",
                       f"A hierarchy can have a maximum of {HIERARCHY_LEVELS} levels.")
    if existing is not None and not data.get("Overwrite"):
        return None  # ministack answers ParameterAlreadyExists
    pattern = data.get("AllowedPattern") or (existing or {}).get("AllowedPattern") or ""
    if pattern:
        try:
            matches = re.fullmatch(pattern, value)
        except re.error:
            return _refuse("InvalidAllowedPatternException", f"The pattern {pattern} is not a valid expression.")
        if not matches:
            return _refuse("ParameterPatternMismatchException",
                           f"Parameter value, cannot be validated against allowedPattern: {pattern}")
    history = ssm._parameter_history.get(name) or []
    if existing is not None and len(history) >= VERSIONS_KEPT and history[0].get("Labels"):
        return _refuse("ParameterMaxVersionLimitExceeded",
                       f"You attempted to create a new version of {name} by calling the PutParameter API with the "
                       "overwrite flag. Version {} , the oldest version, can't be deleted because it has a label "
                       "associated with it. Move the label to another version of the parameter, and try again."
                       .format(history[0]["Version"]))
    return None


def _changed(operation: str, name: str, record: dict[str, Any]) -> None:
    """Remember the change for stale reads, add it to the timeline, and send the event."""
    ssm._parameters.remember(name)
    ssm._parameter_history.remember(name)
    timeline.note("parameter", name=name, operation=operation, version=record.get("Version"),
                  value=None if operation == "Delete" or record.get("Type") == "SecureString" else record.get("Value"),
                  description=record.get("Description", ""), modified=record.get("LastModifiedDate"), by=scope.caller_arn.get())
    detail = {"operation": operation, "name": name, "type": record.get("Type", "String")}
    if record.get("Description"):
        detail["description"] = record["Description"]
    delivery.emit("aws.ssm", "Parameter Store Change", detail, [record.get("ARN", "")])


def _put(original: Any) -> Any:
    def put(data: dict[str, Any]) -> Answer:
        name = data.get("Name") or ""
        existing = ssm._parameters.get(name)
        refused = _invalid_put(data, existing)
        if refused:
            return refused
        if existing is not None:
            data = {"AllowedPattern": existing.get("AllowedPattern", ""), **data}
        answer = original(data)
        if answer[0] != 200:
            return answer
        record, history = ssm._parameters[name], ssm._parameter_history[name]
        record["LastModifiedUser"] = history[-1]["LastModifiedUser"] = scope.caller_arn.get()
        # Every operation answers with the same whole milliseconds, as AWS does: two readers would round a finer date differently.
        record["LastModifiedDate"] = history[-1]["LastModifiedDate"] = round(record["LastModifiedDate"], 3)
        del history[:-VERSIONS_KEPT]
        _changed("Create" if existing is None else "Update", name, record)
        return answer

    return put


def _delete(names_of: Any) -> Any:
    """Wrap a delete operation: it has deleted every name that is missing after it."""

    def wrap(original: Any) -> Any:
        def delete(data: dict[str, Any]) -> Answer:
            before = {name: ssm._parameters.get(name) for name in names_of(data) if isinstance(name, str)}
            answer = original(data)
            for name, record in before.items():
                if record is not None and name not in ssm._parameters:
                    _changed("Delete", name, record)
            return answer

        return delete

    return wrap


def _label(original: Any) -> Any:
    def label(data: dict[str, Any]) -> Answer:
        history = ssm._parameter_history.get(data.get("Name")) or []
        version = data.get("ParameterVersion") or (history[-1]["Version"] if history else None)
        for entry in history:
            if entry["Version"] == version and len({*entry.get("Labels", []), *data.get("Labels", [])}) > LABELS_PER_VERSION:
                return _refuse("ParameterVersionLabelLimitExceeded",
                               f"A parameter version can have a maximum of {LABELS_PER_VERSION} labels.")
        answer = original(data)
        if answer[0] == 200:
            _changed("LabelParameterVersion", data["Name"], {**ssm._parameters[data["Name"]], "Version": version})
        return answer

    return label


def _unlabel(data: dict[str, Any]) -> Answer:
    """ministack has no UnlabelParameterVersion."""
    name, version, labels = data.get("Name"), data.get("ParameterVersion"), data.get("Labels", [])
    history = ssm._parameter_history.get(name)
    if not history:
        return _refuse("ParameterNotFound", f"Parameter {name} not found.")
    entry = next((entry for entry in history if entry["Version"] == version), None)
    if entry is None:
        return _refuse("ParameterVersionNotFound", f"Systems Manager could not find version {version} of {name}.")
    there = entry.get("Labels", [])
    removed = [label for label in labels if label in there]
    entry["Labels"] = [label for label in there if label not in removed]
    ssm._parameter_history.remember(name)
    return json_response({"RemovedLabels": removed, "InvalidLabels": [label for label in labels if label not in removed]})


def _more_operations(original: Any) -> Any:
    async def handle_request(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Answer:
        if headers.get("x-amz-target", "").endswith(".UnlabelParameterVersion"):
            return _unlabel(json.loads(body))
        return await original(method, path, headers, body, query_params)

    return handle_request


def _page_limit(maximum: int) -> Any:
    def wrap(original: Any) -> Any:
        def read(data: dict[str, Any]) -> Answer:
            if not 1 <= data.get("MaxResults", maximum) <= maximum:
                return _refuse("ValidationException", f"1 validation error detected: Value '{data['MaxResults']}' at "
                               "'maxResults' failed to satisfy constraint: Member must have value less than or equal "
                               f"to {maximum}")
            return original(data)

        return read

    return wrap


def _get_several(original: Any) -> Any:
    def read(data: dict[str, Any]) -> Answer:
        names = data.get("Names") or []
        if not 1 <= len(names) <= 10:
            return _refuse("ValidationException", "1 validation error detected: Value at 'names' failed to satisfy "
                           "constraint: Member must have length less than or equal to 10")
        if len(set(names)) != len(names):
            return _refuse("ValidationException", "Duplicate parameter names are not allowed.")
        return original(data)

    return read


def _describe(original: Any) -> Any:
    def describe(data: dict[str, Any]) -> Answer:
        status, headers, body = original(data)
        if status == 200:
            listing = json.loads(body)
            for entry in listing["Parameters"]:
                entry["LastModifiedUser"] = ssm._parameters[entry["Name"]].get("LastModifiedUser", scope.ROOT_ARN)
            body = json.dumps(listing).encode()
        return status, headers, body

    return describe


def age(name: str, seconds: float, every_version: bool = False) -> None:
    """Age the newest version of a parameter, or every version, for tests that cannot wait that long."""
    scope.enter(scope.REGION)
    record, history = ssm._parameters.get(name), ssm._parameter_history.get(name)
    if record is None or not history:
        raise ValueError(f"name: there is no parameter {name!r}")
    for entry in (record, *(history if every_version else history[-1:])):
        entry["LastModifiedDate"] -= float(seconds)
    ssm._parameters.remember(name)
    ssm._parameter_history.remember(name)


def install() -> None:
    for store in ("_parameters", "_parameter_history"):
        patches.replace(ssm, store, lambda _: RememberingStore())
    patches.replace(ssm, "_put_parameter", _put)
    patches.replace(ssm, "_delete_parameter", _delete(lambda data: [data.get("Name")]))
    patches.replace(ssm, "_delete_parameters", _delete(lambda data: data.get("Names") or []))
    patches.replace(ssm, "_label_parameter_version", _label)
    patches.replace(ssm, "handle_request", _more_operations)
    patches.replace(ssm, "_get_parameter_history", _page_limit(50))
    patches.replace(ssm, "_get_parameters_by_path", _page_limit(10))
    patches.replace(ssm, "_get_parameters", _get_several)
    patches.replace(ssm, "_describe_parameters", _describe)
