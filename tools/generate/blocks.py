"""Generated blocks: the lines between `# generated: NAME` and `# end generated`, in Markdown as comments that are not shown."""

from __future__ import annotations

import re
from collections.abc import Callable

# Writes a block, given the indentation before it.
Writer = Callable[[str], list[str]]

BEGIN = re.compile(r"(\s*)(?:# generated: (.+)|<!-- generated: (.+) -->)")
END = re.compile(r"\s*(?:# end generated|<!-- end generated -->)")


class BadBlocks(Exception):
    """Marks that cannot be resolved."""


def replaced(name: str, text: str, writers: dict[str, Writer]) -> str:
    """The text with every block replaced."""
    missing = set(writers)
    lines: list[str] = []
    is_inside = False
    for number, line in enumerate(text.splitlines(), 1):
        begin = BEGIN.fullmatch(line)
        if begin:
            block = begin[2] or begin[3]
            if is_inside:
                raise BadBlocks(f"{name}:{number}: {block} begins inside another block")
            if block not in writers:
                raise BadBlocks(f"{name}:{number}: nothing generates {block}; there are: {', '.join(sorted(writers))}")
            if block not in missing:
                raise BadBlocks(f"{name}:{number}: {block} is here for the second time")
            missing.discard(block)
            lines += [line, *writers[block](begin[1])]
            is_inside = True
        elif END.fullmatch(line):
            if not is_inside:
                raise BadBlocks(f"{name}:{number}: the end of a block that does not begin")
            lines.append(line)
            is_inside = False
        elif not is_inside:
            lines.append(line)
    if is_inside:
        raise BadBlocks(f"{name}: the last block does not end")
    if missing:
        raise BadBlocks(f"{name}: no place is marked for: {', '.join(sorted(missing))}")
    return "\n".join(lines) + "\n"
