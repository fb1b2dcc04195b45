"""A file over the limit fails the gate, a file at the limit passes, and a folder without files fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.long_files import MOST_LINES, main


def test_a_file_over_the_limit_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "full.rs").write_text("\n" * MOST_LINES)
    assert main([str(tmp_path)]) == 0
    (tmp_path / "src" / "over.rs").write_text("\n" * (MOST_LINES + 1))
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "over.rs has 601 lines" in said and "full.rs" not in said


def test_nothing_to_look_at_is_no_pass(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 2
    assert main([]) == 1
