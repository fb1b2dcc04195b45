"""The faults that are taken back: each patch fits the tree, and what the simulation says is read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.faults import PATCHES, ROOT, chosen, found, read

ALL = sorted(PATCHES.glob("*.patch"))


@pytest.mark.parametrize("patch", ALL, ids=lambda patch: patch.stem)
def test_each_patch_fits_the_code_as_it_is(patch: Path) -> None:
    fault = read(patch)
    assert fault.words.endswith(".")
    subprocess.run(["git", "apply", "--check", "-"], cwd=ROOT, input=fault.diff, text=True, check=True)


def test_each_patch_changes_the_product_and_no_test() -> None:
    for patch in ALL:
        changed = [line.split()[-1] for line in read(patch).diff.splitlines() if line.startswith("diff --git")]
        assert changed and all(path.startswith(("b/shared/core/src/", "b/shared/aws/src/", "b/shared/controller/src/")) for path in changed)


def test_faults_are_chosen_by_the_beginning_of_their_names() -> None:
    assert [fault.name for fault in chosen(ALL, ["a1-"])] == ["a1-an-unreadable-status-condemns"]
    assert len(chosen(ALL, [])) == len(ALL) > 20
    with pytest.raises(SystemExit, match="given: z9; allowed: the beginning of one of a1-"):
        chosen(ALL, ["a1", "z9"])


def test_a_patch_without_words_is_refused(tmp_path: Path) -> None:
    patch = tmp_path / "x.patch"
    patch.write_text("diff --git a/x b/x\n")
    with pytest.raises(SystemExit, match="allowed: a sentence"):
        read(patch)


def test_what_the_simulation_found_is_read() -> None:
    told = found("seed 5\n\ndead-active-left is broken by the history of seed 10:\n  blue is dead\n", first=5)
    assert told is not None and (told.rule, told.seed) == ("dead-active-left", 10) and round(told.years, 2) == 0.99
    assert found("seed 5\n12 histories, no rule is broken\n", first=5) is None
