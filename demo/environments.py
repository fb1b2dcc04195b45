"""The first and the last scene: a pair from nothing by `env apply`, and an upgrade of Airflow by `rollout`."""

from __future__ import annotations

import time
from pathlib import Path

from demo.commands import Operator
from demo.mailbox import SUBSCRIBER, Mailbox
from demo.scenes import command
from demo.screen import seconds
from demo.stage import BLUE, GREEN, HEALTH_THRESHOLD_SECONDS, PAIR_NAME, ROOT, Stage
from local_aws.stack import architecture

VERSION, NEWER = "3.0.6", "3.2.1"
DAGS = 12
# MWAA looks at its bucket every 30 s, and Airflow for new files every 300 s. The local one does within a second.
QUICK = "--interval 1 --sync-seconds 1 --list-seconds 1"


def describe(stage: Stage, version: str) -> Path:
    """Write pair.toml, and the files that it names."""
    folder = stage.stack.work
    (folder / "dags").mkdir(parents=True, exist_ok=True)
    for number in range(1, DAGS + 1):
        (folder / "dags" / f"orders_{number:02}.py").write_text(f"# DAG {number} of the demo\n")
    (folder / "requirements.txt").write_text("apache-airflow-providers-http==5.3.3\n")
    lines = [
        "[pair]", f'name = "{PAIR_NAME}"', 'mode = "blue-green"', 'region = "us-east-1"', "",
        "[environment]", f'airflow_version = "{version}"', 'class = "mw1.small"', 'requirements = "requirements.txt"', "",
        "[controller]", f'functions = "{stage.binaries.resolve()}"', f'template = "{ROOT / "template.yaml"}"', "",
        "[controller.parameters]",
        *(f'{name} = "{value}"' for name, value in {**stage.parameters, "Architecture": architecture()}.items() if name != "PairName")]
    (folder / "pair.toml").write_text("\n".join(lines) + "\n")
    return folder / "pair.toml"


def from_nothing(stage: Stage) -> None:
    """Network, two environments, the controller and the flag, by one command."""
    screen = stage.screen
    file = describe(stage, VERSION)
    screen.line()
    screen.say("pair.toml describes the pair (the controller's parameters are short, for the demo):")
    screen.printed(file.read_text().split("\n[controller]")[0])
    stage.pair = Operator(stage.aws, PAIR_NAME, {"blue": BLUE, "green": GREEN}, {"FlagParameter": f"/mwaa/{PAIR_NAME}/active-environment"},
                          stage.program)
    stage.facts.began = time.time() - 2
    started = time.monotonic()
    command(stage, f"mwaa-bluegreen env apply --file {shown(file)} --yes", "making network, environments and controller")
    stage.fact("applied", f"in {seconds(time.monotonic() - started)}; in AWS 20 to 30 minutes, because MWAA takes them for a new environment")
    stage.pair.outputs.update(stage.stack.outputs())
    stage.mailbox = Mailbox(stage.pair)
    # Short, for the demo.
    for name in (BLUE, GREEN):
        stage.aws.put_environment(name, health_threshold_seconds=HEALTH_THRESHOLD_SECONDS)
    stage.fact("mailbox", f"the queue {SUBSCRIBER}, subscribed to the stack's topic in place of an e-mail address")


def upgrade(stage: Stage) -> None:
    """A newer Airflow: green first, the switch, then blue."""
    screen = stage.screen
    screen.heading("6  An upgrade of Airflow: the standby first, under a hold")
    file = describe(stage, NEWER)
    stage.facts.upgraded_to = NEWER
    screen.say(f"pair.toml says airflow_version = \"{NEWER}\" now. What would that change?")
    command(stage, f"mwaa-bluegreen env plan --file {shown(file)}", "comparing")
    screen.line()
    screen.say("One command does it all, and can be interrupted and repeated anywhere. At a terminal it asks before the switch:")
    command(stage, f"mwaa-bluegreen rollout --file {shown(file)} {QUICK} --requested-by ana --yes", "rolling out, standby first")


def shown(file: Path) -> str:
    """Commands run in the project's folder."""
    return str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else str(file)
