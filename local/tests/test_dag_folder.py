"""The DAGs of an environment that a stack made are those of its bucket."""

from __future__ import annotations

import pytest
from ministack.services import s3

from local_aws import dag_folder
from local_aws.dag_folder import has_import_error
from local_aws.mwaa_environments import Environment as Imitated
from local_aws.mwaa_environments import Made, Settings
from support.local_functions import FILES
from support.stacks import Stack
from support.waiting import until

TEMPLATE = (FILES / "environment.yaml").read_text()
GOOD, RAISING, WRONG = b"from airflow import DAG\nwith DAG('x'): pass\n", b"import os\nraise ValueError('no variable')\n", b"def f(:\n"


@pytest.mark.parametrize(("source", "broken"), [
    (GOOD, False), (RAISING, True), (WRONG, True), (b"", False), (b"def f():\n    raise ValueError\n", False), (b"'raise this'\n", False), (b"\0", True),
])
def test_a_file_that_raises_or_does_not_compile_has_an_import_error(source, broken):
    assert has_import_error(source) is broken


class Environment:
    def __init__(self, client, name, bucket):
        self.client, self.name, self.bucket = client, name, bucket

    def put(self, **files):
        for name, body in files.items():
            self.client("s3").put_object(Bucket=self.bucket, Key=f"dags/{name.replace('__', '/')}.py", Body=body)

    def remove(self, name):
        self.client("s3").delete_object(Bucket=self.bucket, Key=f"dags/{name}.py")

    def rest(self, path, method="GET", **more):
        return self.client("mwaa").invoke_rest_api(Name=self.name, Path=path, Method=method, **more)["RestApiResponse"]

    def dags(self):
        return {dag["dag_id"]: dag for dag in self.rest("/dags")["dags"]}

    def errors(self):
        return [error["filename"] for error in self.rest("/importErrors")["import_errors"]]


@pytest.fixture(scope="module", params=["2.10.3", "3.0.6"])
def environment(request, client):
    name = f"dags-{request.param[0]}"
    stack = Stack(client, name, TEMPLATE)
    assert stack.deploy({"Name": name, "AirflowVersion": request.param}) == "CREATE_COMPLETE"
    return Environment(client, name, stack.outputs()["BucketName"])


def test_new_dags_are_paused_and_changed_ones_keep_what_they_are(environment):
    environment.put(orders=GOOD, reports__daily=GOOD)
    environment.client("s3").put_object(Bucket=environment.bucket, Key="dags/notes.txt", Body=b"no DAG")
    environment.client("s3").put_object(Bucket=environment.bucket, Key="other/elsewhere.py", Body=GOOD)
    dags = until("both are parsed", lambda: len(environment.dags()) == 2 and environment.dags())
    assert {dag_id: dag["is_paused"] for dag_id, dag in dags.items()} == {"orders": True, "daily": True}
    assert dags["daily"]["fileloc"] == "/usr/local/airflow/dags/reports/daily.py"
    environment.rest("/dags/orders", "PATCH", Body={"is_paused": False})
    environment.put(orders=GOOD + b"# changed\n", later=GOOD)
    until("the later one is parsed", lambda: "later" in environment.dags())
    assert environment.dags()["orders"]["is_paused"] is False and environment.errors() == []


def test_a_broken_file_is_an_import_error_until_it_is_mended_or_gone(environment):
    environment.put(fresh=RAISING, known=GOOD, other=WRONG)
    until("all are parsed", lambda: "known" in environment.dags() and len(environment.errors()) == 2)
    folder = "/usr/local/airflow/dags/" if environment.name == "dags-2" else ""
    assert environment.errors() == [f"{folder}fresh.py", f"{folder}other.py"] and not {"fresh", "other"} & set(environment.dags())
    environment.put(known=RAISING, fresh=GOOD)
    until("both are parsed", lambda: "fresh" in environment.dags() and f"{folder}known.py" in environment.errors())
    assert environment.dags()["known"]["has_import_errors"] and environment.dags()["fresh"]["has_import_errors"] is False
    environment.remove("known")
    environment.remove("other")
    until("both are gone", lambda: environment.errors() == [] and "known" not in environment.dags())
    environment.put(known=GOOD)
    until("it is back", lambda: "known" in environment.dags())


def test_parsing_takes_its_time(environment, local_aws):
    local_aws.put_environment(environment.name, parse_seconds=1.5)
    environment.put(slow=GOOD)
    assert "slow" not in environment.dags()
    until("it is parsed", lambda: "slow" in environment.dags())
    local_aws.put_environment(environment.name, parse_seconds=0)


def test_unpaused_at_creation_if_so_configured(client, unique):
    stack = Stack(client, unique, TEMPLATE.replace("        core.parallelism", "        core.dags_are_paused_at_creation: 'False'\n        core.parallelism"))
    stack.deploy({"Name": unique})
    environment = Environment(client, unique, stack.outputs()["BucketName"])
    environment.put(orders=GOOD)
    assert until("it is parsed", environment.dags)["orders"]["is_paused"] is False


def test_what_the_control_api_says_of_the_dags_counts(environment, local_aws):
    local_aws.put_environment(environment.name, dags={"said": {}}, import_errors=["said.py"])
    environment.put(unseen=GOOD)
    assert set(environment.dags()) == {"said"} and environment.errors() == ["said.py"]


def test_more_files_than_are_parsed_at_once(client, unique):
    stack = Stack(client, unique, TEMPLATE)
    stack.deploy({"Name": unique})
    environment = Environment(client, unique, stack.outputs()["BucketName"])
    environment.put(**{f"dag_{number}": GOOD for number in range(250)})
    until("all are parsed", lambda: environment.rest("/dags")["total_entries"] == 250, timeout=20)


def test_a_late_look_renews_no_error_of_a_file_that_is_gone(monkeypatch):
    """On a busy machine a look comes late. Until then nothing was parsed, and then all that was due is."""
    bucket = {"bad.py": "tag"}
    monkeypatch.setattr(dag_folder, "_listed", lambda *_: ("", "", dict(bucket)))
    monkeypatch.setattr(s3, "_get_object_data", lambda *_: RAISING, raising=False)
    imitated = Imitated("late", Settings(parse_seconds=0.5), made=Made({}))
    for now in (10.0, 10.6):
        dag_folder.look(imitated, imitated.made, now)
    assert imitated.settings.import_errors == ["bad.py"] and imitated.parsed_at(10.7) == 10.6
    del bucket["bad.py"]  # at 10.7
    assert imitated.parsed_at(13.0) == 10.6, "nothing has looked since"
    dag_folder.look(imitated, imitated.made, 10.9)
    assert imitated.settings.import_errors == ["bad.py"] and imitated.parsed_at(13.0) == 10.9
    dag_folder.look(imitated, imitated.made, 13.0)
    assert imitated.settings.import_errors == []
