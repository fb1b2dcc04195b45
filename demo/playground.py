"""`--keep`: commands to try on the pair that the demo leaves running."""

from __future__ import annotations

import shlex
import signal
import sys
from pathlib import Path

from demo.scenes import PICTURE
from demo.screen import Screen, broken_command
from demo.stage import BLUE, GREEN, Stage


def stay(stage: Stage, screen: Screen, run: Path) -> None:
    """Print the commands, and wait for Ctrl-C."""
    aws, pair = stage.aws, stage.pair
    tools = f"{pair.program.parent}:{Path(sys.executable).parent}"
    screen.heading("It is yours to play with, until Ctrl-C. In another terminal:")
    settings = {name: value for name, value in aws.environment().items()
                if name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                            "AWS_DISABLE_HOST_PREFIX_INJECTION")}

    def show(title: str, *commands: str) -> None:
        screen.line()
        screen.line(f"  {screen.styled('# ' + title, 'dim')}")
        for command in commands:
            for line in command.splitlines():
                screen.line(f"  {screen.styled(line, 'cyan')}")

    def one(command: str) -> str:
        return "\n".join(broken_command(command, 96))

    show("once: the command line, the AWS CLI, and the local AWS as their endpoint", f"export PATH={shlex.quote(tools)}:$PATH",
         "unset AWS_PROFILE AWS_SESSION_TOKEN", *(f"export {name}={value}" for name, value in settings.items()),
         f"export MWAA_BLUEGREEN_PAIR={pair.name}")
    show("who is active, how are they, what happened?", "mwaa-bluegreen status", "mwaa-bluegreen history")
    show("switch, and back (it asks you first)", "mwaa-bluegreen switch --to green --reason 'trying it out'",
         "mwaa-bluegreen rollback")
    show("a hold, and its end", "mwaa-bluegreen hold --minutes 30 --reason 'trying it out'", "mwaa-bluegreen release")
    show("a drill of a minute, and how it goes on (the watcher's next tick returns)", "mwaa-bluegreen drill --duration-minutes 1",
         "mwaa-bluegreen watch --until-settled")
    show("could the standby take over? what did it all look like?", "mwaa-bluegreen check",
         f"mwaa-bluegreen chart --last 30m --period 1 --output {PICTURE}")
    show("the same without the command line", one(pair.outputs["StatusCommand"]), one(pair.request_command({"action": "history"})),
         one(pair.request_command({"to": "green", "reason": "trying it out", "requested_by": "me"})))
    control = f"{aws.endpoint}/_local/mwaa/environments"
    for title, name, scheduler in ((f"stop a scheduler ({BLUE} or {GREEN}), and watch", BLUE, "stopped"),
                                   ("start it again", BLUE, "running")):
        show(title, f"curl -X PUT {control}/{name} \\\n  -d '{{\"scheduler\":\"{scheduler}\"}}'")
    show("what the watcher says, and the audit trail",
         one(f"aws logs filter-log-events --log-group-name /aws/lambda/{pair.function('health-watcher')} "
             "--query \"events[].[message]\" --output text") + " | tail",
         one(f"aws logs filter-log-events --log-group-name /aws/events/{pair.name}-audit --query \"events[].[message]\" --output text"))
    show("everything that happened (more of this in local/README.md)", f"curl {aws.endpoint}/_local/timeline")
    screen.line()
    screen.line(f"  The log of the local AWS is {run}/local-aws.log.")
    screen.line("  Press Ctrl-C to end it all.")
    while True:
        signal.pause()
