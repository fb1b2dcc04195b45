"""`python -m demo`: watch a failover, a hold and a drill on the embedded local AWS. Exit 0 only if every step was seen."""

from __future__ import annotations

import os
import signal
import sys

from support.endings import ENDINGS, Stopped, stop

for number in ENDINGS:  # First of all: until main() takes over there is nothing to clean up, so the end is silent.
    signal.signal(number, lambda number, _: os._exit(128 + number))

import argparse  # noqa: E402
import json  # noqa: E402
import shutil  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
from contextlib import suppress  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent

# Modules that take longer to import are imported by play().
from demo.screen import Screen, short_times  # noqa: E402

if TYPE_CHECKING:
    from demo.story import Story

FILES = ROOT / ".demo"
LOG_LINES = 8


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__.split(": ", 1)[1])
    parser.add_argument("--keep", action="store_true", help="leave the local AWS running at the end, until Ctrl-C")
    parser.add_argument("--airflow", type=Path, metavar="PYTHON", help="with two real Airflow environments of this installation")
    # For developers of the product: other binaries, other parameters of the stack.
    parser.add_argument("--binaries", type=Path, default=ROOT / "target" / "lambda", help=argparse.SUPPRESS)
    parser.add_argument("--command-line", type=Path, default=ROOT / "target" / "debug" / "mwaa-bluegreen",
                        help=argparse.SUPPRESS)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if wrong := [each for each in options.set if "=" not in each]:
        parser.error(f"--set {wrong[0]}: NAME=VALUE is expected")
    return options


def missing_binaries(folder: Path) -> list[str]:
    from local_aws.stack import FUNCTIONS, binary

    return [function for function in FUNCTIONS if not binary(folder, function).is_file()]


def main() -> int:
    options = arguments()
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    screen = Screen()
    # Settings, proxies and credentials of the person who runs this must not apply here.
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    try:
        for number in ENDINGS:
            signal.signal(number, stop)
        return play(options, screen)
    except Stopped as stopped:
        screen.end_progress()
        screen.line("\nStopped. Everything that was started has ended.")
        return 128 + stopped.number
    except BrokenPipeError:  # `make demo | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def play(options: argparse.Namespace, screen: Screen) -> int:
    if missing := missing_binaries(options.binaries):
        screen.line(f"No binary of {', '.join(missing)} in {options.binaries}: build them with `make functions`.")
        return 1
    if not options.command_line.is_file():
        screen.line(f"No command line, {options.command_line}: build it with `make debug`.")
        return 1
    from demo.story import Story
    from local_aws.process import LocalAws

    run = FILES / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    run.mkdir(parents=True)
    aws = LocalAws(log=run / "local-aws.log")
    given = (aws, screen, run / "deployment", options.binaries, options.command_line.resolve(),
             dict(each.split("=", 1) for each in options.set))
    if options.airflow:
        from demo.airflow_story import AirflowStory

        story: Story = AirflowStory(options.airflow.absolute(), run, *given)
    else:
        story = Story(*given)
    keep_files = options.keep
    try:
        started = time.monotonic()
        screen.line(screen.styled(f"MWAA Blue-Green: {story.title}", "bold"))
        screen.line("The functions, the command line, the template and the AWS CLI are real; only AWS is a local one, on 127.0.0.1.")
        reason = seen_through(story, run)
        if reason:
            keep_files = True
            report(story, screen, reason, run)
            return 1
        screen.line()
        screen.line(screen.styled(f"Every step was seen, in {time.monotonic() - started:.0f} s.", "bold"))
        if options.keep:
            from demo.playground import stay

            stay(story, screen, run)
        return 0
    finally:
        story.stop()
        aws.stop()
        if keep_files:
            shutil.rmtree(run / "deployment", ignore_errors=True)
        else:
            shutil.rmtree(run, ignore_errors=True)
            with suppress(OSError):  # it contains the files of another run
                FILES.rmdir()


def seen_through(story: Story, run: Path) -> str | None:
    """Run the story. Returns the reason why it failed, if it did."""
    from botocore.exceptions import BotoCoreError, ClientError

    from demo.commands import CommandFailed
    from demo.timeline import StepTimeout
    from local_aws.process import LocalAwsError
    from local_aws.stack import DeployError

    try:
        story.tell()
        return None
    except BrokenPipeError:
        raise
    except StepTimeout as error:
        return f"not seen: {error}"
    except CommandFailed as error:
        return f"a command failed: {error}"
    except DeployError as error:
        return f"the deployment failed: {error}"
    except (LocalAwsError, BotoCoreError, ClientError, OSError) as error:
        return f"the local AWS does not answer as it should: {error}"
    except Exception as error:  # a fault of the demo itself; its developer needs the place
        (run / "traceback.txt").write_text(traceback.format_exc())
        return f"the demo itself failed: {type(error).__name__}: {error}"


def report(story: Story, screen: Screen, reason: str, run: Path) -> None:
    """Print what went wrong, with the last log lines of the functions."""
    screen.end_progress()
    screen.line()
    screen.line(screen.styled("Failed", "red"))
    for line in reason.splitlines():
        screen.say(line)
    pair = getattr(story, "pair", None)
    try:
        for function in ("health-watcher", "switch-handler", "change-listener"):
            if pair is None:  # it was not deployed
                break
            lines = pair.messages(f"/aws/lambda/{pair.function(function)}")
            (run / f"{function}.log").write_text("\n".join(lines) + "\n")
            screen.line(f"\n  Last log lines of {pair.function(function)}:")
            for line in [line for line in lines if line.startswith("{")][-LOG_LINES:] or ["none"]:
                screen.say(log_line(line), indent=4, style="dim")
    except Exception as error:  # the reason above is what counts
        screen.say(f"the logs cannot be read: {error}")
    screen.line(f"\n  Logs are in {run.relative_to(ROOT)}/.")


def log_line(line: str) -> str:
    """`11:30:17 INFO decision active=blue version=1 …`, without the fields that are the same in every line."""
    try:
        entry = json.loads(line)
        told = [f"{name}={value}" for name, value in entry.items()
                if value != "" and name not in ("timestamp", "level", "message", "pair", "request_id")]
        return short_times(" ".join([entry["timestamp"], entry["level"], entry["message"], *told]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return line


if __name__ == "__main__":
    try:
        code = main()
    finally:
        sys.stdout.flush()
    # Our remaining threads only tick; there is nothing to wait for.
    os._exit(code)
