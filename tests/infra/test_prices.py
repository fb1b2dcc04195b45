"""The prices that the templates and their README say are those of bench/prices.json."""

from __future__ import annotations

import json

import pytest

from support.infra import INFRA, template, text
from support.paths import PROJECT

HOURS = 730
PRICES = {name: each["usd"] for name, each in json.loads((PROJECT / "bench/prices.json").read_text())["prices"].items()}


def month(*names: str) -> float:
    return float(sum(PRICES[name] for name in names)) * HOURS


ENDPOINTS = sum(resource["Properties"].get("VpcEndpointType") == "Interface" and resource.get("Condition") != "OpsWanted"
                for resource in template("network")["Resources"].values() if resource["Type"] == "AWS::EC2::VPCEndpoint")
NUMBERS = {8: "eight", 9: "nine", 10: "ten"}
TASK = (0.5 * PRICES["fargate_vcpu_hour"] + 2 * PRICES["fargate_gb_hour"]) * HOURS
DATABASE, STORAGE = month("rds_db_t4g_micro_hour"), 20 * PRICES["rds_gp3_gb_month"]
DNS = PRICES["private_zone_month"] + PRICES["discovered_instance_month"]
LINEAGE = TASK + DATABASE + STORAGE + DNS + PRICES["secret_month"]

SAID = [
    ("network", f"a NAT gateway {month('nat_gateway_hour'):.2f} dollars and {PRICES['nat_gateway_gb']} a GB"),
    ("network", f"an interface endpoint {month('interface_endpoint_hour'):.2f} a zone"),
    ("network", f"that the {NUMBERS[ENDPOINTS]} of InterfaceEndpoints cost {2 * ENDPOINTS * month('interface_endpoint_hour'):.2f} in two zones"),
    ("network", f"A public address of a NAT gateway costs {month('public_address_hour'):.2f}."),
    ("environment", f"mw1.small {month('mwaa_small_hour'):.2f} dollars, mw1.medium {month('mwaa_medium_hour'):.2f}, "
                    f"mw1.large {month('mwaa_large_hour'):.2f} with one worker"),
    *(("environment", f"a further worker or scheduler {month(f'mwaa_small_{what}_hour'):.2f}, {month(f'mwaa_medium_{what}_hour'):.2f} or "
                      f"{month(f'mwaa_large_{what}_hour'):.2f}; a GB of metadata {PRICES['mwaa_metadata_gb_month']:.2f}.")
      for what in ("worker", "scheduler")),
    ("environment", f"Logs are {PRICES['log_gb']:.2f} a GB."),
    ("lineage", f"the task {TASK:.2f} dollars, db.t4g.micro {DATABASE:.2f}, 20 GB of storage {STORAGE:.2f}, DNS {DNS:.2f}, "
                f"the secret {PRICES['secret_month']:.2f}."),
    ("lineage", f"Its name in private DNS costs {DNS:.2f} dollars a month"),
    ("lineage", f"Logs are {PRICES['log_gb']:.2f} a GB."),
]  # fmt: skip


def plain(words: str) -> str:
    """Without the marks and line ends of comments."""
    return " ".join(words.replace("\n#", " ").replace("\n  #", " ").split())


@pytest.mark.parametrize(("name", "said"), SAID)
def test_a_template_says_the_price_of_the_list(name: str, said: str) -> None:
    assert said in plain(text(name))


def test_the_readme_says_the_prices_of_the_list() -> None:
    readme = (INFRA / "README.md").read_text()
    network = 2 * month("nat_gateway_hour", "public_address_hour")
    for said in (f"{network:.0f} dollars with two NAT gateways", f"from {month('mwaa_small_hour'):.0f} dollars each, `mw1.small`", f"{LINEAGE:.0f} dollars |"):
        assert said in readme, said
