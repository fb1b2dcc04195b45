"""Reads a template and computes what a deployment with given parameters would contain.

SAM's own transform creates CloudFormation's resources from template.yaml, as on AWS. Of the rest only what the templates use is
supported. Everything else raises, so that a test cannot pass by missing it.
"""

from __future__ import annotations

import functools
import ipaddress
import itertools
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import yaml
from samtranslator.translator.transform import transform

from support.paths import TEMPLATE
from tools.generate.template import value_of

# By their names in the template.
FUNCTIONS = {
    "HealthWatcherFunction": "health-watcher",
    "SwitchHandlerFunction": "switch-handler",
    "ChangeListenerFunction": "change-listener",
}
# Parameters that switch everything on.
EVERYTHING = {
    "DrillSchedule": "cron(0 10 ? * TUE *)",
    "DrillAlarmNames": "revenue-drops,orders-lost",
    "DrillOverdueDays": 30,
    "BlueHealthAlarmNames": "orders-late,orders-broken",
    "GreenHealthAlarmNames": "green-orders-late",
    "NotificationEmail": "on-call@example.com",
    "VpcSubnetIds": "subnet-1,subnet-2",
    "VpcSecurityGroupIds": "sg-1",
}

PSEUDO_PARAMETERS = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "mwaa-blue-green",
    "AWS::URLSuffix": "amazonaws.com",
}
NO_VALUE = object()
# The property that Ref returns for each resource type.
NAME_PROPERTIES = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::Events::EventBus": "Name",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::Lambda::Function": "FunctionName",
}


class _Loader(yaml.CSafeLoader):
    pass


def _tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value = value_of(loader, node)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tag)


def load(path: Path = TEMPLATE) -> dict[str, Any]:
    return yaml.load(path.read_text(), _Loader)  # _Loader is a SafeLoader, in C


@functools.cache
def transformed() -> dict[str, Any]:
    """The template after SAM's transform: functions with the globals, rules and permissions for their events."""
    template = load()
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            # As `sam deploy` leaves it.
            resource["Properties"]["CodeUri"] = {"Bucket": "code", "Key": name}
    no_policies = SimpleNamespace(load=dict)
    with mock.patch.dict(os.environ, AWS_DEFAULT_REGION="us-east-1"):
        made: dict[str, Any] = transform(template, {}, no_policies)
    return made


class Rendered:
    """A template with parameters filled in: resources whose condition holds, with intrinsics resolved.

    Fn::GetAtt resolves to "<LogicalId>.<Attribute>", so that tests can check references.
    """

    def __init__(self, template: dict[str, Any], parameters: dict[str, Any]) -> None:
        self.template = template
        unknown = set(parameters) - set(template["Parameters"])
        assert not unknown, f"no such parameters: {unknown}"
        missing = {name for name, spec in template["Parameters"].items() if "Default" not in spec} - set(parameters)
        assert not missing, f"parameters without a default: {missing}"
        self.parameters = {
            name: self._typed(spec["Type"], str(parameters.get(name, spec.get("Default")))) for name, spec in template["Parameters"].items()
        }
        self.conditions = {name: self._truth(rule) for name, rule in template["Conditions"].items()}
        self.resources = {
            name: self.resolve(resource)
            for name, resource in template["Resources"].items()
            if self.conditions.get(resource.get("Condition", ""), True)
        }
        self.outputs = {
            name: self.resolve(output)
            for name, output in template["Outputs"].items()
            if self.conditions.get(output.get("Condition", ""), True)
        }

    def of_type(self, type_name: str) -> dict[str, dict[str, Any]]:
        return {name: r["Properties"] for name, r in self.resources.items() if r["Type"] == type_name}

    def refused_by_rules(self) -> list[str]:
        return [
            assertion["AssertDescription"]
            for rule in self.template.get("Rules", {}).values()
            if self._truth(rule.get("RuleCondition", {"Fn::Equals": ["", ""]}))
            for assertion in rule["Assertions"]
            if not self._truth(assertion["Assert"])
        ]

    @staticmethod
    def _typed(type_name: str, value: str) -> Any:
        # CloudFormation turns an empty list into a list of one empty text, and trims every item.
        return [member.strip() for member in value.split(",")] if type_name == "CommaDelimitedList" else value

    def _truth(self, rule: Any) -> bool:
        ((function, argument),) = rule.items()
        match function:
            case "Condition":
                return self._truth(self.template["Conditions"][argument])
            case "Fn::Not":
                return not self._truth(argument[0])
            case "Fn::And":
                return all(self._truth(part) for part in argument)
            case "Fn::Or":
                return any(self._truth(part) for part in argument)
            case "Fn::Equals":
                left, right = (self.resolve(part) for part in argument)
                return left == right
        raise NotImplementedError(function)

    def resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [r for r in map(self.resolve, value) if r is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            if function == "Ref":
                return self._ref(argument)
            if function == "Condition" and isinstance(argument, str):
                return value
            if function.startswith("Fn::"):
                return self._call(function, argument)
        resolved = {key: self.resolve(member) for key, member in value.items()}
        return {key: member for key, member in resolved.items() if member is not NO_VALUE}

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in PSEUDO_PARAMETERS:
            return PSEUDO_PARAMETERS[name]
        if name in self.parameters:
            return self.parameters[name]
        resource = self.template["Resources"][name]
        name_property = NAME_PROPERTIES.get(resource["Type"])
        return self.resolve(resource["Properties"][name_property]) if name_property else name

    def _call(self, function: str, argument: Any) -> Any:
        match function:
            case "Fn::GetAtt":
                assert argument[0] in self.template["Resources"], f"no such resource: {argument[0]}"
                return ".".join(argument)
            case "Fn::If":
                return self.resolve(argument[1] if self.conditions[argument[0]] else argument[2])
            case "Fn::FindInMap":
                table, first, second = (self.resolve(part) for part in argument)
                return self.template["Mappings"][table][first][second]
            case "Fn::GetAZs":
                return [f"{self.resolve(argument) or PSEUDO_PARAMETERS['AWS::Region']}{letter}" for letter in "abc"]
            case "Fn::Cidr":
                block, count, bits = (self.resolve(part) for part in argument)
                parts = ipaddress.ip_network(block).subnets(new_prefix=32 - int(bits))
                return [str(part) for part in itertools.islice(parts, int(count))]
            case "Fn::Join":
                return argument[0].join(self.resolve(argument[1]))
            case "Fn::Split":
                return self.resolve(argument[1]).split(argument[0])
            case "Fn::Select":
                return self.resolve(argument[1])[int(argument[0])]
            case "Fn::Sub":
                text, extra = argument if isinstance(argument, list) else (argument, {})
                extra = self.resolve(extra)

                def fill(found: re.Match[str]) -> str:
                    name = found[1]
                    if name in extra:
                        return extra[name]
                    return name if "." in name else str(self._ref(name))

                return re.sub(r"\$\{([^!}]+)\}", fill, text)
        raise NotImplementedError(function)


class Stack(Rendered):
    """template.yaml with parameters filled in, after SAM's transform."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(transformed(), parameters)
        self.environments = {
            name: p["Environment"]["Variables"] for name, p in self.of_type("AWS::Lambda::Function").items()
        }
        # The variables of a function that has none of its own.
        self.environment = self.environments["HealthWatcherFunction"]


def allows(spec: dict[str, Any], value: str) -> bool:
    """Whether CloudFormation takes the value for a parameter."""
    if spec["Type"] == "Number":
        if not re.fullmatch(r"-?[0-9]+(?:\.[0-9]+)?", value):
            return False
        number = float(value)
        if not float(spec.get("MinValue", number)) <= number <= float(spec.get("MaxValue", number)):
            return False
    elif not int(spec.get("MinLength", 0)) <= len(value) <= int(spec.get("MaxLength", 4096)):
        return False
    if "AllowedValues" in spec and value not in map(str, spec["AllowedValues"]):
        return False
    return re.search(rf"\A(?:{spec.get('AllowedPattern', '.*')})\Z", value, re.S) is not None


def matches(pattern: dict[str, Any], event: Any) -> bool:
    """EventBridge's matching, as far as the rules of this template need it: exact values, `exists`, `anything-but`."""
    if not isinstance(event, dict):
        return False
    for key, wanted in pattern.items():
        if isinstance(wanted, dict):
            if not matches(wanted, event.get(key, {})):
                return False
        elif not any(_matches_one(choice, key, event) for choice in wanted):
            return False
    return True


def _matches_one(choice: Any, key: str, event: dict[str, Any]) -> bool:
    actual = event.get(key)
    match choice:
        case {"exists": wanted}:
            return (key in event) == wanted
        case {"anything-but": [*unwanted]}:
            return key in event and actual not in unwanted
        case dict():
            raise NotImplementedError(f"teach the matcher first: {choice}")
    return choice in actual if isinstance(actual, list) else key in event and choice == actual


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements_of(stack: Rendered, role: str) -> list[dict[str, Any]]:
    """The statements of the role's inline policies, and of this stack's policies that are attached to it."""
    properties = stack.resources[role]["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties["Policies"]]
    documents += [stack.resources[name]["Properties"]["PolicyDocument"] for name in properties.get("ManagedPolicyArns", [])]
    return [statement for document in documents for statement in document["Statement"]]


def all_statements(stack: Rendered) -> list[tuple[str, dict[str, Any]]]:
    return [(role, s) for role in stack.of_type("AWS::IAM::Role") for s in statements_of(stack, role)]
