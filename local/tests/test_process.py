"""Start and end: nothing is reachable from outside, and nothing is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from local_aws import functions, patches
from local_aws.process import PACKAGE_PARENT, LocalAws, LocalAwsError
from support.clients import Clients
from support.local_functions import ROLE, SOON, alive, function_zip, invoke
from support.waiting import until


def with_a_function(aws: LocalAws) -> int:
    client = Clients(aws)
    client("lambda").create_function(FunctionName="f", Runtime="provided.al2023", Handler="bootstrap", Role=ROLE,
                                     Timeout=30, Code={"ZipFile": function_zip()})
    return invoke(client, "f", {"do": "pid"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_every_function_process_and_every_file(tmp_path, number):
    ready = tmp_path / "ready.json"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen([sys.executable, "-m", "local_aws", "--port", "0", "--ready-file", str(ready)],
                               env={**os.environ, "PYTHONPATH": str(PACKAGE_PARENT), "TMPDIR": str(scratch)},
                               stderr=subprocess.DEVNULL)
    try:
        until("it is ready", ready.exists)
        told = json.loads(ready.read_text())
        assert told["pid"] == process.pid
        aws = LocalAws()
        aws._endpoint = told["endpoint"]
        pid = with_a_function(aws)
        assert alive(pid) and list(scratch.iterdir())
        process.send_signal(number)
        assert process.wait(timeout=SOON) == 0
    finally:
        process.kill()
    until("the process is gone", lambda: not alive(pid))
    assert not ready.exists()
    assert list(scratch.iterdir()) == []


def test_it_ends_with_its_parent():
    script = ("import sys, time\nfrom local_aws.process import LocalAws\n"
              "aws = LocalAws().start()\nprint(aws.pid, aws.endpoint, flush=True)\ntime.sleep(60)\n")
    parent = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(PACKAGE_PARENT)},
                              stdout=subprocess.PIPE, text=True)
    pid, endpoint = parent.stdout.readline().split()
    aws = LocalAws()
    aws._endpoint = endpoint
    function = with_a_function(aws)
    parent.kill()
    parent.wait()
    until("the process is gone", lambda: not alive(int(pid)) and not alive(function))


def test_it_listens_on_the_loopback_interface_only():
    with LocalAws() as aws:
        with_a_function(aws)
        listening = listeners(aws.pid)
        assert int(aws.endpoint.rsplit(":", 1)[1]) in {port for _, port in listening}
        assert {address for address, _ in listening} == {"127.0.0.1"}


def listeners(pid: int) -> set[tuple[str, int]]:
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes |= set(re.findall(r"socket:\[(\d+)\]", os.readlink(descriptor)))
        except OSError:
            continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and columns[9] in inodes:
                address, port = columns[1].rsplit(":", 1)
                readable = ".".join(str(int(address[i:i + 2], 16)) for i in (6, 4, 2, 0)) if len(address) == 8 else address
                found.add((readable, int(port, 16)))
    return found


def test_two_run_beside_each_other():
    with LocalAws() as one, LocalAws() as two:
        assert one.endpoint != two.endpoint
        one.put_environment("blue")
        assert [e["name"] for e in one.environments()] == ["blue"] and two.environments() == []


def test_a_taken_port_is_told():
    with LocalAws() as aws, pytest.raises(LocalAwsError, match=r"cannot listen on 127\.0\.0\.1"):
        LocalAws(port=int(aws.endpoint.rsplit(":", 1)[1])).start()


def test_another_version_of_ministack_is_refused(monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: "9.9.9")
    with pytest.raises(SystemExit, match=r"1\.5\.33.*9\.9\.9"):
        patches.check_version()


def test_a_missing_seam_is_named():
    with pytest.raises(SystemExit, match=r"local_aws\.functions\.no_such_name"):
        patches.replace(functions, "no_such_name", lambda _: None)


def test_it_starts_fast_and_needs_no_docker(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")  # an address that never answers
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:3128")
    started = time.monotonic()
    with LocalAws() as aws:
        assert with_a_function(aws)
    assert time.monotonic() - started < SOON, "neither address answers, and either would be waited for longer"


def test_with_auth_a_function_may_do_what_its_role_allows_and_no_more():
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    allowed = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "ssm:PutParameter", "Resource": "arn:aws:ssm:us-east-1:000000000000:parameter/root/flag"}]}
    with LocalAws(auth=True) as aws:
        client = Clients(aws)
        client("iam").create_role(RoleName="tester", AssumeRolePolicyDocument=json.dumps(trust))
        client("iam").put_role_policy(RoleName="tester", PolicyName="p", PolicyDocument=json.dumps(allowed))
        with_a_function(aws)
        seen = invoke(client, "f", {"do": "environment"})
        ssm = boto3.client("ssm", endpoint_url=aws.endpoint, region_name="us-east-1", aws_access_key_id=seen["AWS_ACCESS_KEY_ID"],
                           aws_secret_access_key=seen["AWS_SECRET_ACCESS_KEY"], aws_session_token=seen["AWS_SESSION_TOKEN"])
        assert ssm.put_parameter(Name="/root/flag", Value="blue", Type="String")["Version"] == 1
        with pytest.raises(ClientError, match="AccessDenied"):
            ssm.put_parameter(Name="/root/hold", Value="x", Type="String")
