"""Environments that a stack or the API of MWAA makes: checked, after a while, and as asked for."""

from __future__ import annotations

import re

import pytest
from botocore.exceptions import ClientError

from support.local_functions import FILES
from support.stacks import Stack
from support.waiting import until

TEMPLATE = (FILES / "environment.yaml").read_text()
BLOCKED = {"BlockPublicAcls": True, "BlockPublicPolicy": True, "IgnorePublicAcls": True, "RestrictPublicBuckets": True}


@pytest.fixture(scope="module")
def made(client):
    """A stack with an environment that the tests may change. Its bucket, subnets, groups and role serve other environments."""
    stack = Stack(client, "made", TEMPLATE)
    assert stack.deploy({"Name": "made-blue"}) == "CREATE_COMPLETE"
    return stack


@pytest.fixture
def request_(made):
    """What CreateEnvironment takes, complete and right."""
    ids = made.resources()
    return {"ExecutionRoleArn": f"arn:aws:iam::000000000000:role/{ids['Role']}", "SourceBucketArn": f"arn:aws:s3:::{ids['Bucket']}",
            "DagS3Path": "dags", "NetworkConfiguration": {"SubnetIds": [ids["Left"], ids["Right"]], "SecurityGroupIds": [ids["First"]]}}


def shown(client, name):
    return client("mwaa").get_environment(Name=name)["Environment"]


def status(client, name):
    if name not in client("mwaa").list_environments()["Environments"]:
        return "gone"
    return shown(client, name)["Status"]


def test_every_property_of_a_stack_is_in_get_environment(made, client):
    found, ids = shown(client, "made-blue"), made.resources()
    expected = {
        "Name": "made-blue", "Status": "AVAILABLE", "AirflowVersion": "2.10.3", "EnvironmentClass": "mw1.small", "MinWorkers": 1, "MaxWorkers": 5,
        "Schedulers": 2, "MinWebservers": 2, "MaxWebservers": 3, "WebserverAccessMode": "PUBLIC_ONLY", "WeeklyMaintenanceWindowStart": "TUE:02:30",
        "ExecutionRoleArn": f"arn:aws:iam::000000000000:role/{ids['Role']}", "SourceBucketArn": f"arn:aws:s3:::{ids['Bucket']}", "DagS3Path": "dags",
        "NetworkConfiguration": {"SubnetIds": [ids["Left"], ids["Right"]], "SecurityGroupIds": [ids["First"]]},
        "AirflowConfigurationOptions": {"core.parallelism": "32", "custom.environment_color": "blue"},
    }
    assert {name: found[name] for name in expected} == expected
    logs = found["LoggingConfiguration"]
    assert (logs["TaskLogs"]["Enabled"], logs["TaskLogs"]["LogLevel"], logs["SchedulerLogs"]["Enabled"]) == (True, "WARNING", False)
    assert made.outputs()["EnvironmentArn"] == found["Arn"] and made.outputs()["WebserverUrl"] == found["WebserverUrl"]
    assert found["Tags"]["aws:cloudformation:stack-name"] == "made"


def test_creating_updating_and_deleting_take_their_time_and_the_stack_waits(made, local_aws, client, unique):
    local_aws.set_mwaa_defaults(create_seconds=1, update_seconds=1, delete_seconds=1)
    ids = made.resources()
    template = f"""
Parameters: {{ Workers: {{ Type: Number, Default: 2 }} }}
Resources:
  Environment:
    Type: AWS::MWAA::Environment
    Properties:
      Name: {unique}
      MaxWorkers: !Ref Workers
      DagS3Path: dags
      ExecutionRoleArn: arn:aws:iam::000000000000:role/{ids['Role']}
      SourceBucketArn: arn:aws:s3:::{ids['Bucket']}
      NetworkConfiguration: {{ SubnetIds: [{ids['Left']}, {ids['Right']}], SecurityGroupIds: [{ids['First']}] }}
"""
    stack, since = Stack(client, unique, template), local_aws.timeline_so_far()
    stack.execute(stack.change_set())
    until("it is creating", lambda: status(client, unique) == "CREATING")
    assert stack.described()["StackStatus"] == "CREATE_IN_PROGRESS"
    assert stack.settled() == "CREATE_COMPLETE"
    stack.execute(stack.change_set({"Workers": "3"}))
    until("it is updating", lambda: status(client, unique) == "UPDATING")
    assert stack.described()["StackStatus"] == "UPDATE_IN_PROGRESS" and shown(client, unique)["MaxWorkers"] == 2
    with pytest.raises(ClientError, match="UPDATE_IN_PROGRESS state and can not be updated"):
        stack.change_set({"Workers": "4"})
    assert stack.settled() == "UPDATE_COMPLETE" and shown(client, unique)["MaxWorkers"] == 3
    stack.api.delete_stack(StackName=unique)
    until("it is deleting", lambda: status(client, unique) == "DELETING")
    assert stack.described()["StackStatus"] == "DELETE_IN_PROGRESS"
    assert stack.settled() == "absent" and status(client, unique) == "gone"
    seen = [entry["detail"]["status"] for entry in local_aws.timeline(since)
            if entry["what"] == "mwaa-status" and entry["detail"]["environment"] == unique]
    assert seen == ["CREATING", "AVAILABLE", "UPDATING", "AVAILABLE", "DELETING", "DELETED"]
    local_aws.set_mwaa_defaults(create_seconds=0.5, update_seconds=0.5, delete_seconds=0.5)


def test_an_update_changes_in_place_what_it_says(made, client):
    client("s3").put_object(Bucket=made.resources()["Bucket"], Key="artifacts/requirements.txt", Body=b"one")
    version = client("s3").put_object(Bucket=made.resources()["Bucket"], Key="artifacts/requirements.txt", Body=b"two")["VersionId"]
    arn = shown(client, "made-blue")["Arn"]
    assert made.deploy({"Name": "made-blue", "AirflowVersion": "2.11.0", "Class": "mw1.medium", "Group": "Second", "Parallelism": "64",
                        "RequirementsVersion": version}) == "UPDATE_COMPLETE", made.reasons()
    found = shown(client, "made-blue")
    assert (found["AirflowVersion"], found["EnvironmentClass"], found["Arn"]) == ("2.11.0", "mw1.medium", arn)
    assert found["NetworkConfiguration"]["SecurityGroupIds"] == [made.resources()["Second"]]
    assert (found["RequirementsS3Path"], found["RequirementsS3ObjectVersion"]) == ("artifacts/requirements.txt", version)
    assert found["AirflowConfigurationOptions"]["core.parallelism"] == "64"
    assert found["LastUpdate"]["Status"] == "SUCCESS" and found["LastUpdate"]["WorkerReplacementStrategy"] == "GRACEFUL"
    assert made.deploy({"Name": "made-blue", "Group": "Second", "RequirementsVersion": version}) == "UPDATE_COMPLETE", "back, for the other tests"


def test_a_version_change_takes_a_snapshot(made, local_aws, client, request_, unique):
    client("mwaa").create_environment(Name=unique, AirflowVersion="2.10.3", **request_)
    until("it is available", lambda: status(client, unique) == "AVAILABLE")
    since = local_aws.timeline_so_far()
    client("mwaa").update_environment(Name=unique, AirflowVersion="2.11.2")
    until("it is done", lambda: status(client, unique) == "AVAILABLE")
    seen = [e["detail"]["status"] for e in local_aws.timeline(since) if e["what"] == "mwaa-status" and e["detail"]["environment"] == unique]
    assert seen == ["UPDATING", "CREATING_SNAPSHOT", "UPDATING", "AVAILABLE"] and shown(client, unique)["AirflowVersion"] == "2.11.2"


def test_a_failing_update_is_rolled_back_with_its_reason(made, local_aws, client):
    local_aws.put_environment("made-blue", fail_next_update="requirements.txt could not be installed", update_seconds=1)
    before = shown(client, "made-blue")
    made.execute(made.change_set({"Name": "made-blue", "Parallelism": "16"}, previous=("Group", "RequirementsVersion")))
    until("it is rolling back", lambda: status(client, "made-blue") == "ROLLING_BACK")
    assert made.settled() == "UPDATE_ROLLBACK_COMPLETE"
    local_aws.put_environment("made-blue", update_seconds=0.5)
    failed = [event for event in made.events("Environment") if event["ResourceStatus"] == "UPDATE_FAILED"][-1]
    assert "requirements.txt could not be installed" in failed["ResourceStatusReason"] and "NotStabilized" in failed["ResourceStatusReason"]
    found = shown(client, "made-blue")
    assert (found["Status"], found["LastUpdate"]["Status"]) == ("UPDATE_FAILED", "FAILED")
    assert found["LastUpdate"]["Error"]["ErrorMessage"] == "requirements.txt could not be installed"
    assert found["AirflowConfigurationOptions"] == before["AirflowConfigurationOptions"]
    assert made.deploy({"Name": "made-blue", "Parallelism": "16", "Group": "Second"}) == "UPDATE_COMPLETE", "the next one is not refused"
    assert status(client, "made-blue") == "AVAILABLE" and "Error" not in shown(client, "made-blue")["LastUpdate"]


def test_a_rollback_may_update_once_more(made, local_aws, client):
    local_aws.set_mwaa_defaults(roll_back_updates=True)
    local_aws.put_environment("made-blue", fail_next_update="no space left")
    since = local_aws.timeline_so_far()
    made.execute(made.change_set({"Name": "made-blue", "Parallelism": "8"}, previous=("Group", "RequirementsVersion")))
    assert made.settled() == "UPDATE_ROLLBACK_COMPLETE"
    local_aws.set_mwaa_defaults(roll_back_updates=False)
    seen = [e["detail"]["status"] for e in local_aws.timeline(since) if e["what"] == "mwaa-status" and e["detail"]["environment"] == "made-blue"]
    assert seen == ["UPDATING", "ROLLING_BACK", "UPDATE_FAILED", "UPDATING", "AVAILABLE"]


def test_a_failing_creation_leaves_nothing(made, local_aws, client, unique):
    local_aws.set_mwaa_defaults(fail_next_create="no internet")
    stack = Stack(client, unique, TEMPLATE)
    assert stack.deploy({"Name": unique}) == "ROLLBACK_COMPLETE"
    assert "no internet" in stack.reasons() and status(client, unique) == "gone"


def test_a_second_environment_of_a_name_is_refused_also_if_the_first_was_retained(local_aws, client, unique):
    retained = TEMPLATE.replace("    Type: AWS::MWAA::Environment\n", "    Type: AWS::MWAA::Environment\n    DeletionPolicy: Retain\n")
    for resource in ("Network", "First", "Left", "Right", "Role"):
        retained = retained.replace(f"  {resource}: {{ Type", f"  {resource}: {{ DeletionPolicy: Retain, Type")
        retained = retained.replace(f"  {resource}:\n", f"  {resource}:\n    DeletionPolicy: Retain\n")
    first = Stack(client, unique, retained)
    assert first.deploy({"Name": unique}) == "CREATE_COMPLETE"
    assert first.delete() == "absent", first.reasons()
    assert status(client, unique) == "AVAILABLE", "it was retained"
    again = Stack(client, f"{unique}-again", TEMPLATE)
    assert again.deploy({"Name": unique}) == "ROLLBACK_COMPLETE"
    assert f"'AWS::MWAA::Environment' with identifier '{unique}' already exists" in again.reasons() and "AlreadyExists" in again.reasons()
    assert status(client, unique) == "AVAILABLE", "the one that was there is untouched"


@pytest.mark.parametrize("change", [{"KmsKey": "arn:aws:kms:us-east-1:000000000000:key/k"}, {"Zone": "2"}])
def test_a_create_only_change_fails_because_of_the_name(made, client, change):
    change_set = made.change_set({"Name": "made-blue", **change}, previous=("Group", "RequirementsVersion"))
    assert {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"]["Replacement"] for c in change_set["Changes"]} == {"Environment": "True"}
    made.execute(change_set)
    assert made.settled() == "UPDATE_ROLLBACK_COMPLETE"
    assert "cannot update a stack when a custom-named resource requires replacing. Rename made-blue" in made.reasons()
    assert status(client, "made-blue") == "AVAILABLE"


@pytest.mark.parametrize(("wrong", "what"), [
    ({"AirflowVersion": "2.10.5"}, "Invalid AirflowVersion"),
    ({"EnvironmentClass": "mw1.huge"}, "Invalid EnvironmentClass"),
    ({"EnvironmentClass": "mw1.micro", "MaxWorkers": 2}, "mw1.micro"),
    ({"EnvironmentClass": "mw1.micro", "Schedulers": 2}, "Schedulers must be 1"),
    ({"Schedulers": 1}, "Schedulers must be from 2 to 5"),
    ({"MinWorkers": 6, "MaxWorkers": 5}, "must not be greater"),
    ({"WebserverAccessMode": "PUBLIC_AND_PRIVATE"}, "not supported with AirflowVersion"),
    ({"AirflowConfigurationOptions": {"Core.Parallelism": "1"}}, "airflowConfigurationOptions"),
    ({"RequirementsS3Path": "nothing.txt"}, "without RequirementsS3ObjectVersion"),
    ({"RequirementsS3Path": "nothing.txt", "RequirementsS3ObjectVersion": "1"}, "does not exist in the bucket"),
    ({"SourceBucketArn": "arn:aws:s3:::nobody-has-this"}, "does not exist"),
    ({"ExecutionRoleArn": "arn:aws:iam::000000000000:role/nobody"}, "execution role"),
    ({"WeeklyMaintenanceWindowStart": "SUN:03:15"}, "weeklyMaintenanceWindowStart"),
])
def test_what_mwaa_would_refuse_is_refused(client, request_, unique, wrong, what):
    with pytest.raises(ClientError, match=what):
        client("mwaa").create_environment(Name=unique, **{**request_, **wrong})
    assert status(client, unique) == "gone"


def test_networks_and_buckets_must_fit(made, client, request_, unique):
    ids, s3 = made.resources(), client("s3")

    def refused(what, **wrong):
        with pytest.raises(ClientError, match=what):
            client("mwaa").create_environment(Name=unique, **{**request_, **wrong})

    groups = [ids["First"]]
    refused("two different Availability Zones", NetworkConfiguration={"SubnetIds": [ids["Right"], twin(client, ids)], "SecurityGroupIds": groups})
    refused("subnet ID 'subnet-none' does not exist", NetworkConfiguration={"SubnetIds": [ids["Left"], "subnet-none"], "SecurityGroupIds": groups})
    other = client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    stranger = client("ec2").create_security_group(GroupName=unique, Description="x", VpcId=other)["GroupId"]
    refused("same VPC", NetworkConfiguration={"SubnetIds": [ids["Left"], ids["Right"]], "SecurityGroupIds": [stranger]})
    s3.create_bucket(Bucket=f"{unique}-far", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    refused("must be in the environment's region", SourceBucketArn=f"arn:aws:s3:::{unique}-far")
    s3.create_bucket(Bucket=f"{unique}-open")
    refused("must have versioning enabled", SourceBucketArn=f"arn:aws:s3:::{unique}-open")
    s3.put_bucket_versioning(Bucket=f"{unique}-open", VersioningConfiguration={"Status": "Enabled"})
    refused("must block all public access", SourceBucketArn=f"arn:aws:s3:::{unique}-open")
    s3.put_public_access_block(Bucket=f"{unique}-open", PublicAccessBlockConfiguration=BLOCKED)
    client("mwaa").create_environment(Name=unique, **{**request_, "SourceBucketArn": f"arn:aws:s3:::{unique}-open"})
    until("it is available", lambda: status(client, unique) == "AVAILABLE")
    with pytest.raises(ClientError, match="already exists"):
        client("mwaa").create_environment(Name=unique, **request_)


def twin(client, ids):
    zone = client("ec2").describe_subnets(SubnetIds=[ids["Right"]])["Subnets"][0]["AvailabilityZone"]
    return client("ec2").create_subnet(VpcId=ids["Network"], CidrBlock="10.0.77.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]


def test_the_api_updates_and_deletes_too(made, local_aws, client, request_, unique):
    mwaa = client("mwaa")
    mwaa.create_environment(Name=unique, AirflowVersion="2.11.0", AirflowConfigurationOptions={"core.parallelism": "1"}, **request_)
    with pytest.raises(ClientError, match="CREATING state and cannot be updated"):
        mwaa.update_environment(Name=unique, MaxWorkers=3)
    until("it is available", lambda: status(client, unique) == "AVAILABLE")
    with pytest.raises(ClientError, match="a new major version needs a new environment"):
        mwaa.update_environment(Name=unique, AirflowVersion="3.0.6")
    local_aws.set_mwaa_defaults(downgrades=False)
    with pytest.raises(ClientError, match="Cannot downgrade"):
        mwaa.update_environment(Name=unique, AirflowVersion="2.10.3")
    local_aws.set_mwaa_defaults(downgrades=True)
    mwaa.update_environment(Name=unique, MaxWorkers=3, WorkerReplacementStrategy="FORCED")
    with pytest.raises(ClientError, match="UPDATING state and cannot be deleted"):
        mwaa.delete_environment(Name=unique)
    until("it is available", lambda: status(client, unique) == "AVAILABLE")
    assert shown(client, unique)["MaxWorkers"] == 3 and shown(client, unique)["AirflowConfigurationOptions"] == {"core.parallelism": "1"}
    mwaa.delete_environment(Name=unique)
    assert status(client, unique) == "DELETING"
    until("it is gone", lambda: status(client, unique) == "gone")


@pytest.mark.parametrize(("old", "new", "what"), [
    ("      MinWorkers: 1\n", "      MinWorker: 1\n", r"extraneous key \[MinWorker\] is not permitted"),
    ("        core.parallelism: !Ref Parallelism\n", "        core.parallelism: 32\n", "core.parallelism: expected type: String"),
    ("      Name: !Ref Name\n", "", r"required key \[Name\] not found"),
])
def test_a_template_that_the_schema_does_not_allow_fails(client, unique, old, new, what):
    assert old in TEMPLATE
    stack = Stack(client, unique, TEMPLATE.replace(old, new))
    assert stack.deploy({"Name": unique}) == "ROLLBACK_COMPLETE"
    assert re.search(what, stack.reasons())
