"""The runbooks in docs/runbooks do what they say: every marked block, word for word, in the situation that it is for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from support.dags import let_time_pass, settle, unpaused
from support.deployment import Deploy
from support.documents import all_blocks, commands, sections
from support.pair import CLAIM_TIMEOUT, Pair, only
from support.template import Stack as TemplateStack
from support.template import as_list, statements_of
from support.walkthrough import Walkthrough, rest, runs, says, settled


def age_claims(pair: Pair) -> None:
    for record in pair.records():
        pair.aws.age_parameter(f"{pair.root}/transitions/{record}", CLAIM_TIMEOUT)


def kinds(pair: Pair) -> list[str]:
    return [entry["kind"] for entry in pair.ask(action="history", limit=100)["entries"]][::-1]


INDEX = "docs/runbooks/README.md"

# The page says that changes of environments and stacks need the rights with which they were created.
MADE_WITH_OTHER_RIGHTS = {"airflow:CreateEnvironment", "airflow:UpdateEnvironment", "airflow:DeleteEnvironment",
                          "cloudformation:UpdateStack", "cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents", "cloudformation:Wait"}
PREFIXES = {"mwaa": "airflow"}
ACTIONS = {"lambda:Invoke": "lambda:InvokeFunction", "logs:Tail": "logs:FilterLogEvents"}


def test_the_rights_on_the_page_allow_every_command_of_the_runbooks():
    (page,) = [block.text for block in all_blocks() if block.page == INDEX and block.language == "json"]
    given = {action for statement in json.loads(page)["Statement"]
             for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])}
    needed = set()
    for block in all_blocks():
        if block.page.startswith("docs/runbooks/") and block.language in ("bash", "console"):
            for service, operation in re.findall(r"\baws (\w+) ([a-z]+(?:-[a-z]+)*)", block.text):
                action = f"{PREFIXES.get(service, service)}:{operation.title().replace('-', '')}"
                needed.add(ACTIONS.get(action, action))
    assert needed - given == MADE_WITH_OTHER_RIGHTS & needed
    # The rights that the command line needs in place of the switch-handler.
    stack = TemplateStack(KmsKeyArn="arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab")
    may = {action for statement in statements_of(stack, "SwitchHandlerRole") for action in as_list(statement["Action"])}
    assert len(may) > 10
    # These rights on the key are for the dead-letter queue, to which Lambda writes on the function's behalf.
    assert may - given == {"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage", "kms:GenerateDataKey", "kms:Decrypt"}


# -- README.md --------------------------------------------------------------------------------------------------

@runs("look")
def test_the_index_begins_with_a_look(deploy: Deploy, walk: Walkthrough):
    walk.rest(settled(deploy))


# -- troubleshooting.md ----------------------------------------------------------------------------------------------

@runs("trouble-look")
def test_a_look_when_something_is_strange(deploy: Deploy, walk: Walkthrough):
    walk.rest(settled(deploy))


@runs("trouble-runs")
def test_a_look_at_the_runs(deploy: Deploy, walk: Walkthrough):
    walk.rest(settled(deploy))


@runs("trouble-tick")
def test_what_a_tick_says(deploy: Deploy, walk: Walkthrough):
    walk.rest(settled(deploy))


@runs("stop-at-once")
def test_stop_it_at_once(deploy: Deploy, walk: Walkthrough):
    pair = settled(deploy)
    pair.fail("blue")
    walk(pair)
    assert pair.tick()["blocked_by"] == ["hold"] and pair.flag().value == "blue"
    walk(pair)
    assert pair.tick()["decision"] == "failover"


@runs("before-you-need-it")
def test_the_settings_are_saved_beforehand(deploy: Deploy, walk: Walkthrough):
    pair = settled(deploy)
    walk.rest(pair)
    saved = (walk.home / ".config" / "mwaa-bluegreen" / f"{pair.name}.env").read_text()
    assert f"FLAG_PARAMETER={pair.flag_name}" in saved


# -- maintenance.md --------------------------------------------------------------------------------------------------

@runs("maintenance-standby")
def test_work_on_the_standby(deploy: Deploy, walk: Walkthrough):
    pair = settled(deploy)
    walk(pair)
    pair.environment("green", dags={})
    pair.fail("blue")
    assert pair.tick()["blocked_by"] == ["hold"], "nobody fails over into a building site"
    pair.heal("blue")
    walk.rest(pair)
    assert pair.stands_at() == ("blue", 1) and pair.ask(action="status")["hold"] is None


@runs("maintenance-active")
def test_work_on_the_active(deploy: Deploy, walk: Walkthrough):
    pair = settled(deploy)
    walk(pair)
    assert pair.stands_at() == ("blue", 1), "a look changes nothing"
    walk(pair)
    pair.environment("blue", status="UPDATING")
    assert pair.tick()["decision"] == "none"
    pair.environment("blue", status="AVAILABLE")
    walk.rest(pair)
    assert pair.stands_at() == ("green", 2) and pair.ask(action="status")["hold"] is None


@runs("maintenance-go-back")
def test_back_after_maintenance_in_spite_of_cooldown_and_hold(deploy: Deploy, walk: Walkthrough):
    pair = settled(deploy)
    assert pair.ask(to="green")["outcome"] == "switched"
    pair.hold()
    walk.rest(pair)
    assert pair.stands_at() == ("blue", 3) and kinds(pair)[-1] == "rollback"


# -- airflow-upgrade.md ----------------------------------------------------------------------------------------------

OLD, NEW = "2.10.5", "3.0.6"


def before_the_upgrade(deploy: Deploy, **versions: str) -> Pair:
    return settled(deploy, environments={color: {"airflow_version": versions.get(color, OLD)} for color in ("blue", "green")})


def red(pair: Pair) -> list[str]:
    return [finding["name"] for finding in pair.ask(action="check")["readiness"]["findings"] if finding["severity"] == "red"]


@runs("upgrade-standby")
def test_the_upgraded_standby_differs_in_its_version_alone(deploy: Deploy, walk: Walkthrough):
    pair = before_the_upgrade(deploy)
    walk(pair)
    pair.environment("green", airflow_version=NEW)
    walk.rest(pair)
    assert red(pair) == ["airflow-version"]
    assert pair.stands_at() == ("blue", 1)
    pair.release()
    blocked = pair.ask(action="drill")
    assert blocked["outcome"] == "blocked"
    assert [precondition["name"] for precondition in blocked["preconditions"] if not precondition["passed"]] == ["readiness"]


@runs("upgrade-switch")
def test_the_switch_to_the_new_version(deploy: Deploy, walk: Walkthrough):
    pair = before_the_upgrade(deploy, green=NEW)
    pair.hold()
    walk.rest(pair)
    assert pair.stands_at() == ("green", 2)


@runs("upgrade-go-back")
def test_back_to_the_old_version(deploy: Deploy, walk: Walkthrough):
    pair = before_the_upgrade(deploy, green=NEW)
    pair.hold()
    pair.ask(to="green")
    walk.rest(pair)
    assert pair.stands_at() == ("blue", 3)


@runs("upgrade-other")
def test_the_other_one_is_upgraded_and_the_hold_ends(deploy: Deploy, walk: Walkthrough):
    pair = before_the_upgrade(deploy, green=NEW, blue=NEW)
    pair.ask(to="green")
    rest(pair)
    pair.hold()
    walk.rest(pair)
    assert pair.stands_at() == ("green", 2) and pair.ask(action="status")["hold"] is None


# -- dags-still-paused.md --------------------------------------------------------------------------------------------

def pausing(deploy: Deploy) -> Pair:
    """Green is fenced."""
    both = {color: {"dags": {"orders": {"paused": False}, "retired": {"paused": True}}} for color in ("blue", "green")}
    pair = settled(deploy, environments=both, DagManagement="pause", AirflowRole="Op")
    pair.tick()
    assert settle(pair)["state"] == "settled"
    return pair


@runs("paused-still")
def test_what_was_not_unpaused_is_unpaused(deploy: Deploy, walk: Walkthrough):
    pair = pausing(deploy)
    refused = pair.aws.add_fault("access-denied", "airflow", "InvokeRestApi", match='"Method":"PATCH"')
    assert pair.ask(to="green")["dag_management"]["state"] == "activation-failed"
    walk(pair)
    walk(pair)
    assert pair.tick()["dag_management"]["state"] == "activation-failed"
    pair.aws.clear_faults(refused)
    walk(pair)
    assert unpaused(pair, "green") == {"orders"}


@runs("paused-not")
def test_what_was_not_paused_is_paused(deploy: Deploy, walk: Walkthrough):
    pair = pausing(deploy)
    pair.environment("blue", status="UNAVAILABLE", rest_api="down")
    assert pair.tick()["dag_management"]["state"] == "not-fenced"
    pair.environment("blue", status="AVAILABLE", rest_api="up")
    let_time_pass(pair, 31)
    walk.rest(pair)
    assert unpaused(pair, "blue") == set() and pair.ask(action="status")["dag_management"]["state"] == "settled"


# -- emergency-failover.md -------------------------------------------------------------------------------------------

def dead_active(deploy: Deploy, **wanted: Any) -> Pair:
    pair = settled(deploy, **wanted)
    pair.fail("blue")
    return pair


def objecting(pair: Pair) -> list[str]:
    return [precondition["name"] for precondition in pair.ask(action="status")["preconditions"] if not precondition["passed"]]


@runs("emergency-look")
def test_a_look_at_a_dead_active(deploy: Deploy, walk: Walkthrough):
    pair = dead_active(deploy)
    assert objecting(pair) == []
    walk.rest(pair)


@runs("emergency-nothing-objects")
@pytest.mark.parametrize("why", ["the watcher does not run", "it only observes", "unknown"])
def test_a_dead_active_that_nobody_replaces(deploy: Deploy, walk: Walkthrough, why: str):
    pair = dead_active(deploy, **({"FailoverMode": "observe"} if why == "it only observes" else {}))
    if why == "it only observes":
        assert pair.ask(action="status")["mode"] == "observe" and pair.tick()["decision"] == "observe-only"
    if why == "unknown":
        lose(pair, "blue")
        assert pair.ask(action="status")["verdicts"]["blue"]["verdict"] == "unknown"
    walk(pair)
    assert pair.stands_at() == ("green", 2) and kinds(pair)[-1] == "failover"
    walk.rest(pair)


@runs("emergency-hold")
def test_a_person_fails_over_under_a_hold(deploy: Deploy, walk: Walkthrough):
    pair = dead_active(deploy)
    pair.hold()
    assert objecting(pair) == pair.tick()["blocked_by"] == ["hold"]
    walk.rest(pair)
    assert pair.stands_at() == ("green", 2) and pair.ask(action="status")["hold"]


@runs("emergency-cooldown")
def test_a_person_fails_over_in_the_cooldown(deploy: Deploy, walk: Walkthrough):
    pair = settled(deploy, active="green")
    pair.ask(to="blue")
    pair.fail("blue")
    assert objecting(pair) == pair.tick()["blocked_by"] == ["cooldown"]
    walk.rest(pair)
    assert pair.flag().value == "green"


@runs("emergency-budget")
def test_a_person_acknowledges_the_failovers_of_today(deploy: Deploy, walk: Walkthrough):
    pair = settled(deploy, CooldownSeconds="0")
    for dead, well in (("blue", "green"), ("green", "blue"), ("blue", "green")):
        pair.heal(well)
        pair.fail(dead)
        assert pair.tick()["active"] == well
    pair.heal("blue")
    pair.fail("green")
    assert objecting(pair) == pair.tick()["blocked_by"] == ["failover-budget"]
    walk.rest(pair)
    assert pair.stands_at() == ("blue", 5) and kinds(pair)[-1] == "failover"


@runs("emergency-drill")
def test_a_drill_whose_color_died_is_ended_by_a_failover(deploy: Deploy, walk: Walkthrough):
    pair = settled(deploy, CooldownSeconds="3600")
    assert pair.ask(action="drill", duration_minutes=60)["outcome"] == "pending"
    pair.fail("green")
    walk.rest(pair)
    assert pair.stands_at() == ("blue", 3)
    assert pair.tick()["drill"]["outcome"] == "interrupted"


@runs("emergency-no-lambda")
def test_a_failover_without_lambda(deploy: Deploy, walk: Walkthrough):
    pair = dead_active(deploy)
    beforehand = Walkthrough(sections()["before-you-need-it"], 0, walk.home)
    beforehand.rest(pair)
    pair.aws.add_fault("server-error", "lambda", "*")
    walk.rest(pair)
    pair.aws.clear_faults()
    assert pair.stands_at() == ("green", 2)
    assert only(pair.wait_for_audit(version=2))["kind"] == ("failover" if len(walk.todo[0].splitlines()[0].split("direct")) > 1 else "external")


@runs("emergency-go-back")
def test_back_after_an_emergency(deploy: Deploy, walk: Walkthrough):
    pair = dead_active(deploy)
    assert pair.tick()["decision"] == "failover"
    pair.heal("blue")
    walk.rest(pair)
    assert pair.stands_at() == ("blue", 3)


# -- failed-failover.md ----------------------------------------------------------------------------------------------

@runs("failed-look")
def test_what_the_flag_says_without_lambda(deploy: Deploy, walk: Walkthrough):
    pair = dead_active(deploy)
    pair.aws.add_fault("server-error", "lambda", "*")
    walk.rest(pair)


@runs("failed-dead-writer")
def test_the_claim_of_a_dead_writer_is_finished(deploy: Deploy, walk: Walkthrough):
    pair = dead_active(deploy)
    pair.fault_at_flag("kill-caller")
    pair.ask_in_vain(to="green", reason="the first try")
    walk(pair)
    assert pair.stands_at() == ("blue", 1)
    age_claims(pair)
    walk.rest(pair)
    assert pair.stands_at() == ("green", 2)
    assert only(pair.wait_for_audit(version=2))["dead_writer"]["reason"] == "the first try"


@runs("failed-label")
def test_a_label_is_taken_off(deploy: Deploy, walk: Walkthrough):
    pair = settled(deploy)
    pair.lose_change_events()
    for _ in range(99):
        pair.write_by_hand("blue")
    pair.client("ssm").label_parameter_version(Name=pair.flag_name, ParameterVersion=1, Labels=["golden"])
    rest(pair)
    pair.fail("blue")
    walk(pair)
    assert pair.stands_at() == ("blue", 100)
    walk(pair)
    age_claims(pair)
    walk.rest(pair)
    assert pair.stands_at() == ("green", 101)


@runs("failed-no-standby")
def test_a_standby_that_is_not_there_is_made_anew(deploy: Deploy, walk: Walkthrough):
    pair = dead_active(deploy)
    pair.aws.delete_environment(pair.environments["green"])
    assert pair.tick()["decision"] == "blocked"
    walk(pair)
    assert pair.stands_at() == ("blue", 1)
    walk(pair)
    pair.aws.put_environment(pair.environments["green"])
    assert pair.tick()["blocked_by"] == ["hold"], "its DAGs are paused: nobody fails over to it before a person has looked"
    walk.rest(pair)
    assert pair.stands_at() == ("green", 2) and pair.ask(action="status")["hold"] is None


@runs("failed-unneeded")
def test_a_failover_that_nobody_needed_is_taken_back(deploy: Deploy, walk: Walkthrough):
    pair = dead_active(deploy)
    assert pair.tick()["decision"] == "failover"
    pair.heal("blue")
    walk(pair)
    assert pair.stands_at() == ("blue", 3)
    pair.fail("blue")
    rest(pair)
    assert pair.tick()["blocked_by"] == ["hold"], "it does not do it again"
    pair.heal("blue")
    walk.rest(pair)


# -- both-unhealthy.md --------------------------------------------------------------------------------------------

def both_sick(deploy: Deploy) -> Pair:
    pair = dead_active(deploy)
    pair.fail("green")
    assert pair.tick()["blocked_by"] == ["standby-unhealthy"]
    return pair


@runs("both-look")
def test_a_look_at_two_sick_ones(deploy: Deploy, walk: Walkthrough):
    pair = both_sick(deploy)
    walk.rest(pair)
    assert pair.stands_at() == ("blue", 1)


@runs("both-repair-one")
def test_the_first_one_that_is_repaired_is_used(deploy: Deploy, walk: Walkthrough):
    pair = both_sick(deploy)
    pair.heal("green")
    walk.rest(pair)
    assert pair.stands_at() == ("green", 2)


@runs("both-know-better")
def test_somebody_knows_better(deploy: Deploy, walk: Walkthrough):
    pair = both_sick(deploy)
    walk(pair)
    assert pair.stands_at() == ("green", 2)
    walk(pair)
    pair.heal("blue")
    rest(pair)
    assert pair.tick()["blocked_by"] == ["hold"] and pair.flag().value == "green", "the hold keeps it there"
    walk.rest(pair)
    assert pair.stands_at() == ("blue", 3) and pair.tick()["decision"] == "none"


# -- broken-flag.md --------------------------------------------------------------------------------------------------

@runs("flag-which-color")
def test_which_color_was_active_is_remembered(deploy: Deploy, walk: Walkthrough):
    pair = settled(deploy, active="green")
    pair.delete_flag()
    walk.rest(pair)


@runs("flag-no-color")
def test_a_garbled_flag_is_put_right(deploy: Deploy, walk: Walkthrough):
    pair = settled(deploy, active="green")
    pair.write_by_hand("purple", AllowedPattern=".*")
    assert pair.tick()["blocked_by"] == ["flag-invalid"]
    walk.rest(pair)
    assert pair.stands_at() == ("green", 4) and pair.tick()["decision"] == "none"


@runs("flag-gone")
def test_a_deleted_flag_is_made_again(deploy: Deploy, walk: Walkthrough):
    pair = settled(deploy, active="green")
    pair.delete_flag()
    assert pair.tick()["blocked_by"] == ["flag-invalid"]
    assert pair.ask(action="initialize", to="green")["outcome"] == "refused"
    walk.rest(pair)
    assert pair.stands_at() == ("green", 1) and pair.tick()["decision"] == "none"


@runs("flag-manual-edit")
def test_a_hand_edit_is_taken_back(deploy: Deploy, walk: Walkthrough):
    pair = settled(deploy, active="green")
    pair.write_by_hand("blue")
    pair.wait_until_audited(3)
    assert kinds(pair)[-1] == "external"
    walk.rest(pair)
    assert pair.stands_at() == ("green", 4)


# -- regional-problem.md ---------------------------------------------------------------------------------------------

OTHER = "eu-west-1"


def two_regions(deploy: Deploy, **wanted: Any) -> Pair:
    return settled(deploy, GreenRegion=OTHER, environments={"green": {"region": OTHER}}, **wanted)


def lose(pair: Pair, color: str) -> None:
    """No service in its region answers."""
    for service in ("mwaa", "monitoring"):
        pair.aws.add_fault("server-error", service, match=pair.environments[color])


@runs("region-look")
def test_the_other_region_is_asked(deploy: Deploy, walk: Walkthrough):
    walk.rest(two_regions(deploy))


@runs("region-standby-lost")
def test_the_region_of_the_standby_is_lost(deploy: Deploy, walk: Walkthrough):
    pair = two_regions(deploy)
    lose(pair, "green")
    walk.rest(pair)
    assert pair.tick()["decision"] == "none" and pair.stands_at() == ("blue", 1)


@runs("region-active-lost")
def test_the_region_of_the_active_is_lost(deploy: Deploy, walk: Walkthrough):
    pair = two_regions(deploy, active="green")
    lose(pair, "green")
    assert pair.tick()["decision"] == "none", "unknown is not unhealthy"
    walk(pair)
    assert pair.stands_at() == ("blue", 3)
    pair.aws.clear_faults()
    walk.rest(pair)
    assert pair.stands_at() == ("green", 4) and pair.ask(action="status")["hold"] is None


def other_flag(pair: Pair) -> str | None:
    found = pair.client("ssm", region_name=OTHER).get_parameters(Names=[pair.flag_name])["Parameters"]
    return found[0]["Value"] if found else None


@runs("region-flag-lost")
def test_the_flag_is_made_in_the_other_region(deploy: Deploy, walk: Walkthrough):
    pair = two_regions(deploy)
    pair.environment("green", dags={"orders": {"paused": True}})
    pair.aws.add_fault("server-error", "lambda", "*")
    walk.rest(pair)
    assert (pair.stands_at(), other_flag(pair)) == (("blue", 1), "green"), "the one that is lost says blue"
    dags = pair.client("mwaa", region_name=OTHER).invoke_rest_api(Name=pair.environments["green"], Method="GET", Path="/dags")
    assert [(dag["dag_id"], dag["is_paused"]) for dag in dags["RestApiResponse"]["dags"]] == [("orders", False)]
    pair.client("ssm", region_name=OTHER).delete_parameter(Name=pair.flag_name)


@runs("region-flag-back")
def test_back_to_one_flag(deploy: Deploy, walk: Walkthrough):
    pair = two_regions(deploy)
    pair.client("ssm", region_name=OTHER).put_parameter(Name=pair.flag_name, Value="green", Type="String")
    Walkthrough(sections()["before-you-need-it"], 0, walk.home).rest(pair)
    no_lambda = pair.aws.add_fault("server-error", "lambda", "*")
    walk(pair)
    pair.aws.clear_faults(no_lambda)
    walk.rest(pair)
    assert (pair.stands_at(), other_flag(pair)) == (("green", 2), None)
    assert pair.ask(action="status")["hold"] is None and pair.tick()["decision"] == "none"


# -- replace-an-environment.md ----------------------------------------------------------------------------------------

def successor(pair: Pair) -> str:
    name = f"{pair.name}-green-2"
    pair.aws.put_environment(name)
    return name


@pytest.fixture
def made_environments(deploy: Deploy, aws: Any) -> Iterator[None]:
    before = {known["name"] for known in aws.environments()}
    yield
    for known in aws.environments():
        if known["name"] not in before and known["name"].endswith("-green-2"):
            aws.delete_environment(known["name"])


@runs("replace-create")
def test_a_new_environment_stands_beside_the_old_one(deploy: Deploy, walk: Walkthrough, made_environments: None):
    pair = settled(deploy)
    walk(pair)
    walk.rest(pair, NEW=successor(pair))
    assert pair.ask(action="status")["hold"]


def names_in_use(pair: Pair) -> str:
    return pair.ask(action="status")["environments"]["green"]


@runs("replace-rename")
def test_the_stack_takes_the_new_name_and_keeps_everything_else(deploy: Deploy, walk: Walkthrough, made_environments: None):
    pair = settled(deploy, active="blue", LogLevel="debug")
    new, before = successor(pair), pair.stands_at()
    walk.rest(pair, NEW=new)
    assert names_in_use(pair) == new and pair.stands_at() == before
    given = pair.client("cloudformation").describe_stacks(StackName=pair.name)["Stacks"][0]["Parameters"]
    kept = {entry["ParameterKey"]: entry["ParameterValue"] for entry in given}
    assert (kept["LogLevel"], kept["CooldownSeconds"], kept["GreenEnvironmentName"]) == ("debug", "300", new)


@runs("replace-drill")
def test_the_new_one_is_checked_and_drilled(deploy: Deploy, walk: Walkthrough):
    pair = settled(deploy)
    pair.hold()
    assert pair.ask(action="drill")["outcome"] == "blocked", "not under a hold"
    walk(pair)
    assert pair.stands_at() == ("green", 2)
    pair.aws.age_parameter(pair.flag_name, 15 * 60 + 1)
    assert pair.tick()["decision"] == "drill-return"
    walk.rest(pair)
    assert pair.stands_at() == ("blue", 3)


@runs("replace-go-back")
def test_the_old_name_comes_back(deploy: Deploy, walk: Walkthrough, made_environments: None):
    pair = settled(deploy)
    forward = Walkthrough(sections()["replace-rename"], 0, walk.home)
    forward.rest(pair, NEW=successor(pair))
    walk.rest(pair)
    assert names_in_use(pair) == pair.environments["green"] and pair.ask(action="status")["hold"] is None


# -- the test itself -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("command", "printed", "code", "good"), [
    ("mwaa-bluegreen switch --to green    # switched", "switched: green is active\n", 0, True),
    ("mwaa-bluegreen switch --to green    # switched", "refused: blue is active\n", 3, False),
    ("mwaa-bluegreen switch --to green    # switched", "switched: green is active\n", 7, False),
    ("mwaa-bluegreen switch --to green    # refused", "refused: blue is active\n", 0, False),
    ("mwaa-bluegreen switch --to green    # switched", "", 0, False),
    ("mwaa-bluegreen check    # ready", "p: not ready, 49 of 100\n", 5, False),
    ("mwaa-bluegreen check    # ready", "p: ready, 100 of 100\n", 0, True),
    ("ask switch-handler '{}'    # switched", '{"outcome":"would_switch"}{"StatusCode":200}', 0, False),
    ("ask switch-handler '{}'    # would switch", '{"outcome":"would_switch"}{"StatusCode":200}', 0, True),
    ("mwaa-bluegreen rollout    # rollout 3f2a9c41 finished", "rollout 07ab9bec finished after 9 s\n", 0, True),
    ("mwaa-bluegreen rollout    # rollout 3f2a9c41 finished", "rollout 07ab9bec stopped after 9 s\n", 0, False),
    ("mwaa-bluegreen rollout    # rollout 3f2a9c41 finished", "rollout finished after 9 s\n", 0, False),
    ("aws ssm get-parameter    # green", "greenish\n", 0, False),
    ("aws ssm delete-parameter    # nothing", "something\n", 0, False),
])
def test_an_answer_that_was_not_promised_fails(command: str, printed: str, code: int, good: bool):
    assert says(commands(command)[0], printed, code, "p") is good
