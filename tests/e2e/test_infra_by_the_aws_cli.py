"""infra/README.md, word for word: everything deployed and taken away again with the AWS CLI alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import botocore.loaders
import pytest

from local_aws.process import LocalAws
from support.clients import Clients
from support.paths import PROJECT
from support.walkthrough import Walkthrough, runs


@pytest.mark.long(100)
@runs("deploy-with-the-aws-cli")
def test_the_stacks_are_deployed_and_deleted_as_their_readme_says(walk: Walkthrough, tmp_path: Path) -> None:
    with LocalAws(log=tmp_path / "local.log") as aws:
        aws.set_mwaa_defaults(create_seconds=0, update_seconds=0, delete_seconds=0)
        look_often(tmp_path)
        there_and_back(aws, walk, tmp_path)


def look_often(home: Path) -> None:
    """The AWS CLI looks every 30 s whether a stack is ready. It reads how often from its models, and those of its user first."""
    service = "cloudformation/2010-05-15"
    waiters = botocore.loaders.create_loader().load_data(f"{service}/waiters-2")
    for waiter in waiters["waiters"].values():
        waiter["delay"] = 1
    folder = home / ".aws/models" / service
    folder.mkdir(parents=True)
    (folder / "waiters-2.json").write_text(json.dumps(waiters))


def there_and_back(aws: LocalAws, walk: Walkthrough, tmp_path: Path) -> None:
    for name in ("infra", "airflow"):
        (tmp_path / name).symlink_to(PROJECT / name)
    (tmp_path / "requirements.txt").write_text("")
    with zipfile.ZipFile(tmp_path / "plugins.zip", "w") as archive:
        archive.writestr("mwaa_bluegreen-0.2.0-py3-none-any.whl", b"")
    variables = {**aws.environment(), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    clients = Clients(aws)

    def run(block: str) -> None:
        script = f"set -euo pipefail\n{walk.section.names}\n{block}"
        done = subprocess.run(["bash", "-c", script], env=variables, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr

    network, base, lineage, environments, *clean_up = walk.todo
    walk.at = len(walk.todo)
    for block in (network, base, lineage, environments):
        run(block)
    stacks = {stack["StackName"]: stack for stack in clients("cloudformation").describe_stacks()["Stacks"]}
    layers = ("network", "lineage", "blue-base", "green-base", "blue-environment", "green-environment")
    assert {f"orders-{layer}" for layer in layers} <= set(stacks)
    for color in ("blue", "green"):
        assert stacks[f"orders-{color}-environment"]["EnableTerminationProtection"] is True
        environment = clients("mwaa").get_environment(Name=f"orders-{color}")["Environment"]
        assert environment["AirflowConfigurationOptions"]["custom.environment_color"] == color
        assert environment["StartupScriptS3Path"] == "artifacts/startup.sh" and environment["StartupScriptS3ObjectVersion"]
    buckets = [output["OutputValue"] for name in ("orders-blue-base", "orders-green-base") for output in stacks[name]["Outputs"]
               if output["OutputKey"] == "BucketName"]  # fmt: skip
    for block in clean_up:
        run(block)
    left = {stack["StackName"] for stack in clients("cloudformation").describe_stacks()["Stacks"]}
    assert not [name for name in left if name.startswith("orders-")]
    there = {bucket["Name"] for bucket in clients("s3").list_buckets()["Buckets"]}
    assert set(buckets) <= there
