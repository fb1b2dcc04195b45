"""Networks and buckets in a stack: with their properties, on what exists, and not deleted while in use."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from support.local_functions import FILES
from support.stacks import Stack
from support.waiting import until

NETWORK = """
Parameters: { Gateways: { Type: Number, Default: 2 }, Note: { Type: String, Default: one } }
Conditions: { Second: !Equals [!Ref Gateways, 2] }
Resources:
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true } }
  Internet: { Type: AWS::EC2::InternetGateway }
  Attachment: { Type: AWS::EC2::VPCGatewayAttachment, Properties: { VpcId: !Ref Vpc, InternetGatewayId: !Ref Internet } }
  Public: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: !Select [0, !Cidr [!GetAtt Vpc.CidrBlock, 4, 8]], AvailabilityZone: !Select [0, !GetAZs ""] } }
  Private: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: !Select [1, !Cidr [!GetAtt Vpc.CidrBlock, 4, 8]], AvailabilityZone: !Select [1, !GetAZs ""] } }
  Address: { Type: AWS::EC2::EIP, DependsOn: Attachment, Properties: { Domain: vpc } }
  Nat: { Type: AWS::EC2::NatGateway, Properties: { SubnetId: !Ref Public, AllocationId: !GetAtt Address.AllocationId } }
  OtherAddress: { Type: AWS::EC2::EIP, Condition: Second, DependsOn: Attachment, Properties: { Domain: vpc } }
  OtherNat: { Type: AWS::EC2::NatGateway, Condition: Second, Properties: { SubnetId: !Ref Public, AllocationId: !GetAtt OtherAddress.AllocationId } }
  Table: { Type: AWS::EC2::RouteTable, Properties: { VpcId: !Ref Vpc } }
  Route: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationCidrBlock: 0.0.0.0/0, NatGatewayId: !If [Second, !Ref OtherNat, !Ref Nat] } }
  Association: { Type: AWS::EC2::SubnetRouteTableAssociation, Properties: { RouteTableId: !Ref Table, SubnetId: !Ref Private } }
  Storage: { Type: AWS::EC2::VPCEndpoint, Properties: { VpcId: !Ref Vpc, ServiceName: !Sub "com.amazonaws.${AWS::Region}.s3", VpcEndpointType: Gateway, RouteTableIds: [!Ref Table] } }
  Group: { Type: AWS::EC2::SecurityGroup, Properties: { GroupDescription: all of them, VpcId: !Ref Vpc, SecurityGroupEgress: [{ IpProtocol: "-1", CidrIp: 0.0.0.0/0 }] } }
  Itself:
    Type: AWS::EC2::SecurityGroupIngress
    Properties: { GroupId: !Ref Group, IpProtocol: "-1", SourceSecurityGroupId: !Ref Group, Description: !Ref Note }
  Out: { Type: AWS::EC2::SecurityGroupEgress, Properties: { GroupId: !Ref Group, IpProtocol: tcp, FromPort: 5432, ToPort: 5432, CidrIp: 10.0.0.0/16 } }
Outputs: { Subnets: { Value: !Join [",", [!Ref Public, !Ref Private]] } }
"""
BUCKET = """
Parameters: { Days: { Type: Number, Default: 7 } }
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      VersioningConfiguration: { Status: Enabled }
      PublicAccessBlockConfiguration: { BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true }
      BucketEncryption: { ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: AES256 } }] }
      OwnershipControls: { Rules: [{ ObjectOwnership: BucketOwnerEnforced }] }
      LifecycleConfiguration:
        Rules:
          - { Id: old-versions, Status: Enabled, NoncurrentVersionExpiration: { NoncurrentDays: !Ref Days }, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } }
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - { Effect: Deny, Principal: "*", Action: "s3:*", Resource: [!GetAtt Bucket.Arn, !Sub "${Bucket.Arn}/*"], Condition: { Bool: { "aws:SecureTransport": "false" } } }
"""


@pytest.fixture
def stack(client, unique):
    return lambda template, suffix="": Stack(client, unique + suffix, template)


def test_a_network_is_made_changed_and_deleted(stack, client):
    network = stack(NETWORK)
    assert network.deploy() == "CREATE_COMPLETE", network.reasons()
    ids, ec2 = network.resources(), client("ec2")
    blocks = {subnet["SubnetId"]: subnet["CidrBlock"] for subnet in ec2.describe_subnets(SubnetIds=[ids["Public"], ids["Private"]])["Subnets"]}
    assert [blocks[one] for one in network.outputs()["Subnets"].split(",")] == ["10.0.0.0/24", "10.0.1.0/24"]
    group = ec2.describe_security_groups(GroupIds=[ids["Group"]])["SecurityGroups"][0]
    assert group["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"] == ids["Group"]
    assert {permission["IpProtocol"] for permission in group["IpPermissionsEgress"]} == {"-1", "tcp"}
    route = [one for one in ec2.describe_route_tables(RouteTableIds=[ids["Table"]])["RouteTables"][0]["Routes"] if one.get("NatGatewayId")]
    assert route[0]["NatGatewayId"] == ids["OtherNat"]
    change_set = network.change_set({"Gateways": "1"})
    assert {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"]["Action"] for c in change_set["Changes"]} == {
        "OtherNat": "Remove", "OtherAddress": "Remove", "Route": "Modify"}
    network.execute(change_set)
    assert network.settled() == "UPDATE_COMPLETE", network.reasons()
    assert network.deploy({"Gateways": "1", "Note": "two"}) == "UPDATE_COMPLETE"
    described = ec2.describe_security_groups(GroupIds=[ids["Group"]])["SecurityGroups"][0]["IpPermissions"]
    assert [pair["Description"] for permission in described for pair in permission["UserIdGroupPairs"]] == ["two"], "in place"
    assert network.resources()["Itself"] == ids["Itself"]
    assert network.delete() == "absent"


@pytest.mark.parametrize(("old", "new", "what"), [
    ("SubnetId: !Ref Public, AllocationId: !GetAtt Address", "SubnetId: subnet-none, AllocationId: !GetAtt Address", "'subnet-none' does not exist"),
    ("GroupId: !Ref Group, IpProtocol: \"-1\"", "GroupId: sg-none, IpProtocol: \"-1\"", "'sg-none' does not exist"),
    ("SourceSecurityGroupId: !Ref Group", "Description: nothing", "needs a source"),
    ("!Select [1, !Cidr [!GetAtt Vpc.CidrBlock, 4, 8]]", "10.0.0.0/20", "conflicts with another subnet"),
    ("!Select [1, !Cidr [!GetAtt Vpc.CidrBlock, 4, 8]]", "10.7.0.0/24", "is invalid"),
])
def test_a_wrong_network_fails(stack, old, new, what):
    assert old in NETWORK
    network = stack(NETWORK.replace(old, new).replace(", Description: !Ref Note", "") if "Description" in new else NETWORK.replace(old, new))
    assert network.deploy() == "ROLLBACK_COMPLETE" and what in network.reasons()


def test_a_rule_that_is_there_is_not_added_again(stack):
    twice = NETWORK.replace("  Out:", "  Again:\n    Type: AWS::EC2::SecurityGroupIngress\n    DependsOn: Itself\n"
                            "    Properties: { GroupId: !Ref Group, IpProtocol: \"-1\", SourceSecurityGroupId: !Ref Group }\n  Out:")
    network = stack(twice)
    assert network.deploy() == "ROLLBACK_COMPLETE" and "the specified rule already exists" in network.reasons()


def test_what_an_environment_uses_is_not_deleted(stack, client, unique):
    whole = stack((FILES / "environment.yaml").read_text())
    retained = whole.template.replace("    Type: AWS::MWAA::Environment\n", "    Type: AWS::MWAA::Environment\n    DeletionPolicy: Retain\n")
    assert whole.deploy({"Name": unique}, retained) == "CREATE_COMPLETE"
    assert whole.delete() == "DELETE_FAILED"
    kept = set(whole.resources())
    assert {"Left", "Right", "First", "Network"} <= kept and "Second" not in kept and "Other" not in kept
    assert "has a dependent object" in whole.reasons() and "has dependencies and cannot be deleted" in whole.reasons()
    client("mwaa").delete_environment(Name=unique)
    until("it is gone", lambda: unique not in client("mwaa").list_environments()["Environments"])
    assert whole.delete() == "absent"


def test_a_bucket_of_a_stack_has_its_properties(stack, client):
    bucket = stack(BUCKET)
    assert bucket.deploy() == "CREATE_COMPLETE", bucket.reasons()
    name, s3 = bucket.resources()["Bucket"], client("s3")
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=name)["Policy"]
    assert bucket.deploy({"Days": "9"}) == "UPDATE_COMPLETE" and bucket.resources()["Bucket"] == name
    rule = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"][0]
    assert (rule["ID"], rule["NoncurrentVersionExpiration"], rule["AbortIncompleteMultipartUpload"]) == (
        "old-versions", {"NoncurrentDays": 9}, {"DaysAfterInitiation": 1})


def test_a_bucket_that_is_not_empty_stays(stack, client):
    bucket = stack(BUCKET)
    bucket.deploy()
    name, s3 = bucket.resources()["Bucket"], client("s3")
    first = s3.put_object(Bucket=name, Key="dags/a.py", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=name, Key="dags/a.py", Body=b"2")["VersionId"]
    assert first != second == s3.head_object(Bucket=name, Key="dags/a.py")["VersionId"]
    assert bucket.delete() == "DELETE_FAILED" and "is not empty" in bucket.reasons()
    s3.delete_object(Bucket=name, Key="dags/a.py")
    assert bucket.delete() == "DELETE_FAILED", "only hidden by a marker"
    listed = s3.list_object_versions(Bucket=name)
    for one in (*listed["Versions"], *listed["DeleteMarkers"]):
        s3.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])
    assert bucket.delete() == "absent"
    with pytest.raises(ClientError):
        s3.head_bucket(Bucket=name)
