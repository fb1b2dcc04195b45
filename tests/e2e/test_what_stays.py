"""The audit trail outlives the stack and the pair's name, and the next stack continues it."""

from __future__ import annotations

from local_aws.process import LocalAws
from support.clients import Clients
from support.deployment import QUICK, Deploy, wait_for_stack
from support.pair import Pair, only
from support.waiting import until


def trail(clients: Clients, name: str) -> dict[str, bool]:
    """The existing parts of a pair's audit trail."""
    groups = clients("logs").describe_log_groups(logGroupNamePrefix=f"/aws/events/{name}-audit")["logGroups"]
    archives = clients("events").list_archives(NamePrefix=f"{name}-audit")["Archives"]
    buses = clients("events").list_event_buses(NamePrefix=f"{name}-audit")["EventBuses"]
    return {"log group": bool(groups), "archive": bool(archives), "bus": bool(buses)}


ALL = {"log group": True, "archive": True, "bus": True}


def remove(pair: Pair) -> None:
    pair.client("cloudformation").delete_stack(StackName=pair.name)
    until("the stack is gone", lambda: not [
        stack for stack in pair.client("cloudformation").list_stacks()["StackSummaries"]
        if stack["StackName"] == pair.name and stack["StackStatus"] != "DELETE_COMPLETE"])


def test_the_audit_trail_stays_when_the_stack_goes_and_the_next_one_goes_on_with_it(
        deploy: Deploy, shared_aws: tuple[LocalAws, Clients, str]):
    _, clients, template = shared_aws
    first = deploy()
    first.ask(to="green", reason="before it goes")
    first.wait_for_audit(version=2)
    first.wait_until_audited(2)  # otherwise the next listener publishes it again, under the same id
    remove(first)
    assert trail(clients, first.name) == ALL
    assert [event["version"] for event in first.audit("Environment Transition")] == [1, 2], "and can be read"
    parameters = {"Architecture": "x86_64", "PairName": first.name, "ParameterRoot": first.root,
                  "BlueEnvironmentName": first.environments["blue"], "GreenEnvironmentName": first.environments["green"], **QUICK}

    def again(**more: str) -> None:
        clients("cloudformation").create_stack(
            StackName=first.name, TemplateURL=template, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in {**parameters, **more}.items()])

    again(AuditTrail="existing")
    wait_for_stack(clients, first.name, "CREATE_COMPLETE")
    assert first.ask(to="blue", reason="after it came back")["version"] == 3
    first.wait_for_audit(version=3)
    assert [event["version"] for event in first.audit("Environment Transition")] == [1, 2, 3], "one trail"
    remove(first)
    assert trail(clients, first.name) == ALL, "what it only used it does not take away"


def test_the_audit_trail_of_the_old_name_stays_when_the_pair_is_renamed(
        deploy: Deploy, shared_aws: tuple[LocalAws, Clients, str]):
    _, clients, template = shared_aws
    pair = deploy()
    pair.ask(to="green", reason="under the old name")
    pair.wait_for_audit(version=2)
    pair.wait_until_audited(2)  # otherwise the next listener publishes it again, under the same id
    name = f"{pair.name}-renamed"
    kept = clients("cloudformation").describe_stacks(StackName=pair.name)["Stacks"][0]["Parameters"]
    parameters = [entry if entry["ParameterKey"] != "PairName" else {**entry, "ParameterValue": name} for entry in kept]
    clients("cloudformation").update_stack(StackName=pair.name, TemplateURL=template, Parameters=parameters,
                                           Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    wait_for_stack(clients, pair.name, "UPDATE_COMPLETE")
    assert trail(clients, pair.name) == ALL and trail(clients, name) == ALL
    assert pair.stored("owner")["pair"] == name
    renamed = Pair(pair.aws, clients, name, pair.root, pair.environments)
    answer = renamed.ask(to="blue", reason="under the new name")
    assert (answer["outcome"], answer["version"]) == ("switched", 3), "the flag went on"
    assert only(renamed.wait_for_audit(version=3))["pair"] == name
    assert [event["version"] for event in pair.audit("Environment Transition")] == [1, 2]
