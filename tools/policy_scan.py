"""Scan the templates in infra/ with cfripper's rules, as they are rendered with few parameters and with all.

    .tools/lint/bin/python -m tools.policy_scan

cfripper cannot resolve all of CloudFormation's functions, so that it gets what tests/support renders. It was chosen because it is
maintained, reads plain Python data, and brings four small packages; checkov brings a hundred, and cfn_nag is not Python's. What it
does not know, such as RDS and MWAA, tests/infra checks.

What is skipped stands in SKIPPED, each with its reason. A skip that skips nothing is an error, too.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple


class Finding(NamedTuple):
    template: str
    resource: str
    rule: str
    reason: str


SKIPPED = {
    Finding("environment-base", "ExecutionRole", "GenericResourceWildcardPolicyRule", "wildcard (`*` or `?`) action"): (
        "s3:GetObject*, s3:GetBucket* and s3:List* on its own bucket, and kms:GenerateDataKey*, as MWAA's documentation has them: which "
        "of these actions MWAA calls changes with MWAA"
    ),
    Finding("environment-base", "ExecutionRole", "IAMRoleWildcardActionOnPolicyRule", "`*` action on its environment policy"): (
        "the same actions, reported by another rule"
    ),
    Finding("environment-base", "ExecutionRole", "WildcardResourceRule", '"logs:DescribeLogGroups"'): (
        "MWAA looks for its log groups before they exist, and its documentation asks for this action on every resource"
    ),
    Finding("lineage", "Database", "HardcodedRDSPasswordRule", "NoEcho"): (
        "the password is no parameter: it is generated in Secrets Manager, and read by a dynamic reference"
    ),
}

# Whoever finds nothing here finds nothing at all.
BAD = {
    "Group": {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {
            "GroupDescription": "open",
            "SecurityGroupIngress": [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}],
        },
    },
    "Role": {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
            },
            "Policies": [
                {
                    "PolicyName": "all",
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
                }
            ],
        },
    },
}


def scan(template: str, resources: dict[str, Any]) -> set[Finding]:
    import pycfmodel
    from cfripper.config.config import Config
    from cfripper.rule_processor import RuleProcessor
    from cfripper.rules import DEFAULT_RULES

    # It logs every resource that it has no class for.
    logging.disable(logging.ERROR)
    model = pycfmodel.parse({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}).resolve()
    config = Config(rules=list(DEFAULT_RULES), aws_account_id="123456789012", stack_name=template)
    result = RuleProcessor(*[rule(config) for rule in DEFAULT_RULES.values()]).process_cf_template(model, config)
    if result.exceptions:
        raise RuntimeError(f"cfripper failed on {template}: {result.exceptions}")
    return {Finding(template, resource, found.rule, found.reason) for found in result.failures for resource in found.resource_ids or {""}}


def judge(findings: Iterable[Finding], skipped: Iterable[Finding]) -> list[str]:
    """What is wrong: a finding that is not skipped, and a skip without a finding."""

    def meets(skip: Finding, found: Finding) -> bool:
        return skip[:3] == found[:3] and skip.reason in found.reason

    findings, skipped = sorted(set(findings)), list(skipped)
    wrong = [f"infra/{f.template}.yaml: {f.resource}: {f.rule}: {f.reason}" for f in findings if not any(meets(s, f) for s in skipped)]
    idle = [s for s in skipped if not any(meets(s, f) for f in findings)]
    return wrong + [f"SKIPPED has {s.template} {s.resource} {s.rule} ({s.reason}), which is no longer found: take it out" for s in idle]


def main() -> int:
    from support.infra import NAMES, full, rendered

    if {found.resource for found in scan("bad", BAD)} != set(BAD):
        print("cfripper does not find what is wrong in BAD: has it changed its rules?")
        return 2
    findings = [found for name in NAMES for stack in (rendered(name), full(name)) for found in scan(name, stack.resources)]
    wrong = judge(findings, SKIPPED)
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
