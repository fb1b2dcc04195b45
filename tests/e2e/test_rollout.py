"""`rollout` on a local AWS of its own: a change goes to the standby first, whatever stops it or interferes.

All tests share one pair, made by `env apply`; each one rolls something else out. `Watched` has the real times of the flag's versions and
of the stacks' events, and in the end says whether both colors, or the active one, were ever changed.
"""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from local_aws.process import LocalAws
from support.clients import Clients
from support.command_line import (
    DONE,
    FAILED,
    NOT_CONFIRMED,
    NOT_READY,
    REFUSED,
    Cli,
    Ended,
)
from support.described import NAME, SETTINGS, Deployed
from support.waiting import until

# An update takes so long until a test ends it by fewer seconds.
UNTIL_ENDED = 600
QUICK = ("--interval", "1", "--within", "20", "--sync-seconds", "0", "--list-seconds", "0")
CHANGES = (("cloudformation", "CreateChangeSet"), ("cloudformation", "ExecuteChangeSet"), ("s3", "PutObject"))
MOST_KILLS = 40


@dataclass
class Watched:
    """The flag's versions and the stacks' events with their real times; the flag is dated back, so that the old color has drained at once."""

    aws: LocalAws
    clients: Clients
    root: str
    flag: list[tuple[float, str]] = field(default_factory=list)
    since: float = 0.0
    dates_back: bool = True

    def start(self) -> None:
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self) -> None:
        ssm, version = self.clients("ssm"), 0
        while True:
            try:
                now = ssm.get_parameter(Name=f"{self.root}/active-environment")["Parameter"]
                if now["Version"] != version:
                    version = now["Version"]
                    self.flag.append((now["LastModifiedDate"].timestamp(), now["Value"]))
                    if self.dates_back:
                        self.aws.age_parameter(f"{self.root}/active-environment", 3600, every_version=True)
            except Exception:  # the local AWS is not there yet, or not any more
                pass
            time.sleep(0.1)

    def changes(self) -> list[tuple[float, float, str]]:
        """When each color was changed: beginning, end, color."""
        found = []
        for color in ("blue", "green"):
            for layer in ("base", "environment"):
                events = self.events(f"{NAME}-{color}-{layer}")
                own = [(one["Timestamp"].timestamp(), one["ResourceStatus"]) for one in events if one["ResourceType"] == "AWS::CloudFormation::Stack"]
                begun = None
                for at, status in sorted(own):
                    if begun is None and status in ("UPDATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS"):
                        begun = at
                    elif begun is not None and not status.endswith("IN_PROGRESS"):
                        found.append((begun, at, color))
                        begun = None
                if begun is not None:
                    found.append((begun, time.time(), color))
        return sorted(change for change in found if change[0] >= self.since)

    def events(self, stack: str) -> list[dict[str, Any]]:
        """Of every stack of that name, deleted ones included."""
        client = self.clients("cloudformation")
        ids = [one["StackId"] for page in client.get_paginator("list_stacks").paginate() for one in page["StackSummaries"]
               if one["StackName"] == stack]
        return [event for one in ids for event in client.describe_stack_events(StackName=one)["StackEvents"]]

    def active(self, at: float) -> str:
        return [color for written, color in self.flag if written <= at][-1]

    def check(self) -> list[str]:
        """The colors that were changed, in order. Never two at once, never the active one."""
        changes = self.changes()
        for (_, end, one), (begin, _, other) in itertools.pairwise(changes):
            assert one == other or end <= begin, f"both colors were changed at once: {changes}"
        for begin, _, color in changes:
            assert self.active(begin) != color, f"{color} was changed while it was active: {changes} {self.flag}"
        return list(dict.fromkeys(color for _, _, color in changes))


class Site(Deployed):
    """The pair's file, and whoever works with it."""

    def __init__(self, aws: LocalAws, folder: Path, functions: Path) -> None:
        super().__init__(aws, folder, functions)
        (folder / "dags").mkdir(parents=True, exist_ok=True)
        (folder / "dags" / "orders.py").write_text("import airflow\n")
        self.environment: dict[str, Any] = dict(SETTINGS)
        self.cli = Cli(self.pair, folder)
        self.watched = Watched(aws, self.clients, self.pair.root)

    def write(self, **changed: Any) -> None:
        """Another configuration."""
        self.environment.update(changed)
        self.write_file(self.environment)

    def rollout(self, *arguments: str, code: int = DONE, patience: int = 20) -> Ended:
        return self.run("rollout", *QUICK, "--patience", str(patience), *arguments, code=code)

    def other(self, parameter: str, one: str, another: str) -> tuple[str, str]:
        """What both colors have, and what they have not: which tests have run here before is for pytest-xdist to say."""
        now, _ = self.both(parameter)
        return now, another if now == one else one

    @property
    def standby(self) -> str:
        return {"blue": "green", "green": "blue"}[self.active]

    def until_line(self, process: subprocess.Popen[str], text: str) -> str:
        """The line of the progress that has this text."""
        assert process.stderr
        for line in process.stderr:
            if text in line:
                return line
        raise AssertionError(f"no line with {text!r}: {process.communicate()}")

    def kill_at(self, text: str, *arguments: str) -> None:
        process = self.start("rollout", "--yes", *QUICK, *arguments)
        self.until_line(process, text)
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, functions: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("pair")
    with LocalAws(log=folder / "local.log") as aws:
        aws.set_mwaa_defaults(create_seconds=0.3, update_seconds=0.3, delete_seconds=0.3, parse_seconds=0.1)
        site = Site(aws, folder, functions)
        site.write()
        site.run("env", "apply", "--yes")
        site.watched.start()
        site.run("dags", "sync", "--within", "20", "--sync-seconds", "0", "--list-seconds", "0")
        yield site


@pytest.fixture
def site(made: Site) -> Iterator[Site]:
    """The pair between two rollouts: both colors are equal, and nothing is held; also after a test that failed."""
    made.aws.clear_faults()
    if made.hold():
        (made.folder / "dags" / "new.py").write_text("import airflow\n")
        for color in ("blue", "green"):
            made.pair.environment(color, status="AVAILABLE", scheduler="running", health_threshold_seconds=30, rest_api="up", update_seconds=0.3)
        made.pair.ask(action="release")
        made.rollout("--yes")
    made.watched.since = time.time()
    yield made
    made.aws.clear_faults()


def test_an_upgrade_goes_to_the_standby_first_and_asks_before_the_switch(site: Site) -> None:
    old, to, (before, newer) = site.active, site.standby, site.other("AirflowVersion", "2.10.1", "2.10.3")
    site.write(airflow_version=newer)
    foreseen = site.rollout("--dry-run").out
    assert foreseen.index(f"apply to {to}") < foreseen.index(f"switch to {to}") < foreseen.index(f"apply to {old}"), foreseen
    assert site.both("AirflowVersion") == (before, before) and site.hold() is None, "a dry run changes nothing"
    assert "nothing was changed" in site.rollout(code=NOT_CONFIRMED).error
    told = site.cli.on_a_terminal("rollout", "--file", str(site.folder / "pair.toml"), *QUICK, answers=((f"to switch to {to}: ", f"{to}\n"),))
    assert told.code == DONE, told.out
    assert site.both("AirflowVersion") == (newer, newer)
    assert (site.active, site.hold()) == (to, None)
    assert site.watched.check() == [to, old]
    again = site.rollout("--yes", "--output", "json").json
    assert again["outcome"] == "finished" and site.watched.check() == [to, old], "nothing is left to do"


def test_until_standby_stops_before_the_switch_and_a_no_leaves_all_as_it_is(site: Site) -> None:
    old, to, (before, larger) = site.active, site.standby, site.other("EnvironmentClass", "mw1.small", "mw1.medium")
    site.write(**{"class": larger})
    told = site.rollout("--until", "standby").out
    assert "standby ready" in told and "the hold stays until" in told
    assert (site.parameter(to, "EnvironmentClass"), site.parameter(old, "EnvironmentClass")) == (larger, before)
    assert site.active == old and "rollout" in str(site.hold())
    no = site.cli.on_a_terminal("rollout", "--file", str(site.folder / "pair.toml"), *QUICK, answers=((f"to switch to {to}: ", "no\n"),))
    assert no.code == NOT_CONFIRMED and "--abort goes back" in no.out
    assert site.active == old and "rollout" in str(site.hold())
    site.rollout("--yes")
    assert site.both("EnvironmentClass") == (larger, larger) and site.watched.check() == [to, old]


def test_requirements_and_dags_go_the_same_way(site: Site) -> None:
    old, to = site.active, site.standby
    (site.folder / "requirements.txt").write_text("requests==2.32.3\n")
    (site.folder / "dags" / "new.py").write_text("import airflow\n")
    before = site.parameter(old, "RequirementsPath")
    site.write(requirements="requirements.txt")
    process = site.start("rollout", "--yes", *QUICK)
    site.until_line(process, f"switch to {to}")
    assert site.parameter(old, "RequirementsPath") == before, "the active still has the old ones"
    out, error = process.communicate(timeout=100)
    assert process.returncode == DONE, out + error
    blue, green = site.both("RequirementsPath")
    assert blue == green != before and site.parameter("blue", "RequirementsVersion") != site.parameter("green", "RequirementsVersion")
    for color in ("blue", "green"):
        bucket = {one["OutputKey"]: one["OutputValue"] for one in site.stack(color, "base")["Outputs"]}["BucketName"]
        keys = [one["Key"] for one in site.clients("s3").list_objects_v2(Bucket=bucket, Prefix="dags/")["Contents"]]
        assert keys == sorted(f"dags/{file.name}" for file in (site.folder / "dags").iterdir()), keys
    assert site.watched.check() == [to, old]


@pytest.mark.long(60)
def test_killed_at_every_step_and_after_every_change_it_goes_on(site: Site) -> None:
    old, to, (_, newer) = site.active, site.standby, site.other("AirflowVersion", "2.10.1", "2.10.3")
    site.write(airflow_version=newer)
    told: set[str] = set()
    hits: list[tuple[str, str]] = []
    for _ in range(MOST_KILLS):
        active = site.active
        for service, operation in CHANGES:
            # Once for each color: what is killed after a change set was made makes another one.
            if (operation, active) not in hits:
                site.aws.add_fault("lost-response-timeout", service, operation, times=1, latency_ms=100_000)
        process = site.start("rollout", "--yes", *QUICK)
        threading.Thread(target=kill_at_hit, args=(site, active, process, hits), daemon=True).start()
        assert process.stderr
        for line in process.stderr:
            _, _, step = line.partition(": ")
            if "  rollout " in line and step not in told:
                told.add(step)
                process.kill()
                break
        process.communicate()
        site.aws.clear_faults()
        if process.returncode == DONE:
            break
    assert process.returncode == DONE, sorted(told)
    for step in ("place a hold", f"apply to {to}", f"check whether {to}", f"switch to {to}", f"apply to {old}", f"check whether {old}", "end the hold"):
        assert any(one.startswith(step) for one in told), (step, told)
    assert {(operation, active) for operation in ("CreateChangeSet", "ExecuteChangeSet") for active in (old, to)} <= set(hits), hits
    assert site.both("AirflowVersion") == (newer, newer) and (site.active, site.hold()) == (to, None)
    assert site.watched.check() == [to, old]


def kill_at_hit(site: Site, active: str, process: subprocess.Popen[str], hits: list[tuple[str, str]]) -> None:
    """The change was carried out, and its answer never came."""
    while process.poll() is None:
        hit = [fault["operation"] for fault in site.aws.faults() if fault["hits"]]
        if hit:
            hits += [(operation, active) for operation in hit]
            process.kill()
            return
        time.sleep(0.05)


def test_an_update_that_is_rolled_back_stops_with_its_reason_and_is_tried_again(site: Site) -> None:
    old, to, before = site.active, site.standby, site.both("MaxWorkers")
    site.write(max_workers=4)
    site.pair.environment(to, fail_next_update="the image does not start")
    failed = site.rollout("--yes", code=FAILED)
    assert "the image does not start" in failed.error and "the same command goes on" in failed.error
    assert site.both("MaxWorkers") == before and site.active == old and "rollout" in str(site.hold())
    # Killed in the update, which is rolled back while nobody looks.
    site.pair.environment(to, fail_next_update="again", update_seconds=UNTIL_ENDED)
    site.kill_at("UPDATE_IN_PROGRESS")
    site.pair.environment(to, update_seconds=0.3)
    until("it is rolled back", lambda: site.stack(to)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE")
    site.rollout("--yes")
    assert site.both("MaxWorkers") == ("4", "4") and site.watched.check() == [to, old]


def test_new_import_errors_and_a_sick_standby_stop_it_before_the_switch(site: Site) -> None:
    old, to = site.active, site.standby
    site.write(max_workers=5)
    (site.folder / "dags" / "new.py").write_text("raise ImportError\n")
    broken = site.rollout("--yes", code=NOT_READY)
    assert "new.py" in broken.error and site.active == old
    # What stopped it stops it again, although the files are there now.
    assert "import-errors" in site.rollout("--yes", code=NOT_READY, patience=2).out
    (site.folder / "dags" / "new.py").write_text("import airflow\n")
    other = site.rollout("--yes", code=REFUSED).out
    assert "another rollout is under way" in other and "--take-over" in other
    site.rollout("--until", "standby", "--take-over")
    site.pair.stop_scheduler(to)
    until("it is unhealthy", lambda: site.pair.ask(action="status")["verdicts"][to]["verdict"] == "unhealthy", 30)
    assert "not ready" in site.rollout("--yes", code=NOT_READY, patience=2).out
    assert site.active == old
    site.pair.start_scheduler(to)
    site.rollout("--yes")
    assert site.both("MaxWorkers") == ("5", "5") and site.watched.check() == [to, old]


def test_a_failover_in_the_middle_is_gone_on_from(site: Site) -> None:
    old, to = site.active, site.standby
    site.write(max_workers=6)
    site.rollout("--until", "standby")
    site.pair.fail(old)
    told = site.rollout("--yes", code=REFUSED).out
    assert f"failover --to {to}" in told and site.hold() is None, "nothing may keep a failover from the standby"
    assert site.pair.ask(action="failover")["outcome"] == "switched"
    site.pair.heal(old)
    site.rollout("--yes")
    assert site.active == to and site.both("MaxWorkers") == ("6", "6") and site.watched.check() == [to, old]


def test_a_switch_between_the_decision_and_the_change_stops_the_change(site: Site) -> None:
    old, to = site.active, site.standby
    site.write(max_workers=7)
    # The change is made, and not yet executed.
    site.aws.add_fault("latency", "cloudformation", "DescribeChangeSet", times=1, latency_ms=3000)
    process = site.start("rollout", "--yes", *QUICK)
    site.until_line(process, f"apply to {to}")
    until("the change set is made", lambda: any(call["operation"] == "DescribeChangeSet" for call in site.aws.calls(site.aws.calls_so_far() - 20)))
    assert site.pair.ask(to=to)["outcome"] == "switched"
    out, error = process.communicate(timeout=100)
    assert process.returncode == DONE, out + error
    assert "written in the meantime" in error
    assert site.watched.check() == [old, to], "the other one became the standby, and was the first"
    assert site.both("MaxWorkers") == ("7", "7") and site.active == old


def test_a_forced_switch_onto_a_color_under_change_is_waited_for(site: Site) -> None:
    old, to = site.active, site.standby
    site.write(max_workers=8)
    site.pair.environment(to, update_seconds=UNTIL_ENDED)
    site.kill_at("UPDATE_IN_PROGRESS")
    assert site.pair.ask(to=to, force=True)["outcome"] == "switched"
    process = site.start("rollout", "--yes", *QUICK)
    site.until_line(process, f"wait for CloudFormation's work on {to}")
    site.pair.environment(to, update_seconds=0.3)
    out, error = process.communicate(timeout=100)
    assert process.returncode == DONE, out + error
    assert site.active == to and site.both("MaxWorkers") == ("8", "8") and site.watched.check() == [to, old]


def test_aborted_before_the_switch_the_standby_goes_back(site: Site) -> None:
    old, to, before = site.active, site.standby, site.both("MaxWorkers")
    site.write(max_workers=9)
    site.rollout("--until", "standby")
    told = site.rollout("--abort", "--yes")
    assert "aborted" in told.out
    assert site.both("MaxWorkers") == before and (site.active, site.hold()) == (old, None) and site.watched.check() == [to]
    assert "both colors have the same" in site.rollout("--abort", "--yes").out, "nothing is left of it"


def test_aborted_after_the_switch_it_switches_back_first_also_under_another_description(site: Site) -> None:
    old, to, before = site.active, site.standby, site.both("MaxWorkers")
    site.write(max_workers=9)
    (site.folder / "dags" / "more.py").write_text("import airflow\n")
    site.watched.dates_back = False
    site.kill_at(f"wait until {old} has drained")
    site.watched.dates_back = True
    assert site.active == to
    # The file has changed since: only the hold says which color is the old one.
    site.write(max_workers=10)
    site.kill_at(f"apply to {to}", "--abort")
    site.rollout("--abort", "--yes")
    assert site.both("MaxWorkers") == before and (site.active, site.hold()) == (old, None) and site.watched.check() == [to]
    bucket = {one["OutputKey"]: one["OutputValue"] for one in site.stack(to, "base")["Outputs"]}["BucketName"]
    keys = [one["Key"] for one in site.clients("s3").list_objects_v2(Bucket=bucket, Prefix="dags/")["Contents"]]
    assert "dags/more.py" not in keys, "the DAG files went back, too"
    (site.folder / "dags" / "more.py").unlink()
    site.write(max_workers=int(before[0]))


def test_a_persons_way_back_is_not_undone(site: Site) -> None:
    old, to = site.active, site.standby
    site.write(max_workers=11)
    site.watched.dates_back = False
    process = site.start("rollout", "--yes", *QUICK)
    site.until_line(process, f"wait until {old} has drained")
    site.watched.dates_back = True
    assert site.pair.ask(action="rollback", reason="everything is slow")["outcome"] == "switched"
    out, error = process.communicate(timeout=60)
    assert process.returncode == REFUSED and "moved away again" in out and "everything is slow" in out, out + error
    # Another run knows it from the flag's history.
    assert "--switch-again" in site.rollout("--yes", code=REFUSED).out
    assert site.active == old and site.parameter(old, "MaxWorkers") != "11"
    asked = site.cli.on_a_terminal("rollout", "--file", str(site.folder / "pair.toml"), *QUICK, answers=((f"to switch to {to}: ", "no\n"),))
    assert asked.code == NOT_CONFIRMED and "everything is slow" in asked.out
    site.rollout("--yes", "--switch-again")
    assert site.active == to and site.both("MaxWorkers") == ("11", "11") and site.watched.check() == [to, old]


def test_aborted_after_the_file_was_changed_back_nothing_is_overwritten(site: Site) -> None:
    old, to, before = site.active, site.standby, site.both("MaxWorkers")
    for has_hold in (True, False):
        site.write(max_workers=12)
        site.rollout("--until", "standby")
        site.write(max_workers=int(before[0]))
        if not has_hold:
            site.pair.ask(action="release")
            told = site.rollout("--abort", "--yes", code=REFUSED).error
            assert f"{old} is as pair.toml describes" in told and f"--to {old}" in told
            assert (site.parameter(old, "MaxWorkers"), site.parameter(to, "MaxWorkers"), site.active) == (before[0], "12", old)
        site.rollout("--abort", "--yes", *(() if has_hold else ("--to", old)))
        assert site.both("MaxWorkers") == before and (site.active, site.hold()) == (old, None)
    assert site.watched.check() == [to]


def test_a_failed_active_ends_the_hold_while_nobody_answers_and_in_the_middle_of_an_update(site: Site) -> None:
    old, to = site.active, site.standby
    site.write(max_workers=13)
    site.pair.environment(to, update_seconds=UNTIL_ENDED)
    process = site.start("rollout", "--yes", *QUICK)
    site.until_line(process, "UPDATE_IN_PROGRESS")
    site.pair.fail(old)
    site.until_line(process, "THE HOLD IS ENDED")
    assert site.stack(to)["StackStatus"] == "UPDATE_IN_PROGRESS" and site.hold() is None
    site.pair.environment(to, update_seconds=0.3)
    out, error = process.communicate(timeout=60)
    assert process.returncode == REFUSED and f"failover --to {to}" in out, out + error
    site.pair.heal(old)
    site.rollout("--until", "standby")
    prompt = f"to switch to {to}: "
    told = site.cli.on_a_terminal("rollout", "--file", str(site.folder / "pair.toml"), *QUICK, answers=((prompt, lambda: site.pair.fail(old)),))
    assert told.code == REFUSED and told.out.index(prompt) < told.out.index("THE HOLD IS ENDED") and site.hold() is None
    assert site.pair.ask(action="failover")["outcome"] == "switched"
    site.pair.heal(old)
    site.rollout("--yes")
    assert site.active == to and site.both("MaxWorkers") == ("13", "13") and site.watched.check() == [to, old]


def test_a_major_version_replaces_the_standbys_environment_and_never_the_actives(site: Site) -> None:
    old, to = site.active, site.standby
    ids = {color: site.stack(color)["StackId"] for color in (old, to)}
    buckets = {color: site.stack(color, "base")["StackId"] for color in (old, to)}
    site.write(airflow_version="3.0.6")
    no = site.rollout("--until", "standby", code=NOT_CONFIRMED)
    assert "30 to 45 minutes" in no.error and "metadata database" in no.error
    assert "--replace" in site.rollout("--yes", code=REFUSED).out, "who says --yes has not said that"
    assert {color: site.stack(color)["StackId"] for color in (old, to)} == ids, "nothing is replaced unasked"
    # Killed while the environment is being deleted, and again while it is being made.
    site.kill_at("DELETE_IN_PROGRESS", "--replace")
    site.kill_at("CREATE_IN_PROGRESS", "--replace")
    site.rollout("--yes", "--replace")
    assert site.both("AirflowVersion") == ("3.0.6", "3.0.6") and site.active == to
    assert all(site.stack(color)["StackId"] != ids[color] for color in ids)
    assert {color: site.stack(color, "base")["StackId"] for color in (old, to)} == buckets, "the buckets stay"
    assert all(site.stack(color)["EnableTerminationProtection"] for color in ids)
    assert site.watched.check() == [to, old]
