"""CloudFormation's stacks and change sets, where ministack is more lenient than AWS or says something else.

- A change set compares what there would be: a resource whose condition is false is not there, and a value that depends on another resource
  is compared by what that resource is. Changed outputs alone make a change set that can be executed and has no changes.
- Whether a property can be changed in place is known for the types that this product uses (`replacements`), and for MWAA's subnets.
- A stack that is being changed, or whose creation was rolled back, can be neither updated nor created again. A second change set of a
  stack in REVIEW_IN_PROGRESS belongs to the same stack.
- A template that makes roles has to be acknowledged by its capability (ministack asks for it only under AUTH).
- A parameter that the template does not have, one without a value, a previous value of a new parameter and an id of a network that does
  not exist are refused.

The control API makes change sets take `change_set_seconds` until they are complete.

Unverified: that AWS refuses an id of a network that does not exist when the change set is created (it may fail the change set instead).
"""

from __future__ import annotations

import copy
import functools
import pickle
import re
import time
from typing import Any

import yaml
from ministack.services import cloudformation, ec2
from ministack.services.cloudformation import changesets, engine, handlers, helpers, stacks

from local_aws import mwaa_stack, patches, replacements

UPDATABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE", "CREATE_FAILED",
             "UPDATE_FAILED")
NO_CHANGES = "didn't contain changes"
NETWORK_IDS = {"AWS::EC2::VPC::Id": "_vpcs", "AWS::EC2::Subnet::Id": "_subnets", "AWS::EC2::SecurityGroup::Id": "_security_groups"}

Answer = tuple[int, dict[str, str], bytes]
Params = dict[str, Any]

settings = {"change_set_seconds": 0.0}


def set_settings(changes: dict[str, Any]) -> dict[str, Any]:
    if set(changes) - set(settings):
        raise ValueError(f"unknown: {', '.join(sorted(set(changes) - set(settings)))}")
    settings.update({name: float(value) for name, value in changes.items()})
    return dict(settings)


def _refused(message: str, code: str = "ValidationError") -> Answer:
    answer: Answer = helpers._error(code, message)
    return answer


def _stack_of(params: Params) -> dict[str, Any] | None:
    stack = handlers._resolve_stack(helpers._p(params, "StackName"))
    return None if stack is None or stack["StackStatus"] == "DELETE_COMPLETE" else stack


def _cannot_be_updated(stack: dict[str, Any]) -> Answer:
    return _refused(f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be updated.")


# -- what a change set compares

def _section(template: dict[str, Any], name: str, params: dict[str, Any]) -> dict[str, Any]:
    """A section of a template without what has a condition that is false."""
    conditions = engine._evaluate_conditions(template, params)
    return {key: one for key, one in (template.get(name) or {}).items()
            if not one.get("Condition") or conditions.get(one["Condition"], True)}


def _resolved(value: Any, template: dict[str, Any], params: dict[str, Any], stack_name: str, stack_id: str) -> Any:
    """The value, with what the stack's resources are; as it stands in the template, if that is not known yet."""
    resources = (cloudformation._stacks.get(stack_name) or {}).get("_resources", {})
    try:
        return engine._resolve_refs(copy.deepcopy(value), resources, params, engine._evaluate_conditions(template, params),
                                    template.get("Mappings", {}), stack_name, stack_id)
    except Exception:
        return value


def _resolved_template(template: dict[str, Any], params: dict[str, Any], stack_name: str, stack_id: str) -> dict[str, Any]:
    if not template:
        return {}
    found = {}
    for key, resource in _section(template, "Resources", params).items():
        properties = {name: _resolved(value, template, params, stack_name, stack_id)
                      for name, value in (resource.get("Properties") or {}).items()}
        found[key] = {**resource, "Properties": {name: value for name, value in properties.items() if value is not engine._NO_VALUE}}
    return {"Resources": found}


def _outputs(template: dict[str, Any], params: dict[str, Any], stack_name: str, stack_id: str) -> dict[str, Any]:
    return {key: _resolved(output, template, params, stack_name, stack_id) for key, output in _section(template, "Outputs", params).items()}


def _diff(original: Any) -> Any:
    """MWAA's subnets are a part of a property whose other part can be changed in place."""
    def diff(old_template: dict[str, Any], new_template: dict[str, Any], *more: Any) -> list[dict[str, Any]]:
        changes: list[dict[str, Any]] = original(old_template, new_template, *more)
        for change in [change["ResourceChange"] for change in changes]:
            if change["ResourceType"] != mwaa_stack.TYPE or change["Action"] != "Modify":
                continue
            old, new = (template["Resources"][change["LogicalResourceId"]]["Properties"] for template in (old_template, new_template))
            recreates = "Always" if mwaa_stack.other_subnets(old, new) else "Never"
            for detail in change["Details"]:
                if detail["Target"].get("Name") == "NetworkConfiguration":
                    detail["Target"]["RequiresRecreation"] = recreates
                    change["Replacement"] = "True" if recreates == "Always" else change["Replacement"]
        return changes

    return diff


def _recreation(original: Any) -> Any:
    def recreation(kind: str, name: str) -> str:
        known = replacements.CREATE_ONLY.get(kind)
        if known is None:
            answer: str = original(kind, name)
            return answer
        return "Always" if name in known else "Never"

    return recreation


# -- parameters

def _parameters(original: Any) -> Any:
    def resolve(template: dict[str, Any], provided: list[dict[str, Any]], previous: dict[str, Any] | None = None) -> dict[str, Any]:
        declared, given = template.get("Parameters") or {}, {entry["Key"]: entry for entry in provided}
        if unknown := [name for name in given if name not in declared]:
            raise ValueError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
        if empty := [name for name, one in declared.items() if name not in given and "Default" not in one]:
            raise ValueError(f"Parameters: [{', '.join(empty)}] must have values")
        for name, entry in given.items():
            if entry.get("UsePreviousValue") and name not in (previous or {}):
                raise ValueError(f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a parameter key not in "
                                 "the previous template")
        found: dict[str, Any] = original(template, provided, previous)
        for name, entry in found.items():
            inner, is_list = engine._rule_inner_type(str(declared[name].get("Type", "String")))
            values = [one.strip() for one in entry["Value"].split(",")] if is_list else [entry["Value"]]
            for value in values if inner in NETWORK_IDS else []:
                if value not in getattr(ec2, NETWORK_IDS[inner]):
                    raise ValueError(f"Parameter validation failed: parameter value {value} for parameter name {name} does not exist")
        return found

    return resolve


# -- operations

def _create_stack(original: Any) -> Any:
    def create(params: Params) -> Answer:
        if (stack := _stack_of(params)) is not None:
            return _refused(f"Stack [{stack['StackName']}] already exists", "AlreadyExistsException")
        answer: Answer = original(params)
        return answer

    return create


def _update_stack(original: Any) -> Any:
    def update(params: Params) -> Answer:
        stack = _stack_of(params)
        if stack is not None and stack["StackStatus"] not in UPDATABLE:
            return _cannot_be_updated(stack)
        answer: Answer = original(params)
        return answer

    return update


def _create_change_set(original: Any) -> Any:
    def create(params: Params) -> Answer:
        name, kind = helpers._p(params, "ChangeSetName"), helpers._p(params, "ChangeSetType", "UPDATE")
        if not re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", name):
            return _refused(f"1 validation error detected: Value '{name}' at 'changeSetName' failed to satisfy constraint: Member must satisfy "
                            "regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*")
        stack = _stack_of(params)
        if stack is not None and kind == "CREATE" and stack["StackStatus"] != "REVIEW_IN_PROGRESS":
            return _refused(f"Stack [{stack['StackName']}] already exists and cannot be created again with the changeSet [{name}].")
        if stack is not None and kind == "UPDATE" and stack["StackStatus"] not in UPDATABLE:
            return _cannot_be_updated(stack)
        known = set(cloudformation._change_sets)
        answer: Answer = original(params)
        for change_set in [one for key, one in cloudformation._change_sets.items() if key not in known]:
            change_set["_complete_at"] = time.time() + settings["change_set_seconds"]
            if kind == "UPDATE" and stack is not None:
                _notice_outputs(change_set, stack)
            elif stack is not None:
                answer = _keep_stack(change_set, stack, answer)
        if answer[0] >= 400 and stack is not None:
            cloudformation._stacks.setdefault(stack["StackName"], stack)  # a refused change set takes no stack with it
        return answer

    return create


def _notice_outputs(change_set: dict[str, Any], stack: dict[str, Any]) -> None:
    if NO_CHANGES not in change_set["StatusReason"]:
        return
    name = stack["StackName"], stack["StackId"]
    if _outputs(stack["_template"], stack["_resolved_params"], *name) != _outputs(change_set["_template"], change_set["_resolved_params"], *name):
        change_set.update(Status="CREATE_COMPLETE", ExecutionStatus="AVAILABLE", StatusReason="")


def _keep_stack(change_set: dict[str, Any], stack: dict[str, Any], answer: Answer) -> Answer:
    """A second change set of a stack that was never created has made a second record of it."""
    made = change_set["StackId"]
    change_set["StackId"] = stack["StackId"]
    cloudformation._stacks[stack["StackName"]] = stack
    cloudformation._stack_events.pop(made, None)
    return answer[0], answer[1], answer[2].replace(made.encode(), stack["StackId"].encode())


def _found(params: Params) -> dict[str, Any] | None:
    stack = _stack_of(params)
    name = stack["StackName"] if stack else helpers._p(params, "StackName")
    found: dict[str, Any] | None = changesets._find_change_set(helpers._p(params, "ChangeSetName"), name)[1]
    return found


def _describe_change_set(original: Any) -> Any:
    def describe(params: Params) -> Answer:
        change_set = _found(params)
        if change_set is None:
            return _refused(f"ChangeSet [{helpers._p(params, 'ChangeSetName')}] does not exist", "ChangeSetNotFound")
        asked = {**params, "ChangeSetName": [change_set["ChangeSetId"]]}
        status, headers, body = original(asked)
        if time.time() < change_set.get("_complete_at", 0.0):
            for pattern, instead in ((rb"<Status>\w+<", b"<Status>CREATE_IN_PROGRESS<"),
                                     (rb"<ExecutionStatus>\w+<", b"<ExecutionStatus>UNAVAILABLE<"),
                                     (rb"<StatusReason>.*?</StatusReason>", b""), (rb"<Changes>.*</Changes>", b"<Changes></Changes>")):
                body = re.sub(pattern, instead, body, count=1, flags=re.DOTALL)
        return status, headers, body

    return describe


def _execute_change_set(original: Any) -> Any:
    def execute(params: Params) -> Answer:
        change_set = _found(params)
        if change_set is not None:
            if time.time() < change_set.get("_complete_at", 0.0):
                return _refused(f"ChangeSet [{change_set['ChangeSetId']}] cannot be executed in its current status of [CREATE_IN_PROGRESS]",
                                "InvalidChangeSetStatus")
            stack = cloudformation._stacks.get(change_set["StackName"])
            if stack is not None and stack["StackStatus"] not in (*UPDATABLE, "REVIEW_IN_PROGRESS"):
                return _cannot_be_updated(stack)
            params = {**params, "ChangeSetName": [change_set["ChangeSetId"]]}
        answer: Answer = original(params)
        return answer

    return execute


def _delete_stack(original: Any) -> Any:
    def delete(params: Params) -> Answer:
        stack = _stack_of(params)
        status = stack["StackStatus"] if stack else ""
        if stack is not None and status.endswith("_IN_PROGRESS") and status.startswith(("UPDATE_", "ROLLBACK_", "IMPORT_")):
            return _refused(f"Stack [{stack['StackName']}] cannot be deleted while in status {status}")
        if stack is not None and stack.get("EnableTerminationProtection"):
            return _refused(f"Stack [{stack['StackName']}] cannot be deleted while TerminationProtection is enabled")
        answer: Answer = original(params)
        return answer

    return delete


def _quick_loader(original: Any) -> Any:
    """ministack parses templates in Python, which takes most of the time of a deployment; libyaml parses, the tags are the same."""
    if not yaml.__with_libyaml__:
        return original
    return type("CfnLoader", (yaml.CSafeLoader,), {"yaml_constructors": original.yaml_constructors})


def _parsed_once(original: Any) -> Any:
    """Tests deploy one template again and again. Whoever gets it may change it."""
    @functools.lru_cache(maxsize=16)
    def parsed(text: str) -> bytes:
        return pickle.dumps(original(text))

    return lambda text: pickle.loads(parsed(text))


def _transformed_once(original: Any) -> Any:
    """The same for the transforms, where the template alone decides what comes of them. AWS::Include reads other files, and
    AWS::LanguageExtensions the parameters."""
    region_of = patches.original(engine, "get_region")

    @functools.lru_cache(maxsize=16)
    def transformed(template: bytes, _region: str) -> bytes:
        return pickle.dumps(original(pickle.loads(template)))

    def transform(template: Any, *provided: Any) -> Any:
        given = pickle.dumps(template)
        if b"AWS::Include" in given or b"AWS::LanguageExtensions" in given:
            return original(template, *provided)
        return pickle.loads(transformed(given, region_of()))

    return transform


def install() -> None:
    patches.replace(engine, "CfnLoader", _quick_loader)
    patches.replace(engine, "_parse_template", _parsed_once)
    patches.replace(engine, "_apply_transforms", _transformed_once)
    for module in (changesets, handlers):
        patches.replace(module, "_parse_template", lambda _: engine._parse_template)
        patches.replace(module, "_apply_transforms", lambda _: engine._apply_transforms)
    patches.replace(changesets, "_resolve_props_for_diff", lambda _: _resolved_template)
    patches.replace(changesets, "_diff_resources", _diff)
    patches.replace(stacks, "_property_recreation", _recreation)
    for module in (changesets, handlers):
        patches.replace(module, "_resolve_parameters", _parameters)
    patches.replace(handlers, "_capabilities_enforced", lambda _: lambda: True)
    table = patches.original(handlers, "_ACTION_HANDLERS")
    for operation, wrap in (("CreateStack", _create_stack), ("UpdateStack", _update_stack), ("CreateChangeSet", _create_change_set),
                            ("DescribeChangeSet", _describe_change_set), ("ExecuteChangeSet", _execute_change_set),
                            ("DeleteStack", _delete_stack)):
        table[operation] = wrap(table[operation])
    for module, names in ((cloudformation, ("_stacks", "_change_sets", "_stack_events")), (helpers, ("_p", "_error")),
                          (engine, ("_evaluate_conditions", "_resolve_refs", "_rule_inner_type", "_NO_VALUE")),
                          (changesets, ("_find_change_set",)), (handlers, ("_resolve_stack",)), (ec2, tuple(NETWORK_IDS.values()))):
        for name in names:
            patches.original(module, name)
