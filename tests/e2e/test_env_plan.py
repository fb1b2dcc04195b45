"""`env init` and `env plan` on a local AWS of their own: a file from answers, what it would make, what a change does, and its price."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws.process import LocalAws
from local_aws.stack import FUNCTIONS
from support.clients import Clients
from support.command_line import DONE, FAILED, PROGRAM, USAGE, Ended, variables
from support.paths import PROJECT, TEMPLATE

# The head of an ELF file for x86_64: a plan only reads for which processor a function is built, and packing real ones takes minutes.
BINARY = b"\x7fELF" + bytes(14) + b"\x3e\x00"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(log=tmp_path_factory.mktemp("aws") / "local.log") as aws:
        aws.set_mwaa_defaults(create_seconds=0, update_seconds=0, delete_seconds=0)
        yield aws


class Site:
    """A folder with a pair's file, and whoever works in it."""

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self.aws, self.folder, self.file = aws, folder, folder / "pair.toml"
        (folder / "dags").mkdir()

    def run(self, *arguments: str, code: int = DONE) -> Ended:
        done = subprocess.run([PROGRAM, *arguments], env=variables(self.aws, self.folder), cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=120, check=False)  # fmt: skip
        assert done.returncode == code, f"{done.returncode}: {done.stdout}\n{done.stderr}"
        return Ended(done.returncode, done.stdout, done.stderr)

    def init(self, *arguments: str, code: int = DONE) -> Ended:
        return self.run("env", "init", "--pair", "orders", "--region", "us-east-1", *arguments, code=code)

    def plan(self, code: int = DONE) -> Any:
        return self.run("env", "plan", "--output", "json", code=code).json

    def change(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new, 1))

    def use_built_functions(self) -> None:
        built = self.folder / "target/lambda"
        for function in FUNCTIONS:
            (built / function).mkdir(parents=True)
            (built / function / "bootstrap").write_bytes(BINARY)
        (self.folder / "template.yaml").symlink_to(TEMPLATE)
        self.change("[controller.parameters]\n", '[controller.parameters]\nArchitecture = "x86_64"\n')


@pytest.fixture
def site(aws: LocalAws, tmp_path: Path) -> Site:
    return Site(aws, tmp_path)


def actions(plan: Any) -> dict[str, str]:
    return {stack["name"]: stack["action"] for stack in plan["stacks"]}


def test_a_file_is_written_once_and_never_replaced_by_itself(site: Site) -> None:
    site.init("--mode", "standard", "--class", "mw1.medium", "--min-workers", "2", "--airflow-version", "2.11.0")
    written = site.file.read_text()
    assert 'name = "orders"' in written and 'mode = "standard"' in written and 'class = "mw1.medium"' in written
    again = site.init("--class", "mw1.large", code=USAGE)
    assert "exists and was not changed" in again.error and "--force" in again.error
    assert site.file.read_text() == written
    site.init("--class", "mw1.large", "--force")
    assert 'class = "mw1.large"' in site.file.read_text()
    assert [file.name for file in site.folder.iterdir() if file.is_file()] == ["pair.toml"]


def test_wrong_answers_write_nothing(site: Site) -> None:
    told = site.init("--class", "mw1.micro", "--max-workers", "3", "--airflow-version", "3", code=USAGE).error
    assert "environment.max_workers: given 3 with class mw1.micro" in told and "environment.airflow_version" in told
    assert not site.file.exists()
    assert "exactly two" in site.init("--vpc-id", "vpc-01234567", "--subnet-ids", "subnet-01234567", code=USAGE).error


def test_on_a_terminal_it_asks_until_the_answer_is_allowed(site: Site) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(site.folder)
        os.execve(PROGRAM, [str(PROGRAM), "env", "init", "--region", "us-east-1"], {**variables(site.aws, site.folder), "TERM": "xterm"})
    answers = [("Name of the pair [mwaa-blue-green]: ", "Orders"), ("lower-case", "orders"), ("[blue-green]: ", ""),
               ("[3.0.6]: ", "2.11.0"), ("[mw1.small]: ", ""), ("[dags]: ", "")]  # fmt: skip
    seen = ""
    try:
        while True:
            seen += os.read(terminal, 65536).decode()
            if answers and answers[0][0] in seen:
                os.write(terminal, f"{answers.pop(0)[1]}\n".encode())
    except OSError:
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DONE, seen
    os.close(terminal)
    assert not answers, seen
    text = site.file.read_text()
    assert 'name = "orders"' in text and 'airflow_version = "2.11.0"' in text


def test_from_nothing_everything_is_created_and_priced(site: Site, aws: LocalAws) -> None:
    site.init()
    site.use_built_functions()
    before = {stack["StackName"] for stack in Clients(aws)("cloudformation").describe_stacks()["Stacks"]}
    plan = site.plan()
    names = ["orders-network", "orders-blue-base", "orders-green-base", "orders-blue-environment", "orders-green-environment", "orders"]
    assert actions(plan) == dict.fromkeys(names, "create")
    assert plan["active"] is None and plan["warnings"] == []
    monthly = plan["price"]["monthly"]
    # 2 * (0.045 + 0.005) * 730 + 0.49 * 730 + 10 * 0.10; the pair has another environment, and the controller at 2.49.
    assert monthly["standard"]["usd"] == pytest.approx(73.00 + 357.70 + 1.00)
    assert monthly["blue_green"]["usd"] == pytest.approx(73.00 + 2 * 358.70 + 2.49, abs=0.01)
    assert all(scale["complete"] for scale in monthly.values())
    text = site.run("env", "plan").out
    assert re.search(r"orders-blue-environment +us-east-1 +create", text) and "env apply" in text
    assert re.search(r"together +431\.70 +792\.89 +792\.89", text), text
    after = {stack["StackName"] for stack in Clients(aws)("cloudformation").describe_stacks()["Stacks"]}
    assert before == after, "a plan changes nothing"


def test_all_faults_of_the_file_and_of_the_files_it_names_are_told_at_once(site: Site) -> None:
    site.init()
    site.change('dags = "dags"', 'dags = "none"')
    site.change('# requirements = "requirements.txt"', 'requirements = "missing.txt"')
    site.change('class = "mw1.small"', 'class = "mw1.smalls"')
    told = site.run("env", "plan", code=USAGE).error
    lines = site.file.read_text().splitlines()
    for wrong, key in (('dags = "none"', "environment.dags"), ('requirements = "missing.txt"', "environment.requirements"),
                       ('class = "mw1.smalls"', "environment.class"), ('functions = "target/lambda"', "controller.template")):  # fmt: skip
        number = lines.index(wrong) + 1 if key != "controller.template" else lines.index('template = "template.yaml"') + 1
        assert f"pair.toml: line {number}: {key}: " in told, told
    assert "4 faults in pair.toml" in told and "did you mean mw1.small?" in told
    assert "env init" in site.run("env", "plan", "--file", "other.toml", code=USAGE).error


def test_a_function_for_another_processor_is_refused(site: Site) -> None:
    site.init()
    site.use_built_functions()
    site.change('Architecture = "x86_64"', 'Architecture = "arm64"')
    told = site.run("env", "plan", code=USAGE).error
    assert told.count("which is built for x86_64") == len(FUNCTIONS) and 'Architecture = "x86_64"' in told


def test_what_is_deployed_is_compared_in_one_call_a_stack(site: Site, aws: LocalAws) -> None:
    site.init("--mode", "standard", "--airflow-version", "2.10.3")
    site.change('name = "orders"', 'name = "shop"')
    site.run("env", "apply", "--yes")
    since = aws.calls_so_far()
    plan = site.plan()
    assert set(actions(plan).values()) == {"unchanged"}, json.dumps(plan["stacks"], indent=1)
    assert plan["active"] == "blue"
    described = [call for call in aws.calls(since) if call["operation"] == "DescribeStacks"]
    assert len(described) == 7, "each stack that there may be is asked for once"
    assert "Nothing to do" in site.run("env", "plan").out

    site.change("max_workers = 10", "max_workers = 12")
    site.change("nat_gateways = 2", "nat_gateways = 1")
    site.change('# "core.parallelism" = "32"', '"core.parallelism" = 32')
    stacks = {stack["name"]: stack for stack in site.plan()["stacks"]}
    network, environment = stacks["shop-network"], stacks["shop-blue-environment"]
    assert network["effect"] == "none"
    assert network["changes"] == [{"what": "NatGateways", "from": "2", "to": "1", "effect": "none"}]
    assert environment["effect"] == "restart"
    assert [change["what"] for change in environment["changes"]] == ["MaxWorkers", "template"]
    text = site.run("env", "plan").out
    assert "MaxWorkers: 10 -> 12  [restart]" in text and "one environment has no standby" in text and "blue (active)" in text

    site.change('airflow_version = "2.10.3"', 'airflow_version = "3.0.6"')
    stacks = {stack["name"]: stack for stack in site.plan()["stacks"]}
    assert stacks["shop-blue-environment"]["effect"] == "replace"
    assert "refuses what cannot be changed in place" in site.run("env", "plan").out


def test_what_aws_refuses_is_named_with_the_permission(site: Site, aws: LocalAws) -> None:
    site.init("--mode", "standard")
    aws.add_fault("access-denied", "cloudformation", "DescribeStacks")
    try:
        told = site.run("env", "plan", code=FAILED).error
    finally:
        aws.clear_faults()
    assert "cloudformation:DescribeStacks" in told and "orders-" in told


def test_what_has_no_known_price_is_unknown_and_not_nothing(site: Site) -> None:
    site.init("--existing-blue", "made-by-hand")
    site.use_built_functions()
    plan = site.plan()
    assert "orders-blue-environment" not in actions(plan), "a hand-made environment is left alone"
    assert plan["price"]["region"] == json.loads((PROJECT / "bench/prices.json").read_text())["region"]
    blue_green = plan["price"]["monthly"]["blue_green"]
    assert blue_green["complete"] is False and {"environment made-by-hand": None}.items() <= {part["name"]: part["usd"] for part in blue_green["parts"]}.items()
    text = site.run("env", "plan").out
    assert "price unknown" in text and "more than" in text
