"""AWS::MWAA::Environment in a stack: what its handlers do, and what of it cannot be changed in place.

The stack waits as long as the environment is CREATING, UPDATING or DELETING. A second environment of a name is refused, also if the
first was retained by a stack that is gone. A change of Name makes another environment; any other create-only property of a named one
fails the update, because there cannot be two of that name. Every change, also one of tags only, updates the environment.

Unverified: whether CloudFormation's rollback of a failed update calls UpdateEnvironment once more. Here the environment is left as MWAA
restored it, in UPDATE_FAILED, unless the control API sets `roll_back_updates`; then it is updated again, and is AVAILABLE.
"""

from __future__ import annotations

import uuid
from typing import Any

from ministack.core.responses import get_region
from ministack.services.cloudformation import provisioners, stacks

from local_aws import mwaa_service, patches
from local_aws.mwaa_environments import MODULES, Environment, environments
from local_aws.mwaa_rules import ONLY_AT_CREATION, OTHER_FIELDS, REQUIRED, Refused

TYPE = "AWS::MWAA::Environment"
CREATE_ONLY = ("Name", "KmsKey", "EndpointManagement")  # and NetworkConfiguration/SubnetIds
NUMBERS = ("MaxWebservers", "MaxWorkers", "MinWebservers", "MinWorkers", "Schedulers")

Made = tuple[str, dict[str, Any]]


def _failure(message: str, code: str) -> ValueError:
    return ValueError(f'Resource handler returned message: "{message}" (RequestToken: {uuid.uuid4()}, HandlerErrorCode: {code})')


def request_of(props: dict[str, Any]) -> dict[str, Any]:
    """The properties as the API of MWAA has them, or the refusal of what the type's schema does not know."""
    unknown = sorted(set(props) - {"Name", *REQUIRED, *OTHER_FIELDS, "WorkerReplacementStrategy"})
    faults = [f"#: extraneous key [{name}] is not permitted" for name in unknown]
    if not props.get("Name"):
        faults.append("#: required key [Name] not found")
    options = props.get("AirflowConfigurationOptions") or {}
    faults += [f"#/AirflowConfigurationOptions/{key}: expected type: String, found: {type(value).__name__}"
               for key, value in options.items() if not isinstance(value, str)]
    request = {name: value for name, value in props.items() if name != "Name" and value is not None}
    for name in NUMBERS:
        if str(request.get(name, "0")).isdigit():
            request.update({name: int(request[name])} if name in request else {})
        else:
            faults.append(f"#/{name}: expected type: Integer, found: String")
    if faults:
        raise _failure(f"Model validation failed ({'; '.join(faults)})", "InvalidRequest")
    if request.get("LoggingConfiguration"):
        request["LoggingConfiguration"] = {module: {**logs, "Enabled": str(logs.get("Enabled")).lower() == "true"}
                                           for module, logs in request["LoggingConfiguration"].items()}
    return request


def _attributes(name: str) -> dict[str, Any]:
    found = environments[(get_region(), name)].description()
    return {**{attribute: found.get(attribute, "") for attribute in (
        "Arn", "WebserverUrl", "CeleryExecutorQueue", "DatabaseVpcEndpointService", "WebserverVpcEndpointService")},
        **{f"LoggingConfiguration.{module}.CloudWatchLogGroupArn": found["LoggingConfiguration"][module]["CloudWatchLogGroupArn"]
           for module in MODULES}}


def _create(_logical_id: str, props: dict[str, Any], _stack_name: str) -> Made:
    request = request_of(props)
    name, region = props["Name"], get_region()
    if (region, name) in environments:
        raise ValueError(f"Resource of type '{TYPE}' with identifier '{name}' already exists. "
                         f"(RequestToken: {uuid.uuid4()}, HandlerErrorCode: AlreadyExists)")
    strategy = request.pop("WorkerReplacementStrategy", None)
    if strategy not in (None, "FORCED", "GRACEFUL"):
        raise _failure(f"#/WorkerReplacementStrategy: {strategy} is not a valid enum value", "InvalidRequest")
    try:
        environment = mwaa_service.create(name, region, request)
    except Refused as refused:
        raise _failure(f"Invalid request provided: {refused}", "InvalidRequest") from None
    if mwaa_service.wait(environment, "CREATING") != "AVAILABLE":
        reason = environment.made.error if environment.made else None
        _remove(environment)  # the stack takes away what its failed creation left
        raise _failure(f"Creation failed: {reason}", "NotStabilized")
    return name, _attributes(name)


def _update(physical_id: str, old: dict[str, Any], new: dict[str, Any], _stack_name: str) -> Made:
    request = {key: value for key, value in request_of(new).items() if key not in ONLY_AT_CREATION}
    if request.get("NetworkConfiguration"):
        request["NetworkConfiguration"] = {"SecurityGroupIds": request["NetworkConfiguration"].get("SecurityGroupIds")}
    try:
        environment = mwaa_service.update(physical_id, get_region(), request)
    except Refused as refused:
        code = "NotFound" if refused.code == "ResourceNotFoundException" else "InvalidRequest"
        raise _failure(f"Invalid request provided: {refused}", code) from None
    if old.get("Tags") != new.get("Tags"):
        mwaa_service.tag(environment, new.get("Tags") or {})
    if mwaa_service.wait(environment, "UPDATING", "ROLLING_BACK", "CREATING_SNAPSHOT") != "AVAILABLE":
        reason = environment.made.error if environment.made else None
        raise _failure(f"Update failed: {reason}", "NotStabilized")
    return physical_id, _attributes(physical_id)


def _delete(physical_id: str, _props: dict[str, Any]) -> None:
    environment = environments.get((get_region(), physical_id))
    if environment is not None:
        _remove(environment)


def _remove(environment: Environment) -> None:
    try:
        mwaa_service.delete(environment.name, environment.settings.region)
    except Refused as refused:
        raise _failure(f"Invalid request provided: {refused}", "InvalidRequest") from None
    mwaa_service.wait(environment, "DELETING")


def other_subnets(old: dict[str, Any], new: dict[str, Any]) -> bool:
    return bool((old.get("NetworkConfiguration") or {}).get("SubnetIds") != (new.get("NetworkConfiguration") or {}).get("SubnetIds"))


def install() -> None:
    patches.original(provisioners, "_RESOURCE_HANDLERS")[TYPE] = {"create": _create, "update": _update, "delete": _delete}
    patches.original(provisioners, "_REPLACING_PROPERTIES")[TYPE] = CREATE_ONLY
    patches.original(provisioners, "_CUSTOM_NAME_REPLACEMENT")[TYPE] = {"name": "Name", "requires_replacement": other_subnets}
    patches.original(provisioners, "_STACK_TAG_PROPERTY")[TYPE] = ("Tags", "map")
    # The handlers wait: not in the thread that answers every request.
    patches.replace(stacks, "_runs_on_worker_thread", lambda original: lambda kind: kind == TYPE or original(kind))
    patches.replace(stacks, "_sends_back_failed_update", lambda original: lambda kind: (
        mwaa_service.defaults.roll_back_updates if kind == TYPE else original(kind)))
