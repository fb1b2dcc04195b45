"""The commands of README.md do what it says, word for word, with the real AWS CLI."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.deployment import Deploy
from support.pair import Pair
from support.paths import PROJECT

README = (PROJECT / "README.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", README, re.M | re.S)
ASK = next(block for block in BLOCKS if block.startswith("ask()"))
ASKED = [line for block in BLOCKS for line in block.splitlines() if line.startswith("ask ")]
OUTCOMES = ["status", "would_switch", "switched", "switched", "switched", "refused", "switched", "held", "released", "succeeded", "ready",
            "handover", "history", None]


def run(pair: Pair, command: str) -> subprocess.CompletedProcess[str]:
    """Run it as a person would, in a shell with the AWS CLI, with this pair's names in the place of README's."""
    named = command.replace("/mwaa/blue-green", pair.root).replace("mwaa-blue-green", pair.name)
    environment = pair.aws.environment()
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    return subprocess.run(["bash", "-euo", "pipefail", "-c", named], env=environment, capture_output=True, text=True,
                          timeout=120, check=False)


def answers(printed: str) -> list[dict]:
    """The function's answer, and what the CLI says of the invocation."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := printed.find("{", at)) >= 0:
        value, at = decoder.raw_decode(printed, at)
        found.append(value)
    return found


def test_initialize_as_the_readme_says(deploy: Deploy) -> None:
    pair = deploy(initialize=False)
    command = next(block for block in BLOCKS if "initialize" in block)
    done = run(pair, command)
    assert done.returncode == 0, done.stderr
    assert answers(done.stdout)[0]["outcome"] == "initialized"
    assert pair.flag().value == "blue"


def test_every_ask_of_the_readme_does_what_it_says(deploy: Deploy) -> None:
    pair = deploy()
    assert len(ASKED) == len(OUTCOMES), "README.md asks something new: say here what comes of it"
    for command, outcome in zip(ASKED, OUTCOMES, strict=True):
        if '"expect":{"active":"blue"}' in command:
            assert pair.flag().value == "blue"
        done = run(pair, f"{ASK}\n{command}")
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        answer, invocation = answers(done.stdout)
        assert "FunctionError" not in invocation, f"{command}\n{answer}"
        assert answer.get("outcome") == outcome, f"{command}\n{answer}"
    assert answer["decision"] == "none"


def test_the_emergency_command_of_the_readme_is_adopted_and_audited(pair: Pair) -> None:
    command = re.search(r"^`(aws ssm put-parameter .*)`\.$", README, re.M).group(1)
    done = run(pair, command)
    assert done.returncode == 0, done.stderr
    assert pair.tick()["active"] == "green"
    assert pair.ask(action="history")["entries"][0]["kind"] == "external"


@pytest.mark.parametrize("word", ["outcome", "errorType"])
def test_the_readme_names_every_word_that_the_functions_answer(word: str) -> None:
    """The tables of outcomes and errors are complete."""
    sources = "".join(path.read_text() for path in PROJECT.glob("shared/controller/src/**/*.rs"))
    if word == "outcome":
        said = set(re.findall(r'Answer::new\(\s*"(\w+)"', sources)) | {"switched", "conflict"}
    else:
        said = set(re.findall(r'Self::\w+[^=\n]*=> "(\w+)"', sources))
    assert len(said) >= 4
    missing = sorted(name for name in said if f"`{name}`" not in README)
    assert missing == []
