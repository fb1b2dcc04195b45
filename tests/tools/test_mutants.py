"""The tool behind `make mutants`: which mutants it tries, how it switches them, whom it blames, and what it says in the end."""

from __future__ import annotations

import subprocess
import textwrap
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

import pytest

from tools.mutants.__main__ import chosen, module_of, report, shard
from tools.mutants.results import Result, Results
from tools.mutants.switches import MODULE, Mutant, blamed, switched

SOURCE = '''
/// Doc with a brace { and a quote ".
#[must_use]
pub fn busy(load: &str, names: [&'static str; 2]) -> bool {
    fn inner(letter: char) -> bool {
        letter == '{'
    }
    load.chars().any(inner) && names[0] != "}"
}

pub const LIMIT: u32 = 2 * 3;

pub const fn limit() -> u32 {
    LIMIT + 1
}

pub fn each() -> impl Iterator<Item = u32> {
    (0..LIMIT).filter(|it| *it > 1)
}
'''


def place(part: str, text: str = SOURCE) -> tuple[int, int]:
    before = text[: text.index(part)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def end(part: str) -> tuple[int, int]:
    line, column = place(part)
    return line, column + len(part)


def mutant(what: str, replacement: str, start: str | None, last: str | None = None, hidden_type: bool = False) -> Mutant:
    """The change of `what`, in the function from `start` to its last line."""
    function = None
    if start:
        first = place(start)
        closing = SOURCE.index("\n" + " " * (first[1] - 1) + "}\n", SOURCE.index(start))
        line = SOURCE[: closing + 1].count("\n") + 1
        function = first, (line, first[1] + 1)
    return Mutant(f"src/lib.rs:{place(what)[0]}: {what} {replacement}", "src/lib.rs", replacement, (place(what), end(what)), function, hidden_type)


MUTANTS = [
    mutant("&&", "||", "/// Doc"),
    mutant("==", "!=", "fn inner"),
    mutant("load.chars().any(inner)", "false", "/// Doc"),
    mutant("*", "+", None),
    mutant("LIMIT + 1", "0", "pub const fn"),
    mutant("*it > 1", "true", "pub fn each", hidden_type=True),
]
NUMBERS = {it.name: number for number, it in enumerate(MUTANTS, 1)}


def test_every_mutant_of_a_function_is_one_arm_and_the_rest_is_built_alone(tmp_path: Path) -> None:
    held = switched(SOURCE, MUTANTS, NUMBERS)
    assert sorted(it.name for it in held.alone) == sorted(it.name for it in MUTANTS[3:])
    assert held.owner == {1: 1, 2: 1, 3: 1}
    lines = held.text.splitlines()
    for number, (first, last) in held.arms.items():
        arm = "\n".join(lines[first - 1 : last])
        assert arm.startswith(f"{number} => ") and MUTANTS[number - 1].replacement in arm
    # What is outside is as it was.
    assert held.text.startswith(SOURCE[: SOURCE.index("{\n    fn inner")]) and held.text.endswith(SOURCE[SOURCE.index("\n\npub const LIMIT") :])

    # And it runs: one program, four behaviors.
    main = 'fn main() { println!("{} {}", busy("a{", ["", ""]), busy("a", ["}", ""])); }\n'
    (tmp_path / "main.rs").write_text(held.text + MODULE + main)
    subprocess.run(["rustc", "--edition=2024", "--cap-lints=allow", "-o", tmp_path / "main", tmp_path / "main.rs"], check=True)
    said = {number: subprocess.run([tmp_path / "main"], env={"MUTANT": str(number), "MUTANT_TRACE": str(tmp_path / "trace")},
                                   capture_output=True, text=True, check=True).stdout for number in (0, 1, 2, 3, 99)}  # fmt: skip
    assert said == {0: "true false\n", 1: "true false\n", 2: "true false\n", 3: "false false\n", 99: "true false\n"}
    assert set((tmp_path / "trace").read_text().split()) == {"1"}


def message(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"message": "mismatched types", "rendered": "error: mismatched types", "spans": list(spans)}


def span(line: int, file: str = "src/lib.rs", is_primary: bool = True, expansion: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"file_name": file, "line_start": line, "is_primary": is_primary, "expansion": expansion}


def test_the_compiler_blames_a_mutant_or_its_function_or_the_crate() -> None:
    held = switched(SOURCE, MUTANTS, NUMBERS)
    files = {"src/lib.rs": held}
    arm, function = held.arms[2][0], held.functions[1]
    rest = max(last for _, last in held.arms.values()) + 1
    assert blamed([message(span(arm))], files).mutants == {2}
    # By its first place; within a macro by the place that calls it.
    assert blamed([message(span(rest, is_primary=False), span(arm))], files).mutants == {2}
    assert blamed([message(span(1, "core/macros.rs", expansion={"span": span(arm)}))], files).mutants == {2}
    found = blamed([message(span(rest)), message()], files)
    assert (found.mutants, found.functions) == (set(), {1})
    assert function[0] < rest <= function[1]
    with pytest.raises(ValueError, match="not because of a mutant: error: mismatched"):
        blamed([message(span(1))], files)


def test_a_seed_gives_one_order_and_shards_divide_it() -> None:
    order = chosen(MUTANTS, 7, None, ())
    assert order == chosen(reversed(MUTANTS), 7, None, ()) and sorted(map(id, order)) == sorted(map(id, MUTANTS))
    assert order != chosen(MUTANTS, 8, None, ())
    shards = [chosen(MUTANTS, 7, (which, 4), ()) for which in range(4)]
    assert sorted(it.name for part in shards for it in part) == sorted(NUMBERS)
    assert shards[1] == order[1::4]


def test_what_nobody_has_tried_comes_first(tmp_path: Path) -> None:
    results = Results(tmp_path / "of" / "crate.jsonl")
    assert results.last() == {}
    order = chosen(MUTANTS, 7, None, ())
    for it in order[:4]:
        results.add(Result(it.name, "caught", 1.0))
    again = chosen(MUTANTS, 7, None, Results(results.file).last())
    assert again == order[4:] + order[:4]
    results.add(Result(order[0].name, "missed", 1.0))
    assert Results(results.file).last()[order[0].name] == "missed"


@pytest.mark.parametrize(("text", "part"), [("0/1", (0, 1)), ("3/4", (3, 4)), ("4/4", None), ("1", None), ("", None), ("-1/4", None), ("1/0", None)])
def test_a_shard_is_one_of_n_from_0(text: str, part: tuple[int, int] | None) -> None:
    if part is None:
        with pytest.raises(ArgumentTypeError, match="is no shard: give k/n"):
            shard(text)
    else:
        assert shard(text) == part


def test_the_report_counts_by_module_and_names_what_was_missed() -> None:
    listed = [mutant("&&", "||", "/// Doc") for _ in range(5)]
    results = [
        Result("shared/core/src/claim/machine.rs:7:9: replace < with == in next", "missed", 2.0),
        Result("shared/core/src/claim/step.rs:1:1: replace x", "caught", 1.0, "claims"),
        Result("shared/core/src/flag.rs:1:1: replace y", "timeout", 1.0),
        Result("shared/core/src/flag.rs:2:1: replace z", "unviable", 0.0),
    ]
    assert [module_of(it.name) for it in results] == ["claim", "claim", "flag", "flag"]
    said = report("bluegreen-core", results, listed, 60, "SEED=1")
    assert "missed: shared/core/src/claim/machine.rs:7:9: replace < with == in next\n" in said
    assert "timeout: shared/core/src/flag.rs:1:1" in said and "step.rs" not in said
    assert "4 of 5 mutants tried in 1.0 min (SEED=1): 1 caught, 1 missed, 1 unviable, 1 timeout; 15.0 s each" in said
    assert [line.split() for line in said.splitlines() if line.startswith("claim")] == [["claim", "0", "2", "1", "1", "0", "0"]]
    assert "needs a test" in said and "needs a test" not in report("bluegreen-core", results[1:], listed, 60, "SEED=1")


def test_the_settings_give_a_reason_for_each_change_that_is_left_alone() -> None:
    text = (Path(__file__).resolve().parents[2] / ".cargo/mutants.toml").read_text()
    block = textwrap.dedent(text.partition("exclude_re = [")[2].partition("\n]")[0]).strip().splitlines()
    reason = ""
    for line in block:
        if line.startswith("#"):
            reason += line
        else:
            assert len(reason.split()) >= 5, f"no reason above {line}"
            reason = reason if line.startswith(" ") else ""
