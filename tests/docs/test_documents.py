"""The documents: their commands are run, their links lead somewhere, they are complete, and their sentences are readable."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.documents import (
    DOCS,
    RUNBOOKS,
    all_blocks,
    anchors,
    blocks_of,
    commands,
    links,
    name_of,
    pages,
    run_by_tests,
    sections,
    sentences,
    wrong_marks,
)
from support.paths import PROJECT, TEMPLATE
from support.template import load, transformed

README = PROJECT / "README.md"
REFERENCE = DOCS / "reference"
LONGEST_README = 150
LONGEST_SENTENCE = 35

# One word for one thing, as AWS and Airflow write it.
RETIRED = re.compile(
    r"\b(told|tells?|telling|rings?|rang|ringing|roads?|by hand|hands?|handed|handing|sick|soundly|"
    r"guard objects|takeovers?|grey|whilst|licences?|artefacts?|programmes?|catalogues?|cheques?|judgements?|fulfil|"
    r"\w*(?:colour|favour|behaviour|honour|neighbour|labour|flavour)\w*|\w+is(?:e[ds]?|ing|ations?)|"
    r"(?:cancel|label|model|travel|signal)l(?:ed|ing)|centre|metres?|towards|afterwards|learnt|practis\w+)\b", re.I)
NOT_BRITISH = re.compile(
    r"(?:advis|surpris|exerc|prec|conc|prom|comprom|rais|no|compr|rev|superv|dev|disgu|w|l|ar|pra|exp|other|r|"
    r"enterpr|d|merchand|franch|televis|improv)is(?:e[ds]?|ing)$|(?:raise|raised|raises|raising|noise|otherwise|likewise|"
    r"precise|exercise|exercised|promise|promises|promised|rise|rises|arise|arises|wise|advise|advised|revise|revised|surprise)$", re.I)


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.M))


# -- blocks ----------------------------------------------------------------------------------------------------------


def test_what_a_reader_can_run_a_test_runs() -> None:
    assert wrong_marks(all_blocks(), run_by_tests(), targets()) == []
    assert len(sections()) > 50


PAGE = """# Heading

<!-- test: known -->
```bash
mwaa-bluegreen status
```
"""


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (PAGE, ""),
        (PAGE.replace("<!-- test: known -->\n", ""), "has no mark"),
        (PAGE.replace("<!-- test: known -->", "<!-- test: known -->\n"), "has no mark"),
        (PAGE.replace("bash", "console").replace("<!-- test: known -->\n", ""), "has no mark"),
        (PAGE.replace("<!-- test: known -->\n", "").replace("```", "  ```"), "has no mark"),
        (PAGE.replace("<!-- test: known -->\n", "").replace("```", "~~~"), "has no mark"),
        (PAGE.replace("known", "unknown"), "no test runs unknown"),
        (PAGE.replace("known", "known, instead"), "instead of which block"),
        (PAGE + PAGE.replace("known", "known, instead"), ""),
        (PAGE.replace("test: known", "not run: no time"), "is no reason"),
        (PAGE.replace("test: known", "not run: needs a real account"), "could be run"),
        (PAGE.replace("test: known", "make"), "no such target"),
        (PAGE.replace("```bash", "```yaml").replace("<!-- test: known -->", ""), "can it be run or not"),
        (PAGE.replace("```bash", "```json"), "cannot be run"),
        (PAGE.replace("test: known", "run by nobody"), "has no mark"),
        (PAGE + PAGE.replace("test: known", "names"), "come before the commands"),
    ],
)
def test_a_block_that_nobody_runs_is_found(text: str, wrong: str) -> None:
    found = [entry for entry in wrong_marks(blocks_of("page.md", text), {"known"}, {"demo"}) if not entry.startswith("a test runs")]
    assert bool(found) == bool(wrong) and all(wrong in entry for entry in found), found


def test_a_test_without_a_block_is_found() -> None:
    assert wrong_marks([], {"gone"}, set()) == ["a test runs gone, which no page has"]


def test_one_name_in_two_pages_is_found() -> None:
    twice = [*blocks_of("one.md", PAGE), *blocks_of("two.md", PAGE)]
    assert wrong_marks(twice, {"known"}, set()) == ["two.md:4: known is in one.md, too"]


# -- the runbooks ----------------------------------------------------------------------------------------------------

ASSIGNMENT = re.compile(r"[A-Z_]+=\$\(|read -r ")
OF_RUNBOOKS = [block for block in all_blocks() if block.page.startswith("docs/runbooks/")]


def test_every_command_of_the_runbooks_says_what_it_answers() -> None:
    silent = [(block.where, command.text) for block in OF_RUNBOOKS if block.test for command in commands(block.text)
              if command.answer is None and not ASSIGNMENT.match(command.text)]
    assert silent == []


def test_the_names_are_the_same_in_all_runbooks() -> None:
    names = {block.page: block.text.splitlines() for block in OF_RUNBOOKS if block.is_names}
    assert set(names) == {name_of(page) for page in RUNBOOKS.glob("*.md")}, "each begins with them"
    index = names["docs/runbooks/README.md"]
    for page, lines in names.items():
        more = [line for line in lines if line not in index]
        assert [line for line in lines if line in index] == index, page
        assert all(re.fullmatch(r"(OTHER|NEW|STACK)=\S+", line) for line in more), page


def test_no_placeholder_is_left_in_a_command_of_the_runbooks() -> None:
    for block in OF_RUNBOOKS:
        if block.test:
            assert not re.search(r"<[a-z-]+>|mwaa-blue-green|airflow-(blue|green)|us-east-1", block.text), block.where


def test_what_is_not_run_in_the_runbooks_is_said_to_be_so() -> None:
    for block in OF_RUNBOOKS:
        if block.mark and block.mark.startswith("<!-- not run"):
            before = "\n".join((PROJECT / block.page).read_text().splitlines()[: block.line - 1]).rsplit("```", 1)[-1]
            assert "not run here" in before.lower(), block.where


def test_what_replaces_a_block_is_folded_and_says_so() -> None:
    """Two blocks that roll back would roll back twice if a reader pasted both."""
    for block in OF_RUNBOOKS:
        if block.is_instead:
            before = (PROJECT / block.page).read_text().splitlines()[: block.line - 2]
            summary = next(line for line in reversed(before) if line)
            assert re.match(r"<details><summary>(Instead of the block above: |Option 2, only if option 1 )", summary), block.where
        elif block.test:
            text = "\n".join((PROJECT / block.page).read_text().splitlines()[: block.line])
            assert text.count("<details>") == text.count("</details>"), f"{block.where} is folded away"


# -- links -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in pages() if page.exists()], ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page.read_text()):
        name, _, part = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        if part:
            assert part in anchors(there.read_text()), target


def test_every_page_is_reached_from_the_index() -> None:
    """README.md links to the index."""
    assert "docs/README.md" in links(README.read_text())
    reached, todo = set(), [DOCS / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached:
            continue
        reached.add(page)
        todo += [(page.parent / target.partition("#")[0]).resolve() for target in links(page.read_text())
                 if target.partition("#")[0].endswith(".md")]
    assert [name_of(page) for page in DOCS.rglob("*.md") if page not in reached] == []


def test_the_index_names_every_runbook_feature_and_reference() -> None:
    named = set(links((DOCS / "README.md").read_text()))
    for folder in ("runbooks", "features", "reference", "internals"):
        missing = [page.name for page in (DOCS / folder).glob("*.md") if page.name != "README.md" and f"{folder}/{page.name}" not in named]
        assert missing == [], folder


# -- prose -----------------------------------------------------------------------------------------------------------

PROSE = [README, PROJECT / "airflow/README.md", PROJECT / "infra/README.md", *sorted(DOCS.rglob("*.md"))]


def test_the_first_page_is_short() -> None:
    assert len(README.read_text().splitlines()) <= LONGEST_README


@pytest.mark.parametrize("page", PROSE, ids=name_of)
def test_no_sentence_is_too_long(page: Path) -> None:
    long = [f"{name_of(page)}:{sentence.line}: {sentence.words} words: {sentence.text}" for sentence in sentences(page.read_text())
            if sentence.words > LONGEST_SENTENCE]
    assert not long, "\n".join(long)


def retired(text: str) -> list[str]:
    return [word for sentence in sentences(text) for (word, *_) in [(found[0],) for found in RETIRED.finditer(sentence.text)]
            if not NOT_BRITISH.match(word)]


@pytest.mark.parametrize("page", PROSE, ids=name_of)
def test_the_words_are_the_fields(page: Path) -> None:
    assert retired(page.read_text()) == []


def test_long_sentences_and_retired_words_are_found() -> None:
    long = " ".join(["word"] * (LONGEST_SENTENCE + 1))
    for text in (f"{long}.", f"- {long}.", f"| a | {long} |", f"Short one. {long}.", f"[{long}](x.md)"):
        assert [sentence.words for sentence in sentences(text) if sentence.words > LONGEST_SENTENCE], text
    for text in (f"```text\n{long}\n```", f"`{long}`.", f"<!-- {long} -->", ". ".join(["Word " * 12] * 5)):
        assert not [sentence for sentence in sentences(text) if sentence.words > LONGEST_SENTENCE], text
    assert retired("The colour is told.") == ["colour", "told"]
    assert retired("Initialise it. `colour` stays, and so does a promise. The alarm rings") == ["Initialise", "rings"]


# -- completeness ----------------------------------------------------------------------------------------------------


def rows(page: Path, column: int = 0) -> dict[str, list[str]]:
    """The cells of the tables' rows, by each name in `code` in the row's first cell."""
    found = {}
    for line in page.read_text().splitlines():
        if line.startswith("| ") and not line.startswith("|---"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
            for name in re.findall(r"`([^`]+)`", cells[column]):
                found[name] = cells
    return found


def test_every_parameter_of_the_template_is_there_with_its_default_and_bounds() -> None:
    named = rows(REFERENCE / "template-parameters.md")
    parameters: dict[str, Any] = load()["Parameters"]
    assert set(named) == set(parameters)
    for name, given in parameters.items():
        default = str(given.get("Default", ""))
        assert named[name][1] == (f"`{default}`" if default else "none"), name
        for bound in ("MinValue", "MaxValue"):
            assert str(given.get(bound, "")) in named[name][2], f"{name}: {bound} {given.get(bound)}"


def test_every_kind_of_resource_is_among_the_rights_of_whoever_deploys() -> None:
    named = set(rows(DOCS / "getting-started.md"))
    kinds = {resource["Type"] for resource in load()["Resources"].values()}
    assert kinds <= named, kinds - named


def test_every_alarm_of_the_stack_is_there() -> None:
    named = {name.removeprefix("<pair>") for name in rows(REFERENCE / "alarms.md")}
    made = set(re.findall(r'AlarmName: !Sub "\$\{PairName\}(\S+)"', TEMPLATE.read_text()))
    assert named == made and len(made) > 8


def test_every_event_that_is_a_mail_is_said_to_be_one() -> None:
    named = rows(REFERENCE / "events.md")
    mailed = transformed()["Resources"]["ChangeListenerFunctionNotification"]["Properties"]["EventPattern"]["detail-type"]
    assert {name for name, cells in named.items() if len(cells) > 2 and cells[2] != "no"} == set(mailed)


def test_every_outcome_that_the_functions_answer_is_there() -> None:
    """A Rust test checks that each outcome has a recorded answer."""
    said = {json.loads(path.read_text())["outcome"] for path in PROJECT.glob("shared/core/tests/answers/*.json")}
    assert len(said) >= 4
    assert sorted(said - set(rows(REFERENCE / "requests-and-responses.md"))) == []
