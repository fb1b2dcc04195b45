"""The common ground of every scene: the local AWS, the stack and its pair, the screen, and the facts for the final checks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from demo.checks import Facts
from demo.commands import Operator
from demo.mailbox import Mailbox
from demo.screen import Screen
from demo.timeline import StepTimeout
from local_aws.process import LocalAws
from local_aws.stack import Stack

PAIR_NAME = "orders"
BLUE, GREEN = f"{PAIR_NAME}-blue", f"{PAIR_NAME}-green"  # as `env apply` names them
ROOT = Path(__file__).resolve().parent.parent

# Short, for a short demo. The defaults, meant for real environments, are 120 s and an alarm of two minutes.
PARAMETERS = {"PairName": PAIR_NAME, "FailureWindowSeconds": "20", "HeartbeatAlarmPeriodSeconds": "10",
              "HeartbeatAlarmEvaluationPeriods": "1", "CooldownSeconds": "5", "SwitchLeadSeconds": "3",
              "MetricsIntervalMinutes": "1"}
PROBE_INTERVAL_SECONDS = 5  # the template's default
SCHEDULE_SECONDS = 60
# Airflow reports its scheduler as unhealthy when its last heartbeat is older. It is less than the alarm's period, so that Airflow reports
# it when the alarm wakes the watcher.
HEALTH_THRESHOLD_SECONDS = 8


class Stage:
    def __init__(self, aws: LocalAws, screen: Screen, work: Path, binaries: Path, program: Path,
                 parameters: dict[str, str]) -> None:
        self.aws, self.screen, self.binaries, self.program = aws, screen, binaries, program
        self.parameters = {**PARAMETERS, **parameters}
        self.stack = Stack(aws, PAIR_NAME, work)
        self.window = float(self.parameters["FailureWindowSeconds"])
        # If the alarm's tick comes too early to see a failure, the schedule's next one sees it: it takes a minute more.
        self.patience = self.window + SCHEDULE_SECONDS + 15
        self.pair: Operator  # set by the deployment
        self.mailbox: Mailbox
        self.facts = Facts()

    def fact(self, name: str, text: str) -> None:
        self.screen.fields([(name, text)], indent=2, column=12)

    def healthy_tick(self) -> None:
        deadline = time.monotonic() + 30
        command = self.pair.tick_command()
        self.screen.command(command)
        alarms = [f"{color}-heartbeat-lost" for color in ("blue", "green")]
        with self.screen.working("waiting until both are healthy and both heartbeat alarms are OK"):
            while True:
                answer = self.pair.aws_command(command)
                verdicts = {color: answer["verdicts"][color]["verdict"] for color in ("blue", "green")}
                states = [self.pair.alarm_state(alarm) for alarm in alarms]
                if set(verdicts.values()) == {"healthy"} and set(states) == {"OK"}:
                    break
                if time.monotonic() > deadline:
                    raise StepTimeout(f"both seen healthy by a tick: {verdicts}, alarms {states}")
                time.sleep(1)
        self.screen.fields([("verdicts", f"blue {verdicts['blue']}, green {verdicts['green']}; "
                                         f"decision {answer['decision']}; both heartbeat alarms OK")])

    def invoke(self, command: str, doing: str) -> dict[str, Any]:
        self.screen.command(command)
        with self.screen.working(doing):
            return self.pair.aws_command(command)
