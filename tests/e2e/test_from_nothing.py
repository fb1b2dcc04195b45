"""Getting started from nothing: the page's blocks make a pair on an empty AWS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws.process import LocalAws
from support.clients import Clients
from support.described import NAME
from support.pair import Pair
from support.paths import TEMPLATE
from support.walkthrough import Walkthrough, runs


@pytest.fixture
def nothing(tmp_path: Path) -> Iterator[Pair]:
    with LocalAws(log=tmp_path / "local.log") as aws:
        aws.set_mwaa_defaults(create_seconds=0.3, update_seconds=0.3, delete_seconds=0.3, parse_seconds=0.1)
        yield Pair(aws, Clients(aws), NAME, f"/mwaa/{NAME}", {color: f"{NAME}-{color}" for color in ("blue", "green")})


@runs("start-from-nothing")
def test_a_pair_from_nothing(nothing: Pair, walk: Walkthrough, functions: Path) -> None:
    # What a clone has after `make functions`.
    (walk.home / "target").mkdir()
    (walk.home / "target" / "lambda").symlink_to(functions)
    (walk.home / "template.yaml").symlink_to(TEMPLATE)
    assert nothing.client("cloudformation").describe_stacks()["Stacks"] == []
    seen = walk.rest(nothing)
    assert "MWAA takes 20 to 30 minutes" in seen
    assert nothing.stands_at() == ("blue", 1)
    stacks = {stack["StackName"]: stack for stack in nothing.client("cloudformation").describe_stacks()["Stacks"]}
    assert set(stacks) == {"orders", "orders-network", *(f"orders-{color}-{layer}" for color in ("blue", "green")
                                                        for layer in ("base", "environment"))}
    assert all(not stack["Tags"] for stack in stacks.values()), "a tag restarts an environment when it changes"
