"""environment.yaml against MWAA's own service model, and against what the guard and OpenLineage read."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin

import botocore.session
import pytest
import yaml

from mwaa_bluegreen import settings
from support.infra import KEY, PLACES, full, refused, rendered, template, text
from support.template import Rendered

At = Callable[[str, str], None]
MWAA = botocore.session.get_session().get_service_model("mwaa")
CREATE, UPDATE = (MWAA.operation_model(operation).input_shape for operation in ("CreateEnvironment", "UpdateEnvironment"))
BEGIN, END = "# options of pair.toml: begin", "# options of pair.toml: end"


def environment(stack: Rendered) -> dict[str, Any]:
    return stack.resources["Environment"]["Properties"]


def options(**parameters: Any) -> dict[str, Any]:
    return environment(rendered("environment", **parameters))["AirflowConfigurationOptions"]


def faults(shape: Any, value: Any, where: str) -> Iterator[str]:
    """What MWAA's model does not allow. CloudFormation makes numbers of texts where the resource has numbers."""
    match shape.type_name:
        case "structure":
            for name in value.keys() - shape.members.keys():
                yield f"{where}.{name} does not exist"
            for name in set(shape.required_members) - value.keys():
                yield f"{where}.{name} is missing"
            for name in value.keys() & shape.members.keys():
                yield from faults(shape.members[name], value[name], f"{where}.{name}")
        case "map":
            for name, member in value.items():
                yield from faults(shape.key, name, f"{where}.{name}")
                yield from faults(shape.value, member, f"{where}.{name}")
        case "list":
            if not shape.metadata.get("min", 0) <= len(value) <= shape.metadata.get("max", 1_000):
                yield f"{where} has {len(value)} members"
            for member in value:
                yield from faults(shape.member, member, where)
        case "boolean":
            if not isinstance(value, bool):
                yield f"{where} is {value!r}"
        case "integer":
            if not shape.metadata.get("min", 0) <= int(value) <= shape.metadata.get("max", 10**9):
                yield f"{where} is {value}"
        case "string":
            if not isinstance(value, str):
                yield f"{where} is {value!r}, no text"
            elif not shape.metadata.get("min", 0) <= len(value) <= shape.metadata.get("max", 10**9):
                yield f"{where} has {len(value)} characters"
            elif not re.fullmatch(shape.metadata.get("pattern", ".*"), value) or value not in (shape.enum or [value]):
                yield f"{where} is {value!r}"
        case other:
            raise NotImplementedError(other)


def faults_of_request(properties: dict[str, Any]) -> list[str]:
    """CloudFormation gives the strategy to UpdateEnvironment, which alone knows it."""
    created = {key: value for key, value in properties.items() if key != "WorkerReplacementStrategy"}
    strategy = {"Name": properties["Name"], "WorkerReplacementStrategy": properties["WorkerReplacementStrategy"]}
    return [*faults(CREATE, created, "environment"), *faults(UPDATE, strategy, "environment")]


# ---- MWAA would take it --------------------------------------------------------------------------------------

LARGE = {"EnvironmentClass": "mw1.2xlarge", "MinWorkers": 1, "MaxWorkers": 50, "Schedulers": 5, "MinWebservers": 2, "MaxWebservers": 5}
MICRO = {"EnvironmentClass": "mw1.micro", "MinWorkers": 1, "MaxWorkers": 1, "Schedulers": 1, "MinWebservers": 1, "MaxWebservers": 1}


@pytest.mark.parametrize("given", [{}, LARGE, MICRO, {"Color": "green", "EnvironmentName": "orders-green"}])
@pytest.mark.parametrize("make", [rendered, full])
def test_the_request_is_one_that_mwaa_takes(make: Callable[..., Rendered], given: dict[str, Any]) -> None:
    assert refused("environment", **given) == []
    assert faults_of_request(environment(make("environment", **given))) == []


def test_a_request_that_mwaa_would_refuse_is_found() -> None:
    good = environment(full("environment"))
    for wrong in ({"Schedulers": "6"}, {"WeeklyMaintenanceWindowStart": "TUE:03:15"}, {"Nme": "x"}, {"AirflowVersion": ""},
                  {"AirflowConfigurationOptions": {"core.parallelism": 32}}, {"AirflowConfigurationOptions": {"Core.x": "1"}},
                  {"WorkerReplacementStrategy": "SOFT"}, {"AirflowConfigurationOptions": {"core.x": ""}}):  # fmt: skip
        assert faults_of_request({**good, **wrong}), wrong


@pytest.mark.parametrize(("partition", "region"), PLACES)
def test_the_key_is_written_as_mwaa_takes_it(at: At, partition: str, region: str) -> None:
    """Its pattern has no region with four parts, such as us-gov-west-1."""
    at(partition, region)
    key = environment(full("environment", KmsKeyArn=KEY.replace("arn:aws:", f"arn:{partition}:").replace("us-east-1", region)))["KmsKey"]
    if partition != "aws-eusc":  # MWAA is not there, and its model knows no such region.
        assert list(faults(CREATE.members["KmsKey"], key, "KmsKey")) == []
    assert key.endswith("key/1234abcd-12ab-34cd-56ef-1234567890ab")


def test_the_network_is_exactly_what_was_given() -> None:
    network = environment(rendered("environment", SubnetIds="subnet-a,subnet-b", SecurityGroupIds="sg-a,sg-b"))["NetworkConfiguration"]
    assert network == {"SubnetIds": ["subnet-a", "subnet-b"], "SecurityGroupIds": ["sg-a", "sg-b"]}


def test_all_logs_go_to_cloudwatch() -> None:
    logs = environment(rendered("environment", LogLevel="WARNING"))["LoggingConfiguration"]
    assert set(logs) == set(CREATE.members["LoggingConfiguration"].members)
    assert {(log["Enabled"], log["LogLevel"]) for log in logs.values()} == {(True, "WARNING")}


def test_files_come_with_the_version_that_s3_gave_them() -> None:
    plain, given = environment(rendered("environment")), environment(full("environment"))
    for kind, parameter in (("Requirements", "Requirements"), ("Plugins", "Plugins"), ("StartupScript", "StartupScript")):
        assert not {f"{kind}S3Path", f"{kind}S3ObjectVersion"} & set(plain)
        assert given[f"{kind}S3Path"].startswith("artifacts/") and given[f"{kind}S3ObjectVersion"].startswith("v")
        for half in ({f"{parameter}Path": "a"}, {f"{parameter}Version": "v"}):
            assert f"{parameter}Path and {parameter}Version go together" in refused("environment", **half)[0]


def test_workers_are_waited_for() -> None:
    assert environment(rendered("environment"))["WorkerReplacementStrategy"] == "GRACEFUL"


def test_no_tag_is_there_whose_change_would_restart_airflow() -> None:
    assert "Tags" not in environment(full("environment"))


# ---- The two colors ------------------------------------------------------------------------------------------


def test_the_maintenance_windows_are_days_apart() -> None:
    starts = {color: environment(rendered("environment", Color=color))["WeeklyMaintenanceWindowStart"] for color in ("blue", "green")}
    days = [["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"].index(start[:3]) for start in starts.values()]
    assert abs(days[0] - days[1]) in range(2, 6), starts
    assert set(template("environment")["Mappings"]["MaintenanceWindow"]) == {"blue", "green"}


def test_blue_and_green_differ_in_nothing_but_what_makes_them_two() -> None:
    blue, green = (environment(full("environment", Color=color, EnvironmentName=f"orders-{color}", LineageNamespace="")) for color in ("blue", "green"))
    different = {key for key in blue if blue[key] != green[key]}
    assert different == {"Name", "WeeklyMaintenanceWindowStart", "AirflowConfigurationOptions"}
    ours, theirs = blue["AirflowConfigurationOptions"], green["AirflowConfigurationOptions"]
    assert {key for key in ours if ours[key] != theirs[key]} == {"custom.environment_color", "openlineage.namespace"}
    assert not re.search(r"\b(active|standby)\b", json.dumps([blue, green]).replace("active-environment", ""))


# ---- Sizes ---------------------------------------------------------------------------------------------------


def is_right(size: dict[str, Any]) -> bool:
    counts = (size["MinWorkers"], size["MaxWorkers"], size["Schedulers"], size["MinWebservers"], size["MaxWebservers"])
    if size["EnvironmentClass"] == "mw1.micro":
        return set(counts) == {1}
    return size["Schedulers"] >= 2 and 2 <= size["MinWebservers"] <= size["MaxWebservers"]


def test_sizes_that_mwaa_does_not_have_are_refused() -> None:
    """Every combination of counts with a class of each kind."""
    names = ("EnvironmentClass", "MinWorkers", "MaxWorkers", "Schedulers", "MinWebservers", "MaxWebservers")
    tried = 0
    for values in itertools.product(("mw1.micro", "mw1.small"), (1, 2), (1, 2), range(1, 6), range(1, 6), range(1, 6)):
        size = dict(zip(names, values, strict=True))
        said = refused("environment", **size)
        assert bool(said) != is_right(size), (size, said)
        tried += 1
    assert tried == 1_000


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"EnvironmentClass": "mw1.micro"}, ["MinWorkers 1 and MaxWorkers 1", "Schedulers 1", "MinWebservers 1 and MaxWebservers 1"]),
        ({"Schedulers": 1}, ["Schedulers 2 to 5"]),
        ({"MinWebservers": 4, "MaxWebservers": 3}, ["MaxWebservers at least"]),
        ({"Schedulers": 6}, ["2 to 5; 1 with mw1.micro."]),
        ({"MinWorkers": 0}, ["1 or more, up to MaxWorkers; 1 with mw1.micro."]),
        ({"EnvironmentClass": "mw1.tiny"}, ["mw1.micro, mw1.small"]),
        ({"AirflowVersion": "3.0"}, ["three parts"]),
        ({"AirflowVersion": "latest"}, ["three parts"]),
        ({"BucketArn": "bucket"}, ["The ARN of a bucket."]),
        ({"DagsPath": "/dags"}, ["does not begin with a slash"]),
        ({"LineageUrl": 'http://x"y'}, ["a host name"]),
        ({"LineageUrl": "ftp://x"}, ["http:// or https://"]),
        ({"LineageUrl": "https://x/lineage"}, ["ends with a slash"]),
        ({"LineageUrl": "https://x:5000/api/v1/lineage"}, ["without api/v1/lineage"]),
        ({"LineageUrl": "https://x//"}, ["ends with a slash"]),
        ({"LineageUrl": "http://" + "x" * 150}, ["http:// or https://"]),
        ({"FlagParameter": "active-environment"}, ["name of an SSM parameter"]),
        ({"Color": "teal"}, ["blue or green."]),
    ],
)
def test_what_is_refused_says_what_to_give(given: dict[str, Any], said: list[str]) -> None:
    answers = refused("environment", **given)
    assert len(answers) == len(said)
    for answer, part in zip(answers, said, strict=True):
        assert part in answer


# ---- Options -------------------------------------------------------------------------------------------------


def test_the_guard_reads_what_the_template_sets() -> None:
    given = options(FlagParameter="/mwaa/orders/active-environment", ControllerRegion="eu-west-1", GuardMode="observe", Color="green")

    def lookup(option: str) -> str | None:
        return given.get(f"custom.{option}")

    assert settings.read(lookup) == settings.Settings("green", "/mwaa/orders/active-environment", "eu-west-1")
    assert settings.mode(lookup) == "observe"
    assert settings.guard_task(lookup) == settings.GuardTask()


def test_every_mode_of_the_guard_can_be_given() -> None:
    assert set(template("environment")["Parameters"]["GuardMode"]["AllowedValues"]) == set(settings.MODES)


def test_an_environment_without_a_flag_executes_its_dags() -> None:
    """The guard would else fail every run, because there is no flag to read."""
    given = options(GuardMode="all", ControllerRegion="eu-west-1")
    assert given == {"custom.environment_color": "blue", "custom.bluegreen_guard": "off"}


def test_a_flag_in_the_same_region_needs_no_region() -> None:
    assert "custom.bluegreen_flag_region" not in options(FlagParameter="/mwaa/orders/active-environment")


def test_lineage_has_time_outs_and_a_namespace_for_each_color() -> None:
    assert not [key for key in options() if key.startswith("openlineage.")]
    url = "http://marquez.orders-lineage.internal:5000"
    blue, green = (options(LineageUrl=url, Color=color, EnvironmentName=f"orders-{color}") for color in ("blue", "green"))
    transport = json.loads(blue["openlineage.transport"])
    assert transport == {"type": "http", "url": url, "timeout": 2, "retry": {"total": 1}}
    assert (blue["openlineage.namespace"], green["openlineage.namespace"]) == ("orders-blue", "orders-green")
    assert options(LineageUrl=url, LineageNamespace="a/b")["openlineage.namespace"] == "a/b"
    # Both tries, and connecting and reading each, end before OpenLineage's own time-out for a task.
    assert (1 + transport["retry"]["total"]) * 2 * transport["timeout"] < int(blue["openlineage.execution_timeout"])
    assert (blue["openlineage.execute_in_thread"], blue["openlineage.disabled_for_operators"]) == ("True", "mwaa_bluegreen.guard.Guard")


@pytest.mark.parametrize("path", ["", "/", "/lineage/", "/teams/data/"])
def test_what_the_lineage_client_appends_keeps_the_path(path: str) -> None:
    url = f"https://lineage.example.org{path}"
    assert refused("environment", LineageUrl=url) == []
    given = json.loads(options(LineageUrl=url)["openlineage.transport"])["url"]
    assert urljoin(given, "api/v1/lineage") == f"https://lineage.example.org{path.rstrip('/')}/api/v1/lineage"


def test_no_option_is_longer_than_the_resource_once_allowed() -> None:
    longest = options(LineageUrl="https://" + "h" * 142, LineageNamespace="n" * 100, FlagParameter="/" + "f" * 149)
    assert all(len(value) <= 256 for value in longest.values())
    assert refused("environment", LineageUrl="https://" + "h" * 142, LineageNamespace="n" * 100, FlagParameter="/" + "f" * 149) == []


def test_options_of_a_users_own_go_between_the_marks() -> None:
    lines = text("environment").splitlines()
    begin, end = (next(number for number, line in enumerate(lines) if line.strip() == mark) for mark in (BEGIN, END))
    assert end == begin + 1 and sum(mark in line for line in lines for mark in (BEGIN, END)) == 2
    indent = lines[begin][: lines[begin].index("#")]
    with_more = [*lines[: begin + 1], f'{indent}core.parallelism: "32"', *lines[begin + 1 :]]

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda *_: None)
    before, after = (yaml.load("\n".join(text), Loader) for text in (lines, with_more))
    given = after["Resources"]["Environment"]["Properties"]["AirflowConfigurationOptions"]
    assert given.pop("core.parallelism") == "32"
    assert before == after


def test_the_outputs_are_what_people_and_the_controller_need() -> None:
    outputs = {name: output["Value"] for name, output in rendered("environment").outputs.items()}
    assert outputs["WebserverUrl"] == "https://Environment.WebserverUrl"
    assert outputs["EnvironmentArn"] == "Environment.Arn" and outputs["EnvironmentName"] == "Environment"
