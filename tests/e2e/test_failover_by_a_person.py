"""A person declares the active failed: back-dated like the watcher's failover, and with fewer preconditions."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from mwaa_bluegreen.ownership import HistoryEntry, in_force, nanoseconds
from support.command_line import CONFLICT, NOT_CONFIRMED, REFUSED, USAGE, Cli
from support.deployment import Deploy
from support.pair import Pair, Version, asks_at_once, moment, only, precondition
from support.waiting import until

MINUTES_DEAD = 5


def minutes_ago(minutes: float) -> datetime:
    return datetime.now(timezone.utc) - timedelta(minutes=minutes)


def rested(deploy: Deploy, **wanted: Any) -> Pair:
    """Blue has been active for an hour."""
    pair = deploy(**wanted)
    pair.look_once_a_tick()
    pair.aws.age_parameter(pair.flag_name, 3600)
    return pair


def dead(deploy: Deploy, **wanted: Any) -> Pair:
    """Blue's scheduler has been silent for minutes, and its database does not show since when."""
    environments = {"blue": {"heartbeat_metric": False, "metadatabase": "unhealthy"}}
    pair = rested(deploy, environments=environments, **wanted)
    pair.beat("blue", MINUTES_DEAD)
    return pair


def owner(pair: Pair, at: datetime) -> str:
    """By the rule that the guard in both environments applies."""
    history = [HistoryEntry(v.number, v.value, nanoseconds(v.modified), v.description) for v in pair.versions()]
    version = in_force(history, nanoseconds(at))
    assert version is not None
    return version.value


def is_back_dated(pair: Pair, answer: dict[str, Any]) -> Version:
    """The runs of the last minutes are green's, those before are blue's, and the answer says so."""
    flag = pair.flag()
    assert (answer["outcome"], answer["active"], answer["previous"], flag.value) == ("switched", "green", "blue", "green"), answer
    assert owner(pair, minutes_ago(MINUTES_DEAD + 1.5)) == "blue" and owner(pair, minutes_ago(MINUTES_DEAD - 1)) == "green"
    assert moment(answer["effective_from"]) == flag.effective_from
    told = answer["back_dating"]
    assert moment(told["effective_from"]) == flag.effective_from
    assert abs(told["seconds"] - (flag.modified - flag.effective_from).total_seconds()) < 10
    assert (MINUTES_DEAD - 1) * 60 < told["seconds"] < (MINUTES_DEAD + 2) * 60
    assert "blue was last known healthy at" in told["why"] and "are green's" in told["why"]
    return flag


# -- the runs that it saves --------------------------------------------------------------------------------------------

def test_the_runs_that_the_dead_color_missed_belong_to_the_new_one(deploy: Deploy):
    pair = dead(deploy)
    before = pair.flag()
    answer = pair.ask(action="failover", to="green", reason="blue executes nothing", requested_by="ana")
    flag = is_back_dated(pair, answer)
    assert flag.description.startswith("failover: declared by a person: blue executes nothing; by switch-handler for ana [")
    assert flag.record == answer["transition"] == f"v2-{before.milliseconds}"
    record = pair.records()[flag.record]
    assert (record["kind"], record["from"], record["to"]) == ("failover", "blue", "green")
    assert (record["actor"]["function"], record["actor"]["requested_by"]) == ("switch-handler", "ana")
    assert record["trigger"]["type"] == "invoke" and record["evidence"]["verdicts"]["blue"]["verdict"] == "unhealthy"
    assert moment(record["evidence"]["last_known_healthy"]) == flag.effective_from
    event = only(pair.wait_for_audit(version=2))
    assert (event["kind"], event["declared_by_person"], event["who"]["requested_by"]) == ("failover", True, "ana")
    assert moment(event["timings"]["effective_from"]) == flag.effective_from
    pair.wait_until_audited(2)
    assert pair.statistic("Sum", "Transitions", Kind="failover") == 1
    assert (MINUTES_DEAD - 1) * 60 < pair.statistic("Maximum", "RecoveryTime") < (MINUTES_DEAD + 2) * 60


def test_an_automatic_failover_is_not_told_as_declared(pair: Pair):
    pair.fail("blue")
    assert pair.tick()["decision"] == "failover"
    assert only(pair.wait_for_audit(version=2))["declared_by_person"] is False


def test_the_same_as_the_watcher_would_have_decided(deploy: Deploy):
    """One rule for both: only the requester differs."""
    by_person, by_watcher = dead(deploy), dead(deploy)
    by_person.ask(action="failover", to="green")
    assert by_watcher.tick()["decision"] == "failover"
    for pair in (by_person, by_watcher):
        flag = pair.flag()
        assert moment(pair.records()[flag.record]["evidence"]["last_known_healthy"]) == flag.effective_from
    difference = by_person.flag().effective_from - by_watcher.flag().effective_from
    assert abs(difference) <= timedelta(minutes=1), "both count from the heartbeat's minute"


def test_a_suspicion_is_enough_for_a_person(deploy: Deploy):
    pair = dead(deploy, FailureWindowSeconds="3600")
    assert pair.tick()["verdicts"]["blue"]["verdict"] == "suspect"
    is_back_dated(pair, pair.ask(action="failover", to="green"))


def test_it_counts_from_no_earlier_than_the_version_before(deploy: Deploy):
    pair = dead(deploy)
    pair.environment("green", status="AVAILABLE")
    pair.write_by_hand("green", Description="by hand")
    pair.write_by_hand("blue", Description="and back")
    answer = pair.ask(action="failover", to="green")
    before, flag = pair.versions()[-2:]
    assert abs(flag.effective_from - before.modified) < timedelta(milliseconds=2)
    assert "is active only since" in answer["back_dating"]["why"] and answer["back_dating"]["seconds"] < 60


def test_where_nothing_is_known_of_the_active_it_counts_from_its_write_and_says_what_that_loses(deploy: Deploy):
    pair = rested(deploy)
    for service in ("airflow", "monitoring"):
        pair.aws.add_fault("server-error", service, match=pair.environments["blue"])
    answer = pair.ask(action="failover", to="green", reason="the region is lost")
    assert answer["outcome"] == "switched", answer
    assert "blue is unknown" in precondition(answer, "active-healthy")["detail"]
    flag = pair.flag()
    assert flag.modified - timedelta(seconds=20) < flag.effective_from <= flag.modified + timedelta(milliseconds=2)
    told = answer["back_dating"]
    assert (told["last_known_healthy"], told["seconds"]) == (None, 0)
    assert "nothing shows when blue was last healthy" in told["why"] and "executed by nobody" in told["why"]


def test_where_a_whole_region_is_silent_the_watchers_last_look_tells(deploy: Deploy):
    pair = rested(deploy)
    assert pair.tick()["verdicts"]["blue"]["verdict"] == "healthy"
    for service in ("airflow", "monitoring"):
        pair.aws.add_fault("server-error", service, match=pair.environments["blue"])
    assert pair.tick()["verdicts"]["blue"]["verdict"] == "unknown"
    silent_since = datetime.now(timezone.utc)
    answer = pair.ask(action="failover", to="green", reason="the region is lost")
    flag = pair.flag()
    assert timedelta(seconds=55) < silent_since - flag.effective_from < timedelta(seconds=90), "the look before"
    assert "by the watcher; its signals are silent since" in answer["back_dating"]["why"]
    assert owner(pair, flag.effective_from - timedelta(seconds=1)) == "blue" and owner(pair, silent_since) == "green"
    healthy = moment(pair.records()[flag.record]["evidence"]["last_known_healthy"])
    assert abs(healthy - flag.effective_from) < timedelta(milliseconds=2)


def test_at_most_once_leaves_the_gap_out(deploy: Deploy):
    pair = dead(deploy, FailoverSemantics="at-most-once")
    answer = pair.ask(action="failover", to="green")
    flag = pair.flag()
    assert flag.effective_from > flag.modified, "a lead after its write"
    assert owner(pair, minutes_ago(MINUTES_DEAD - 1)) == "blue"
    assert "at-most-once" in answer["back_dating"]["why"] and "executed by nobody" in answer["back_dating"]["why"]


# -- what refuses it, and what does not ----------------------------------------------------------------------------------

def test_neither_hold_nor_cooldown_nor_budget_nor_mode_stops_it(deploy: Deploy):
    pair = deploy(CooldownSeconds="3600", FailoverBudgetPerDay="1", FailoverMode="observe")
    pair.ask(to="green", force=True)
    pair.ask(to="blue", force=True)
    pair.hold("upgrade of green")
    pair.fail("blue")
    answer = pair.ask(action="failover", to="green")
    assert answer["outcome"] == "switched", answer
    assert "upgrade of green" in precondition(answer, "hold")["detail"] and precondition(answer, "hold")["passed"]
    assert pair.ask(action="status")["hold"], "it stands on"


def test_it_does_not_count_to_the_budget_and_acknowledges_like_any_switch_by_a_person(deploy: Deploy):
    pair = deploy(FailoverBudgetPerDay="1")
    pair.fail("blue")
    assert pair.tick()["decision"] == "failover"
    pair.heal("blue")
    pair.fail("green")
    assert pair.tick()["blocked_by"] == ["failover-budget"]
    assert pair.ask(action="failover", to="blue")["outcome"] == "switched"
    pair.heal("green")
    pair.fail("blue")
    assert pair.tick()["decision"] == "failover", "a person has looked, and the person's own is none of the watcher's"
    assert pair.stands_at() == ("green", 4)


def test_a_healthy_active_is_not_declared_failed_unless_forced(pair: Pair):
    pair.aws.age_parameter(pair.flag_name, 3600)
    refused = pair.ask(action="failover", to="green")
    assert (refused["outcome"], pair.stands_at()) == ("refused", ("blue", 1))
    objecting = precondition(refused, "active-healthy")
    assert not objecting["passed"] and "blue is healthy" in objecting["detail"] and "active-healthy" in refused["reason"]
    forced = pair.ask(action="failover", to="green", force=True, reason="its workers do nothing")
    assert forced["outcome"] == "switched"
    flag = pair.flag()
    assert abs(flag.effective_from - flag.modified) < timedelta(seconds=20), "it was healthy to this moment"
    assert "to this moment" in forced["back_dating"]["why"]
    evidence = pair.records()[flag.record]["evidence"]
    assert evidence["forced"] and evidence["overridden"] == ["active-healthy"]


@pytest.mark.parametrize(("status", "name"), [
    ("UNAVAILABLE", "standby-unhealthy"), ("UPDATING", "standby-maintenance"), ("CREATING", "standby-unknown")])
def test_a_standby_that_cannot_take_over_stops_it_unless_forced(deploy: Deploy, status: str, name: str):
    pair = dead(deploy)
    pair.environment("green", status=status)
    refused = pair.ask(action="failover", to="green")
    assert refused["outcome"] == "refused" and not precondition(refused, name)["passed"], refused
    assert precondition(refused, "active-healthy")["passed"] and pair.stands_at() == ("blue", 1)
    is_back_dated(pair, pair.ask(action="failover", to="green", force=True))


def test_what_is_expected_is_asked_also_of_a_forced_one(deploy: Deploy):
    pair = dead(deploy)
    refused = pair.ask(action="failover", to="green", force=True, expect={"version": 7})
    assert refused["outcome"] == "refused" and not precondition(refused, "expect")["passed"]
    assert pair.stands_at() == ("blue", 1)
    assert pair.ask(action="failover", to="green", expect={"active": "blue", "version": 1})["outcome"] == "switched"


def test_a_dry_run_says_from_when_it_would_count_and_writes_nothing(deploy: Deploy):
    pair = dead(deploy)
    since = pair.aws.calls_so_far()
    answer = pair.ask(action="failover", dry_run=True)
    assert (answer["outcome"], answer["active"], answer["version"], answer["transition"]) == ("would_switch", "blue", 1, None)
    assert moment(answer["effective_from"]) < minutes_ago(MINUTES_DEAD - 1)
    assert "are green's" in answer["back_dating"]["why"]
    assert not [call for call in pair.calls("switch-handler", since) if call["operation"] == "PutParameter"]


# -- the direction -----------------------------------------------------------------------------------------------------

def test_without_a_color_the_standby_takes_over_but_never_by_force(deploy: Deploy):
    pair = dead(deploy)
    error = pair.ask_in_vain(action="failover", force=True)
    assert error["errorType"] == "InvalidRequest" and '"to" is missing' in error["errorMessage"]
    assert pair.stands_at() == ("blue", 1)
    is_back_dated(pair, pair.ask(action="failover"))
    again = pair.ask(action="failover")
    assert again["outcome"] == "refused" and not precondition(again, "active-healthy")["passed"], "it does not go back to the dead one"
    assert pair.stands_at() == ("green", 2)


def test_to_what_is_active_already_changes_nothing(deploy: Deploy):
    pair = dead(deploy)
    pair.ask(action="failover", to="green")
    again = pair.ask(action="failover", to="green", force=True)
    assert (again["outcome"], again["version"]) == ("unchanged", 2) and pair.stands_at() == ("green", 2)


@pytest.mark.parametrize("force", [False, True])
def test_from_a_flag_without_a_color_nobody_fails_over(pair: Pair, force: bool):
    pair.write_by_hand("bleu", AllowedPattern=".*")
    answer = pair.ask(action="failover", to="green", force=force)
    assert answer["outcome"] == "refused" and not precondition(answer, "flag-invalid")["passed"], answer
    assert pair.flag().value == "bleu"


def test_a_person_and_the_watcher_at_once_make_one_transition(pair: Pair):
    pair.fail("blue")
    with ThreadPoolExecutor(2) as pool:
        watchers = pool.submit(asks_at_once, pair, 5, "health-watcher", {})
        people = pool.submit(asks_at_once, pair, 5, "switch-handler", {"action": "failover", "to": "green"})
    made = [answer for answer in watchers.result() + people.result() if answer["transition"]]
    assert len(made) == 1, made
    assert {answer["outcome"] for answer in people.result()} <= {"switched", "conflict", "unchanged"}
    assert pair.stands_at() == ("green", 2) and len(pair.records()) == 2


def test_the_loser_is_told_who_was_faster(pair: Pair):
    pair.fail("blue")
    pair.fault_at_flag("latency", latency_ms=2500)
    with ThreadPoolExecutor(1) as pool:
        watcher = pool.submit(pair.tick)
        until("the watcher has claimed", lambda: len(pair.records()) == 2)
        answer = pair.ask(action="failover", to="green")
        assert watcher.result()["decision"] == "failover"
    assert answer["outcome"] in ("conflict", "unchanged"), answer
    if answer["outcome"] == "conflict":
        assert "health-watcher" in answer["reason"] and answer["winner"]["kind"] == "failover"
    assert pair.stands_at() == ("green", 2)


# -- drills ----------------------------------------------------------------------------------------------------------------

def test_away_from_a_drilled_color_it_ends_the_drill(deploy: Deploy):
    pair = deploy(CooldownSeconds="3600")
    assert pair.ask(action="drill", duration_minutes=60)["outcome"] == "pending"
    unchanged = pair.ask(action="failover", to="green")
    assert unchanged["outcome"] == "unchanged" and "in a drill that returns by itself" in unchanged["reason"]
    pair.fail("green")
    answer = pair.ask(action="failover", to="blue", reason="the drilled color is dead")
    assert answer["outcome"] == "switched" and "a failover ends it" in precondition(answer, "drill")["detail"]
    assert pair.tick()["drill"]["outcome"] == "interrupted"
    assert pair.stands_at() == ("blue", 3) and pair.ask(action="history")["entries"][0]["kind"] == "failover"


# -- the command line --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("direct", [False, True])
def test_the_command_line_asks_shows_and_fails_over(deploy: Deploy, tmp_path: Path, direct: bool):
    pair = dead(deploy)
    cli = Cli(pair, tmp_path)
    road = ["--direct", "--flag-parameter", pair.flag_name, "--blue-environment", pair.environments["blue"],
            "--green-environment", pair.environments["green"]] if direct else []
    planned = cli("failover", "--dry-run", *road).out
    assert "would switch: blue is active" in planned and "blue was last known healthy at" in planned
    assert pair.stands_at() == ("blue", 1)
    cli("failover", *road, code=NOT_CONFIRMED)
    ended = cli.on_a_terminal("failover", "--reason", "blue is dead", *road,
                              answers=(("Type green to fail over to green: ", "green\n"),))
    assert ended.code == 0, ended.out
    assert "runs due since" in ended.out and "verified: the flag holds green at version 2" in ended.out
    flag = pair.flag()
    assert flag.value == "green" and owner(pair, minutes_ago(MINUTES_DEAD - 1)) == "green"
    assert re.match(r"failover: declared by a person: blue is dead; by (switch-handler|mwaa-bluegreen) for ana \[", flag.description)
    refused = cli("failover", "--to", "blue", "--yes", *road, code=REFUSED).out
    assert re.search(r"objects +active-healthy +green is healthy", refused), refused
    assert "--to <COLOR>" in cli("failover", "--force", "--yes", *road, code=USAGE).error


def test_the_command_line_tells_a_conflict(pair: Pair, tmp_path: Path):
    pair.fail("blue")
    pair.fault_at_flag("kill-caller")
    pair.ask_in_vain(action="failover", to="green")
    assert "claimed this transition" in Cli(pair, tmp_path)("failover", "--to", "green", "--yes", code=CONFLICT).out
