"""`env apply` and `env destroy` on a local AWS of their own: from nothing to a pair and back, whatever stops them in between."""

from __future__ import annotations

import io
import itertools
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.process import LocalAws
from local_aws.stack import architecture
from support.clients import Clients
from support.command_line import DONE, FAILED, INTERRUPTED, NOT_CONFIRMED, PROGRAM, REFUSED, USAGE, Ended, variables
from support.paths import TEMPLATE
from support.waiting import until

CHANGES = (("cloudformation", "CreateChangeSet"), ("cloudformation", "ExecuteChangeSet"), ("cloudformation", "UpdateTerminationProtection"),
           ("cloudformation", "DeleteChangeSet"), ("cloudformation", "DeleteStack"), ("s3", "PutObject"), ("lambda", "Invoke"))
# What is repeated after a kill, and would be killed for ever.
NEXT = {"CreateChangeSet": ("CreateChangeSet",), "DeleteStack": ("CreateChangeSet", "DeleteStack")}
MOST_KILLS = 60
# It takes so long until a test ends it by fewer seconds.
UNTIL_ENDED = 600
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(log=tmp_path_factory.mktemp("aws") / "local.log") as aws:
        aws.set_mwaa_defaults(create_seconds=0.2, update_seconds=0.2, delete_seconds=0.2)
        yield aws


@dataclass
class Site:
    """A pair's file, and whoever works with it."""

    aws: LocalAws
    folder: Path
    name: str
    functions: Path
    mode: str = "blue-green"
    active: str = "blue"
    network: dict[str, Any] = field(default_factory=lambda: {"nat_gateways": 1})
    environment: dict[str, Any] = field(default_factory=dict)
    controller: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "dags").mkdir(parents=True, exist_ok=True)
        self.clients = Clients(self.aws)

    def write(self) -> None:
        def lines(table: dict[str, Any]) -> str:
            return "".join(f"{key} = {value if isinstance(value, int) else repr(value)}\n".replace("'", '"') for key, value in table.items())

        environment = {"airflow_version": "3.0.6", "class": "mw1.small", "min_workers": 1, "max_workers": 3, "dags": "dags", **self.environment}
        text = f'[pair]\nname = "{self.name}"\nmode = "{self.mode}"\nregion = "us-east-1"\nactive = "{self.active}"\n'
        text += f"[network]\n{lines(self.network)}[environment]\n{lines(environment)}"
        if self.mode == "blue-green":
            text += f'[controller]\nfunctions = "{self.functions}"\ntemplate = "{TEMPLATE}"\n[controller.parameters]\nArchitecture = "{architecture()}"\n'
            text += f'FailoverMode = "observe"\n{lines(self.controller)}'
        (self.folder / "pair.toml").write_text(text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        self.write()
        return subprocess.Popen([PROGRAM, *arguments], env=variables(self.aws, self.folder), cwd=self.folder, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *arguments: str, code: int = DONE) -> Ended:
        process = self.start(*arguments)
        out, error = process.communicate(timeout=120)
        assert process.returncode == code, f"{process.returncode}: {out}\n{error}"
        return Ended(process.returncode, out, error)

    def apply(self, *arguments: str, code: int = DONE) -> Ended:
        return self.run("env", "apply", *arguments, *([] if "--dry-run" in arguments else ["--yes"]), code=code)

    def destroy(self, *arguments: str, code: int = DONE) -> Ended:
        return self.run("env", "destroy", *arguments, "--yes", code=code)

    def stack(self, part: str) -> dict[str, Any]:
        try:
            return self.clients("cloudformation").describe_stacks(StackName=f"{self.name}{part}")["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return {"StackStatus": "absent"}

    def events(self, part: str) -> int:
        return len(self.clients("cloudformation").describe_stack_events(StackName=f"{self.name}{part}")["StackEvents"])

    def statuses(self) -> dict[str, str]:
        return {part: self.stack(part)["StackStatus"] for part in PARTS}

    def untouched(self) -> dict[str, Any]:
        """What any update would change: events, the date of the last update, the parameters."""
        there = [part for part in PARTS if self.stack(part)["StackStatus"] != "absent"]
        return {part: (self.events(part), self.stack(part).get("LastUpdatedTime"), self.stack(part)["StackStatus"]) for part in there}

    def parameters(self, part: str) -> dict[str, str]:
        return {one["ParameterKey"]: one["ParameterValue"] for one in self.stack(part)["Parameters"]}

    def outputs(self, part: str) -> dict[str, str]:
        return {one["OutputKey"]: one["OutputValue"] for one in self.stack(part).get("Outputs", [])}

    def flag(self) -> str:
        return self.clients("ssm").get_parameter(Name=f"/mwaa/{self.name}/active-environment")["Parameter"]["Value"]

    def status(self) -> Any:
        return self.run("status", "--output", "json", "--pair", self.name).json


PARTS = ("-network", "-blue-base", "-green-base", "-blue-environment", "-green-environment", "")
OF_BLUE = ("-network", "-blue-base", "-blue-environment")


@pytest.fixture
def site(aws: LocalAws, functions: Path, tmp_path: Path) -> Iterator[Site]:
    yield Site(aws, tmp_path / "site", f"pair-{next(_numbers)}", functions)
    aws.clear_faults()


@pytest.fixture(scope="module")
def pair(aws: LocalAws, functions: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One pair for the tests that leave it as it was."""
    made = Site(aws, tmp_path_factory.mktemp("pair"), "shared", functions)
    made.apply()
    return made


def test_from_nothing_to_a_healthy_pair_and_a_second_time_nothing(pair: Site) -> None:
    assert set(pair.statuses().values()) == {"CREATE_COMPLETE"}
    status = pair.status()
    assert status["active"] == "blue"
    until("both are healthy", lambda: {one["verdict"] for one in pair.status()["verdicts"].values()} == {"healthy"})
    for color in ("blue", "green"):
        assert pair.stack(f"-{color}-environment")["EnableTerminationProtection"]
        assert not pair.stack(f"-{color}-environment")["Tags"], "a change of tags restarts an environment"
    before, since = pair.untouched(), pair.aws.calls_so_far()
    again = pair.apply()
    calls = [call for call in pair.aws.calls(since) if not str(call["caller"]).startswith("shared-") and call["service"] != "monitoring"]
    assert "nothing to change: no update was started" in again.out
    assert f"{len(calls)} AWS calls" in again.out
    assert len(calls) <= 10, calls
    assert not [call for call in calls if not call["operation"].startswith(("Describe", "Get", "List"))], calls
    assert pair.untouched() == before


def test_what_is_uploaded_starts_airflow_with_the_guard(pair: Site, tmp_path: Path) -> None:
    given = pair.parameters("-green-environment")
    bucket = pair.outputs("-green-base")["BucketName"]
    s3 = pair.clients("s3")

    def object_of(what: str) -> bytes:
        return s3.get_object(Bucket=bucket, Key=given[f"{what}Path"], VersionId=given[f"{what}Version"])["Body"].read()

    plugins = zipfile.ZipFile(io.BytesIO(object_of("Plugins")))
    (wheel,) = plugins.namelist()
    assert object_of("Requirements").decode().endswith(f"mwaa-bluegreen=={wheel.split('-')[1]}\n")
    head, _, _ = object_of("StartupScript").decode().partition("# Start-up script for MWAA")
    script = f"{head}\necho $MWAA_BLUEGREEN_WHEEL"
    carried = Path(subprocess.run(["bash", "-c", script], env={"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}, check=True,
                                  capture_output=True, text=True).stdout.strip())
    assert carried.read_bytes() == plugins.read(wheel)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", tmp_path / "there", carried], check=True)
    assert (tmp_path / "there/mwaa_bluegreen/policy.py").exists()


@pytest.mark.long(20)
def test_one_becomes_two_and_two_become_one_and_what_runs_is_not_touched(site: Site) -> None:
    site.mode = "standard"
    site.apply()
    assert site.flag() == "blue", "the guard of a single environment needs a flag"
    assert {part for part, status in site.statuses().items() if status != "absent"} == set(OF_BLUE)
    environment = site.clients("mwaa").get_environment(Name=f"{site.name}-blue")["Environment"]
    blue = {part: site.untouched()[part] for part in OF_BLUE}

    site.mode = "blue-green"
    assert f"{site.name}-blue" not in site.apply("--dry-run").error
    site.apply()
    assert {part: site.untouched()[part] for part in OF_BLUE} == blue
    assert site.status()["active"] == "blue"

    site.mode = "standard"
    told = site.apply(code=REFUSED).error
    assert f"`mwaa-bluegreen env destroy --leave standard` deletes {site.name}, {site.name}-green-environment, {site.name}-green-base" in told
    site.run("switch", "--to", "green", "--pair", site.name, "--yes", "--force", "--no-wait")
    assert "switch --to blue" in site.apply(code=REFUSED).error
    assert "green is active" in site.destroy("--leave", "standard", code=REFUSED).error
    site.run("switch", "--to", "blue", "--pair", site.name, "--yes", "--force", "--no-wait")
    site.destroy("--leave", "standard")
    assert {part for part, status in site.statuses().items() if status != "absent"} == set(OF_BLUE)
    assert {part: site.untouched()[part] for part in OF_BLUE} == blue
    assert "no update was started" in site.apply().out
    after = site.clients("mwaa").get_environment(Name=f"{site.name}-blue")["Environment"]
    assert (after["LastUpdate"], after["AirflowConfigurationOptions"]) == (environment["LastUpdate"], environment["AirflowConfigurationOptions"])
    assert site.flag() == "blue"


@pytest.mark.long(60)
def test_killed_after_every_change_and_repeated_it_ends_as_if_nothing_had_happened(site: Site, pair: Site) -> None:
    kills: list[str] = []
    for _ in range(MOST_KILLS):
        spared = NEXT.get(kills[-1], ()) if kills else ()
        for service, operation in (one for one in CHANGES if one[1] not in spared):
            site.aws.add_fault("lost-response-timeout", service, operation, match=site.name, times=1, latency_ms=100_000)
        process = site.start("env", "apply", "--yes")
        while process.poll() is None and not any(fault["hits"] for fault in site.aws.faults()):
            time.sleep(0.02)
        hit = [fault["operation"] for fault in site.aws.faults() if fault["hits"]]
        process.kill()
        out, error = process.communicate()
        site.aws.clear_faults()
        if not hit:
            assert process.returncode == DONE, out + error
            break
        kills += hit
    # Both colors are deployed at the same time, so that one of them may get further than the kill of the other.
    assert kills.count("ExecuteChangeSet") >= 4, kills
    assert kills.count("PutObject") >= 6 and kills.count("UpdateTerminationProtection") >= 1 and "Invoke" in kills, kills
    until("the changes of all kinds are done", lambda: set(site.statuses().values()) == {"CREATE_COMPLETE"})
    assert site.flag() == "blue"
    assert "no update was started" in site.apply().out
    for part in PARTS:
        assert site.outputs(part).keys() == pair.outputs(part).keys()
        assert site.stack(part)["EnableTerminationProtection"] == pair.stack(part)["EnableTerminationProtection"]
        ours, theirs = site.parameters(part), pair.parameters(part)
        same = ("EnvironmentClass", "MaxWorkers", "RequirementsPath", "PluginsPath", "StartupScriptPath", "GuardMode", "FailoverMode")
        assert {key: ours[key] for key in same if key in ours} == {key: theirs[key] for key in same if key in theirs}
        assert ours.keys() == theirs.keys()


def test_the_active_is_changed_only_by_its_name_and_by_force(pair: Site) -> None:
    before = pair.untouched()
    pair.environment = {"max_workers": 4}
    try:
        for arguments in ((), ("blue",)):
            told = pair.apply(*arguments, code=REFUSED).error
            assert "blue is active, and this would change shared-blue-environment" in told
            assert "rollout" in told and "env apply green" in told
        assert "The standby differs, too (shared-green-environment)" in pair.apply(code=REFUSED).error
        assert pair.untouched() == before
        assert "shared-green-environment  will be updated: MaxWorkers" in pair.apply("green", "--dry-run").error
        assert pair.run("env", "apply", "green", code=NOT_CONFIRMED)
        pair.aws.add_fault("access-denied", "lambda", "Invoke")
        told = pair.apply("green", code=REFUSED).error
        pair.aws.clear_faults()
        assert "it is unknown whether green, which stands by, has runs in flight" in told and "env apply green --force" in told
        assert pair.untouched() == before
        pair.apply("green")
        assert pair.parameters("-green-environment")["MaxWorkers"] == "4"
        assert {part: pair.untouched()[part] for part in OF_BLUE} == {part: before[part] for part in OF_BLUE}
        pair.apply("blue", "--force")
        assert pair.parameters("-blue-environment")["MaxWorkers"] == "4"
    finally:
        pair.environment = {}
        for color in ("blue", "green"):
            pair.apply(color, "--force")


def test_nothing_is_replaced(pair: Site) -> None:
    before, network = pair.untouched(), pair.network
    pair.network = {**network, "cidr": "10.9.0.0/16"}
    try:
        told = pair.apply("network", code=REFUSED).error
        assert "both colors" in told and "env apply network --force" in told
        told = pair.apply("network", "--force", code=REFUSED).error
    finally:
        pair.network = network
    assert "replace Vpc (AWS::EC2::VPC)" in told and "nothing was changed" in told
    assert pair.untouched() == before
    assert not pair.clients("cloudformation").list_change_sets(StackName="shared-network")["Summaries"] or all(
        one["ExecutionStatus"] != "AVAILABLE" for one in pair.clients("cloudformation").list_change_sets(StackName="shared-network")["Summaries"])


def test_a_creation_that_fails_says_why_and_is_taken_away_by_the_repeat(site: Site) -> None:
    site.mode = "standard"
    site.aws.set_mwaa_defaults(fail_next_create="INCORRECT_CONFIGURATION: no way to S3")
    told = site.apply(code=FAILED).error
    assert f"stack {site.name}-blue-environment is ROLLBACK_COMPLETE: Environment (AWS::MWAA::Environment): " in told
    assert "no way to S3" in told and "NAT or endpoints" in told and "repeat the command" in told
    told = site.apply().error
    assert "ROLLBACK_COMPLETE: its creation failed before (Environment (AWS::MWAA::Environment)" in told
    assert site.statuses()["-blue-environment"] == "CREATE_COMPLETE"


def test_an_update_that_fails_says_why_and_leaves_it_as_it_was(pair: Site) -> None:
    pair.aws.put_environment("shared-green", fail_next_update="a broken plugin")
    pair.environment = {"max_workers": 5}
    try:
        told = pair.apply("green", code=FAILED).error
    finally:
        pair.environment = {}
    assert "stack shared-green-environment is UPDATE_ROLLBACK_COMPLETE" in told and "a broken plugin" in told and "as it was before" in told
    assert pair.parameters("-green-environment")["MaxWorkers"] == "3"
    pair.apply("green")


def test_a_missing_permission_is_named_and_nothing_is_half_done(site: Site) -> None:
    site.aws.add_fault("access-denied", "cloudformation", "CreateChangeSet", match=site.name)
    told = site.apply(code=FAILED).error
    assert f"failed making a change set of stack {site.name}-network in us-east-1" in told and "cloudformation:CreateChangeSet" in told
    assert set(site.statuses().values()) == {"absent"}
    site.aws.clear_faults()
    site.aws.add_fault("access-denied", "ssm", "GetParameters")
    told = site.apply(code=FAILED).error
    assert "nothing says which color is active" in told
    assert set(site.statuses().values()) == {"absent"}


def test_throttles_and_lost_answers_are_outlasted(site: Site) -> None:
    site.mode = "standard"
    for operation in ("DescribeStacks", "CreateChangeSet", "ExecuteChangeSet", "DescribeStackEvents"):
        site.aws.add_fault("throttle", "cloudformation", operation, match=site.name, times=1)
        site.aws.add_fault("lost-response", "cloudformation", operation, match=site.name, times=1)
    site.apply()
    assert site.statuses()["-blue-environment"] == "CREATE_COMPLETE"


def test_two_at_once_wait_for_each_other_and_an_interruption_says_what_goes_on(site: Site) -> None:
    site.mode = "standard"
    site.aws.set_mwaa_defaults(create_seconds=UNTIL_ENDED)
    try:
        first = site.start("env", "apply", "--yes")
        until("the environment is being made", lambda: site.stack("-blue-environment")["StackStatus"] == "CREATE_IN_PROGRESS")
        time.sleep(0.5)
        first.send_signal(2)
        _, told = first.communicate(timeout=30)
        assert first.returncode == INTERRUPTED
        assert f"CloudFormation goes on with stack {site.name}-blue-environment (CREATE_IN_PROGRESS) by itself" in told
        second = site.start("env", "apply", "--yes")
        assert second.stderr
        assert any("an earlier run, is at it; waiting" in line for line in second.stderr)
    finally:
        site.aws.set_mwaa_defaults(create_seconds=0.2)
    assert second.communicate(timeout=60) and second.returncode == DONE
    assert site.statuses()["-blue-environment"] == "CREATE_COMPLETE"
    assert site.stack("-blue-environment")["EnableTerminationProtection"]


def test_destroy_goes_back_in_order_and_says_what_stays(site: Site) -> None:
    site.apply()
    buckets = [site.outputs(f"-{color}-base")["BucketName"] for color in ("blue", "green")]
    assert "nothing was deleted: blue is active" in site.destroy("blue", code=REFUSED).error
    assert site.run("env", "destroy", "green", code=NOT_CONFIRMED)
    assert site.run("env", "destroy", code=USAGE)
    since = site.untouched()
    told = site.run("env", "destroy", "--all", "--dry-run").error
    assert site.untouched() == since
    for bucket in buckets:
        assert f"bucket {bucket}  stays" in told
    assert "security group" in told and "audit trail" in told and f"log groups airflow-{site.name}-blue-*  stay" in told
    groups = [site.outputs(f"-{color}-base")["SecurityGroupId"] for color in ("blue", "green")]
    site.destroy("green")
    left = {part for part, status in site.statuses().items() if status != "absent"}
    assert left == {*OF_BLUE, ""}
    # Killed in the middle, and repeated.
    process = site.start("env", "destroy", "--all", "--yes", "--empty-buckets")
    until("the controller goes", lambda: site.stack("")["StackStatus"] in ("DELETE_IN_PROGRESS", "absent"))
    process.kill()
    process.communicate()
    told = site.destroy("--all", "--empty-buckets", code=FAILED).error
    assert "A VPC with a security group in it cannot be deleted" in told and f"aws ec2 delete-security-group --group-id {groups[0]}" in told
    assert {part for part, status in site.statuses().items() if status != "absent"} == {"-network"}
    ec2 = site.clients("ec2")
    # Each may name the other colors' in its rules no more than itself.
    for group in groups:
        ec2.delete_security_group(GroupId=group)
    site.destroy("--all")
    assert set(site.statuses().values()) == {"absent"}
    s3 = site.clients("s3")
    assert not s3.list_object_versions(Bucket=buckets[0]).get("Versions"), "emptied"
    assert s3.list_object_versions(Bucket=buckets[1])["Versions"], "green was deleted without --empty-buckets"
    assert "nothing to delete" in site.destroy("--all").out


def test_nothing_is_deleted_of_one_color_while_the_flag_names_none_or_has_moved(site: Site) -> None:
    site.apply()
    ssm, name = site.clients("ssm"), f"/mwaa/{site.name}/active-environment"
    before = site.untouched()
    ssm.delete_parameter(Name=name)
    told = site.destroy("green", code=REFUSED).error
    assert f"there is no flag {name}" in told
    # Nor is anything of a pair with a controller updated: nothing says which color works.
    site.environment = {"max_workers": 4}
    told = site.apply(code=REFUSED).error
    assert f"there is no flag {name}" in told and f"{site.name}-blue-environment" in told
    site.environment = {}
    site.controller = {"ParameterRoot": "/mwaa/moved"}
    told = site.apply(code=REFUSED).error
    assert f"/mwaa/{site.name}" in told and "/mwaa/moved" in told
    site.controller = {}
    ssm.put_parameter(Name=name, Value="purple", Type="String")
    told = site.destroy("green", code=REFUSED).error
    assert "purple" in told and "which is no color" in told and "env destroy --all" in told
    assert site.untouched() == before
    # It moves while the command waits for the first look at the stack that it is to delete.
    ssm.put_parameter(Name=name, Value="blue", Type="String", Overwrite=True)
    site.aws.put_environment(f"{site.name}-green", update_seconds=UNTIL_ENDED)
    site.environment = {"max_workers": 4}
    update = site.start("env", "apply", "green", "--yes", "--force")
    until("green is updated", lambda: site.stack("-green-environment")["StackStatus"] == "UPDATE_IN_PROGRESS")
    since = site.aws.calls_so_far()
    process = site.start("env", "destroy", "green", "--yes")
    until("it has read the flag", lambda: any((call["service"], call["caller"], call["status"]) == ("ssm", "root", 200) for call in site.aws.calls(since)))
    ssm.put_parameter(Name=name, Value="green", Type="String", Overwrite=True)
    site.aws.put_environment(f"{site.name}-green", update_seconds=0.2)
    _, told = process.communicate(timeout=60)
    assert process.returncode == REFUSED, told
    assert f"stack {site.name}-green-environment was not deleted: green is active" in told
    update.communicate(timeout=60)
    assert site.stack("-green-environment")["StackStatus"] == "UPDATE_COMPLETE"


def test_what_changes_between_decision_and_execution_stops_the_update(pair: Site) -> None:
    before, stack = pair.untouched(), "shared-green-environment"
    cloudformation = pair.clients("cloudformation")

    def available() -> list[str]:
        sets = cloudformation.list_change_sets(StackName=stack)["Summaries"]
        return [one["ChangeSetName"] for one in sets if one["ExecutionStatus"] == "AVAILABLE"]

    pair.environment = {"max_workers": 6}
    try:
        # The flag moves while the change set is made.
        pair.aws.add_fault("latency", "cloudformation", "DescribeChangeSet", match="shared-green", times=1, latency_ms=2500)
        process = pair.start("env", "apply", "green", "--yes")
        until("the change set is there", available)
        pair.run("switch", "--to", "green", "--pair", "shared", "--yes", "--force", "--no-wait")
        _, told = process.communicate(timeout=60)
        assert process.returncode == REFUSED, told
        assert "was blue when this was decided, and is green now" in told and f"stack {stack} was not changed" in told
        assert not available(), "what is not executed is taken away"
        pair.run("switch", "--to", "blue", "--pair", "shared", "--yes", "--force", "--no-wait")
        # A second run takes the change set away.
        pair.aws.add_fault("latency", "cloudformation", "ExecuteChangeSet", match="shared-green", times=1, latency_ms=2500)
        process = pair.start("env", "apply", "green", "--yes", "--force")
        until("the change set is about to be executed", lambda: any(fault["hits"] for fault in pair.aws.faults() if fault["operation"] == "ExecuteChangeSet"))
        cloudformation.delete_change_set(StackName=stack, ChangeSetName=available()[0])
        _, told = process.communicate(timeout=60)
        assert process.returncode == FAILED, told
        assert "was deleted before it could be executed" in told and "repeat the command" in told
    finally:
        pair.environment = {}
        pair.aws.clear_faults()
    assert pair.untouched() == before


def test_a_flag_of_another_pair_is_not_touched(site: Site, pair: Site) -> None:
    site.controller = {"ParameterRoot": "/mwaa/shared"}
    told = site.apply(code=REFUSED).error
    assert 'belongs to the pair "shared"' in told
    assert set(site.statuses().values()) == {"absent"}
