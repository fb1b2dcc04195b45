"""The runbooks in terms of `rollout` do what they say: every marked block, word for word, on a pair that `env apply` made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command_line import FAILED, NOT_READY, REFUSED
from support.described import Described, made_by_env_apply
from support.walkthrough import Walkthrough, runs

OLD, MINOR, MAJOR = "2.10.3", "2.11.0", "3.0.6"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, functions: Path) -> Iterator[Described]:
    with made_by_env_apply(tmp_path_factory.mktemp("pair"), functions) as made:
        yield made


@pytest.fixture
def site(made: Described, walk: Walkthrough) -> Described:
    """The pair with blue active, both colors equal, no hold; and the reader's folder."""
    made.settle()
    made.work_in(walk.home)
    return made


def has(site: Described, name: str, blue: object, green: object) -> bool:
    return site.both(name) == (str(blue), str(green))


# -- airflow-upgrade.md ----------------------------------------------------------------------------------------------


@runs("rollout-upgrade-look")
def test_a_look_at_an_upgrade_changes_nothing(site: Described, walk: Walkthrough) -> None:
    before = site.last_updates()
    site.write(airflow_version=MINOR)
    seen = walk.rest(site.pair)
    assert f"{OLD} -> {MINOR}" in seen and "switch to green" in seen and "wait until blue has drained" in seen
    assert site.last_updates() == before and site.hold() is None


@runs("rollout-upgrade")
def test_an_upgrade_with_time_to_trust_it(site: Described, walk: Walkthrough) -> None:
    site.write(airflow_version=MINOR)
    walk(site.pair)
    assert has(site, "AirflowVersion", OLD, MINOR) and site.active == "blue" and "rollout" in str(site.hold())
    walk(site.pair)
    assert has(site, "AirflowVersion", OLD, MINOR) and site.active == "green", "blue keeps the old version until somebody says so"
    walk.rest(site.pair)
    assert has(site, "AirflowVersion", MINOR, MINOR) and (site.active, site.hold()) == ("green", None)


@runs("rollout-upgrade-back")
@pytest.mark.parametrize("switched", [False, True], ids=["before the switch", "after the switch"])
def test_back_to_the_old_version(site: Described, walk: Walkthrough, switched: bool) -> None:
    site.write(airflow_version=MINOR)
    site.rollout("--until", "standby")
    if switched:
        assert site.pair.ask(to="green")["outcome"] == "switched"
    blue = site.last_updates()["blue"]
    walk.rest(site.pair)
    assert has(site, "AirflowVersion", OLD, OLD) and (site.active, site.hold()) == ("blue", None)
    assert site.last_updates()["blue"] == blue, "the color with the old version was never touched"


# -- maintenance.md --------------------------------------------------------------------------------------------------


@runs("rollout-change")
def test_a_change_of_requirements_and_class(site: Described, walk: Walkthrough) -> None:
    (site.folder / "requirements.txt").write_text("requests==2.32.3\n")
    before, old = site.last_updates(), site.parameter("green", "RequirementsPath")
    site.write(**{"class": "mw1.medium", "requirements": "requirements.txt"})
    walk(site.pair)
    assert site.last_updates() == before and site.hold() is None
    walk.rest(site.pair)
    assert has(site, "EnvironmentClass", "mw1.medium", "mw1.medium") and (site.active, site.hold()) == ("green", None)
    assert len(set(site.both("RequirementsPath"))) == 1 and site.parameter("green", "RequirementsPath") != old


# -- replace-an-environment.md ---------------------------------------------------------------------------------------


@pytest.mark.long(30)
@runs("rollout-replace")
def test_a_major_version_replaces_one_environment_after_the_other(site: Described, walk: Walkthrough) -> None:
    before = site.last_updates()
    buckets = {color: site.stack(color, "base")["StackId"] for color in before}
    site.write(airflow_version=MAJOR)
    walk(site.pair)
    assert has(site, "AirflowVersion", OLD, MAJOR) and site.active == "blue" and site.last_updates()["blue"] == before["blue"]
    walk.rest(site.pair)
    assert has(site, "AirflowVersion", MAJOR, MAJOR) and (site.active, site.hold()) == ("green", None)
    assert {color: site.stack(color, "base")["StackId"] for color in before} == buckets, "the buckets stay"


@runs("rollout-remake")
def test_a_standby_that_nobody_can_repair_is_made_again(site: Described, walk: Walkthrough) -> None:
    site.pair.fail("green")
    before = site.last_updates()
    walk.rest(site.pair)
    after = site.last_updates()
    assert after["blue"] == before["blue"] and after["green"][0] not in (before["green"][0], "none")
    assert (site.active, site.hold()) == ("blue", None)
    bucket = {one["OutputKey"]: one["OutputValue"] for one in site.stack("green", "base")["Outputs"]}["BucketName"]
    keys = [one["Key"] for one in site.clients("s3").list_objects_v2(Bucket=bucket, Prefix="dags/")["Contents"]]
    assert keys == ["dags/orders.py"], "the DAGs are in the new bucket"


# -- stopped-rollout.md ----------------------------------------------------------------------------------------------


def half_done(site: Described) -> None:
    """A colleague's rollout: green is changed, blue is not, and the hold is in force."""
    site.write(max_workers=4)
    site.rollout("--until", "standby")
    assert has(site, "MaxWorkers", 3, 4) and "before: blue, stacks" in str(site.hold())


@runs("stopped-look")
def test_the_hold_names_the_rollout(site: Described, walk: Walkthrough) -> None:
    half_done(site)
    assert "before: blue" in walk.rest(site.pair)


@runs("stopped-see")
def test_what_is_done_and_what_is_left(site: Described, walk: Walkthrough) -> None:
    half_done(site)
    before = site.last_updates()
    seen = walk.rest(site.pair)
    if "rollout" in walk.todo[0]:
        (name,) = {word for word in str(site.hold()).split() if len(word) == 8 and set(word) <= set("0123456789abcdef")}
        assert f"rollout {name}, from here" in seen and "apply to green" not in seen and "apply to blue" in seen
        assert "MaxWorkers: 3 -> 4" in seen
    else:
        assert seen.count("_COMPLETE") == 2
    assert site.last_updates() == before and site.active == "blue"


@runs("stopped-leave")
def test_a_longer_hold_is_still_the_rollouts(site: Described, walk: Walkthrough) -> None:
    half_done(site)
    before = str(site.hold())
    walk.rest(site.pair)
    after = str(site.hold())
    assert before != after and before.split("rollout")[1] == after.split("rollout")[1]
    site.rollout("--yes")
    assert has(site, "MaxWorkers", 4, 4) and site.hold() is None, "no --take-over was needed"


@runs("stopped-go-on")
@pytest.mark.parametrize("step", ["apply to green", "UPDATE_IN_PROGRESS", "switch to green", "apply to blue"])
def test_another_person_goes_on_wherever_it_died(site: Described, walk: Walkthrough, step: str) -> None:
    site.write(max_workers=4)
    site.rollout_killed_at(step)
    assert site.hold()
    walk.rest(site.pair)
    assert has(site, "MaxWorkers", 4, 4) and (site.active, site.hold()) == ("green", None)


@runs("stopped-go-back")
def test_another_person_goes_back_after_the_switch(site: Described, walk: Walkthrough) -> None:
    site.dags["more.py"] = "import airflow\n"
    site.write(max_workers=4)
    site.pair.environment("blue", runs=[{"dag_id": "orders", "run_id": "manual__1", "run_type": "manual", "state": "running", "tasks": {}}])
    site.rollout_killed_at("wait until blue has drained")
    assert site.active == "green" and has(site, "MaxWorkers", 3, 4)
    site.pair.environment("blue", runs=[])
    walk.rest(site.pair)
    assert has(site, "MaxWorkers", 3, 3) and (site.active, site.hold()) == ("blue", None)


@runs("stopped-new-files")
def test_the_files_from_before_go_back_too(site: Described, walk: Walkthrough) -> None:
    half_done(site)
    site.write()
    assert "another rollout is under way" in site.rollout("--yes", code=REFUSED).out
    blue = site.last_updates()["blue"]
    walk.rest(site.pair)
    assert has(site, "MaxWorkers", 3, 3) and (site.active, site.hold()) == ("blue", None) and site.last_updates()["blue"] == blue


@runs("stopped-failover")
def test_the_active_fails_and_the_rollout_goes_on_from_green(site: Described, walk: Walkthrough) -> None:
    half_done(site)
    site.pair.fail("blue")
    assert "hold" in site.pair.tick()["blocked_by"], "nobody fails over by itself"
    walk(site.pair)
    assert site.active == "green"
    assert "cannot be updated" in site.rollout("--yes", code=FAILED).error, "MWAA wants it repaired first"
    assert has(site, "MaxWorkers", 3, 4) and site.active == "green"
    site.pair.heal("blue")
    walk.rest(site.pair)
    assert has(site, "MaxWorkers", 4, 4) and (site.active, site.hold()) == ("green", None)


@runs("stopped-rolled-back")
def test_the_events_say_why_an_update_was_rolled_back(site: Described, walk: Walkthrough) -> None:
    site.write(max_workers=4)
    site.pair.environment("green", fail_next_update="the image does not start")
    told = site.rollout("--yes", code=FAILED).error
    assert "UPDATE_ROLLBACK_COMPLETE" in told and "the same command goes on" in told
    assert "the image does not start" in walk.rest(site.pair)
    assert has(site, "MaxWorkers", 3, 3) and site.active == "blue" and site.pair.ask(action="status")["verdicts"]["green"]["verdict"] == "healthy"


@runs("stopped-new-files")
@pytest.mark.parametrize("cause", ["rolled back", "import errors"])
def test_corrected_files_are_rolled_out_in_the_place_of_the_old_ones(site: Described, walk: Walkthrough, cause: str) -> None:
    refused = REFUSED
    if cause == "rolled back":
        refused = FAILED
        site.pair.environment("green", fail_next_update="no such class here")
        site.write(max_workers=5)
        site.rollout("--yes", code=FAILED)
    else:
        site.dags["new.py"] = "raise ImportError\n"
        site.write(max_workers=5)
        assert "cannot import DAG files that blue can" in site.rollout("--yes", code=NOT_READY).error
        del site.dags["new.py"]
    site.write(max_workers=4)
    assert "another rollout is under way" in site.rollout("--yes", code=refused).out
    walk.rest(site.pair)
    assert has(site, "MaxWorkers", 4, 4) and (site.active, site.hold()) == ("green", None)
