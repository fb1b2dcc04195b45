"""The options and rights that README.md names are the ones that the package uses."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mwaa_bluegreen import settings

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


def test_the_table_of_options_is_complete_and_has_the_defaults() -> None:
    table = dict(re.findall(r"^\| `custom\.(\w+)` \| (.*?) \|", README, re.MULTILINE))
    asked: list[str] = []

    def lookup(option: str) -> str | None:
        asked.append(option)
        return "blue" if option == "environment_color" else None

    found = settings.read(lookup)
    guard = settings.guard_task(lookup)
    assert settings.mode(lookup) == table["bluegreen_guard"].strip("`")
    assert settings.status_page(lookup) is (table["bluegreen_status_page"] == "`on`")
    assert sorted(option for option in asked if option not in settings._RENAMED) == sorted(table)
    assert table["bluegreen_flag_parameter"] == f"`{found.parameter}`"
    assert table["bluegreen_guard_retries"] == str(guard.retries)
    assert table["bluegreen_guard_timeout_seconds"] == "none"
    assert guard.timeout_seconds is None
    assert table["bluegreen_standby_wait_seconds"] == str(found.standby_wait_seconds)


def test_the_policy_for_execution_roles_allows_what_the_reader_calls_and_no_more() -> None:
    block = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert block
    statement = json.loads(block.group(1))
    assert statement["Action"] == ["ssm:GetParameter", "ssm:GetParameterHistory"]
    assert statement["Resource"].endswith(f":parameter{settings.DEFAULT_PARAMETER}")
