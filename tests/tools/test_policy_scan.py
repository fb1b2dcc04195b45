"""What the policy scan makes of the scanner's findings. The scanner itself is in the linters' own environment."""

from __future__ import annotations

import pytest

from support.infra import template
from tools.policy_scan import SKIPPED, Finding, judge

FOUND = Finding("lineage", "Database", "SomeRule", "Database is wide open for ever")
SKIP = FOUND._replace(reason="wide open")


@pytest.mark.parametrize(
    ("findings", "skipped", "said"),
    [
        ([], [], []),
        ([FOUND], [SKIP], []),
        ([FOUND, FOUND], [SKIP], []),
        ([FOUND], [], ["infra/lineage.yaml: Database: SomeRule: Database is wide open for ever"]),
        ([FOUND], [SKIP._replace(resource="Service")], ["infra/lineage.yaml: Database", "no longer found"]),
        ([FOUND._replace(reason="another")], [SKIP], ["another", "no longer found"]),
        ([], [SKIP], ["SKIPPED has lineage Database SomeRule (wide open), which is no longer found: take it out"]),
    ],
)
def test_what_is_not_skipped_and_what_skips_nothing_is_wrong(findings: list[Finding], skipped: list[Finding], said: list[str]) -> None:
    wrong = judge(findings, skipped)
    assert len(wrong) == len(said)
    for text, part in zip(wrong, said, strict=True):
        assert part in text


def test_every_skip_has_a_reason_and_names_a_resource() -> None:
    for skip, reason in SKIPPED.items():
        assert skip.resource in template(skip.template)["Resources"]
        assert len(reason.split()) >= 5
