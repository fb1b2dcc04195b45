"""Networks in a stack: records, of which one is not made without what it stands on, nor deleted while something stands on it.

ministack lacks EC2::EIP, EC2::NatGateway, EC2::SecurityGroupIngress and EC2::SecurityGroupEgress, makes a network of ids that do not
exist, and deletes what an environment uses. This module adds and refuses that.

Known differences: nothing is routed, so an environment without a way out is not noticed. Limits of an account are not imitated.
"""

from __future__ import annotations

import ipaddress
import uuid
from typing import Any

from ministack.services import ec2
from ministack.services.cloudformation import provisioners

from local_aws import patches
from local_aws.mwaa_environments import environments, lock

Made = tuple[str, dict[str, Any]]

# Which store has what a property of a type names.
_STANDS_ON = {
    "AWS::EC2::Subnet": {"VpcId": "_vpcs"},
    "AWS::EC2::SecurityGroup": {"VpcId": "_vpcs"},
    "AWS::EC2::RouteTable": {"VpcId": "_vpcs"},
    "AWS::EC2::Route": {"RouteTableId": "_route_tables", "NatGatewayId": "_nat_gateways", "GatewayId": "_internet_gateways"},
    "AWS::EC2::SubnetRouteTableAssociation": {"RouteTableId": "_route_tables", "SubnetId": "_subnets"},
    "AWS::EC2::VPCGatewayAttachment": {"VpcId": "_vpcs", "InternetGatewayId": "_internet_gateways"},
    "AWS::EC2::VPCEndpoint": {"VpcId": "_vpcs", "RouteTableIds": "_route_tables", "SubnetIds": "_subnets",
                              "SecurityGroupIds": "_security_groups"},
    "AWS::EC2::NatGateway": {"SubnetId": "_subnets", "AllocationId": "_addresses"},
}


def _error(code: str, message: str) -> ValueError:
    return ValueError(f"{message} (Service: Ec2, Status Code: 400, Request ID: {uuid.uuid4()}) (HandlerErrorCode: {code})")


def _check_references(kind: str, props: dict[str, Any]) -> None:
    for name, store in _STANDS_ON[kind].items():
        given = props.get(name) or []
        for one in given if isinstance(given, list) else [given]:
            if one not in getattr(ec2, store) and not str(one).startswith(("vgw-", "pl-")):
                raise _error("NotFound", f"The {name.removesuffix('s')} '{one}' does not exist")


def _check_cidr(props: dict[str, Any]) -> None:
    block = ipaddress.ip_network(props["CidrBlock"])
    vpc = ec2._vpcs[props["VpcId"]]
    if not block.subnet_of(ipaddress.ip_network(vpc["CidrBlock"])):  # type: ignore[arg-type]
        raise _error("InvalidRequest", f"The CIDR '{block}' is invalid.")
    for other in ec2._subnets.values():
        if other["VpcId"] == props["VpcId"] and block.overlaps(ipaddress.ip_network(other["CidrBlock"])):
            raise _error("InvalidRequest", f"The CIDR '{block}' conflicts with another subnet")


def _checked(kind: str, original: Any) -> Any:
    def create(logical_id: str, props: dict[str, Any], stack_name: str, *more: Any, **named: Any) -> Made:
        _check_references(kind, props)
        if kind == "AWS::EC2::Subnet":
            _check_cidr(props)
        made: Made = original(logical_id, props, stack_name, *more, **named)
        return made

    return create


def _with_attributes(kind: str, original: Any) -> Any:
    """What Fn::GetAtt may ask for, and ministack does not answer."""
    def make(*arguments: Any, **named: Any) -> Made:
        name, attributes = original(*arguments, **named)
        if kind == "AWS::EC2::VPC":
            vpc = ec2._vpcs[name]
            return name, {**attributes, "CidrBlock": vpc["CidrBlock"], "CidrBlockAssociations": [], "Ipv6CidrBlocks": []}
        return name, {**attributes, "Ipv6CidrBlocks": [], "NetworkAclAssociationId": f"aclassoc-{name.removeprefix('subnet-')}"}

    return make


# -- what is in use is not deleted

def _used_by_environments(part: str) -> set[str]:
    with lock:
        return {one for environment in environments.values() if environment.made
                for one in environment.made.request.get("NetworkConfiguration", {}).get(part, [])}


def _dependents(kind: str, name: str) -> bool:
    match kind:
        case "AWS::EC2::SecurityGroup":
            rules = [pair for group_id, group in ec2._security_groups.items() if group_id != name
                     for permission in (*group.get("IpPermissions", []), *group.get("IpPermissionsEgress", []))
                     for pair in permission.get("UserIdGroupPairs", [])]
            endpoints = [one for endpoint in ec2._vpc_endpoints.values() for one in endpoint.get("SecurityGroupIds", [])]
            return name in _used_by_environments("SecurityGroupIds") | set(endpoints) | {pair.get("GroupId") for pair in rules}
        case "AWS::EC2::Subnet":
            gateways = {gateway["SubnetId"] for gateway in ec2._nat_gateways.values() if gateway["State"] not in ("deleted", "deleting")}
            endpoints = [one for endpoint in ec2._vpc_endpoints.values() for one in endpoint.get("SubnetIds", [])]
            return name in _used_by_environments("SubnetIds") | set(endpoints) | gateways
        case _:
            return False


def _unless_in_use(kind: str, original: Any) -> Any:
    def delete(physical_id: str, props: dict[str, Any]) -> None:
        if _dependents(kind, physical_id):
            raise _error("InvalidRequest", f"resource {physical_id} has a dependent object" if kind == "AWS::EC2::SecurityGroup"
                         else f"The subnet '{physical_id}' has dependencies and cannot be deleted.")
        original(physical_id, props)

    return delete


# -- AWS::EC2::EIP and AWS::EC2::NatGateway

def _eip_create(_logical_id: str, _props: dict[str, Any], _stack_name: str) -> Made:
    ec2._allocate_address({"Domain": ["vpc"]})
    allocation, address = next(reversed(list(ec2._addresses.items())))
    return address["PublicIp"], {"AllocationId": allocation, "PublicIp": address["PublicIp"]}


def _eip_update(physical_id: str, _old: dict[str, Any], _new: dict[str, Any], _stack_name: str) -> Made:
    allocation = next(known for known, address in ec2._addresses.items() if address["PublicIp"] == physical_id)
    return physical_id, {"AllocationId": allocation, "PublicIp": physical_id}


def _eip_delete(physical_id: str, _props: dict[str, Any]) -> None:
    for allocation, address in list(ec2._addresses.items()):
        if address["PublicIp"] == physical_id:
            ec2._release_address({"AllocationId": [allocation]})


def _nat_create(_logical_id: str, props: dict[str, Any], _stack_name: str) -> Made:
    public = (props.get("ConnectivityType") or "public") == "public"
    if public and not props.get("AllocationId"):
        raise _error("InvalidRequest", "AllocationId is required for a public NAT gateway")
    status, _, body = ec2._create_nat_gateway({"SubnetId": [props.get("SubnetId", "")], "AllocationId": [props.get("AllocationId", "")],
                                               "ConnectivityType": [props.get("ConnectivityType") or "public"],
                                               "ClientToken": [uuid.uuid4().hex]})
    if status >= 400:
        raise _error("InvalidRequest", body.decode(errors="replace"))
    return (name := next(reversed(list(ec2._nat_gateways)))), {"NatGatewayId": name}


def _nat_update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Made:
    if any(old.get(name) != new.get(name) for name in ("SubnetId", "AllocationId", "ConnectivityType")):
        made = _nat_create("", new, stack_name)
        provisioners._delete_predecessor(_nat_delete, physical_id, old)
        return made
    return physical_id, {"NatGatewayId": physical_id}


def _nat_delete(physical_id: str, _props: dict[str, Any]) -> None:
    ec2._delete_nat_gateway({"NatGatewayId": [physical_id]})


# -- AWS::EC2::SecurityGroupIngress and AWS::EC2::SecurityGroupEgress

def _undescribed(value: Any) -> Any:
    if isinstance(value, list):
        return [_undescribed(one) for one in value]
    return {key: _undescribed(one) for key, one in value.items() if key != "Description"} if isinstance(value, dict) else value


class _Rule:
    def __init__(self, permissions: str) -> None:
        self.permissions = permissions

    def _listed(self, props: dict[str, Any]) -> list[dict[str, Any]]:
        group = ec2._security_groups.get(props.get("GroupId", ""))
        if group is None:
            raise _error("NotFound", f"The security group '{props.get('GroupId')}' does not exist")
        listed: list[dict[str, Any]] = group.setdefault(self.permissions, [])
        return listed

    def _same(self, listed: list[dict[str, Any]], props: dict[str, Any]) -> list[dict[str, Any]]:
        asked = self._permission({**props, "Description": None})
        return [known for known in listed if _undescribed(known) == asked]

    @staticmethod
    def _permission(props: dict[str, Any]) -> dict[str, Any]:
        permission: dict[str, Any] = provisioners._ec2_sg_permissions([props])[0]
        return permission

    def create(self, _logical_id: str, props: dict[str, Any], _stack_name: str) -> Made:
        listed = self._listed(props)
        for name in ("SourceSecurityGroupId", "DestinationSecurityGroupId"):
            if props.get(name) and props[name] not in ec2._security_groups:
                raise _error("NotFound", f"The security group '{props[name]}' does not exist")
        if not any(props.get(name) for name in (
                "CidrIp", "CidrIpv6", "SourceSecurityGroupId", "SourceSecurityGroupName", "SourcePrefixListId", "DestinationSecurityGroupId",
                "DestinationPrefixListId")):
            raise _error("InvalidRequest", "A rule needs a source or a destination")
        if self._same(listed, props):
            raise _error("AlreadyExists", "the specified rule already exists")
        listed.append(self._permission(props))
        name = f"sgr-{uuid.uuid4().hex[:17]}"
        return name, {"Id": name}

    def update(self, physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Made:
        if {**old, "Description": ""} != {**new, "Description": ""}:
            made = self.create("", new, stack_name)
            provisioners._delete_predecessor(self.delete, physical_id, old)
            return made
        self.delete(physical_id, old)
        self._listed(new).append(self._permission(new))
        return physical_id, {"Id": physical_id}

    def delete(self, _physical_id: str, props: dict[str, Any]) -> None:
        if props.get("GroupId") in ec2._security_groups:
            listed = self._listed(props)
            for known in self._same(listed, props):
                listed.remove(known)

    def handlers(self) -> dict[str, Any]:
        return {"create": self.create, "update": self.update, "delete": self.delete}


def install() -> None:
    for module, names in ((ec2, ("_addresses", "_nat_gateways", "_allocate_address", "_release_address", "_create_nat_gateway",
                                 "_delete_nat_gateway", "_vpc_endpoints", "_security_groups", "_subnets", "_vpcs",
                                 "_route_tables", "_internet_gateways")),
                          (provisioners, ("_ec2_sg_permissions", "_delete_predecessor"))):
        for name in names:
            patches.original(module, name)
    table = patches.original(provisioners, "_RESOURCE_HANDLERS")
    table.update({
        "AWS::EC2::EIP": {"create": _eip_create, "update": _eip_update, "delete": _eip_delete},
        "AWS::EC2::NatGateway": {"create": _nat_create, "update": _nat_update, "delete": _nat_delete},
        "AWS::EC2::SecurityGroupIngress": _Rule("IpPermissions").handlers(),
        "AWS::EC2::SecurityGroupEgress": _Rule("IpPermissionsEgress").handlers(),
    })
    for kind in _STANDS_ON:
        table[kind]["create"] = _checked(kind, table[kind]["create"])
    for kind in ("AWS::EC2::VPC", "AWS::EC2::Subnet"):
        for operation in ("create", "update"):
            table[kind][operation] = _with_attributes(kind, table[kind][operation])
    for kind in ("AWS::EC2::SecurityGroup", "AWS::EC2::Subnet"):
        table[kind]["delete"] = _unless_in_use(kind, table[kind]["delete"])
