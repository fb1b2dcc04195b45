"""A stack does not take over what is already there: a new resource with the name of an existing one fails, as on AWS.

ministack's handlers make some types by their name, whether it is free or not. MWAA's environments and S3's buckets are checked elsewhere.

Known difference: the log group of a function is taken over, since here a function's last lines may come after the deletion of its stack.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch_logs, eventbridge, iam, lambda_svc, sns
from ministack.services.cloudformation import stacks

from local_aws import patches

_NAMED: dict[str, tuple[str, Callable[[str], bool]]] = {
    "AWS::Events::EventBus": ("Name", lambda name: name in eventbridge._event_buses),
    "AWS::IAM::Role": ("RoleName", lambda name: name in iam._roles),
    "AWS::Lambda::Function": ("FunctionName", lambda name: name in lambda_svc._functions),
    "AWS::Logs::LogGroup": ("LogGroupName", lambda name: name in cloudwatch_logs._log_groups and not name.startswith("/aws/lambda/")),
    "AWS::SNS::Topic": ("TopicName", lambda name: f"arn:aws:sns:{get_region()}:{get_account_id()}:{name}" in sns._topics),
}


def _creating(original: Any) -> Any:
    def create(kind: str, logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        named, is_there = _NAMED.get(kind, ("", lambda _: False))
        name = props.get(named)
        if name and is_there(name):
            raise ValueError(f"Resource of type '{kind}' with identifier '{name}' already exists. (HandlerErrorCode: AlreadyExists)")
        return original(kind, logical_id, props, stack_name)

    return create


def install() -> None:
    for module, name in ((eventbridge, "_event_buses"), (iam, "_roles"), (lambda_svc, "_functions"), (cloudwatch_logs, "_log_groups"),
                         (sns, "_topics")):
        patches.original(module, name)
    patches.replace(stacks, "_provision_resource", _creating)
