"""Regions: what a test renders is in us-east-1, or where the fixture `at` takes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support import template
from support.infra import place


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def go(partition: str, region: str) -> None:
        for name, value in place(partition, region).items():
            monkeypatch.setitem(template.PSEUDO_PARAMETERS, name, value)

    return go
