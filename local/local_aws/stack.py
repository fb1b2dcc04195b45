"""Deploy template.yaml to a local AWS as a user would: `aws cloudformation package`, then `aws cloudformation deploy`.

`sam build` would compile and then rewrite the three CodeUri lines to the folders of the binaries. This module only rewrites them,
because the binaries exist already.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from .process import LocalAws

FUNCTIONS = ("health-watcher", "switch-handler", "change-listener")
BUCKET = "deployment-artifacts"


class DeployError(RuntimeError):
    """A command of the deployment failed; its output is the message."""


def aws_cli(aws: LocalAws, *arguments: str, timeout: float = 120) -> str:
    """Run the real AWS CLI of this virtual environment against the local AWS."""
    command = [sys.executable, str(Path(sys.executable).parent / "aws"), *arguments]
    done = subprocess.run(command, env=aws.environment(), capture_output=True, text=True, timeout=timeout, check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode:
        raise DeployError(f"aws {' '.join(arguments)}\n{done.stdout}{done.stderr}".strip())
    return done.stdout


def architecture() -> str:
    """Of this machine, in Lambda's words."""
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


def binary(binaries: Path, function: str) -> Path:
    """`cargo build` writes a file `<function>`, `cargo lambda build` a folder of that name with `bootstrap` in it."""
    built = binaries / function
    return built / "bootstrap" if built.is_dir() else built


def stripped(binary: Path, work: Path) -> Path:
    """A copy without what only a debugger reads, four fifths of a debug build: it is hashed, sent, unpacked and loaded again and again."""
    copy, strip = work / "bootstrap", shutil.which("strip")
    # Of another architecture it cannot strip.
    if strip is None or subprocess.run([strip, "-o", copy, binary], capture_output=True, check=False).returncode:
        return binary
    return copy


def built_template(template: Path, binaries: Path, work: Path) -> Path:
    """Copy the template with every CodeUri pointing at a zip of its binary, named `bootstrap`."""
    text = template.read_text()
    for function in FUNCTIONS:
        archive = work / f"{function}.zip"
        # A fast compression: the archive is only sent over the loopback device.
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
            entry = zipfile.ZipInfo("bootstrap", (2026, 1, 1, 0, 0, 0))
            entry.external_attr, entry.compress_type = 0o755 << 16, zipfile.ZIP_DEFLATED
            out.writestr(entry, stripped(binary(binaries, function), work).read_bytes())
        text, found = re.subn(rf"(?m)^(\s+CodeUri: ).*functions/{function}/?$", rf"\g<1>{archive}", text)
        if found != 1:
            raise DeployError(f"{template} has {found} CodeUri lines for functions/{function}; one is expected")
    built = work / "built.yaml"
    built.write_text(text)
    return built


class Stack:
    """A deployed stack and its clients."""

    def __init__(self, aws: LocalAws, name: str, work: Path) -> None:
        self.aws, self.name, self.work = aws, name, work

    def deploy(self, template: Path, binaries: Path, parameters: dict[str, str], architecture: str = "x86_64") -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        built = built_template(template, binaries, self.work)
        packaged = self.work / "packaged.yaml"
        aws_cli(self.aws, "s3", "mb", f"s3://{BUCKET}")
        aws_cli(self.aws, "cloudformation", "package", "--template-file", str(built), "--s3-bucket", BUCKET,
                "--output-template-file", str(packaged))
        overrides = {"Architecture": architecture, **parameters}
        aws_cli(self.aws, "cloudformation", "deploy", "--template-file", str(packaged), "--stack-name", self.name,
                "--s3-bucket", BUCKET, "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND",
                "--parameter-overrides", *(f"{key}={value}" for key, value in overrides.items()))

    def outputs(self) -> dict[str, str]:
        answer = json.loads(aws_cli(self.aws, "cloudformation", "describe-stacks", "--stack-name", self.name,
                                    "--output", "json"))
        return {output["OutputKey"]: output["OutputValue"] for output in answer["Stacks"][0].get("Outputs", [])}

    def invoke(self, function: str, payload: Any) -> tuple[Any, str | None]:
        """Invoke by the AWS CLI, as the README describes. Returns the answer and the kind of function error."""
        answer = self.work / f"answer-{function}.json"
        answer.unlink(missing_ok=True)
        printed = aws_cli(self.aws, "lambda", "invoke", "--function-name", function, "--payload", json.dumps(payload),
                          "--output", "json", str(answer))
        return json.loads(answer.read_text()), json.loads(printed).get("FunctionError")

    def remove_files(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
