"""The generated blocks are up to date, and an invalid mark is refused."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.schema import SCHEMA
from tools.generate import __main__ as generate
from tools.generate import reference, stack
from tools.generate.blocks import BadBlocks, replaced
from tools.generate.template import read

TEMPLATE = generate.TEMPLATE.read_text()


def test_every_generated_block_is_up_to_date() -> None:
    assert generate.main(["--check"]) == 0


def changed(schema: dict[str, Any]) -> set[str]:
    """The files that would change with other catalogs."""
    return {path.name for path, text in generate.generated(schema).items() if path.read_text() != text}


def other(change: Any) -> dict[str, Any]:
    schema = copy.deepcopy(SCHEMA)
    change(schema)
    return schema


NEW = {
    "precondition": (lambda s: s["preconditions"].append({"name": "moon", "about": "it is full", "lifted_by": "time", "asked_by": ["drill"]}),
                     {"preconditions.md"}),
    "event": (lambda s: s["events"]["types"].append({"detail_type": "Moon Full", "about": "it is", "see": None, "is_mail": True,
                                                     "mail": "yes", "silent_outcome": None}), {"template.yaml", "events.md"}),
    "metric": (lambda s: s["metrics"]["names"][0]["values"].append("red"), {"template.yaml", "metrics.md"}),
    "action": (lambda s: s["actions"].append({"name": "howl", "about": "howl", "fields": ["limit"], "writes": False, "see": None}),
               {"requests-and-responses.md"}),
    "setting": (lambda s: s["settings"].append({**s["settings"][1], "variable": "MOON_SECONDS", "parameter": "MoonSeconds"}),
                {"template.yaml", "template-parameters.md"}),
    "bound": (lambda s: s["settings"][1].update(most=3601), {"template.yaml", "template-parameters.md"}),
    "parameter": (lambda s: s["parameters"].append({"name": "moon", "about": "its phase", "access": {
        "health-watcher": ["get"], "switch-handler": [], "change-listener": []}}), {"template.yaml", "ssm-parameters.md"}),
    "outcome": (lambda s: s["outcomes"].append({"outcomes": ["howled"], "about": "it did", "advice": "sleep"}),
                {"requests-and-responses.md"}),
    "command": (lambda s: s["commands"].append({"name": "howl", "about": "Howl", "options": []}), {"command-line.md"}),
}  # fmt: skip


@pytest.mark.parametrize("what", NEW)
def test_what_is_added_to_a_catalog_goes_everywhere(what: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    change, files = NEW[what]
    assert changed(other(change)) == files
    # The gates report it, too.
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(other(change)))
    monkeypatch.setattr(generate, "SCHEMA", schema)
    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().out.count("is not up to date: run make generate") == len(files)


def test_a_right_without_a_statement_is_refused() -> None:
    with pytest.raises(BadBlocks, match="no place is marked for: switch-handler delete"):
        generate.generated(other(lambda s: s["parameters"].append({"name": "moon", "about": "", "access": {
            "health-watcher": [], "switch-handler": ["delete"], "change-listener": []}})))  # fmt: skip


def test_a_right_of_all_is_given_once() -> None:
    right = {"access": {"health-watcher": ["get"], "switch-handler": ["get"], "change-listener": ["get"]}}
    assert [holder for holder, has in stack.held(right, "get").items() if has] == ["functions"]
    right["access"]["switch-handler"] = []
    assert [holder for holder, has in stack.held(right, "get").items() if has] == ["health-watcher", "change-listener"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# generated: a\n# end generated\n", None),
        ("<!-- generated: a -->\nold\n<!-- end generated -->\n", None),
        ("  # generated: a\nold\n", "does not end"),
        ("# end generated\n", "does not begin"),
        ("# generated: b\n# end generated\n", "nothing generates b"),
        ("# generated: a\n# generated: a\n# end generated\n", "inside another"),
        ("# generated: a\n# end generated\n# generated: a\n# end generated\n", "second time"),
        ("", "no place is marked for: a"),
    ],
)
def test_marks(text: str, told: str | None) -> None:
    writers = {"a": lambda indent: [f"{indent}new"]}
    if told is None:
        assert re.sub("old\n", "", text).splitlines()[0] + "\nnew\n" in replaced("f", text, writers)
    else:
        with pytest.raises(BadBlocks, match=told):
            replaced("f", text, writers)


def test_the_reference_reads_what_the_template_says() -> None:
    template = read(TEMPLATE)
    template["Parameters"]["LogLevel"]["Default"] = "debug"
    lines = reference.template_parameters(SCHEMA, template)
    assert any(line.startswith("| `LogLevel` | `debug` |") for line in lines)
