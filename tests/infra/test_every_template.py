"""What holds for every template in infra/: its parameters, its limits, what stays, what is encrypted, what is shared."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from support.infra import EVERYTHING, INFRA, KEY, NAMES, PLACES, full, refused, rendered, template, text
from support.template import Rendered, allows, as_list

At = Callable[[str, str], None]

# Of which the command line and the documents know the names.
PARAMETERS = {
    "network": "PairName VpcCidr NatGateways InterfaceEndpoints",
    "environment-base": "PairName Color EnvironmentName VpcId ParameterRoot ControllerRegion KmsKeyArn PermissionsBoundaryArn RolePath",
    "environment": (
        "PairName Color EnvironmentName AirflowVersion EnvironmentClass MinWorkers MaxWorkers Schedulers MinWebservers MaxWebservers "
        "WebserverAccessMode SubnetIds SecurityGroupIds ExecutionRoleArn BucketArn DagsPath RequirementsPath RequirementsVersion "
        "PluginsPath PluginsVersion StartupScriptPath StartupScriptVersion WorkerReplacementStrategy FlagParameter ControllerRegion "
        "LineageUrl LineageNamespace LogLevel KmsKeyArn"
    ),
    "lineage": "PairName VpcId SubnetIds BlueSecurityGroupId GreenSecurityGroupId",
}
OUTPUTS = {
    "network": "VpcId PrivateSubnetIds",
    "environment-base": "BucketName BucketArn SecurityGroupId ExecutionRoleArn",
    "environment": "EnvironmentName EnvironmentArn WebserverUrl",
    "lineage": "LineageUrl",
}

# What each policy must be, for a kind of resource whose loss would lose data, or take it from an environment that runs.
KEEPS_DATA = {
    "AWS::S3::Bucket": ("RetainExceptOnCreate", "Retain"),
    "AWS::S3::BucketPolicy": ("RetainExceptOnCreate", "Retain"),
    "AWS::RDS::DBInstance": ("Snapshot", "Snapshot"),
}
KEEPS_NONE = {
    "AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::RouteTable", "AWS::EC2::SubnetRouteTableAssociation", "AWS::EC2::InternetGateway",
    "AWS::EC2::VPCGatewayAttachment", "AWS::EC2::Route", "AWS::EC2::EIP", "AWS::EC2::NatGateway", "AWS::EC2::VPCEndpoint",
    "AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress", "AWS::IAM::Role",
    "AWS::RDS::DBSubnetGroup", "AWS::ECS::Cluster", "AWS::ECS::TaskDefinition", "AWS::ECS::Service",
    "AWS::ServiceDiscovery::PrivateDnsNamespace", "AWS::ServiceDiscovery::Service",
    # The history of runs goes with it: a stack could never take over an environment that was retained.
    "AWS::MWAA::Environment",
    # Of a database that restores its snapshot with a new password.
    "AWS::SecretsManager::Secret",
    # Logs of a server, kept for days.
    "AWS::Logs::LogGroup",
}  # fmt: skip

# Names that are fixed, each with its reason; a fixed name is taken after a deletion that retains, and in a second stack.
FIXED_NAMES = {
    ("environment", "Environment", "Name"): "the controller finds it by name",
    ("lineage", "LogGroup", "LogGroupName"): "a person finds it by name",
    ("lineage", "DnsNamespace", "Name"): "it is a part of the URL",
    ("lineage", "DnsService", "Name"): "it is a part of the URL",
}
NAME_PROPERTIES = {
    "Name", "BucketName", "RoleName", "GroupName", "PolicyName", "DBInstanceIdentifier", "DBSubnetGroupName", "ClusterName", "ServiceName",
    "LogGroupName", "ManagedPolicyName",
}  # fmt: skip

LONGEST_PAIR = "p" * 32


def variants(name: str) -> list[Rendered]:
    return [rendered(name), full(name)]


# ---- Parameters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_names_that_others_use_are_there(name: str) -> None:
    assert set(PARAMETERS[name].split()) <= set(template(name)["Parameters"])
    assert set(OUTPUTS[name].split()) <= set(template(name)["Outputs"])


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_described_and_bounded(name: str) -> None:
    for parameter, spec in template(name)["Parameters"].items():
        assert len(spec["Description"]) > 20, parameter
        assert len(spec["ConstraintDescription"]) > 5, parameter
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(spec), parameter
        if spec["Type"] == "Number" and "AllowedValues" not in spec:
            assert {"MinValue", "MaxValue"} <= set(spec), parameter
        if "Default" in spec:
            assert allows(spec, str(spec["Default"])), parameter


@pytest.mark.parametrize("name", NAMES)
def test_the_console_shows_every_parameter_once(name: str) -> None:
    groups = template(name)["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [parameter for group in groups for parameter in group["Parameters"]]
    assert sorted(shown) == sorted(template(name)["Parameters"])
    assert all(group["Label"]["default"] for group in groups)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_tests_give_is_allowed(name: str) -> None:
    assert refused(name) == []
    assert refused(name, **EVERYTHING[name]) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrong", ["", "ab", "p" * 33, "Orders", "1orders", "orders-", "or_ders", "orders\n"])
def test_a_wrong_name_of_a_pair_is_refused(name: str, wrong: str) -> None:
    assert refused(name, PairName=wrong) == ["3 to 32 lower-case letters, digits and hyphens; a letter first, no hyphen last."]


def test_what_several_templates_ask_for_is_asked_for_alike() -> None:
    """Also in template.yaml: a value that one takes must not be refused by the next."""
    seen: dict[str, tuple[str, Any]] = {}
    for name in NAMES:
        for parameter in ("PairName", "Color", "EnvironmentName", "ControllerRegion", "SubnetIds", "VpcId", "PermissionsBoundaryArn", "RolePath"):
            spec = template(name)["Parameters"].get(parameter)
            if spec:
                limits = {key: spec.get(key) for key in ("AllowedPattern", "AllowedValues", "MinLength", "MaxLength")}
                first = seen.setdefault(parameter, (name, limits))
                assert first[1] == limits, f"{parameter} of {name} and {first[0]}"


# ---- Limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_given_to_cloudformation_as_it_is(name: str) -> None:
    """With --template-body, and some room for options of a user's own."""
    assert len(text(name).encode()) < 51_200 - 8_000
    assert len(template(name)["Parameters"]) <= 200
    assert all(len(spec["Description"]) <= 4_000 for spec in template(name)["Parameters"].values())
    assert all(len(output["Description"]) <= 1_024 for output in template(name)["Outputs"].values())


@pytest.mark.parametrize(("partition", "region"), PLACES)
def test_names_and_policies_are_within_limits_at_the_longest_name(at: At, partition: str, region: str) -> None:
    at(partition, region)
    environment = "e" * 80
    base = full("environment-base", PairName=LONGEST_PAIR, EnvironmentName=environment, ParameterRoot="/" + "r" * 99, RolePath=f"/{'x' * 98}/",
                ControllerRegion=region)  # fmt: skip
    document = base.resources["ExecutionRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    # In place of an attribute: the longest ARN of a bucket.
    policy = json.dumps(document, separators=(",", ":")).replace("Bucket.Arn", f"arn:{partition}:s3:::{'b' * 63}")
    assert len(policy) <= 10_240
    assert len(base.resources["ExecutionRole"]["Properties"]["Description"]) <= 1_000
    trust = json.dumps(base.resources["ExecutionRole"]["Properties"]["AssumeRolePolicyDocument"], separators=(",", ":"))
    assert len(trust) <= 2_048
    for name in ("environment-base", "lineage"):
        given = {"PairName": LONGEST_PAIR, **({"EnvironmentName": environment} if name == "environment-base" else {})}
        for group in full(name, **given).of_type("AWS::EC2::SecurityGroup").values():
            assert re.fullmatch(r"[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]{1,255}", group["GroupDescription"])
    # As the command line names them; log groups are airflow-<name>-DAGProcessing.
    for color in ("blue", "green"):
        assert allows(template("environment")["Parameters"]["EnvironmentName"], f"{LONGEST_PAIR}-{color}")
        assert len(f"airflow-{LONGEST_PAIR}-{color}-DAGProcessing") <= 512
        assert len(f"{LONGEST_PAIR}-{color}-environment") <= 128
    lineage = full("lineage", PairName=LONGEST_PAIR)
    namespace, service = (lineage.resources[name]["Properties"]["Name"] for name in ("DnsNamespace", "DnsService"))
    assert all(len(label) <= 63 for label in [*namespace.split("."), service])
    assert len(lineage.resources["TaskDefinition"]["Properties"]["Family"]) <= 255
    assert len(lineage.resources["LogGroup"]["Properties"]["LogGroupName"]) <= 512
    assert refused("environment", LineageUrl=lineage.outputs["LineageUrl"]["Value"]) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("partition", "region"), PLACES)
def test_every_arn_and_region_is_that_of_the_stack(at: At, partition: str, region: str, name: str) -> None:
    at(partition, region)
    made = json.dumps([full(name).resources, full(name).outputs])
    for given in [*EVERYTHING[name].values(), *rendered(name).parameters.values()]:
        for part in str(given).split(","):
            made = made.replace(f'"{part}"', '""')
    arns = re.findall(r"arn:[a-z-]+:[^\"]*", made)
    assert {arn.split(":")[1] for arn in arns} <= {partition}
    assert not re.search(r"us-east-1|arn:aws:", made) or partition == "aws"
    assert arns or name in ("network", "environment")


# ---- What stays, and what is shared --------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_what_holds_data_stays(name: str) -> None:
    for logical_id, resource in template(name)["Resources"].items():
        kind = resource["Type"]
        assert (kind in KEEPS_DATA) != (kind in KEEPS_NONE), f"{kind} of {logical_id}: does it hold data?"
        if kind in KEEPS_DATA:
            assert (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")) == KEEPS_DATA[kind], logical_id


def test_an_environment_that_runs_keeps_all_it_stands_on() -> None:
    """Also the rule of its security group, without which its parts could not talk to each other."""
    for logical_id, resource in template("environment-base")["Resources"].items():
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate", logical_id
        assert resource["UpdateReplacePolicy"] == "Retain", logical_id


@pytest.mark.parametrize("name", NAMES)
def test_stacks_are_bound_by_nothing_but_parameters(name: str) -> None:
    assert not any("Export" in output for output in template(name)["Outputs"].values())
    assert "ImportValue" not in text(name) and "Transform" not in template(name)
    kinds = {resource["Type"] for resource in template(name)["Resources"].values()}
    assert not [kind for kind in kinds if kind.startswith(("Custom::", "AWS::CloudFormation::", "AWS::Lambda::", "AWS::SSM::"))]


@pytest.mark.parametrize("name", ["environment-base", "environment"])
def test_the_stacks_of_the_two_colors_name_nothing_in_common(name: str) -> None:
    """But for the pair's name, its network, flag and lineage server, which are parameters."""
    colors = {
        color: full(name, Color=color, EnvironmentName=f"orders-{color}", **({"LineageNamespace": ""} if name == "environment" else {}))
        for color in ("blue", "green")
    }
    for logical_id, blue in colors["blue"].resources.items():
        for key, value in blue["Properties"].items():
            if key in NAME_PROPERTIES:
                assert value != colors["green"].resources[logical_id]["Properties"][key], f"{logical_id}.{key}"


@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_fixed_without_a_reason(name: str) -> None:
    fixed = {
        (name, logical_id, key)
        for logical_id, resource in template(name)["Resources"].items()
        for key, value in resource.get("Properties", {}).items()
        # A reference to another resource of the template is no name of its own, and a service's name is not ours.
        if key in NAME_PROPERTIES and resource["Type"] != "AWS::EC2::VPCEndpoint"
        and not (isinstance(value, dict) and value.get("Ref") in template(name)["Resources"])
    }  # fmt: skip
    assert fixed == {entry for entry in FIXED_NAMES if entry[0] == name}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_parameters_give_the_same_stack(name: str) -> None:
    """No date, no commit, nothing of the stack's own: any of these would restart an environment."""
    assert not re.search(r"AWS::(StackName|StackId|NotificationARNs)|timestamp|\bDate\b", re.sub(r"#.*", "", text(name)))


# ---- Encryption ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_unencrypted(name: str) -> None:
    for stack, key in zip(variants(name), (None, KEY), strict=True):
        for logical_id, resource in stack.resources.items():
            properties = resource.get("Properties", {})
            match resource["Type"]:
                case "AWS::S3::Bucket":
                    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
                    by_default = rule["ServerSideEncryptionByDefault"]
                    assert by_default == ({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key} if key else {"SSEAlgorithm": "AES256"})
                case "AWS::RDS::DBInstance":
                    assert properties["StorageEncrypted"] is True
                    assert properties.get("KmsKeyId") == key
                case "AWS::SecretsManager::Secret" | "AWS::Logs::LogGroup":
                    # Always encrypted; with a key of AWS's own unless another is given.
                    assert properties.get("KmsKeyId") == key, logical_id
                case "AWS::MWAA::Environment":
                    assert properties.get("KmsKey") == key


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_in_the_template(name: str) -> None:
    for spec in template(name)["Parameters"].values():
        assert "NoEcho" not in spec
    for match in re.finditer(r"(?im)^ *\w*password: *(\S.*)", text(name)):
        assert match[1].startswith(("!Sub \"{{resolve:secretsmanager:", '"${POSTGRES_PASSWORD}"')), match[0]


# ---- Who gets in ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_nobody_gets_in_from_everywhere(name: str) -> None:
    for stack in variants(name):
        rules = [(logical_id, rule) for logical_id, group in stack.of_type("AWS::EC2::SecurityGroup").items()
                 for rule in group.get("SecurityGroupIngress", [])]  # fmt: skip
        rules += list(stack.of_type("AWS::EC2::SecurityGroupIngress").items())
        for logical_id, rule in rules:
            assert "SourceSecurityGroupId" in rule or rule["CidrIp"] in ("10.0.0.0/16", "10.9.0.0/16"), logical_id
            assert "CidrIpv6" not in rule and "SourcePrefixListId" not in rule
        for logical_id, group in stack.of_type("AWS::EC2::SecurityGroup").items():
            assert group["SecurityGroupEgress"], f"{logical_id}: an empty list, or none, lets everything out"


@pytest.mark.parametrize("name", ["environment-base", "lineage"])
def test_every_statement_names_its_actions_and_resources(name: str) -> None:
    """`*` only where IAM knows no resource for the action (the service authorization reference), or AWS owns it."""
    without_resource = {
        "s3:ListAllMyBuckets", "s3:GetAccountPublicAccessBlock", "logs:DescribeLogGroups", "cloudwatch:PutMetricData",
        "ecr:GetAuthorizationToken",
    }  # fmt: skip
    wildcards = {"s3:GetObject*", "s3:GetBucket*", "s3:List*", "kms:GenerateDataKey*"}
    for stack in variants(name):
        for role in stack.of_type("AWS::IAM::Role").values():
            (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
            assert set(trust["Condition"]) == {"StringEquals", "ArnLike"}
            for policy in role["Policies"]:
                for statement in policy["PolicyDocument"]["Statement"]:
                    actions = as_list(statement["Action"])
                    assert {action for action in actions if "*" in action} <= wildcards, statement
                    assert "NotAction" not in statement and "Principal" not in statement
                    if "NotResource" in statement:
                        assert statement["Sid"] == "UseKeyOfMwaa" and "Condition" in statement
                    elif "*" in as_list(statement["Resource"]):
                        assert set(actions) <= without_resource, statement


# ---- What the command line looks for -------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_hash_goes_to_the_end_of_the_outputs(name: str) -> None:
    lines = text(name).splitlines()
    assert lines.count("  # template hash") == 1 and lines[-1] == "  # template hash"
    assert list(template(name))[-1] == "Outputs"


def test_no_template_is_left_out() -> None:
    assert sorted(path.stem for path in INFRA.glob("*.yaml")) == sorted(NAMES)
