"""Write what follows from the code's catalogs into the template and the reference; `make generate` does both steps.

    mwaa-bluegreen schema --json | python -m tools.generate
    python -m tools.generate --check

The first takes the catalogs from the standard input, keeps them in tests/support/schema.json and writes every generated block. The
second only says which files differ from what would be written; cli/src/schema.rs has the test that schema.json is the code's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tools.generate import costs, reference, stack
from tools.generate.blocks import BadBlocks, replaced
from tools.generate.template import read

PROJECT = Path(__file__).resolve().parents[2]
SCHEMA = PROJECT / "tests/support/schema.json"
TEMPLATE = PROJECT / "template.yaml"
REFERENCE = PROJECT / "docs/reference"
COSTS = PROJECT / "docs/cost-and-performance.md"


def generated(schema: dict[str, Any]) -> dict[Path, str]:
    """Every file with blocks, in its new form. The reference reads the template in its new form, too."""
    files = {TEMPLATE: replaced("template.yaml", TEMPLATE.read_text(), stack.blocks(schema))}
    files[COSTS] = replaced("docs/cost-and-performance.md", COSTS.read_text(), costs.blocks(schema))
    blocks = reference.blocks(schema, read(files[TEMPLATE]))
    for page, its_blocks in blocks.items():
        path = REFERENCE / page
        files[path] = replaced(f"docs/reference/{page}", path.read_text(), its_blocks)
    return files


def main(arguments: list[str]) -> int:
    check = arguments == ["--check"]
    if arguments and not check:
        print(__doc__)
        return 2
    text = SCHEMA.read_text() if check else json.dumps(json.load(sys.stdin), indent=1, ensure_ascii=False) + "\n"
    try:
        files = generated(json.loads(text))
    except BadBlocks as error:
        print(error)
        return 1
    if not check:
        files[SCHEMA] = text
    stale = [path for path, wanted in files.items() if path.read_text() != wanted]
    for path in stale:
        if check:
            print(f"{path.relative_to(PROJECT)} is not up to date: run make generate")
        else:
            path.write_text(files[path])
            print(f"written: {path.relative_to(PROJECT)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
