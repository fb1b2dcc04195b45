"""The templates in infra/, with what a test must give each."""

from __future__ import annotations

import functools
from typing import Any

from support.paths import PROJECT
from support.template import PSEUDO_PARAMETERS, Rendered, allows, load

INFRA = PROJECT / "infra"
NAMES = ("network", "environment-base", "environment", "lineage")

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"

# What has no default.
REQUIRED: dict[str, dict[str, str]] = {
    "network": {"PairName": "orders"},
    "environment-base": {"PairName": "orders", "Color": "blue", "EnvironmentName": "orders-blue", "VpcId": "vpc-1"},
    "environment": {
        "PairName": "orders", "Color": "blue", "EnvironmentName": "orders-blue", "AirflowVersion": "3.0.6",
        "SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1", "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r",
        "BucketArn": "arn:aws:s3:::bucket",
    },
    "lineage": {"PairName": "orders", "VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2"},
}  # fmt: skip

# Parameters that switch everything on.
EVERYTHING: dict[str, dict[str, Any]] = {
    "network": {"NatGateways": 2, "InterfaceEndpoints": "true", "OpsEndpoint": "true", "FirstZone": "us-east-1c", "SecondZone": "us-east-1d"},
    "environment-base": {
        "ParameterRoot": "/teams/orders", "ControllerRegion": "eu-west-1", "KmsKeyArn": KEY, "PermissionsBoundaryArn": BOUNDARY,
        "RolePath": "/teams/", "DagPolicyArns": "arn:aws:iam::123456789012:policy/dags,arn:aws:iam::aws:policy/ReadOnlyAccess",
    },
    "environment": {
        "KmsKeyArn": KEY, "RequirementsPath": "artifacts/requirements-1.txt", "RequirementsVersion": "v1",
        "PluginsPath": "artifacts/plugins-1.zip", "PluginsVersion": "v2", "StartupScriptPath": "artifacts/startup-1.sh",
        "StartupScriptVersion": "v3", "FlagParameter": "/mwaa/orders/active-environment", "ControllerRegion": "eu-west-1",
        "LineageUrl": "http://marquez.orders-lineage.internal:5000", "LineageNamespace": "orders/blue",
    },
    "lineage": {
        "BlueSecurityGroupId": "sg-1", "GreenSecurityGroupId": "sg-2", "ViewerCidr": "10.9.0.0/16", "MultiZone": "true", "KmsKeyArn": KEY,
        "PermissionsBoundaryArn": BOUNDARY, "RolePath": "/teams/",
        "ImageRepositoryArns": "arn:aws:ecr:us-east-1:123456789012:repository/marquez,arn:aws:ecr:us-east-1:123456789012:repository/web",
    },
}  # fmt: skip

# Partitions and the longest region of each that has MWAA, or may.
PLACES = [
    ("aws", "ap-southeast-1"), ("aws-cn", "cn-northwest-1"), ("aws-us-gov", "us-gov-west-1"), ("aws-eusc", "eusc-de-east-1"),
]  # fmt: skip
SUFFIXES = {"aws-cn": "amazonaws.com.cn", "aws-eusc": "amazonaws.eu"}


@functools.cache
def template(name: str) -> dict[str, Any]:
    return load(INFRA / f"{name}.yaml")


def text(name: str) -> str:
    return (INFRA / f"{name}.yaml").read_text()


def rendered(name: str, **parameters: Any) -> Rendered:
    return Rendered(template(name), {**REQUIRED[name], **parameters})


def full(name: str, **parameters: Any) -> Rendered:
    return rendered(name, **{**EVERYTHING[name], **parameters})


def place(partition: str, region: str) -> dict[str, str]:
    """The pseudo parameters of a region."""
    return {**PSEUDO_PARAMETERS, "AWS::Partition": partition, "AWS::Region": region, "AWS::URLSuffix": SUFFIXES.get(partition, "amazonaws.com")}


def refused(name: str, **parameters: Any) -> list[str]:
    """What CloudFormation would say of these parameters; nothing, if it would begin."""
    given = {**REQUIRED[name], **parameters}
    specs = template(name)["Parameters"]
    by_parameters = [specs[key]["ConstraintDescription"] for key, value in given.items() if not allows(specs[key], str(value))]
    return by_parameters or rendered(name, **parameters).refused_by_rules()
