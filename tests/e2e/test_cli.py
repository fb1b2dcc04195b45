"""The command line: the real binary against the deployed stack."""

from __future__ import annotations

import json
import os
import pty
import re
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from support.command_line import (
    CONFLICT,
    DONE,
    FAILED,
    INTERRUPTED,
    NOT_CONFIRMED,
    NOT_IN_TIME,
    NOT_READY,
    PROGRAM,
    REFUSED,
    USAGE,
    Cli,
)
from support.deployment import Deploy
from support.pair import Pair, only, precondition
from support.runs import LONG, run, scripted
from support.waiting import until

AROUND = "if Lambda is the outage, --direct works without it"


@pytest.fixture
def cli(pair: Pair, tmp_path: Path) -> Cli:
    return Cli(pair, tmp_path)


# -- reading -----------------------------------------------------------------------------------------------------------

def test_status_says_who_is_active_and_how_both_are(cli: Cli):
    shown = cli("status").out
    assert f"{cli.pair.name}: blue is active and healthy; green stands by and is healthy" in shown
    assert re.search(r"blue +active +healthy +\S+-blue", shown) and re.search(r"green +standby +healthy +\S+-green", shown)
    assert re.search(r"version +1, written \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ \(\d+ s ago\)", shown), shown
    assert "\x1b" not in shown, "no colors where no terminal is"
    assert "\x1b[" in cli("status", "--color", "always").out
    assert "\x1b[1;34mblue" in cli.on_a_terminal("status").out
    assert "\x1b[1;34mblue" not in cli.on_a_terminal("status", NO_COLOR="1").out


def test_json_is_the_functions_answer_and_nothing_else(cli: Cli):
    before = cli.pair.aws.calls_so_far()
    ended = cli("status", "--output", "json")
    assert ended.error == "" and ended.out.count("\n") == 1
    assert (ended.json["outcome"], ended.json["active"], ended.json["version"]) == ("status", "blue", 1)
    assert ended.json["last_transition"]["kind"] == "initialize"
    invokes = [call for call in cli.pair.aws.calls(before) if call["operation"] == "Invoke"]
    assert len(invokes) == 1, "one invocation, and no other call of the command's own"
    for command in (["history"], ["switch", "--to", "green", "--dry-run"], ["hold", "--minutes", "5", "--reason", "x", "--yes"],
                    ["release", "--yes"], ["switch", "--to", "green", "--yes", "--no-wait"]):
        ended = cli(*command, "--output", "json")
        assert isinstance(ended.json["outcome"], str) and ended.error == "", command


def test_history_is_a_table_newest_first(cli: Cli):
    cli.pair.ask(to="green", reason="release 7", requested_by="ana")
    rows = [line for line in cli("history").out.splitlines() if re.match(r" +\d", line)]
    assert [row.split()[0] for row in rows] == ["2", "1"]
    assert re.search(r"blue +green +switch .*release 7; by switch-handler for ana$", rows[0])
    assert len(cli("history", "--limit", "1", "--output", "json").json["entries"]) == 1


def test_what_became_of_the_runs_is_a_table_with_the_worst_first(deploy: Deploy, tmp_path: Path):
    pair = deploy(SwitchLeadSeconds="0")
    cli = Cli(pair, tmp_path)
    quiet = cli("run-report")
    assert "transition  none so far" in quiet.out and "0 runs, 0 executed once" in quiet.out
    pair.ask(to="green")
    time.sleep(1)  # until the guards of the runs next to it have decided
    scripted(pair)
    before = pair.flag().effective_from - timedelta(minutes=20)
    pair.environment("green", dags={"stock": {"next_run": before.isoformat()}})
    ended = cli("run-report", code=NOT_READY)
    assert re.search(rf"^{pair.name}: switch from blue to green: of 8 run\(s\), 1 executed by nobody", ended.out)
    rows = re.findall(r"^  (lost|doubled|late|pending|in flight)  +(\S+)  +\d{4}-\S+ \S+Z  (blue|green) +(\S+) +(\S+) +(.*)$", ended.out, re.M)
    assert [(row[0], row[1]) for row in rows] == [
        ("lost", "nobody"), ("doubled", LONG), ("doubled", "twice"), ("doubled", "branches"), ("late", "stock"), ("pending", "waits"),
        ("in flight", "under_way")], ended.out
    assert len(rows) == 7 and rows[0][2:5] == ("blue", "skipped", "skipped"), ended.out
    assert "lost: executed by nobody: clear its bluegreen_guard on the owner" in ended.out

    answer = cli("run-report", "--output", "json", code=NOT_READY)
    assert (answer.json["outcome"], answer.json["run_report"]["counts"]["lost"]) == ("run_report", 1) and answer.error == ""
    narrow = cli("run-report", "--window-minutes", "1", "--output", "json", code=NOT_READY).json["run_report"]
    assert (narrow["counts"]["runs"], narrow["counts"]["late"]) == (2, 1), "what is late now is told whatever the window"


def test_the_exit_code_of_run_report_tells_what_needs_a_person(deploy: Deploy, tmp_path: Path):
    pair = deploy(SwitchLeadSeconds="0")
    cli = Cli(pair, tmp_path)
    pair.ask(to="green")
    time.sleep(1)
    before = pair.flag().effective_from - timedelta(minutes=20)
    for executed_on_green, guarded, code in [(False, True, DONE), (True, True, NOT_READY), (True, False, DONE)]:
        for color, executed in (("blue", True), ("green", executed_on_green)):
            made = run("orders", before, executed)
            if not guarded:
                made["tasks"] = {"load": "success"}
            pair.environment(color, runs=[made])
        cli("run-report", code=code)
    pair.environment("blue", rest_api="down")
    ended = cli("run-report", code=NOT_READY)
    assert "partial" in ended.out and "could not be asked: dag-runs of blue: " in ended.out
    without_a_flag = Cli(deploy(initialize=False), tmp_path)
    assert without_a_flag("run-report", code=REFUSED).out.startswith("refused")


# -- switching ---------------------------------------------------------------------------------------------------------

def test_the_old_habit_switches(cli: Cli):
    """`--to green --region us-east-2`, the arguments of the replaced script; the local AWS has one region."""
    ended = cli("--to", "green", "--region", cli.pair.aws.environment()["AWS_REGION"], "--yes")
    assert "switched: green is active, version 2 (it was blue)" in ended.out
    assert "verified: the flag holds green at version 2" in ended.error
    assert re.search(r"in force: DAG runs due from \S+ \S+Z on run on green", ended.error)
    assert "undo it with: mwaa-bluegreen rollback" in ended.error
    assert cli.pair.flag().effective_from <= datetime.now(timezone.utc), "it waited until the switch is in force"
    record = only(entry for entry in cli.pair.records().values() if entry["kind"] == "switch")
    assert record["actor"]["requested_by"] == "ana", "the operating system's user"


def test_before_a_switch_the_guards_are_shown_and_the_colors_name_is_asked_for(cli: Cli):
    ended = cli.on_a_terminal("switch", "--to", "green", "--reason", "upgrade of blue",
                              answers=(("Type green to switch to green: ", "green\n"),))
    assert ended.code == DONE, ended.out
    for part in ("ana (from USER)", "blue (version 1) -> green", "upgrade of blue", "those due from then on run on green",
                 "standby-unhealthy", f"function {cli.pair.name}-switch-handler", "in force in", "verified"):
        assert part in ended.out, part
    assert cli.pair.stands_at() == ("green", 2)


@pytest.mark.parametrize("typed", ["y\n", "yes\n", "blue\n", "\n", "\x04"])
def test_anything_but_the_colors_name_changes_nothing(cli: Cli, typed: str):
    ended = cli.on_a_terminal("switch", "--to", "green", answers=(("Type green", typed),))
    assert ended.code == NOT_CONFIRMED and "not confirmed; nothing was changed" in ended.out
    assert cli.pair.stands_at() == ("blue", 1)


def test_control_c_at_the_prompt_changes_nothing(cli: Cli):
    ended = cli.on_a_terminal("switch", "--to", "green", interrupt_at="Type green")
    assert ended.code == INTERRUPTED and "interrupted" in ended.out
    assert cli.pair.stands_at() == ("blue", 1)


def test_where_nobody_can_be_asked_nothing_changes(cli: Cli):
    for command in (["switch", "--to", "green"], ["rollback"], ["hold", "--minutes", "5", "--reason", "x"], ["release"],
                    ["initialize"], ["drill"]):
        ended = cli(*command, stdin="green\ny\n", code=NOT_CONFIRMED)
        assert "--yes" in ended.error and "--dry-run" in ended.error and ended.out == "", command
    assert cli.pair.stands_at() == ("blue", 1) and cli.pair.parameter("hold") is None


def test_what_changed_since_the_look_refuses_the_switch(cli: Cli):
    """Another writer changes the flag while the person reads."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(PROGRAM, [str(PROGRAM), "switch", "--to", "green", "--no-wait"], cli.environment())
    seen = ""
    while "Type green" not in seen:
        seen += os.read(terminal, 65536).decode()
    cli.pair.write_by_hand("blue")
    os.write(terminal, b"green\n")
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == REFUSED
    assert cli.pair.stands_at() == ("blue", 2)


def test_a_refusal_says_which_guard_and_force_overrides_it(cli: Cli):
    cli.pair.fail("green")
    ended = cli("switch", "--to", "green", "--yes", code=REFUSED)
    assert re.search(r"objects +standby-unhealthy +green is unhealthy", ended.out)
    assert cli("switch", "--to", "green", "--dry-run", code=REFUSED).out.startswith("refused")
    ended = cli.on_a_terminal("switch", "--to", "green", "--force", "--no-wait", answers=(("Type force green", "green\n"),))
    assert ended.code == NOT_CONFIRMED, "force is typed, too"
    ended = cli.on_a_terminal("switch", "--to", "green", "--force", "--no-wait", answers=(("Type force green", "force green\n"),))
    assert ended.code == DONE and cli.pair.stands_at() == ("green", 2)


def test_expectations_are_kept_even_by_force(cli: Cli):
    for expectation in (["--expect-active", "green"], ["--expect-version", "9"]):
        ended = cli("switch", "--to", "green", "--yes", "--force", *expectation, "--output", "json", code=REFUSED)
        assert not precondition(ended.json, "expect")["passed"]
    assert cli.pair.stands_at() == ("blue", 1)


def test_a_claim_in_other_hands_is_a_conflict(cli: Cli):
    cli.pair.fault_at_claim("error:ParameterAlreadyExists")
    ended = cli("switch", "--to", "green", "--yes", code=None)
    assert ended.code in (DONE, CONFLICT)  # Which of the two depends on whether there is a record to read.
    flag = cli.pair.flag()
    name = f"v{flag.number + 1}-{flag.milliseconds}"
    other = {"schema": 1, "kind": "switch", "from": flag.value, "to": "green", "version": flag.number + 1,
             "decided_at": "2026-11-23T10:00:00Z", "effective_from": "2026-11-23T10:00:00Z", "reason": "x",
             "actor": {"function": "other", "request_id": "other"}, "trigger": {"type": "invoke", "id": "other"}, "evidence": {}}
    cli.pair.client("ssm").put_parameter(Name=f"{cli.pair.root}/transitions/{name}", Value=json.dumps(other), Type="String")
    color = "green" if flag.value == "blue" else "blue"
    assert cli("switch", "--to", color, "--yes", code=CONFLICT).out.startswith("conflict")


def test_rollback_goes_back_and_says_so(cli: Cli):
    cli.pair.ask(to="green")
    ended = cli.on_a_terminal("rollback", "--no-wait", answers=(("Type blue to switch to blue: ", "blue\n"),))
    assert ended.code == DONE and cli.pair.stands_at() == ("blue", 3)
    assert cli.pair.flag().description.startswith("rollback: ")


def test_rollback_with_no_history_is_refused(cli: Cli):
    assert "nothing to go back to" in cli("rollback", "--yes", code=REFUSED).out


def test_a_switch_that_is_not_seen_in_time_says_so(cli: Cli):
    ended = cli("switch", "--to", "green", "--yes", "--within", "1", code=NOT_IN_TIME)
    assert "the switch was made, but it is not in force within 1 s" in ended.error


# -- holding, initializing ------------------------------------------------------------------------------------------------

def test_a_hold_is_placed_shown_and_released(cli: Cli):
    ended = cli.on_a_terminal("hold", "--minutes", "60", "--reason", "network work", answers=(("Place the hold? [y/N] ", "y\n"),))
    assert ended.code == DONE and "held" in ended.out
    assert "by ana: network work" in cli("status").out
    assert cli("release", "--yes").out.startswith("released")
    assert re.search(r"hold +none", cli("status").out)


def test_a_hold_that_the_function_calls_invalid_is_wrong_usage(cli: Cli):
    ended = cli("hold", "--until", "tomorrow", "--reason", "x", "--yes", code=USAGE)
    assert "tomorrow" in ended.error and "(InvalidRequest)" in ended.error and ended.out == ""
    ended = cli("hold", "--until", "2020-01-01T00:00:00Z", "--reason", "x", "--yes", "--output", "json", code=USAGE)
    assert ended.json["errorType"] == "InvalidRequest", "scripts get the function's own error"


def test_initialize_makes_the_flag_once(deploy: Deploy, tmp_path: Path):
    pair = deploy(initialize=False)
    cli = Cli(pair, tmp_path)
    assert "there is no flag" in cli("status").out
    ended = cli.on_a_terminal("initialize", "--to", "green", answers=(("Type green to create the flag", "green\n"),))
    assert ended.code == DONE and pair.stands_at() == ("green", 1)
    assert cli("initialize", "--yes").out.startswith("unchanged")


# -- drills ----------------------------------------------------------------------------------------------------------------

def test_a_drill_is_shown_asked_for_and_followed(cli: Cli):
    pair = cli.pair
    ended = cli.on_a_terminal("drill", "--duration-minutes", "1", "--reason", "weekly",
                              answers=(("Type green to switch to green: ", "green\n"),))
    assert ended.code == DONE and pair.stands_at() == ("green", 2), ended.out
    for part in ("by the watcher; a real failure in between wins", "after 1 minutes", "mwaa-bluegreen watch --until-settled"):
        assert part in ended.out, part
    assert re.search(r"drill +switch pending, blue -> green, began .*, returns ", cli("status").out)
    watch = cli.start("watch", "--interval", "1", "--until-settled")
    assert "drill switch pending, returns" in watch.stdout.readline()
    pair.aws.age_parameter(pair.flag_name, 61)
    assert pair.tick()["decision"] == "drill-return"
    rest, _ = watch.communicate(timeout=60)
    assert watch.returncode == DONE and "active blue version 3" in rest.splitlines()[-1]
    assert re.search(r"drill +switch succeeded", cli("status").out)


def test_a_drill_can_be_waited_for(cli: Cli):
    pair = cli.pair
    drill = cli.start("drill", "--duration-minutes", "1", "--yes", "--wait")
    until("the drill has switched", lambda: pair.stands_at() == ("green", 2))
    pair.aws.age_parameter(pair.flag_name, 61)
    assert pair.tick()["decision"] == "drill-return"
    out, error = drill.communicate(timeout=60)
    assert drill.returncode == DONE and out.startswith("pending: green is active") and "drill switch succeeded" in error


def test_a_drill_that_may_not_start_says_why(cli: Cli):
    assert cli("drill", "--mode", "dry").out.startswith("succeeded"), "a dry one changes nothing, so nobody is asked"
    cli.pair.hold()
    ended = cli("drill", "--yes", code=REFUSED)
    assert re.search(r"objects +hold", ended.out) and cli.pair.stands_at() == ("blue", 1)


def test_directly_no_drill_begins_and_the_way_without_is_named(saved: Cli):
    assert "`mwaa-bluegreen switch --to <color> --direct`" in saved("drill", "--direct", "--yes", code=USAGE).error
    for mode in ("probe", "dry"):
        error = saved("drill", "--mode", mode, "--direct", code=USAGE).error
        assert "`mwaa-bluegreen check --direct` asks whether the standby is ready" in error and "returns" not in error


# -- errors --------------------------------------------------------------------------------------------------------------

def test_a_function_that_is_not_there_is_named_with_its_region(cli: Cli):
    error = cli("status", "--pair", "nobody", code=FAILED).error
    for part in ("nobody-switch-handler", "us-east-1", "--pair", "--region"):
        assert part in error
    assert "somebody-else" in cli("status", "--function", "somebody-else", code=FAILED).error


def test_without_credentials_it_says_how_to_get_them(cli: Cli):
    error = cli("status", code=FAILED, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="").error
    assert "no credentials" in error and "aws sso login" in error and "AWS_PROFILE" in error
    assert "nowhere" in cli("status", "--profile", "nowhere", code=FAILED).error, "a named profile wins over the environment"


def test_without_a_region_it_says_how_to_name_one(cli: Cli):
    assert "--region" in cli("status", code=USAGE, AWS_REGION="").error


def test_a_profile_gives_region_endpoint_and_credentials(cli: Cli):
    settings = cli.environment()
    folder = cli.home / ".aws"
    folder.mkdir()
    (folder / "config").write_text(f"[profile ops]\nregion = us-east-1\nendpoint_url = {settings['AWS_ENDPOINT_URL']}\n"
                                   f"credential_process = {folder}/credentials.sh\n")
    keys = {"Version": 1, "AccessKeyId": settings["AWS_ACCESS_KEY_ID"], "SecretAccessKey": settings["AWS_SECRET_ACCESS_KEY"]}
    script = folder / "credentials.sh"
    script.write_text(f"#!/bin/sh\necho '{json.dumps(keys)}'\n")
    script.chmod(0o755)
    none: dict[str, Any] = dict.fromkeys(("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "")
    assert "blue is active" in cli("status", "--profile", "ops", **none).out
    assert "blue is active" in cli("status", **none, AWS_PROFILE="ops").out
    assert "blue is active" in cli("status", **none, AWS_DEFAULT_PROFILE="ops").out


@pytest.mark.parametrize(("fault", "said"), [
    ("access-denied", "lambda:InvokeFunction"),
    ("throttle", "slow down"),
    ("error:KMSAccessDeniedException", "decrypt"),
    ("error:ExpiredTokenException", "log in again"),
    *((outage, AROUND) for outage in ("throttle", "server-error", "timeout")),
])
def test_an_error_of_lambda_says_what_to_do(cli: Cli, fault: str, said: str):
    silence, patience = ({"latency_ms": 8000}, ("--timeout", "1")) if fault == "timeout" else ({}, ())
    cli.pair.aws.add_fault(fault, "lambda", "Invoke", **silence)
    assert said in cli("status", *patience, code=FAILED).error
    assert AROUND not in cli("drill", "--dry-run", *patience, code=FAILED).error, "--direct begins no drill"


def test_a_function_that_died_names_the_way_without_lambda(cli: Cli):
    cli.pair.aws.add_fault("kill-caller", "ssm", "*")
    error = cli("status", code=FAILED).error
    assert "ended before it answered" in error and AROUND in error and "carried out" not in error
    error = cli("switch", "--to", "green", "--yes", code=FAILED).error
    assert "may have been carried out" in error and AROUND in error


def test_an_endpoint_where_nobody_answers_is_named(saved: Cli):
    nobody = "http://127.0.0.1:9"
    for command in (["status", "--endpoint-url", nobody], ["status", "--direct", "--endpoint-url", nobody]):
        error = saved(*command, code=FAILED).error
        assert f"the endpoint is {nobody} (--endpoint-url" in error and "--region" not in error, command
    assert f"the endpoint is {nobody}" in saved("status", code=FAILED, AWS_ENDPOINT_URL=nobody).error
    for arguments, variables in ((["--endpoint-url", "foo"], {}), ([], {"AWS_ENDPOINT_URL": "foo"}), (["--direct"], {"AWS_ENDPOINT_URL": "http://"}),
                                 ([], {"AWS_ENDPOINT_URL_LAMBDA": "ftp://localhost"})):
        error = saved("status", *arguments, code=USAGE, **variables).error
        assert "allowed is a URL that begins with http:// or https://" in error and "Request {" not in error, (arguments, variables)


def test_a_change_is_sent_once_and_a_question_again(cli: Cli):
    lost = cli.pair.aws.add_fault("server-error", "lambda", "Invoke", times=1)
    assert "ask `mwaa-bluegreen status`" in cli("switch", "--to", "green", "--yes", code=FAILED).error
    assert cli.pair.hits(lost) == 1 and cli.pair.stands_at() == ("blue", 1)
    cli.pair.aws.add_fault("server-error", "lambda", "Invoke", times=1)
    assert "blue is active" in cli("status").out


def test_no_answer_in_time_is_told(cli: Cli):
    cli.pair.aws.add_fault("timeout", "lambda", "Invoke", latency_ms=8000)
    assert "may have been carried out" in cli("switch", "--to", "green", "--yes", "--timeout", "1", code=FAILED).error


def test_a_function_error_is_told_with_its_type(cli: Cli):
    cli.pair.configure("switch-handler", COOLDOWN_SECONDS="-1")
    ended = cli("status", code=FAILED)
    assert "ConfigurationInvalid" in ended.error and "COOLDOWN_SECONDS" in ended.error


def test_wrong_usage_is_told_before_anything_is_asked(cli: Cli):
    before = cli.pair.aws.calls_so_far()
    for arguments in ([], ["--to", "purple"], ["switch"], ["status", "--force"], ["--output", "yaml", "status"],
                      ["status", "--flag-parameter", "/a/b"], ["status", "--output", "x.svg"], ["failover", "--force"], ["failover", "green"],
                      ["hold", "--reason", "x"], ["hold", "--minutes", "10081", "--reason", "x"], ["--timeout", "abc", "status"]):
        assert cli(*arguments, code=USAGE).error, arguments
    # Functions of an earlier test may still be running.
    assert [call for call in cli.pair.aws.calls(before) if "assumed-role" not in str(call["caller"])] == []


# -- without Lambda --------------------------------------------------------------------------------------------------------

@pytest.fixture
def saved(cli: Cli) -> Cli:
    """The settings are saved while Lambda works; then Lambda fails."""
    ended = cli("settings", "--save")
    assert f"FLAG_PARAMETER={cli.pair.flag_name}" in ended.out
    assert (cli.home / ".config" / "mwaa-bluegreen" / f"{cli.pair.name}.env").exists()
    cli.pair.aws.add_fault("server-error", "lambda", "*")
    return cli


def test_without_lambda_everything_is_done_directly(saved: Cli):
    assert "--direct" in saved("status", code=FAILED).error
    assert "blue is active and healthy" in saved("status", "--direct").out
    saved("switch", "--to", "green", "--direct", "--yes", "--reason", "Lambda is down")
    flag = saved.pair.flag()
    assert flag.value == "green" and flag.description.startswith("switch: Lambda is down; by mwaa-bluegreen for ana ")
    record = saved.pair.records()[flag.record]
    assert record["actor"]["function"] == "mwaa-bluegreen" and record["trigger"]["type"] == "command-line"
    assert saved("rollback", "--direct", "--yes", "--no-wait", "--output", "json").json["active"] == "blue"
    assert saved("hold", "--minutes", "5", "--reason", "x", "--direct", "--yes", "--output", "json").json["outcome"] == "held"
    assert saved("release", "--direct", "--yes", "--output", "json").json["outcome"] == "released"
    assert len(saved("history", "--direct", "--output", "json").json["entries"]) == 3
    assert saved("run-report", "--direct", "--output", "json").json["transition"] == saved.pair.flag().record
    saved.pair.aws.clear_faults()
    saved.pair.listen()
    event = only(saved.pair.wait_for_audit(version=2))
    assert (event["kind"], event["to"], event["who"]["requested_by"]) == ("switch", "green", "ana"), "audited later as usual"


def test_directly_the_guards_and_the_claim_hold_too(saved: Cli):
    saved.pair.fail("green")
    assert "standby-unhealthy" in saved("switch", "--to", "green", "--direct", "--yes", code=REFUSED).out
    saved.pair.aws.add_fault("access-denied", "ssm", "*")
    error = saved("status", "--direct", code=FAILED).error
    assert "access denied" in error and "with --direct you (`aws sts get-caller-identity`); nothing was changed (Store" in error
    assert "again" not in error, "asking again would be denied, too"


def test_directly_another_pairs_flag_is_never_guessed(cli: Cli):
    error = cli("switch", "--to", "green", "--direct", "--yes", code=USAGE).error
    assert "settings --save" in error and "--flag-parameter" in error
    ended = cli("status", "--direct", "--output", "json", "--flag-parameter", cli.pair.flag_name, "--blue-environment",
                cli.pair.environments["blue"], "--green-environment", cli.pair.environments["green"])
    assert ended.json["active"] == "blue"


def test_saved_settings_of_another_region_are_not_mixed_up(saved: Cli):
    assert "us-east-1" in saved("status", "--direct", "--region", "us-west-2", code=USAGE).error
    assert saved("status", "--direct", "--output", "json", AWS_REGION="us-west-2").json["active"] == "blue"


# -- watching ------------------------------------------------------------------------------------------------------------

def test_watch_follows_a_switch_until_it_is_settled(cli: Cli):
    cli.pair.ask(to="green")
    ended = cli("watch", "--interval", "1", "--until-settled")
    lines = ended.out.splitlines()
    assert "active green version 2" in lines[0] and "in force from" in lines[0]
    assert "in force from" not in lines[-1], "it ended when the switch was in force"
    documents = cli("watch", "--interval", "1", "--until-settled", "--output", "json").out.splitlines()
    assert [json.loads(line)["active"] for line in documents] == ["green"]


def test_watch_redraws_on_a_terminal_and_ends_at_control_c(cli: Cli):
    ended = cli.on_a_terminal("watch", "--interval", "1", interrupt_at="A\r\x1b[J")
    assert ended.code == INTERRUPTED
    assert "settled; Ctrl-C ends" in ended.out


# -- replaying -----------------------------------------------------------------------------------------------------------

def test_recorded_ticks_are_replayed_with_other_thresholds(deploy: Deploy, tmp_path: Path):
    """A scheduler dies; with a longer window the watcher would not have acted yet."""
    pair = deploy(FailureWindowSeconds="10")
    pair.log_at_debug()
    pair.look_once_a_tick()
    answers = [pair.tick()]
    pair.stop_scheduler("blue")

    def failed_over() -> bool:
        answers.append(pair.tick())
        return answers[-1]["decision"] == "failover"

    until("a failover", failed_over)
    ticks = len(answers)
    pair.wait_for_log("health-watcher", "evidence", count=ticks)
    pair.wait_for_log("health-watcher", "decision", count=ticks)
    cli = Cli(pair, tmp_path)
    pages = pair.client("logs").get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{pair.name}-health-watcher")
    events = [event for page in pages for event in page["events"]]
    tailed, filtered = tmp_path / "tailed.log", tmp_path / "filtered.json"
    tailed.write_text("".join(f"2026-11-23T12:00:00+00:00 2026/11/23/[$LATEST]abc {event['message'].rstrip()}\n" for event in events))
    filtered.write_text(json.dumps({"events": events}, indent=4))

    same = cli("replay", str(tailed), "--output", "json").json
    assert (len(same["ticks"]), same["differing"]) == (ticks, 0), "the recorded policy decides as it did"
    assert same["ticks"][-1]["then"]["action"] == "failover" and same["skipped"]["unreadable"] == 0
    assert cli("replay", str(filtered), "--output", "json").json["ticks"] == same["ticks"]

    other = cli("replay", str(tailed), "--failure-window", "600").out
    assert re.search(r"failover +none", other) and f"{ticks} ticks, 1 decided differently" in other, other
    assert re.search(r"first failover: then \S+ \S+Z, now none", other)
    assert len([line for line in cli("replay", str(tailed), "--failure-window", "600", "--differences").out.splitlines()
                if re.match(r"  \d{4}-", line)]) == 1
    observe = cli("replay", str(tailed), "--failover-mode", "observe", "--output", "json").json["ticks"][-1]
    assert observe["now"]["action"] == "observe-only"


def test_a_log_without_ticks_says_how_to_record_some(cli: Cli):
    (cli.home / "log").write_text("START RequestId: 1\nREPORT RequestId: 1\n")
    assert "LogLevel=debug" in cli("replay", str(cli.home / "log"), code=USAGE).error
    assert "cannot be read" in cli("replay", str(cli.home / "nowhere"), code=FAILED).error


# -- drawing -------------------------------------------------------------------------------------------------------------

def test_the_timeline_is_drawn_from_the_stored_metrics(cli: Cli):
    pair = cli.pair
    pair.look_once_a_tick()
    pair.tick()
    pair.fail("blue")
    assert pair.tick()["decision"] == "failover"
    pair.wait_until_audited(2)
    picture = cli.home / "timeline.svg"
    now = datetime.now(timezone.utc) + timedelta(seconds=5)
    shown = cli("chart", "--output", str(picture), "--from", (now - timedelta(minutes=3)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "--to", now.strftime("%Y-%m-%dT%H:%M:%SZ"), "--period", "1").out
    assert "2 transitions" in shown
    svg = picture.read_text()
    assert svg.startswith("<svg") and "failover, " in svg and "initialize" in svg and pair.environments["blue"] in svg
    if keep := os.environ.get("KEEP_PICTURE"):
        Path(keep).write_text(svg)


def test_a_chart_without_metrics_or_a_file_says_so(cli: Cli):
    assert "--output FILE.svg" in cli("chart", code=USAGE).error
    assert "no metrics" in cli("chart", "--output", str(cli.home / "x.svg"), "--from", "2020-01-01T00:00:00Z", "--to",
                               "2020-01-01T01:00:00Z", code=FAILED).error


# -- packaging -----------------------------------------------------------------------------------------------------------

def test_it_carries_its_manual_and_completions(cli: Cli):
    manual = cli("man").out
    assert manual.startswith(".ie") or manual.startswith(".TH")
    for part in ("switch", "expect", "EXIT STATUS", "MWAA_BLUEGREEN_PAIR"):
        assert part in manual.replace("\\-", "-"), part
    for shell in ("bash", "zsh", "fish"):
        assert "rollback" in cli("completions", shell).out
    assert "130" in cli("--help").out and cli("--version").out.startswith("mwaa-bluegreen ")


def test_a_reader_that_leaves_is_no_failure_to_talk_about(cli: Cli):
    watch = cli.start("watch", "--interval", "1", "--output", "json")
    watch.stdout.readline()
    watch.stdout.close()
    assert watch.wait(60) == FAILED and watch.stderr.read() == ""
