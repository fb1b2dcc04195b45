"""The documents: their blocks with their marks, their links, and their sentences.

A block that a reader can run has a mark on the line before it, a comment that is not shown:

    <!-- names -->                  the names that a reader fills in; put before every block of the page
    <!-- test: NAME -->             a step of the test that is decorated with runs("NAME"); several in a page follow each other
    <!-- test: NAME, instead -->    replaces the step before it, in a run of its own
    <!-- make -->                   targets of the Makefile
    <!-- not run: WHY -->           only a real account, or this machine, could show what it does
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from support.paths import PROJECT

DOCS = PROJECT / "docs"
RUNBOOKS = DOCS / "runbooks"

RUNNABLE = {"bash", "sh", "shell", "console"}
SHOWN = {"text", "json", "mermaid", "python", "toml"}
MARK = re.compile(r"<!-- (?:(names)|(make)|test: ([a-z0-9-]+)(, instead)?|not run: (.+)) -->")

# The reasons why a block is not run, and the commands that it may have.
NOT_RUN = {
    "needs a real account": re.compile(r"aws mwaa |sam (build|deploy)\b|pip install |rustup target add |export AWS_"),
    "needs a real MWAA environment": re.compile(r"aws (mwaa|logs) "),
    "a part of make test": re.compile(r"cargo test |\.tools/python/bin/python -m pytest "),
    "installs on this machine": re.compile(r"cargo install |mwaa-bluegreen (man|completions) |\$EDITOR |pip |git clone "),
}


def pages() -> list[Path]:
    """All pages for readers."""
    return sorted([*PROJECT.glob("*.md"), *DOCS.rglob("*.md"), PROJECT / "airflow/README.md", PROJECT / "local/README.md",
                   PROJECT / "events/README.md", PROJECT / "infra/README.md"])


def name_of(page: Path) -> str:
    return str(page.relative_to(PROJECT))


# -- blocks ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    heading: str
    language: str
    text: str
    mark: str | None

    @property
    def is_names(self) -> bool:
        return self.mark == "<!-- names -->"

    @property
    def test(self) -> str | None:
        found = MARK.fullmatch(self.mark or "")
        return found[3] if found else None

    @property
    def is_instead(self) -> bool:
        found = MARK.fullmatch(self.mark or "")
        return bool(found and found[4])

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str, text: str) -> Iterator[Block]:
    heading, mark, start, language = "", None, 0, ""
    lines: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare.startswith(("```", "~~~")):
            if lines is None:
                start, language, lines = number, bare[3:].strip(), []
            else:
                yield Block(page, start, heading, language, textwrap.dedent("\n".join(lines)), mark)
                lines, mark = None, None
        elif lines is not None:
            lines.append(line)
        elif bare.startswith("<!-- ") and bare.endswith(" -->"):
            mark = bare
        else:
            mark = None
            if line.startswith("#"):
                heading = line.lstrip("# ")
    assert lines is None, f"{page}:{start}: the block does not end"


@cache
def all_blocks() -> tuple[Block, ...]:
    return tuple(block for page in pages() for block in blocks_of(name_of(page), page.read_text()))


# -- what is run -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    text: str
    answer: str | None


def commands(block: str) -> list[Command]:
    """The commands of a block, each with the answer that the comment behind it promises."""
    found: list[Command] = []
    lines: list[str] = []
    for line in block.splitlines():
        lines.append(line)
        if line.endswith("\\"):
            continue
        text, lines = "\n".join(lines), []
        answer = re.search(r"\s+# (.+)$", text)
        found.append(Command(text, answer.group(1) if answer else None))
    return found


@dataclass
class Section:
    """The blocks of one test: steps in order, each with all its options."""

    name: str
    page: str
    names: str = ""
    steps: list[list[Block]] = field(default_factory=list)

    @property
    def options(self) -> int:
        return max(len(step) for step in self.steps)


def sections_of(blocks: Iterable[Block]) -> dict[str, Section]:
    names: dict[str, str] = {}
    found: dict[str, Section] = {}
    for block in blocks:
        if block.is_names:
            names[block.page] = block.text
        elif block.test:
            section = found.setdefault(block.test, Section(block.test, block.page, names.get(block.page, "")))
            if block.is_instead and section.steps:
                section.steps[-1].append(block)
            else:
                section.steps.append([block])
    return found


@cache
def sections() -> dict[str, Section]:
    return sections_of(all_blocks())


def run_by_tests() -> set[str]:
    """The names in `@runs("NAME")` in the end-to-end tests."""
    found: set[str] = set()
    for path in sorted((PROJECT / "tests/e2e").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for call in node.decorator_list:
                    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "runs":
                        found.update(ast.literal_eval(argument) for argument in call.args)
    return found


def wrong_marks(blocks: Iterable[Block], run: set[str], targets: set[str]) -> list[str]:
    """Blocks that a reader could run and no test runs; and marks that are wrong."""
    wrong: list[str] = []
    page_of: dict[str, str] = {}
    last: dict[str, str] = {}
    seen: set[str] = set()
    for block in blocks:
        where = block.where
        if block.language not in RUNNABLE:
            if block.language not in SHOWN:
                wrong.append(f"{where}: a block of language {block.language!r}: can it be run or not?")
            if block.mark and MARK.fullmatch(block.mark):
                wrong.append(f"{where}: {block.mark} before a block that cannot be run")
            continue
        found = MARK.fullmatch(block.mark or "")
        if not found:
            wrong.append(f"{where}: can be run, and has no mark")
            continue
        names, make, test, instead, reason = found.groups()
        if test:
            seen.add(test)
            if test not in run:
                wrong.append(f"{where}: no test runs {test}")
            if page_of.setdefault(test, block.page) != block.page:
                wrong.append(f"{where}: {test} is in {page_of[test]}, too")
            if instead and last.get(block.page) != test:
                wrong.append(f"{where}: instead of which block?")
            last[block.page] = test
        elif make:
            for line in block.text.splitlines():
                target = re.match(r"make(?: +([a-z-]+))?(?: |$)", line)
                if not target or (target[1] and target[1] not in targets):
                    wrong.append(f"{where}: the Makefile has no such target: {line}")
        elif reason:
            allowed = NOT_RUN.get(reason)
            if allowed is None:
                wrong.append(f"{where}: {reason!r} is no reason not to run it")
            else:
                wrong += [f"{where}: {command.text!r} could be run" for command in commands(block.text)
                          if not allowed.match(command.text)]
        elif names and block.page in last:
            wrong.append(f"{where}: the names come before the commands")
    return wrong + [f"a test runs {name}, which no page has" for name in sorted(run - seen)]


# -- prose -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sentence:
    line: int
    text: str

    @property
    def words(self) -> int:
        return len([word for word in self.text.split() if re.search(r"\w", word)])


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """The units of text: paragraphs, items of lists, cells of tables, headings; without blocks, comments and tags."""
    start, is_block = 0, False
    lines: list[str] = []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        bare = re.sub(r"</?(?:details|summary|a|br)\b[^>]*>", " ", line).lstrip("> ").strip()
        begins = bool(re.match(r"(?:[-*] |\d+\. |#|\|)", bare)) or "<summary>" in line
        is_fence = bare.startswith(("```", "~~~"))
        if lines and (not bare or begins or is_fence):
            yield start, " ".join(lines)
            lines = []
        if is_fence:
            is_block = not is_block
        elif is_block or not bare or bare.startswith("<!--"):
            continue
        elif bare.startswith("|"):
            for cell in re.split(r"(?<!\\)\|", bare.strip("|")):
                yield number, cell.strip()
        else:
            if not lines:
                start = number
            lines.append(re.sub(r"^(?:[-*] |\d+\. |#+ )", "", bare))


def sentences(text: str) -> Iterator[Sentence]:
    for line, paragraph in _paragraphs(text):
        plain = re.sub(r"`[^`]*`", "CODE", paragraph)
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", plain)
        plain = re.sub(r"[*_]{1,2}(?=\S)|(?<=\S)[*_]{1,2}", "", plain)
        for sentence in re.split(r"(?<=[.!?])[\")]?\s+(?=[A-Z0-9\"(])", plain):
            if sentence.strip():
                yield Sentence(line, sentence.strip())


# -- links -----------------------------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    without_blocks = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)
    headings = [re.sub(r"`|\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("#").strip()) for line in without_blocks.splitlines()
                if re.match(r"#+ ", line)]
    made = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


def links(text: str) -> list[str]:
    """The targets of the links, without external addresses."""
    without_blocks = re.sub(r"^ *```.*?^ *```$|`[^`\n]*`", "", text, flags=re.M | re.S)
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks) if not re.match(r"[a-z]+:", target)]
