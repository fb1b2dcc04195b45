"""What MWAA refuses of a request to create or to update an environment.

It looks at the buckets, networks and roles of this local AWS. Rules and names are those of the service's model and user guide; most
wordings are unverified, so nothing may depend on more than what they name.

Known differences: the rights of the execution role, the reachability of the network and account quotas are not checked. The user guide's
older text refuses any downgrade, its newer one allows it to a minor version: here it is allowed, unless the control API says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ministack.services import ec2, iam, s3

from local_aws.mwaa_environments import MODULES, NAME

VERSIONS = ("2.7.2", "2.8.1", "2.9.2", "2.10.1", "2.10.3", "2.11.0", "2.11.2", "3.0.6", "3.2.1", "3.3.1")
CLASSES = ("mw1.micro", "mw1.small", "mw1.medium", "mw1.large", "mw1.xlarge", "mw1.2xlarge")
ACCESS_MODES = ("PRIVATE_ONLY", "PUBLIC_ONLY", "PUBLIC_AND_PRIVATE")
LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
OPTION = r"[a-z]+([a-z0-9._]*[a-z0-9_]+)?"
WINDOW = r"(MON|TUE|WED|THU|FRI|SAT|SUN):([01]\d|2[0-3]):(00|30)"
BUCKET_ARN = r"arn:aws(-[a-z]+)?:s3:::([a-z0-9.\-]+)"
ROLE_ARN = r"arn:aws(-[a-z]+)?:iam::\d{12}:role/?([a-zA-Z_0-9+=,.@\-/]+)"
REQUIRED = ("ExecutionRoleArn", "SourceBucketArn", "DagS3Path", "NetworkConfiguration")
FILES = {"Requirements": "requirements file", "Plugins": "plugins file", "StartupScript": "startup script"}
OTHER_FIELDS = ("AirflowConfigurationOptions", "AirflowVersion", "EndpointManagement", "EnvironmentClass", "KmsKey", "LoggingConfiguration",
                "MaxWebservers", "MaxWorkers", "MinWebservers", "MinWorkers", "Schedulers", "Tags", "WebserverAccessMode",
                "WeeklyMaintenanceWindowStart", *(f"{file}S3{what}" for file in FILES for what in ("Path", "ObjectVersion")))
ONLY_AT_CREATION = ("EndpointManagement", "KmsKey", "Tags")


class Refused(Exception):
    """The service's answer to a request that it does not carry out."""

    def __init__(self, message: str, code: str = "ValidationException") -> None:
        super().__init__(message)
        self.code = code


def check_creation(name: str, region: str, request: dict[str, Any]) -> None:
    if not re.fullmatch(NAME, name):
        raise Refused(f"Value '{name}' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: "
                      "^[a-zA-Z][0-9a-zA-Z-_]*$ and have length less than or equal to 80")
    missing = [field for field in REQUIRED if not request.get(field)]
    if missing:
        raise Refused(f"Missing required parameter(s): {', '.join(missing)}")
    _check_fields(set(request) - {*REQUIRED, *OTHER_FIELDS})
    _first(_problems(region, request))


def check_update(region: str, old: dict[str, Any], asked: dict[str, Any], new: dict[str, Any], downgrades: bool) -> None:
    """`asked` is the request of UpdateEnvironment, `new` the environment as it would be."""
    _check_fields(set(asked) - {*REQUIRED, *OTHER_FIELDS, "WorkerReplacementStrategy"} | set(asked) & set(ONLY_AT_CREATION))
    if "SubnetIds" in (asked.get("NetworkConfiguration") or {}):
        raise Refused("The subnets of an environment cannot be changed")
    if asked.get("WorkerReplacementStrategy") not in (None, "FORCED", "GRACEFUL"):
        raise Refused(f"Invalid WorkerReplacementStrategy: {asked['WorkerReplacementStrategy']}")
    _first(_problems(region, new))
    for file in FILES:
        if old.get(f"{file}S3Path") and not new.get(f"{file}S3Path"):
            raise Refused(f"{file}S3Path cannot be removed once it is set")
    before, after = (tuple(int(part) for part in version["AirflowVersion"].split(".")) for version in (old, new))
    if before[0] != after[0]:
        raise Refused(f"Cannot change the Apache Airflow version from {old['AirflowVersion']} to {new['AirflowVersion']}: a new major version "
                      "needs a new environment")
    if after < before and not downgrades:
        raise Refused(f"Cannot downgrade the Apache Airflow version from {old['AirflowVersion']} to {new['AirflowVersion']}")


def _check_fields(unknown: set[str]) -> None:
    if unknown:
        raise Refused(f"Unknown parameter(s): {', '.join(sorted(unknown))}")


def _first(problems: Iterator[str]) -> None:
    for problem in problems:
        raise Refused(problem)


def _problems(region: str, request: dict[str, Any]) -> Iterator[str]:
    version = request.get("AirflowVersion") or ""
    if version not in VERSIONS:
        yield f"Invalid AirflowVersion: {version}. Valid values: {', '.join(VERSIONS)}"
    yield from _size(request)
    yield from _options(request.get("AirflowConfigurationOptions") or {})
    mode = request.get("WebserverAccessMode") or "PRIVATE_ONLY"
    if mode not in ACCESS_MODES:
        yield f"Invalid WebserverAccessMode: {mode}. Valid values: {', '.join(ACCESS_MODES)}"
    if mode == "PUBLIC_AND_PRIVATE" and tuple(int(part) for part in version.split(".")) < (3, 2):
        yield f"WebserverAccessMode PUBLIC_AND_PRIVATE is not supported with AirflowVersion {version}"
    window = request.get("WeeklyMaintenanceWindowStart")
    if window is not None and not re.fullmatch(WINDOW, window):
        yield f"Value '{window}' at 'weeklyMaintenanceWindowStart' failed to satisfy constraint: a day and a time such as SUN:03:00"
    if request.get("EndpointManagement") not in (None, "SERVICE", "CUSTOMER"):
        yield f"Invalid EndpointManagement: {request['EndpointManagement']}"
    for module, logs in (request.get("LoggingConfiguration") or {}).items():
        if module not in MODULES or not isinstance(logs.get("Enabled"), bool) or logs.get("LogLevel") not in LEVELS:
            yield f"Invalid LoggingConfiguration of {module}: {logs}"
    yield from _network(request["NetworkConfiguration"])
    yield from _role(request["ExecutionRoleArn"])
    yield from _source(region, request)


def _size(request: dict[str, Any]) -> Iterator[str]:
    kind = request.get("EnvironmentClass") or "mw1.small"
    if kind not in CLASSES:
        yield f"Invalid EnvironmentClass: {kind}. Valid values: {', '.join(CLASSES)}"
    micro = kind == "mw1.micro"
    few, many = (1, 1) if micro else (2, 5)
    default = {"MinWorkers": 1, "MaxWorkers": 1 if micro else 10, "Schedulers": few, "MinWebservers": few, "MaxWebservers": few}
    counts: dict[str, Any] = {**default, **{name: request[name] for name in default if request.get(name) is not None}}
    for name, count in counts.items():
        if not isinstance(count, int):
            yield f"{name} must be a number, not {count!r}"
    for name in ("Schedulers", "MinWebservers", "MaxWebservers"):
        if not few <= counts[name] <= many:
            yield f"{name} must be {few if micro else 'from 2 to 5'} for EnvironmentClass {kind}, not {counts[name]}"
    if counts["MinWorkers"] < 1 or (micro and counts["MaxWorkers"] != 1):
        yield f"MinWorkers and MaxWorkers must be {'1' if micro else 'at least 1'} for EnvironmentClass {kind}"
    for what in ("workers", "webservers"):
        low, high = counts[f"Min{what.capitalize()}"], counts[f"Max{what.capitalize()}"]
        if low > high:
            yield f"Min{what.capitalize()} ({low}) must not be greater than Max{what.capitalize()} ({high})"


def _options(options: dict[str, Any]) -> Iterator[str]:
    for key, value in options.items():
        if not re.fullmatch(OPTION, key) or len(key) > 64:
            yield (f"Value '{key}' at 'airflowConfigurationOptions' failed to satisfy constraint: Map keys must satisfy regular expression "
                   "pattern: ^[a-z]+([a-z0-9._]*[a-z0-9_]+)?$ and have length less than or equal to 64")
        if not isinstance(value, str) or not re.fullmatch(r"[ -~]{1,65536}", value):
            yield (f"The value of '{key}' at 'airflowConfigurationOptions' failed to satisfy constraint: a string of 1 to 65536 printable "
                   f"characters, not {value!r}")


def _network(network: dict[str, Any]) -> Iterator[str]:
    subnets, groups = network.get("SubnetIds") or [], network.get("SecurityGroupIds") or []
    if len(subnets) != 2 or len(set(subnets)) != 2:
        yield f"NetworkConfiguration must have exactly 2 SubnetIds, not {subnets}"
    if not 1 <= len(groups) <= 5:
        yield f"NetworkConfiguration must have 1 to 5 SecurityGroupIds, not {groups}"
    for kind, known, ids in (("subnet", ec2._subnets, subnets), ("security group", ec2._security_groups, groups)):
        for missing in [one for one in ids if one not in known]:
            yield f"The {kind} ID '{missing}' does not exist"
    if len({ec2._subnets[one]["AvailabilityZone"] for one in subnets}) != 2:
        yield f"The subnets {', '.join(subnets)} must be in two different Availability Zones"
    if len({ec2._subnets[one]["VpcId"] for one in subnets} | {ec2._security_groups[one]["VpcId"] for one in groups}) != 1:
        yield f"The subnets {', '.join(subnets)} and the security groups {', '.join(groups)} must be in the same VPC"


def _role(arn: str) -> Iterator[str]:
    found = re.fullmatch(ROLE_ARN, arn)
    if not found or found[2].rsplit("/", 1)[-1] not in iam._roles:
        yield f"The execution role {arn} does not exist, or Amazon MWAA cannot assume it"


def _source(region: str, request: dict[str, Any]) -> Iterator[str]:
    found = re.fullmatch(BUCKET_ARN, request["SourceBucketArn"])
    bucket = found[2] if found else ""
    if not found or bucket not in s3._buckets:
        yield f"The source bucket {request['SourceBucketArn']} does not exist"
    if s3.bucket_region(bucket) != region:
        yield f"The source bucket {bucket} is in {s3.bucket_region(bucket)}, but must be in the environment's region {region}"
    if s3._bucket_versioning.get(bucket) != "Enabled":
        yield f"The source bucket {bucket} must have versioning enabled"
    blocked = s3._buckets[bucket].get("_public_access_block") or ""
    if blocked.lower().count(">true<") != 4:
        yield f"The source bucket {bucket} must block all public access"
    for file, what in FILES.items():
        path, version = request.get(f"{file}S3Path"), request.get(f"{file}S3ObjectVersion")
        if version and not path:
            yield f"{file}S3ObjectVersion is given without {file}S3Path"
        if path and not version:
            yield f"{file}S3Path is given without {file}S3ObjectVersion"
        if path and version and s3._get_object_data(bucket, path, version) is None:
            yield f"The {what} {path} with version {version} does not exist in the bucket {bucket}"
