"""lineage.yaml: who reaches the server, what its container starts with, and that its database is kept.

What the container does then is Marquez's, and nothing here starts it.
"""

from __future__ import annotations

import http.server
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.infra import KEY, full, rendered
from support.template import Rendered

SERVER = "marquez"


def container(stack: Rendered, name: str = SERVER) -> dict[str, Any]:
    (found,) = (c for c in stack.resources["TaskDefinition"]["Properties"]["ContainerDefinitions"] if c["Name"] == name)
    return found


def rules(stack: Rendered) -> dict[str, tuple[str, int, str]]:
    return {
        name: (p["GroupId"], p["FromPort"], p.get("SourceSecurityGroupId") or p["CidrIp"])
        for name, p in stack.of_type("AWS::EC2::SecurityGroupIngress").items()
        if p["FromPort"] == p["ToPort"]
    }


# ---- Who reaches it ------------------------------------------------------------------------------------------

DATABASE_RULE = {"DatabaseFromServer": ("DatabaseSecurityGroup", 5432, "ServerSecurityGroup")}


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ({}, {}),
        ({"BlueSecurityGroupId": "sg-b"}, {"FromBlue": ("ServerSecurityGroup", 5000, "sg-b")}),
        (
            {"BlueSecurityGroupId": "sg-b", "GreenSecurityGroupId": "sg-g"},
            {"FromBlue": ("ServerSecurityGroup", 5000, "sg-b"), "FromGreen": ("ServerSecurityGroup", 5000, "sg-g")},
        ),
        ({"ViewerCidr": "10.9.0.0/16"}, {"FromViewers": ("ServerSecurityGroup", 3000, "10.9.0.0/16")}),
    ],
)
def test_only_the_environments_reach_the_server_and_only_it_the_database(given: dict[str, str], more: dict[str, Any]) -> None:
    stack = rendered("lineage", **given)
    assert rules(stack) == {**DATABASE_RULE, **more}
    for group in stack.of_type("AWS::EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in group
    assert stack.resources["Service"]["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"
    assert stack.resources["Database"]["Properties"]["PubliclyAccessible"] is False


def test_the_server_gets_out_to_its_database_and_by_https() -> None:
    stack = rendered("lineage")
    (out,) = stack.resources["ServerSecurityGroup"]["Properties"]["SecurityGroupEgress"]
    assert (out["FromPort"], out["ToPort"]) == (443, 443)
    to_database = stack.resources["ServerToDatabase"]["Properties"]
    assert (to_database["GroupId"], to_database["FromPort"]) == ("ServerSecurityGroup", 5432)
    assert to_database["DestinationSecurityGroupId"] == "DatabaseSecurityGroup"


def test_pages_are_started_only_for_viewers() -> None:
    assert [c["Name"] for c in rendered("lineage").resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]] == [SERVER]
    pages = container(full("lineage"), "marquez-web")
    assert pages["Essential"] is False
    assert {entry["Name"]: entry["Value"] for entry in pages["Environment"]} == {"MARQUEZ_HOST": "localhost", "MARQUEZ_PORT": "5000", "WEB_PORT": "3000"}


# ---- One task ------------------------------------------------------------------------------------------------


def test_one_task_ends_before_the_next_starts() -> None:
    service = rendered("lineage").resources["Service"]["Properties"]
    deployment = service["DeploymentConfiguration"]
    assert service["DesiredCount"] == 1
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 100)
    assert deployment["DeploymentCircuitBreaker"]["Enable"] is True


def test_its_url_is_its_name_in_dns() -> None:
    stack = rendered("lineage", PairName="a-pair")
    service, namespace = (stack.resources[name]["Properties"]["Name"] for name in ("DnsService", "DnsNamespace"))
    assert stack.outputs["LineageUrl"]["Value"] == f"http://{service}.{namespace}:5000" == "http://marquez.a-pair-lineage.internal:5000"
    assert stack.resources["Service"]["Properties"]["ServiceRegistries"] == [{"RegistryArn": "DnsService.Arn"}]
    (record,) = stack.resources["DnsService"]["Properties"]["DnsConfig"]["DnsRecords"]
    assert (record["Type"], record["TTL"]) == ("A", 10)


# ---- The container -------------------------------------------------------------------------------------------


def written(stack: Rendered, tmp_path: Path) -> str:
    """Runs the container's command with an entry point that shows the configuration that it was given."""
    entry = container(stack)
    (command,) = entry["Command"]
    script = tmp_path / "entrypoint.sh"
    script.write_text('#!/bin/bash\necho "$MARQUEZ_CONFIG"\n')
    script.chmod(0o755)
    command = command.replace("/tmp/marquez.yml", str(tmp_path / "marquez.yml"))
    done = subprocess.run([*entry["EntryPoint"], command], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip()).read_text()


def test_the_server_gets_a_configuration_of_its_own(tmp_path: Path) -> None:
    stack = full("lineage")
    text = written(stack, tmp_path)
    entry = container(stack)
    known = {e["Name"] for e in entry["Environment"]} | {e["Name"] for e in entry["Secrets"]}
    used = set(re.findall(r"\$\{(\w+)\}", text))
    assert used == known - {"JAVA_OPTS"}
    values = {"POSTGRES_HOST": "db", "POSTGRES_PORT": "5432", "POSTGRES_PASSWORD": "aB3", "RETENTION_DAYS": "90"}
    configuration = yaml.safe_load(re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text))
    assert configuration["db"]["url"] == "jdbc:postgresql://db:5432/marquez?sslmode=require"
    assert (configuration["db"]["user"], configuration["db"]["password"]) == ("marquez", "aB3")
    assert [port["port"] for port in configuration["server"]["applicationConnectors"] + configuration["server"]["adminConnectors"]] == [5000, 5001]
    assert configuration["migrateOnStartup"] is True and configuration["search"] == {"enabled": False}
    assert int(configuration["dbRetention"]["retentionDays"]) == 90


def test_the_password_is_generated_and_fits_into_a_configuration() -> None:
    stack = rendered("lineage")
    secret = stack.resources["DatabaseSecret"]["Properties"]["GenerateSecretString"]
    assert secret["ExcludePunctuation"] is True and secret["PasswordLength"] >= 32
    database = stack.resources["Database"]["Properties"]
    assert database["MasterUserPassword"] == "{{resolve:secretsmanager:DatabaseSecret:SecretString:password}}"
    assert database["MasterUsername"] == database["DBName"] == "marquez"
    assert container(stack)["Secrets"] == [{"Name": "POSTGRES_PASSWORD", "ValueFrom": "DatabaseSecret:password::"}]


@contextmanager
def answering(status: int) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthcheck" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def is_healthy(port: int) -> bool:
    kind, *command = container(rendered("lineage"))["HealthCheck"]["Command"]
    assert kind == "CMD"
    assert command[-1].count("/5001") == 1
    return subprocess.run([*command[:-1], command[-1].replace("/5001", f"/{port}")], capture_output=True, check=False, timeout=10).returncode == 0


def test_the_health_check_believes_only_a_good_answer() -> None:
    with answering(200) as port:
        assert is_healthy(port)
    with answering(500) as port:
        assert not is_healthy(port)
    assert not is_healthy(1)


# ---- The database, and the role ------------------------------------------------------------------------------


def test_the_database_is_backed_up_and_upgraded_rather_than_charged_for() -> None:
    database = rendered("lineage").resources["Database"]["Properties"]
    assert database["EngineVersion"] == "14" and database["Engine"] == "postgres"
    assert int(database["BackupRetentionPeriod"]) >= 7
    assert database["EngineLifecycleSupport"] == "open-source-rds-extended-support-disabled"
    assert database["MultiAZ"] is False and full("lineage").resources["Database"]["Properties"]["MultiAZ"] is True


def test_the_task_may_start_and_no_more() -> None:
    def may(stack: Rendered) -> dict[str, Any]:
        (policy,) = stack.resources["TaskExecutionRole"]["Properties"]["Policies"]
        return {s["Sid"]: (s["Action"], s["Resource"]) for s in policy["PolicyDocument"]["Statement"]}

    needed = {
        "WriteLogs": (["logs:CreateLogStream", "logs:PutLogEvents"], "LogGroup.Arn"),
        "ReadPassword": ("secretsmanager:GetSecretValue", "DatabaseSecret"),
    }
    assert may(rendered("lineage")) == needed
    assert may(full("lineage")) == {
        **needed,
        "ReadPasswordWithYourKey": ("kms:Decrypt", KEY),
        "PullImages": (
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            [f"arn:aws:ecr:us-east-1:123456789012:repository/{name}" for name in ("marquez", "web")],
        ),
        "LogInToEcr": ("ecr:GetAuthorizationToken", "*"),
    }
    assert "TaskRoleArn" not in full("lineage").resources["TaskDefinition"]["Properties"]
