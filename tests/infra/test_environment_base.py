"""environment-base.yaml: the execution role word for word, a bucket that MWAA takes, and a security group of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from support.infra import BOUNDARY, KEY, PLACES, SUFFIXES, full, refused, rendered
from support.paths import PROJECT
from support.template import Stack, as_list

At = Callable[[str, str], None]
ACCOUNT = "123456789012"
BUCKET = ["Bucket.Arn", "Bucket.Arn/*"]


def statements(**parameters: Any) -> dict[str, dict[str, Any]]:
    (policy,) = rendered("environment-base", **parameters).resources["ExecutionRole"]["Properties"]["Policies"]
    found = policy["PolicyDocument"]["Statement"]
    assert len({statement["Sid"] for statement in found}) == len(found)
    return {statement["Sid"]: {key: value for key, value in statement.items() if key != "Sid"} for statement in found}


def expected(partition: str, region: str) -> dict[str, dict[str, Any]]:
    def arn(service: str, rest: str, account: str = ACCOUNT) -> str:
        return f"arn:{partition}:{service}:{region}:{account}:{rest}"

    return {
        "PublishMetrics": {"Effect": "Allow", "Action": "airflow:PublishMetrics", "Resource": arn("airflow", "environment/orders-blue")},
        "ListNoBuckets": {"Effect": "Deny", "Action": "s3:ListAllMyBuckets", "Resource": "*"},
        "ReadBucket": {"Effect": "Allow", "Action": ["s3:GetObject*", "s3:GetBucket*", "s3:List*"], "Resource": BUCKET},
        "SeePublicAccessBlock": {"Effect": "Allow", "Action": "s3:GetAccountPublicAccessBlock", "Resource": "*"},
        "WriteLogs": {
            "Effect": "Allow",
            "Action": [
                "logs:CreateLogGroup", "logs:CreateLogStream", "logs:GetLogEvents", "logs:GetLogGroupFields", "logs:GetLogRecord",
                "logs:GetQueryResults", "logs:PutLogEvents",
            ],
            "Resource": arn("logs", "log-group:airflow-orders-blue-*"),
        },
        "FindLogGroups": {"Effect": "Allow", "Action": "logs:DescribeLogGroups", "Resource": "*"},
        "PutMetrics": {"Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*"},
        "UseQueueOfMwaa": {
            "Effect": "Allow",
            "Action": [
                "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage",
                "sqs:SendMessage",
            ],
            "Resource": arn("sqs", "airflow-celery-*", account="*"),
        },
        "UseKeyOfMwaa": {
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*", "kms:Encrypt"],
            "NotResource": f"arn:{partition}:kms:*:{ACCOUNT}:key/*",
            "Condition": {"StringLike": {"kms:ViaService": [f"sqs.{region}.{SUFFIXES.get(partition, 'amazonaws.com')}"]}},
        },
        "ReadFlag": {
            "Effect": "Allow",
            "Action": ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParameterHistory"],
            "Resource": [arn("ssm", f"parameter/mwaa/orders/{name}") for name in ("active-environment", "canary")],
        },
    }  # fmt: skip


# ---- The execution role --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("partition", "region"), PLACES)
def test_the_role_may_exactly_this(at: At, partition: str, region: str) -> None:
    at(partition, region)
    assert statements() == expected(partition, region)


@pytest.mark.parametrize(("partition", "region"), PLACES)
def test_with_a_key_of_yours_it_may_use_that_key_and_no_other(at: At, partition: str, region: str) -> None:
    at(partition, region)
    suffix = SUFFIXES.get(partition, "amazonaws.com")
    made = statements(KmsKeyArn=KEY)
    wanted = expected(partition, region)
    del wanted["UseKeyOfMwaa"]
    wanted["UseYourKey"] = {
        "Effect": "Allow", "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*", "kms:Encrypt"], "Resource": KEY,
        "Condition": {"StringLike": {"kms:ViaService": [f"sqs.{region}.{suffix}", f"s3.{region}.{suffix}"]}},
    }  # fmt: skip
    assert made == wanted


def test_it_cannot_write_what_it_executes() -> None:
    for name, statement in statements(KmsKeyArn=KEY).items():
        if statement["Effect"] == "Allow":
            for action in as_list(statement["Action"]):
                service, what = action.split(":")
                assert what.startswith(("Get", "List", "Describe")) or service in ("logs", "sqs", "kms", "cloudwatch", "airflow"), name


def test_it_may_do_what_the_guard_does() -> None:
    """The calls in the guard's own source."""
    source = (PROJECT / "airflow/src/mwaa_bluegreen/flag.py").read_text()
    calls = {"ssm:" + "".join(word.title() for word in call.split("_")) for call in re.findall(r'_ask\(\s*"(\w+)"', source)}
    assert calls == {"ssm:GetParameter", "ssm:GetParameterHistory"}
    assert calls <= set(statements()["ReadFlag"]["Action"])


@pytest.mark.parametrize(
    "given", [{}, {"PairName": "mwaa-blue-green"}, {"ParameterRoot": "/teams/data/orders"}, {"PairName": "a-b", "ParameterRoot": ""}]
)
def test_the_flag_is_the_controllers(given: dict[str, str]) -> None:
    stack = Stack(**{"PairName": "orders", **given})
    flag = stack.outputs["FlagParameter"]["Value"]
    assert flag == stack.environment["FLAG_PARAMETER"]
    assert statements(**given)["ReadFlag"]["Resource"][0] == f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter{flag}"


def test_the_flag_is_where_the_controller_is() -> None:
    resources = statements(ControllerRegion="eu-west-1")["ReadFlag"]["Resource"]
    assert {arn.split(":")[3] for arn in resources} == {"eu-west-1"}


@pytest.mark.parametrize(("partition", "region"), PLACES)
def test_only_mwaa_takes_the_role_and_only_for_this_environment(at: At, partition: str, region: str) -> None:
    at(partition, region)
    trust = rendered("environment-base").resources["ExecutionRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust == [{
        "Effect": "Allow", "Principal": {"Service": ["airflow.amazonaws.com", "airflow-env.amazonaws.com"]}, "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
            "ArnLike": {"aws:SourceArn": f"arn:{partition}:airflow:{region}:{ACCOUNT}:environment/orders-blue"},
        },
    }]  # fmt: skip


def test_what_the_account_demands_and_the_dags_need_is_added() -> None:
    plain, asked = (stack.resources["ExecutionRole"]["Properties"] for stack in (rendered("environment-base"), full("environment-base")))
    assert plain["Path"] == "/" and not {"PermissionsBoundary", "ManagedPolicyArns"} & set(plain)
    assert (asked["Path"], asked["PermissionsBoundary"]) == ("/teams/", BOUNDARY)
    assert asked["ManagedPolicyArns"] == ["arn:aws:iam::123456789012:policy/dags", "arn:aws:iam::aws:policy/ReadOnlyAccess"]
    eleven = ",".join(f"arn:aws:iam::123456789012:policy/p{n}" for n in range(11))
    assert "up to 10" in refused("environment-base", DagPolicyArns=eleven)[0]


def test_keys_that_mwaa_does_not_take_are_refused() -> None:
    for wrong in (KEY.replace("1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-1234abcd12ab34cd56ef1234567890ab"),
                  KEY.replace("key/1234abcd-12ab-34cd-56ef-1234567890ab", "alias/airflow"), "1234abcd-12ab-34cd-56ef-1234567890ab"):  # fmt: skip
        assert "neither an alias" in refused("environment-base", KmsKeyArn=wrong)[0]
        assert "neither an alias" in refused("environment", KmsKeyArn=wrong)[0]


# ---- The bucket ----------------------------------------------------------------------------------------------


def test_the_bucket_is_one_that_mwaa_takes() -> None:
    bucket = rendered("environment-base").resources["Bucket"]["Properties"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_the_bucket_answers_nobody_without_tls() -> None:
    (statement,) = rendered("environment-base").resources["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert {key: value for key, value in statement.items() if key != "Sid"} == {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": BUCKET, "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }  # fmt: skip


def test_an_object_version_that_an_environment_was_given_never_expires() -> None:
    for rule in rendered("environment-base").resources["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]:
        expires = {key for key in rule if "Expiration" in key or "Transition" in key}
        assert not expires or (rule["Prefix"] == "dags/" and expires == {"NoncurrentVersionExpiration"})


# ---- The security group --------------------------------------------------------------------------------------


def test_only_members_of_the_group_get_in() -> None:
    stack = full("environment-base")
    assert "SecurityGroupIngress" not in stack.resources["SecurityGroup"]["Properties"]
    (rule,) = stack.of_type("AWS::EC2::SecurityGroupIngress").values()
    assert (rule["GroupId"], rule["SourceSecurityGroupId"], rule["IpProtocol"]) == ("SecurityGroup", "SecurityGroup", "-1")
    assert "CidrIp" not in rule
