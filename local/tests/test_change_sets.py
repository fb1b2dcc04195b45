"""Change sets and stacks: what AWS refuses, what a change set says, and what the events of a stack say of an update."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from support.stacks import Stack

TEMPLATE = """
Parameters:
  Color: { Type: String, AllowedValues: [blue, green], Default: blue }
  Short: { Type: String, MinLength: 2, MaxLength: 4, AllowedPattern: "[a-z]+", Default: abc }
  Count: { Type: Number, MinValue: 1, MaxValue: 3, Default: 1 }
  Days: { Type: Number, Default: 30 }
  Extra: { Type: String, Default: "no" }
  Note: { Type: String, Default: one }
Conditions:
  WithExtra: !Equals [!Ref Extra, "yes"]
Mappings:
  Windows: { blue: { day: MON }, green: { day: TUE } }
Rules:
  GreenIsSmall:
    RuleCondition: !Equals [!Ref Color, green]
    Assertions: [{ Assert: !Equals [!Ref Count, "1"], AssertDescription: green has one of them }]
Resources:
  Topic: { Type: AWS::SNS::Topic, Properties: { DisplayName: !FindInMap [Windows, !Ref Color, day] } }
  Log: { Type: AWS::Logs::LogGroup, Properties: { LogGroupName: !Sub "/${AWS::StackName}/${Short}", RetentionInDays: !Ref Days } }
  Flag: { Type: AWS::SSM::Parameter, Properties: { Type: String, Value: !Join ["-", [!Ref Topic, !If [WithExtra, extra, plain]]] } }
  Extra: { Type: AWS::SNS::Topic, Condition: WithExtra }
Outputs:
  Topic: { Value: !Ref Topic }
  Note: { Value: !Ref Note }
"""


@pytest.fixture
def stack(client, unique):
    return Stack(client, unique, TEMPLATE)


@pytest.fixture(scope="module")
def old(client):
    stack = Stack(client, "old", TEMPLATE)
    assert stack.deploy() == "CREATE_COMPLETE"
    return stack


def changes(change_set):
    return {c["ResourceChange"]["LogicalResourceId"]: (c["ResourceChange"]["Action"], c["ResourceChange"].get("Replacement"))
            for c in change_set["Changes"]}


def refused(what, call):
    with pytest.raises(ClientError, match=what) as error:
        call()
    return error.value.response["Error"]["Code"]


def test_a_new_stack_is_reviewed_before_it_is_created(stack):
    first = stack.change_set()
    assert stack.described()["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert changes(first) == {"Topic": ("Add", None), "Log": ("Add", None), "Flag": ("Add", None)}, "the condition of Extra is false"
    second = stack.change_set({"Extra": "yes"})
    assert first["StackId"] == second["StackId"] and "Extra" in changes(second)
    stack.execute(second)
    assert stack.settled() == "CREATE_COMPLETE"
    assert refused("already exists and cannot be created again", lambda: stack.change_set(kind="CREATE")) == "ValidationError"


def test_a_reviewed_stack_can_be_deleted(stack):
    change_set = stack.change_set()
    stack.api.delete_change_set(StackName=stack.name, ChangeSetName=change_set["ChangeSetName"])
    assert stack.described()["StackStatus"] == "REVIEW_IN_PROGRESS"
    refused("is in REVIEW_IN_PROGRESS state and can not be updated", lambda: stack.change_set(kind="UPDATE"))
    assert stack.delete() == "absent"
    refused("does not exist", lambda: stack.change_set(kind="UPDATE"))


def test_without_changes_a_change_set_fails_as_aws_words_it(old):
    change_set = old.change_set()
    assert (change_set["Status"], change_set["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert change_set["StatusReason"] == "The submitted information didn't contain changes. Submit different information to create a change set."
    assert refused("UNAVAILABLE", lambda: old.execute(change_set)) == "InvalidChangeSetStatus"


def test_outputs_alone_are_an_update_without_changes(client, stack):
    stack.deploy()
    change_set = stack.change_set({"Note": "two"})
    assert change_set["Status"] == "CREATE_COMPLETE" and changes(change_set) == {}
    before = stack.statuses("Topic")
    stack.execute(change_set)
    assert stack.settled() == "UPDATE_COMPLETE" and stack.outputs()["Note"] == "two"
    assert stack.statuses("Topic") == before == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]


@pytest.mark.parametrize(("parameters", "expected"), [
    ({"Days": "60"}, {"Log": ("Modify", "False")}),
    ({"Short": "xyz"}, {"Log": ("Modify", "True")}),
    ({"Color": "green"}, {"Topic": ("Modify", "False")}),
    ({"Extra": "yes"}, {"Extra": ("Add", None), "Flag": ("Modify", "False")}),
])
def test_a_change_set_says_what_changes_and_what_is_replaced(old, parameters, expected):
    change_set = old.change_set(parameters)
    assert changes(change_set) == expected
    modified = [c["ResourceChange"] for c in change_set["Changes"] if c["ResourceChange"]["Action"] == "Modify"]
    for change in modified:
        assert change["Scope"] == ["Properties"] and change["PhysicalResourceId"]
        assert {detail["Target"]["Name"] for detail in change["Details"]} <= {"RetentionInDays", "LogGroupName", "DisplayName", "Value"}


def test_a_condition_that_turns_false_removes(stack):
    stack.deploy({"Extra": "yes"})
    assert changes(stack.change_set({"Extra": "no"})) == {"Extra": ("Remove", None), "Flag": ("Modify", "False")}
    assert stack.deploy({"Extra": "no"}) == "UPDATE_COMPLETE" and "Extra" not in stack.resources()


def test_events_of_an_update_tell_only_what_it_did(stack):
    stack.deploy()
    stack.deploy({"Days": "60", "Extra": "yes"}, ClientRequestToken="token-1")
    assert stack.statuses("Topic") == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"], "untouched"
    assert stack.statuses("Log") == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
    assert stack.statuses("Extra") == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"], "new"
    assert stack.statuses(stack.name)[-3:] == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"]
    assert {event.get("ClientRequestToken") for event in stack.events("Extra")} == {"token-1"}
    found = stack.api.describe_stack_resources(StackName=stack.name)["StackResources"]
    assert {one["LogicalResourceId"]: one["ResourceStatus"] for one in found} == {
        "Topic": "CREATE_COMPLETE", "Log": "UPDATE_COMPLETE", "Flag": "UPDATE_COMPLETE", "Extra": "CREATE_COMPLETE"}


def test_a_failed_update_is_rolled_back_and_says_why(stack, client):
    stack.deploy()
    client("ssm").put_parameter(Name=f"/{stack.name}/taken", Value="x", Type="String")
    wrong = TEMPLATE.replace("Outputs:", "  Taken: { Type: AWS::SSM::Parameter, DependsOn: Log, Properties: { Type: String, Value: x, "
                             f"Name: /{stack.name}/taken }} }}\nOutputs:")
    assert stack.deploy({"Days": "60"}, wrong) == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.statuses("Taken")[-2:] == ["CREATE_IN_PROGRESS", "CREATE_FAILED"] and "already exists" in stack.reasons()
    assert stack.statuses("Log")[-4:] == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"] * 2, "there and back"
    assert client("logs").describe_log_groups(logGroupNamePrefix=f"/{stack.name}/abc")["logGroups"][0]["retentionInDays"] == 30
    assert "Taken" not in stack.api.get_template(StackName=stack.name)["TemplateBody"]
    assert stack.deploy({"Days": "60"}) == "UPDATE_COMPLETE"


def test_a_failed_creation_can_only_be_deleted(stack, client):
    client("logs").create_log_group(logGroupName=f"/{stack.name}/abc")
    assert stack.deploy() == "ROLLBACK_COMPLETE"
    refused("is in ROLLBACK_COMPLETE state and can not be updated", lambda: stack.change_set(kind="UPDATE"))
    refused("already exists and cannot be created again", lambda: stack.change_set(kind="CREATE"))
    assert refused("already exists", lambda: stack.api.create_stack(StackName=stack.name, TemplateBody=TEMPLATE)) == "AlreadyExistsException"
    assert stack.delete() == "absent"


def test_without_rollback_a_failed_creation_stands(stack, client):
    client("logs").create_log_group(logGroupName=f"/{stack.name}/abc")
    assert stack.deploy(DisableRollback=True) == "CREATE_FAILED"
    client("logs").delete_log_group(logGroupName=f"/{stack.name}/abc")
    assert stack.deploy() == "UPDATE_COMPLETE"


def test_a_failed_creation_may_be_deleted_at_once(stack, client):
    client("logs").create_log_group(logGroupName=f"/{stack.name}/abc")
    change_set = stack.change_set(OnStackFailure="DELETE")
    stack.execute(change_set)
    assert stack.settled() == "absent"


@pytest.mark.parametrize(("parameters", "what"), [
    ({"Color": "red"}, "Color"),
    ({"Short": "a"}, "Short"), ({"Short": "abcde"}, "Short"), ({"Short": "AB"}, "Short.*pattern"),
    ({"Count": "0"}, "Count"), ({"Count": "4"}, "Count"), ({"Count": "x"}, "Count"),
    ({"Color": "green", "Count": "2"}, "green has one of them"),
    ({"Shade": "blue"}, r"Parameters: \[Shade\] do not exist in the template"),
])
def test_parameters_that_do_not_fit_are_refused_and_nothing_is_made(stack, parameters, what):
    assert refused(what, lambda: stack.change_set(parameters)) == "ValidationError"
    assert stack.described()["StackStatus"] == "absent"


def test_parameters_need_values_and_previous_values_need_a_stack(stack, old):
    needy = TEMPLATE.replace("Parameters:\n", "Parameters:\n  Needed: { Type: String }\n")
    refused(r"Parameters: \[Needed\] must have values", lambda: stack.change_set(template=needy))
    refused("parameter key not in the previous template", lambda: old.change_set(template=needy, previous=("Needed",)))
    assert old.described()["StackStatus"] == "CREATE_COMPLETE"


def test_ids_of_networks_must_exist(stack, client):
    vpc = client("ec2").create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnets = [client("ec2").create_subnet(VpcId=vpc, CidrBlock=f"10.1.{n}.0/24")["Subnet"]["SubnetId"] for n in (0, 1)]
    template = """
Parameters: { Vpc: { Type: "AWS::EC2::VPC::Id" }, Subnets: { Type: "List<AWS::EC2::Subnet::Id>" } }
Resources: { Topic: { Type: AWS::SNS::Topic, Properties: { DisplayName: !Join ["+", !Ref Subnets] } } }
"""
    right = {"Vpc": vpc, "Subnets": ",".join(subnets)}
    refused("vpc-none for parameter name Vpc does not exist", lambda: stack.change_set({**right, "Vpc": "vpc-none"}, template))
    refused("subnet-none for parameter name Subnets", lambda: stack.change_set({**right, "Subnets": f"{subnets[0]},subnet-none"}, template))
    assert stack.deploy(right, template) == "CREATE_COMPLETE"
    assert client("sns").get_topic_attributes(TopicArn=stack.resources()["Topic"])["Attributes"]["DisplayName"] == "+".join(subnets)


@pytest.mark.parametrize(("name", "needed"), [("", "CAPABILITY_IAM"), ("RoleName: fixed, ", "CAPABILITY_NAMED_IAM")])
def test_roles_must_be_acknowledged(stack, name, needed):
    template = "Resources: { Role: { Type: AWS::IAM::Role, Properties: { NAMED AssumeRolePolicyDocument: {} } } }".replace("NAMED", name)
    wanted = {"StackName": stack.name, "ChangeSetName": "c", "ChangeSetType": "CREATE", "TemplateBody": template}
    assert refused(needed, lambda: stack.api.create_change_set(**wanted)) == "InsufficientCapabilitiesException"
    stack.api.create_change_set(**wanted, Capabilities=[needed])


def test_a_protected_stack_is_not_deleted(stack):
    stack.deploy()
    stack.api.update_termination_protection(StackName=stack.name, EnableTerminationProtection=True)
    refused("cannot be deleted while TerminationProtection is enabled", lambda: stack.api.delete_stack(StackName=stack.name))
    assert stack.described()["EnableTerminationProtection"]
    stack.api.update_termination_protection(StackName=stack.name, EnableTerminationProtection=False)
    assert stack.delete() == "absent"


def test_a_change_set_may_take_its_time(stack, local_aws):
    local_aws.set_cloudformation(change_set_seconds=0.6)
    name = {"StackName": stack.name, "ChangeSetName": "slow"}
    stack.api.create_change_set(ChangeSetType="CREATE", TemplateBody=TEMPLATE, **name)
    local_aws.set_cloudformation(change_set_seconds=0)
    early = stack.api.describe_change_set(**name)
    assert (early["Status"], early["ExecutionStatus"], early["Changes"]) == ("CREATE_IN_PROGRESS", "UNAVAILABLE", [])
    assert refused("CREATE_IN_PROGRESS", lambda: stack.api.execute_change_set(**name)) == "InvalidChangeSetStatus"
    stack.execute(stack.change_set())
    assert stack.settled() == "CREATE_COMPLETE"


def test_calls_are_counted_and_an_untouched_stack_has_no_event(old, local_aws):
    before = len(old.events())
    since = local_aws.calls_so_far()
    old.described()
    operations = [call["operation"] for call in local_aws.calls(since) if call["service"] == "cloudformation"]
    assert operations == ["DescribeStacks"]
    assert len(old.events()) == before
