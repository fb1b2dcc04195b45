"""The templates of infra/ deploy here, one after the other, and go again as far as what they retain lets them."""

from __future__ import annotations

from support.paths import PROJECT
from support.stacks import Stack

SERVER = ("ECS::Cluster", "ECS::Service", "ECS::TaskDefinition", "RDS::DBInstance", "RDS::DBSubnetGroup", "SecretsManager::Secret",
          "ServiceDiscovery::PrivateDnsNamespace", "ServiceDiscovery::Service")


def made(client, name, **parameters):
    file = name.removeprefix("orders-").replace("blue-", "").replace("base", "environment-base")
    stack = Stack(client, name, (PROJECT / f"infra/{file}.yaml").read_text())
    assert stack.deploy(parameters) == "CREATE_COMPLETE", stack.reasons()
    return stack


def test_every_template_deploys_and_what_is_retained_stays(client):
    network = made(client, "orders-network", PairName="orders", InterfaceEndpoints="true")
    subnets, vpc = network.outputs()["PrivateSubnetIds"], network.outputs()["VpcId"]
    color = {"PairName": "orders", "Color": "blue", "EnvironmentName": "orders-blue"}
    base = made(client, "orders-blue-base", **color, VpcId=vpc, ParameterRoot="/mwaa/orders")
    ids = base.outputs()
    files = {"Requirements": "requirements-0123456789abcdef.txt", "Plugins": "plugins-0123456789abcdef.zip", "StartupScript": "startup-0123456789abcdef.sh"}
    artifacts = {}
    for what, name in files.items():
        artifacts[f"{what}Path"] = f"artifacts/{name}"
        artifacts[f"{what}Version"] = client("s3").put_object(Bucket=ids["BucketName"], Key=f"artifacts/{name}", Body=b"x")["VersionId"]
    environment = made(client, "orders-blue-environment", **color, **artifacts, SubnetIds=subnets, SecurityGroupIds=ids["SecurityGroupId"],
                       ExecutionRoleArn=ids["ExecutionRoleArn"], BucketArn=ids["BucketArn"], AirflowVersion="2.10.3", FlagParameter="/mwaa/orders/flag")
    found = client("mwaa").get_environment(Name="orders-blue")["Environment"]
    assert found["AirflowConfigurationOptions"]["custom.environment_color"] == "blue"
    assert found["PluginsS3ObjectVersion"] == artifacts["PluginsVersion"]
    lineage = made(client, "orders-lineage", PairName="orders", BlueSecurityGroupId=ids["SecurityGroupId"], VpcId=vpc, SubnetIds=subnets)
    kinds = {one["ResourceType"] for one in lineage.api.describe_stack_resources(StackName=lineage.name)["StackResources"]}
    assert {f"AWS::{kind}" for kind in SERVER} <= kinds
    assert [stack.delete() for stack in (lineage, environment, base)] == ["absent"] * 3
    client("s3").head_bucket(Bucket=ids["BucketName"])
    assert client("ec2").describe_security_groups(GroupIds=[ids["SecurityGroupId"]])["SecurityGroups"]
    assert client("iam").get_role(RoleName=ids["ExecutionRoleArn"].rsplit("/", 1)[-1])
    assert network.delete() == "DELETE_FAILED", "the security group that was retained is in its VPC"
    client("ec2").delete_security_group(GroupId=ids["SecurityGroupId"])
    assert network.delete() == "absent"
