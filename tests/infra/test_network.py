"""network.yaml: two private subnets in two zones, and a way out."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest

from support.infra import full, refused, rendered, template
from support.template import Rendered, allows

At = Callable[[str, str], None]

# As MWAA's documentation lists them for a network without internet, and Systems Manager's for the guard.
NEEDED = {"monitoring", "logs", "sqs", "kms", "ecr.api", "ecr.dkr", "airflow.api", "airflow.env", "ssm"}


def networks(stack: Rendered) -> dict[str, ipaddress.IPv4Network]:
    return {name: ipaddress.IPv4Network(p["CidrBlock"]) for name, p in stack.of_type("AWS::EC2::Subnet").items()}


def services(stack: Rendered, kind: str) -> dict[str, str]:
    return {name: p["ServiceName"] for name, p in stack.of_type("AWS::EC2::VPCEndpoint").items() if p["VpcEndpointType"] == kind}


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "172.16.0.0/17", "192.168.128.0/18", "10.1.32.0/19", "10.255.240.0/20"])
def test_the_subnets_fit_and_are_large_enough(cidr: str) -> None:
    assert refused("network", VpcCidr=cidr) == []
    subnets = networks(rendered("network", VpcCidr=cidr))
    assert len(subnets) == 4
    for name, subnet in subnets.items():
        assert subnet.subnet_of(ipaddress.IPv4Network(cidr))
        assert not any(subnet.overlaps(other) for other_name, other in subnets.items() if other_name != name)
        # AWS keeps five. Each color has at most 25 workers by its quota's default, 5 schedulers and 5 web servers.
        assert subnet.num_addresses - 5 >= 2 * (50 + 5 + 5) + 10


@pytest.mark.parametrize("cidr", ["10.0.0.0/15", "10.0.0.0/21", "10.0.0/16", "10.0.0.256/16", "10.0.0.0", "", "::/16"])
def test_other_sizes_are_refused(cidr: str) -> None:
    assert not allows(template("network")["Parameters"]["VpcCidr"], cidr)


def test_the_private_subnets_are_in_two_zones() -> None:
    zones = [rendered("network").resources[name]["Properties"]["AvailabilityZone"] for name in ("FirstPrivateSubnet", "SecondPrivateSubnet")]
    assert zones == ["us-east-1a", "us-east-1b"]
    given = full("network").of_type("AWS::EC2::Subnet")
    assert [subnet["AvailabilityZone"] for subnet in given.values()] == ["us-east-1c", "us-east-1d"] * 2
    for wrong in ({"FirstZone": "us-east-1c"}, {"SecondZone": "us-east-1c"}, {"FirstZone": "us-east-1c", "SecondZone": "us-east-1c"}):
        assert "go together and differ" in refused("network", **wrong)[0]


@pytest.mark.parametrize(
    ("gateways", "first", "second"),
    [(2, "FirstNatGateway", "SecondNatGateway"), (1, "FirstNatGateway", "FirstNatGateway"), (0, None, None)],
)
def test_each_private_subnet_has_the_way_out_that_was_asked_for(gateways: int, first: str | None, second: str | None) -> None:
    stack = rendered("network", NatGateways=gateways, InterfaceEndpoints="true" if gateways == 0 else "false")
    assert len(stack.of_type("AWS::EC2::NatGateway")) == gateways == len(stack.of_type("AWS::EC2::EIP"))
    assert len(stack.of_type("AWS::EC2::InternetGateway")) == (1 if gateways else 0)
    tables = {p["SubnetId"]: p["RouteTableId"] for p in stack.of_type("AWS::EC2::SubnetRouteTableAssociation").values()}
    out = {p["RouteTableId"]: p.get("NatGatewayId") or p["GatewayId"] for p in stack.of_type("AWS::EC2::Route").values()}
    assert tables["FirstPrivateSubnet"] != tables["SecondPrivateSubnet"]
    assert [out.get(tables[name]) for name in ("FirstPrivateSubnet", "SecondPrivateSubnet")] == [first, second]
    # A gateway's own subnet leads to the internet, and is in the zone that it serves.
    for gateway in stack.of_type("AWS::EC2::NatGateway").values():
        assert out[tables[gateway["SubnetId"]]] == "InternetGateway"
    assert set(networks(stack)) == {"FirstPrivateSubnet", "SecondPrivateSubnet", "FirstPublicSubnet", "SecondPublicSubnet"} - (
        {"SecondPublicSubnet"} if gateways < 2 else set()) - ({"FirstPublicSubnet"} if gateways < 1 else set())  # fmt: skip


def test_a_gateway_is_made_after_the_way_it_needs_and_deleted_before_it() -> None:
    resources = template("network")["Resources"]
    for name in ("FirstNatGateway", "SecondNatGateway"):
        assert resources[name]["DependsOn"] == "PublicRoute"
    assert resources["PublicRoute"]["DependsOn"] == "InternetGatewayOfVpc"


def test_no_address_is_public_but_the_gateways() -> None:
    assert {p["MapPublicIpOnLaunch"] for p in full("network").of_type("AWS::EC2::Subnet").values()} == {False}


def test_no_way_out_at_all_is_refused() -> None:
    assert "no environment could start" in refused("network", NatGateways=0)[0]
    assert refused("network", NatGateways=0, InterfaceEndpoints="true") == []
    assert "OpsEndpoint is true" in refused("network", OpsEndpoint="true")[0]


def test_s3_is_reached_without_a_gateway_from_both_subnets() -> None:
    stack = rendered("network")
    assert services(stack, "Gateway") == {"S3Endpoint": "com.amazonaws.us-east-1.s3"}
    assert stack.resources["S3Endpoint"]["Properties"]["RouteTableIds"] == ["FirstPrivateRoutes", "SecondPrivateRoutes"]
    assert services(stack, "Interface") == {}


def test_the_endpoints_are_all_that_an_environment_without_internet_needs() -> None:
    stack = rendered("network", NatGateways=0, InterfaceEndpoints="true")
    assert set(services(stack, "Interface").values()) == {f"com.amazonaws.us-east-1.{service}" for service in NEEDED}
    assert "com.amazonaws.us-east-1.airflow.ops" in services(full("network"), "Interface").values()
    for name in services(stack, "Interface"):
        properties = stack.resources[name]["Properties"]
        assert properties["PrivateDnsEnabled"] is True, name
        assert properties["SubnetIds"] == ["FirstPrivateSubnet", "SecondPrivateSubnet"], name
        assert properties["SecurityGroupIds"] == ["EndpointSecurityGroup"], name
    (rule,) = stack.resources["EndpointSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert (rule["FromPort"], rule["ToPort"], rule["CidrIp"]) == (443, 443, "10.0.0.0/16")
    vpc = stack.resources["Vpc"]["Properties"]
    assert vpc["EnableDnsSupport"] is True and vpc["EnableDnsHostnames"] is True


def test_in_china_some_names_begin_otherwise(at: At) -> None:
    """As AWS's CDK lists them (aws-ec2/lib/vpc-endpoint.ts)."""
    at("aws-cn", "cn-north-1")
    names = services(full("network"), "Interface").values()
    assert {name.split("cn-north-1.")[1] for name in names if name.startswith("cn.com.amazonaws.")} == {"monitoring", "sqs", "ecr.api", "ecr.dkr"}
    assert all("com.amazonaws.cn-north-1." in name for name in names)


def test_the_ids_go_to_the_other_templates_as_they_are() -> None:
    assert rendered("network").outputs["PrivateSubnetIds"]["Value"] == "FirstPrivateSubnet,SecondPrivateSubnet"
    for name in ("environment", "lineage"):
        assert refused(name, SubnetIds="subnet-0a1b2c3d4e5f60718,subnet-0b1b2c3d4e5f60718") == []
        for wrong in ("subnet-1", "subnet-1,subnet-1", "subnet-1,subnet-2,subnet-3", "subnet-1, subnet-2", ""):
            assert "Two different ids" in refused(name, SubnetIds=wrong)[0]
