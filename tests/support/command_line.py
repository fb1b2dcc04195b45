"""The command line: the real binary, as a person or a script starts it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws.process import LocalAws
from support.pair import Pair
from support.paths import BINARIES

PROGRAM = BINARIES / "mwaa-bluegreen"

DONE, FAILED, USAGE, REFUSED, CONFLICT, NOT_READY, NOT_CONFIRMED, NOT_IN_TIME, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 7, 130

# Variables that a test must not inherit: the person who runs the tests may have an account.
FOREIGN = re.compile(r"AWS_|MWAA_BLUEGREEN_|NO_COLOR|XDG_CONFIG_HOME|[A-Z]+_ENVIRONMENT_NAME|FLAG_PARAMETER|PAIR_NAME", re.I)


@dataclass
class Ended:
    code: int
    out: str
    error: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def variables(aws: LocalAws, home: Path) -> dict[str, str]:
    """What a person's shell has, who has this local AWS and no other account."""
    settings = aws.environment()
    mine = {name: settings[name] for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    clean = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    return {**clean, **mine, "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(home), "USER": "ana", "SUDO_USER": ""}


@dataclass
class Cli:
    pair: Pair
    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return {**variables(self.pair.aws, self.home), "MWAA_BLUEGREEN_PAIR": self.pair.name, **self.variables}

    def __call__(self, *arguments: str, code: int | None = DONE, stdin: str = "", **variables: str) -> Ended:
        environment = {name: value for name, value in {**self.environment(), **variables}.items() if value}
        done = subprocess.run([PROGRAM, *arguments], env=environment, input=stdin, capture_output=True, text=True, timeout=120)
        assert code is None or done.returncode == code, f"{done.returncode}: {done.stdout}\n{done.stderr}"
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen([PROGRAM, *arguments], env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def on_a_terminal(self, *arguments: str, answers: tuple[tuple[str, str | Callable[[], object]], ...] = (), interrupt_at: str | None = None,
                      **variables: str) -> Ended:
        """Run it on a pseudo-terminal: type each answer, or do it, when its prompt has appeared."""
        child, terminal = pty.fork()
        if child == 0:
            os.execve(PROGRAM, [str(PROGRAM), *arguments], {**self.environment(), "TERM": "xterm", **variables})
        waiting, seen, deadline = list(answers), "", time.monotonic() + 60
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.2)[0]:
                try:
                    seen += os.read(terminal, 65536).decode()
                except OSError:
                    break
            if waiting and waiting[0][0] in seen:
                _, answer = waiting.pop(0)
                if isinstance(answer, str):
                    os.write(terminal, answer.encode())
                else:
                    answer()
            if interrupt_at and interrupt_at in seen:
                interrupt_at = None
                os.write(terminal, b"\x03")
        else:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(terminal)
        assert not waiting, f"the prompt did not come: {seen}"
        return Ended(os.waitstatus_to_exitcode(status), seen.replace("\r\n", "\n"), "")
