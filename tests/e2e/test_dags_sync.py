"""`mwaa-bluegreen dags sync`: two buckets, two Airflows that list what lies in them, and whatever comes in between."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_aws.process import LocalAws
from support.clients import Clients
from support.command_line import CONFLICT, DONE, FAILED, NOT_IN_TIME, NOT_READY, REFUSED, USAGE, Cli, Ended
from support.deployment import Deploy
from support.pair import Pair
from support.paths import PROJECT
from support.stacks import Stack
from support.waiting import until

MANIFEST = "bluegreen/dags-manifest.json"
# As the local AWS names them: by the permission that each takes.
WRITING = ("PutObject", "DeleteObject")

# The local Airflow has a changed file after half a second, and parses all the time. S3's times are whole seconds.
QUICK = ("--sync-seconds", "1", "--list-seconds", "1", "--within", "30")


def dag(name: str, version: int = 1) -> str:
    return f"from airflow import DAG\n\nwith DAG({name!r}, schedule=None):\n    version = {version}\n"


@dataclass
class Synced:
    """A pair with environments whose Airflows read buckets, and a folder beside its pair.toml."""

    pair: Pair
    cli: Cli
    folder: Path
    buckets: dict[str, str]

    def __call__(self, *arguments: str, code: int | None = DONE, quick: tuple[str, ...] = QUICK, **variables: str) -> Ended:
        return self.cli("dags", "sync", "--file", self.file, *quick, *arguments, code=code, **variables)

    @property
    def file(self) -> str:
        return str(self.folder.parent / "pair.toml")

    @property
    def aws(self) -> LocalAws:
        return self.pair.aws

    @property
    def s3(self) -> Any:
        return self.pair.client("s3")

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def local(self) -> dict[str, str]:
        return {str(file.relative_to(self.folder)): file.read_text() for file in self.folder.rglob("*") if file.is_file()}

    def names(self, color: str) -> set[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.buckets[color], Prefix="dags/")
        return {entry["Key"].removeprefix("dags/") for page in pages for entry in page.get("Contents", [])}

    def content(self, color: str, name: str) -> str:
        return str(self.s3.get_object(Bucket=self.buckets[color], Key=f"dags/{name}")["Body"].read().decode())

    def there(self, color: str) -> dict[str, str]:
        return {name: self.content(color, name) for name in self.names(color)}

    def manifest(self, color: str) -> dict[str, Any]:
        text = self.s3.get_object(Bucket=self.buckets[color], Key=MANIFEST)["Body"].read()
        return dict(json.loads(text)["files"])

    def put(self, color: str, path: str, text: str) -> None:
        """As somebody else does."""
        self.s3.put_object(Bucket=self.buckets[color], Key=f"dags/{path}", Body=text.encode())

    def requests(self, since: int) -> dict[str, int]:
        """By operation of S3 and MWAA, since then."""
        found: dict[str, int] = {}
        for call in self.aws.calls(since):
            if call["service"] in ("s3", "airflow"):
                found[call["operation"]] = found.get(call["operation"], 0) + 1
        return found

    def environment(self, color: str, **settings: Any) -> None:
        self.pair.environment(color, **settings)


@pytest.fixture(scope="session")
def network(shared_aws: tuple[LocalAws, Clients, str]) -> dict[str, str]:
    stack = Stack(shared_aws[1], "dags-network", (PROJECT / "infra/network.yaml").read_text())
    assert stack.deploy({"PairName": "dags", "NatGateways": "1"}) == "CREATE_COMPLETE", stack.reasons()
    return stack.outputs()


Make = Callable[..., Synced]


@pytest.fixture
def make(deploy: Deploy, network: dict[str, str], shared_aws: tuple[LocalAws, Clients, str], tmp_path: Path) -> Iterator[Make]:
    made: list[Stack] = []
    clients = shared_aws[1]

    def build(toml: str = "mode = 'blue-green'\n", initialize: bool = True) -> Synced:
        pair = deploy(environments={"blue": None, "green": None}, initialize=False)
        buckets = {}
        for color, name in pair.environments.items():
            base = Stack(clients, f"{pair.name}-{color}-base", (PROJECT / "infra/environment-base.yaml").read_text())
            assert base.deploy({"PairName": pair.name, "Color": color, "EnvironmentName": name, "VpcId": network["VpcId"],
                                "ParameterRoot": pair.root}) == "CREATE_COMPLETE", base.reasons()
            made.append(base)
            outputs = base.outputs()
            buckets[color] = outputs["BucketName"]
            pair.client("mwaa").create_environment(
                Name=name, AirflowVersion="3.0.6" if color == "blue" else "2.11.0", DagS3Path="dags", SourceBucketArn=outputs["BucketArn"],
                ExecutionRoleArn=outputs["ExecutionRoleArn"],
                NetworkConfiguration={"SubnetIds": network["PrivateSubnetIds"].split(","), "SecurityGroupIds": [outputs["SecurityGroupId"]]})
        until("both are there", lambda: all(pair.client("mwaa").get_environment(Name=name)["Environment"]["Status"] == "AVAILABLE"
                                            for name in pair.environments.values()))
        if initialize:
            assert pair.ask(action="initialize")["outcome"] == "initialized"
        (tmp_path / "pair.toml").write_text(f"[pair]\nname = {pair.name!r}\nregion = 'us-east-1'\n{toml}"
                                            "[environment]\nairflow_version = '3.0.6'\n")
        synced = Synced(pair, Cli(pair, tmp_path), tmp_path / "dags", buckets)
        synced.write("one.py", dag("one"))
        synced.write("two.py", dag("two"))
        synced.write("sql/query.sql", "select 1\n")
        return synced

    yield build
    for stack in made:
        stack.delete()


@pytest.fixture
def synced(make: Make) -> Synced:
    return make()


def test_the_standby_comes_first_and_only_what_has_changed(synced: Synced) -> None:
    first = synced()
    assert first.out.index("green (standby)") < first.out.index("blue (active)")
    assert first.out.count("parsed without new import errors: 2 files with DAGs") == 2
    assert synced.there("green") == synced.there("blue") == synced.local()
    since = synced.aws.calls_so_far()
    again = synced("--output", "json").json
    assert (again["outcome"], again["active"], again["colors"]["blue"]["unchanged"]) == ("synchronized", "blue", 3)
    assert not set(synced.requests(since)) & set(WRITING), "nothing has changed, nothing is written"

    synced.write("two.py", dag("two", version=2))
    (synced.folder / "sql/query.sql").unlink()
    synced.write("__pycache__/two.pyc", "x")
    since = synced.aws.calls_so_far()
    told = synced("--output", "json").json["colors"]["green"]
    assert (told["changed"], told["new"], told["deleted"], told["unchanged"]) == (["two.py"], [], ["sql/query.sql"], 1)
    assert synced.there("green") == synced.there("blue") == {"one.py": dag("one"), "two.py": dag("two", version=2)}
    # Of each color: the manifest before and after, and the file.
    assert {name: count for name, count in synced.requests(since).items() if name in WRITING} == {"PutObject": 6, "DeleteObject": 2}


def test_what_somebody_else_put_there_stays_and_is_named(synced: Synced) -> None:
    synced.put("green", "theirs.py", dag("theirs"))
    synced()
    synced.put("green", "two.py", dag("two", version=3))
    synced.put("green", "one.py", dag("one", version=3))
    (synced.folder / "two.py").unlink()
    told = synced("--standby-only")
    assert "left there, not written by `dags sync`: theirs.py" in told.out
    assert "left there, because somebody else has written over it: two.py" in told.out
    assert "1 altered in the bucket" in told.out
    there = synced.there("green")
    assert there["one.py"] == dag("one"), "what the folder has, wins"
    assert there["two.py"] == dag("two", version=3) and "theirs.py" in there
    assert sorted(synced.manifest("green")) == ["one.py", "sql/query.sql"]
    assert "two.py" in synced.names("blue"), "--standby-only"


def test_a_dry_run_writes_nothing(synced: Synced) -> None:
    synced()
    synced.write("three.py", dag("three"))
    synced.write("one.py", dag("one", version=2))
    (synced.folder / "two.py").unlink()
    since = synced.aws.calls_so_far()
    told = synced("--dry-run").out
    for color in ("green (standby)", "blue (active)"):
        part = told[told.index(color):]
        assert "  ~ one.py\n  + three.py\n  - two.py\n" in part, part
    assert not set(synced.requests(since)) & set(WRITING)


def test_new_import_errors_on_the_standby_stop_it_until_they_are_mended(synced: Synced) -> None:
    synced.write("broken.py", "from airflow import DAG\nraise RuntimeError('old')\n")
    synced("--to", "blue", code=NOT_READY)
    synced("--to", "green", code=DONE)
    before = synced.there("blue")
    synced.write("one.py", "from airflow import DAG\nimport nothing_of_the_kind as dag\nraise RuntimeError('boom')\n")
    for attempt in ("first", "repeated"):
        told = synced(code=NOT_READY)
        assert "1 file that cannot be imported" in told.error and "one.py: " in told.error, (attempt, told.error)
        assert "broken.py" not in told.error, "the active has that error, too"
        assert "blue (active) is untouched" in told.out
        assert synced.there("blue") == before
    assert synced("--output", "json", code=NOT_READY).json["colors"]["green"]["import_errors"][0]["file"] == "one.py"
    synced.write("one.py", dag("one", version=2))
    told = synced()
    assert "blue (active)" in told.out
    assert synced.there("blue") == synced.local()


def test_an_airflow_that_does_not_answer_is_not_taken_for_a_good_one(synced: Synced) -> None:
    synced()
    before = synced.there("blue")
    synced.write("one.py", dag("one", version=2))
    synced.environment("green", rest_api="down")
    told = synced("--within", "4", code=FAILED, quick=QUICK[:4])
    assert "whether the files were parsed is unknown" in told.error and "airflow:InvokeRestApi" in told.error
    assert synced.there("blue") == before
    synced.environment("green", rest_api="up", scheduler="stopped")
    synced.write("one.py", dag("one", version=3))
    told = synced("--within", "4", code=NOT_IN_TIME, quick=QUICK[:4])
    assert "not parsed within 4 s" in told.error and "not yet: one.py, two.py" in told.error
    assert synced.there("blue") == before
    synced.environment("green", scheduler="running")
    synced()
    assert synced.there("blue") == synced.local()


def test_a_failover_in_the_middle_leaves_the_new_active_alone(synced: Synced) -> None:
    synced()
    before = synced.there("blue")
    synced.write("one.py", dag("one", version=2))
    synced.environment("green", scheduler="stopped")
    running = synced.cli.start("dags", "sync", "--file", synced.file, *QUICK)
    until("green has it", lambda: synced.there("green")["one.py"] == dag("one", version=2))
    synced.pair.write_by_hand("green")
    synced.environment("green", scheduler="running")
    _, error = running.communicate(timeout=60)
    assert running.returncode == REFUSED and "green has become active meanwhile" in error, error
    assert synced.there("blue") == before
    told = synced()
    assert "blue (standby)" in told.out and synced.there("blue") == synced.local()


def test_throttles_and_lost_answers_only_make_it_slower(synced: Synced) -> None:
    for number in range(60):
        synced.write(f"sql/{number}.sql", f"select {number}\n")
    for operation in ("PutObject", "ListObjectsV2", "ListBucket", "GetObject"):
        synced.aws.add_fault("throttle", "s3", operation, probability=0.2, times=40)
    synced.aws.add_fault("lost-response", "s3", "PutObject", match=MANIFEST, times=1)
    synced()
    kinds = {fault["kind"]: fault["hits"] for fault in synced.aws.faults() if fault["operation"] == "PutObject"}
    assert kinds["throttle"] > 5 and kinds["lost-response"] == 1, kinds
    synced.aws.clear_faults()
    assert synced.there("green") == synced.there("blue") == synced.local()
    since = synced.aws.calls_so_far()
    synced()
    assert not set(synced.requests(since)) & set(WRITING)


def test_what_is_refused_names_what_it_takes(synced: Synced) -> None:
    synced.aws.add_fault("access-denied", "s3", "PutObject")
    told = synced(code=FAILED).error
    assert "s3:PutObject on " in told and synced.buckets["green"] in told
    synced.aws.clear_faults()
    synced.aws.add_fault("access-denied", "airflow", "GetEnvironment")
    assert "airflow:GetEnvironment" in synced(code=FAILED).error


def test_two_at_once_are_noticed(synced: Synced) -> None:
    synced.aws.add_fault("latency", "s3", "ListBucket", latency_ms=2000)
    since = synced.aws.calls_so_far()
    running = synced.cli.start("dags", "sync", "--file", synced.file, *QUICK)
    until("it has read the manifest, and lists", lambda: synced.requests(since).get("GetObject"))
    # The manifest of another one, with a file that only that one has.
    synced.s3.put_object(Bucket=synced.buckets["green"], Key=MANIFEST, Body=b'{"format": 1, "files": {}}')
    _, error = running.communicate(timeout=60)
    assert running.returncode == CONFLICT and "another `dags sync` writes to bucket" in error, error
    assert synced.names("green") == set(), "nothing was written"
    synced.aws.clear_faults()
    synced()
    assert synced.there("blue") == synced.local()


def test_what_cannot_be_is_refused_before_anything_is_written(synced: Synced) -> None:
    since = synced.aws.calls_so_far()
    toml = Path(synced.file)
    text = toml.read_text()

    def refused(change: str, *arguments: str) -> str:
        toml.write_text(text + change)
        return synced(*arguments, code=USAGE).error

    assert "--region is eu-west-1" in refused("", "--region", "eu-west-1")
    assert "reads bucket" in refused(f"[green]\nexisting = '{synced.pair.environments['green']}'\nbucket = 'another'\n")
    assert "there is no environment nobody in us-east-1" in refused("[green]\nexisting = 'nobody'\n")
    assert "no file: all DAGs" in refused("dags = 'empty'\n", *mkdir(toml.parent / "empty"))
    assert "cannot be read" in refused("dags = 'nowhere'\n")
    assert "environment.classy" in refused("classy = 1\n")
    synced.s3.create_bucket(Bucket=f"{synced.pair.name}-far", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    synced.aws.put_environment("far-away", source_bucket_arn=f"arn:aws:s3:::{synced.pair.name}-far")
    assert "is in eu-west-1, and its environment in us-east-1" in refused("[green]\nexisting = 'far-away'\n")
    synced.aws.delete_environment("far-away")
    synced.s3.put_object(Bucket=synced.buckets["green"], Key=MANIFEST, Body=b'{"format": 2}')
    since = synced.aws.calls_so_far()
    assert "a later version of this product wrote it" in refused("")
    assert not set(synced.requests(since)) & set(WRITING)


def mkdir(folder: Path) -> tuple[()]:
    folder.mkdir()
    return ()


def test_without_a_flag_one_color_can_be_synchronized(make: Make) -> None:
    synced = make(initialize=False)
    told = synced(code=None)
    assert told.code != DONE and "no color is active" in told.error and "--to" in told.error, told
    synced("--to", "green")
    assert synced.names("green") and not synced.names("blue")
    synced.pair.client("mwaa").delete_environment(Name=synced.pair.environments["blue"])
    until("it is gone", lambda: synced.pair.environments["blue"] not in synced.pair.client("mwaa").list_environments()["Environments"])
    told = synced("--to", "blue")
    assert "there is no environment" in told.out and synced.there("blue") == synced.local(), "before the environment is deployed"


def test_in_standard_mode_there_is_one(make: Make) -> None:
    synced = make("mode = 'standard'\n", initialize=False)
    assert "there is no standby" in synced("--standby-only", code=USAGE).error
    synced()
    assert synced.there("blue") == synced.local() and not synced.names("green")


@pytest.mark.long(30)
def test_five_thousand_files_killed_half_way_and_ten_changed(synced: Synced, record_property: Callable[[str, object], None]) -> None:
    for number in range(4800):
        synced.write(f"sql/{number % 50}/{number}.sql", f"select {number}\n")
    for number in range(197):
        synced.write(f"team_{number % 7}/dag_{number}.py", dag(f"dag_{number}"))
    synced.put("green", "theirs.py", dag("theirs"))
    local = synced.local()
    assert len(local) == 5000

    since = synced.aws.calls_so_far()
    running = synced.cli.start("dags", "sync", "--file", synced.file, "--to", "green", *QUICK)
    until("half of it is there", lambda: synced.requests(since).get("PutObject", 0) > 2500)
    running.kill()
    running.wait()
    time.sleep(0.3)  # what was sent still arrives
    written = len(synced.names("green")) - 1
    assert 2400 < written < 4500, "it was killed half way"
    assert len(synced.manifest("green")) == 5000 and all(entry["pending"] for entry in synced.manifest("green").values())

    # Half of that is no longer wanted, by the time somebody repeats it.
    gone = [name for name in sorted(local) if name.startswith("sql/1/")]
    for name in gone:
        (synced.folder / name).unlink()
        del local[name]
    since, began = synced.aws.calls_so_far(), time.monotonic()
    synced("--to", "green")
    requests, seconds = synced.requests(since), time.monotonic() - began
    print(f"\nthe rest of 5,000 files: {seconds:.1f} s, {requests}")
    assert requests["PutObject"] <= 5000 - written + 2, "only what is missing, and the manifest"
    assert synced.names("green") == {*local, "theirs.py"}
    assert not any(entry.get("pending") for entry in synced.manifest("green").values())

    changed = [name for name in sorted(local) if name.endswith(".py")][:5] + [name for name in sorted(local) if name.endswith(".sql")][:5]
    for name in changed:
        synced.write(name, local[name].replace("version = 1", "version = 2").replace("select", "SELECT"))
    since, began = synced.aws.calls_so_far(), time.monotonic()
    told = synced("--to", "green", "--output", "json").json["colors"]["green"]
    requests, seconds = synced.requests(since), time.monotonic() - began
    print(f"{len(local)} files with 10 changed: {seconds:.1f} s, {requests}")
    record_property("ten changed", requests)
    assert sorted(told["changed"]) == sorted(changed)
    # The manifest before and after; five pages, and a look at either bucket; the manifest read, and its time.
    expected = {"PutObject": 12, "ListBucket": 7, "GetObject": 2, "GetEnvironment": 2}
    assert {name: requests[name] for name in expected} == expected and requests["InvokeRestApi"] < 10
    assert {name: synced.content("green", name) for name in changed} == {name: (synced.folder / name).read_text() for name in changed}
