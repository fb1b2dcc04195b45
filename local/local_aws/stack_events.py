"""The events of a stack, as AWS has them: an update says nothing of what it leaves alone.

ministack reports every resource of a stack as updated, and a new one of an update too. Here an untouched resource has no event and keeps
its status, a new one is created, and an update ends with its cleaning up.

Known difference: there is no second CREATE_IN_PROGRESS event ("Resource creation Initiated") of a resource.
"""

from __future__ import annotations

from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import stacks

from local_aws import patches

_STACK = "AWS::CloudFormation::Stack"

# What a running operation does with the resource that it is at: (stack, resource) -> "unknown" at first, then "untouched", "create" or
# "update", and the status of the resource before. Only the thread that deploys the stack reads and writes an entry of it.
_doing: dict[tuple[str, str], tuple[str, str]] = {}


def _add_event(original: Any) -> Any:
    def add(stack_id: str, stack_name: str, logical_id: str, kind: str, status: str, reason: str = "", physical_id: str = "",
            detailed_status: str = "") -> None:
        def note(shown: str) -> None:
            original(stack_id, stack_name, logical_id, kind, shown, reason, physical_id, detailed_status)

        if logical_id == stack_name and kind == _STACK:
            if status == "UPDATE_COMPLETE":
                note("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
            if status == "ROLLBACK_IN_PROGRESS" and reason == "Rollback requested":
                failed = [event["LogicalResourceId"] for event in cloudformation._stack_events[stack_id]
                          if event["ResourceStatus"] == "CREATE_FAILED"]
                reason = f"The following resource(s) failed to create: [{', '.join(failed)}]. Rollback requested by user."
            note(status)
            return
        key = (stack_name, logical_id)
        if status == "UPDATE_IN_PROGRESS" and not physical_id and not reason:
            _doing[key] = "unknown", _record(stack_name, logical_id).get("ResourceStatus", "")  # until _updating or _creating
            return
        if status not in ("UPDATE_COMPLETE", "UPDATE_FAILED") or key not in _doing:
            note(status)
            return
        doing, before = _doing.pop(key)
        if doing == "unknown":
            note("UPDATE_IN_PROGRESS")
        if doing == "untouched":
            shown = before
        else:
            note(shown := status.replace("UPDATE_", "CREATE_") if doing == "create" else status)
        if status == "UPDATE_COMPLETE":
            _record(stack_name, logical_id)["ResourceStatus"] = shown

    return add


def _record(stack_name: str, logical_id: str) -> dict[str, Any]:
    record: dict[str, Any] = cloudformation._stacks[stack_name].get("_resources", {}).get(logical_id, {})
    return record


def _begin(stack_name: str, logical_id: str, kind: str, doing: str, physical_id: str = "") -> None:
    """The operation has come to a resource whose first event was held back."""
    if _doing.get((stack_name, logical_id), ("",))[0] != "unknown":
        return
    _doing[(stack_name, logical_id)] = doing, _doing[(stack_name, logical_id)][1]
    if doing != "untouched":
        stack = cloudformation._stacks[stack_name]
        _original_add(stack["StackId"], stack_name, logical_id, kind, "CREATE_IN_PROGRESS" if doing == "create" else "UPDATE_IN_PROGRESS", "",
                      physical_id)


def _updating(original: Any) -> Any:
    def update(kind: str, physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str, logical_id: str | None = None,
               *more: Any) -> Any:
        _begin(stack_name, str(logical_id), kind, "untouched" if old == new else "update", physical_id)
        return original(kind, physical_id, old, new, stack_name, logical_id, *more)

    return update


def _creating(original: Any) -> Any:
    def create(kind: str, logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        _begin(stack_name, logical_id, kind, "create")
        return original(kind, logical_id, props, stack_name)

    return create


_original_add: Any = None


def install() -> None:
    global _original_add
    _original_add = patches.original(stacks, "_add_event")
    patches.replace(stacks, "_add_event", _add_event)
    patches.replace(stacks, "_update_resource", _updating)
    patches.replace(stacks, "_provision_resource", _creating)
