"""Where mutants are built and run: in copies of the working tree below target/mutants, never in the tree itself."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from tools.mutants.results import Result, Results
from tools.mutants.switches import MODULE, Mutant, Switched, blamed, switched

CARGO_MUTANTS = ".tools/cargo/bin/cargo-mutants"
# Of a test program that takes a moment: others may be busy on the same machine, and a loop without an end is rare.
LEAST_TIMEOUT = 30.0
TIMEOUT_FACTOR = 10.0
# Of a test program that is run test by test, in seconds.
SLOW = 2.0
# The compiler finds types, borrows and the rest one after another, and each may take mutants out.
MOST_ROUNDS = 20
# What the tests execute besides the crate, the AWS SDK above all, is worth optimizing once.
OPTIMIZED = ("--config", 'profile.dev.package."*".opt-level=1', "--config", "profile.dev.package.bluegreen-simulation.opt-level=1")
# Built on their own in one call of cargo-mutants: between two calls the time is looked at.
TOGETHER = 8


class Broken(Exception):
    """Nothing can be said of any mutant."""


def enough(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@dataclass(frozen=True)
class Program:
    """A test program, or one test of a slow one: where it runs, what it takes without a change, and which functions it reaches."""

    name: str
    path: str
    folder: str
    only: tuple[str, ...] = ()
    seconds: float = 0.0
    reached: frozenset[int] = frozenset()


class Workshop:
    def __init__(self, project: Path, crate: str, tests: list[str]) -> None:
        self.project, self.crate, self.tests = project, crate, tests
        self.folder = project / "target" / "mutants"
        self.cargo_mutants = project / CARGO_MUTANTS
        # Quick to build; no test asks for a line of a backtrace. Lints that the compiler denies are no reason that a mutant fails.
        self.environment = {
            **os.environ,
            "CARGO_TARGET_DIR": str(self.folder / "build"),
            "CARGO_PROFILE_DEV_DEBUG": "0",
            "CARGO_PROFILE_DEV_OPT_LEVEL": "0",
            "CARGO_INCREMENTAL": "1",
            "RUSTFLAGS": "--cap-lints=warn",
            # A function that holds its mutants holds the state of each of them, and futures nest.
            "RUST_MIN_STACK": str(64 << 20),
            "CARGO_TERM_COLOR": "never",
            # A quarter of the cases that the tests have otherwise: what a property notices, it mostly notices in the first few.
            "PROPTEST_CASES": os.environ.get("PROPTEST_CASES", "64"),
            "PROPTEST_RNG_SEED": "0",
            "PROPTEST_DISABLE_FAILURE_PERSISTENCE": "1",
            "PROPTEST_MAX_SHRINK_ITERS": "0",
        }

    def alone_here(self) -> IO[str]:
        """Keeps others out until the file is closed: two runs would change each other's copies."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Broken(f"another run is under way in {self.folder}: wait for its end, or end it") from None
        return lock

    def copy(self, name: str, changed: dict[str, str] | None = None) -> Path:
        """The tree as it is now, with some files changed. A file that is the same keeps its time, so that Cargo does not build it again."""
        tree = self.folder / name
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=self.project, check=True, capture_output=True
        )
        files = {file for file in listed.stdout.decode().split("\0") if file and (self.project / file).is_file()}
        for file in files:
            content = (changed or {})[file].encode() if file in (changed or {}) else (self.project / file).read_bytes()
            target = tree / file
            if not target.exists() or target.read_bytes() != content:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        for old in tree.rglob("*.rs"):
            if str(old.relative_to(tree)) not in files:
                old.unlink()
        return tree

    def mutants(self) -> list[Mutant]:
        tree = self.copy("plain")
        listed = subprocess.run(
            [self.cargo_mutants, "mutants", "--list", "--json", "--package", self.crate, "--dir", tree], capture_output=True, text=True
        )
        if listed.returncode:
            raise Broken(f"cargo-mutants cannot list the mutants of {self.crate}: {listed.stderr}")
        return [Mutant.of(each) for each in json.loads(listed.stdout)]

    def cargo(self, tree: Path, arguments: list[str], until: float) -> tuple[int, list[dict[str, Any]], str]:
        """Cargo's exit status, its messages, and what else it says."""
        command = ["cargo", *arguments, *OPTIMIZED, "--locked", "--message-format", "json"]
        with subprocess.Popen(
            command, cwd=tree, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            try:
                out, errors = process.communicate(timeout=enough(until))
            except (subprocess.TimeoutExpired, KeyboardInterrupt) as stopped:
                os.killpg(process.pid, signal.SIGTERM)
                process.communicate()
                if isinstance(stopped, KeyboardInterrupt):
                    raise
                raise TimeoutError from None
        return process.returncode, [json.loads(line) for line in out.splitlines() if line.startswith("{")], errors

    def selected(self) -> list[str]:
        return [f"--package={package}" for package in self.tests]


class Switchboard:
    """The crate with all its mutants in one build."""

    def __init__(self, workshop: Workshop, mutants: list[Mutant], until: float) -> None:
        self.workshop = workshop
        self.order = [mutant.name for mutant in mutants]
        self.unviable: set[str] = set()
        self.alone: set[str] = set()
        self.owner: dict[str, int] = {}
        self.left: list[str] | None = None
        self.numbers = {name: number for number, name in enumerate(self.order, 1)}
        self.programs = self._measured(self._built(mutants, until), until)

    def _built(self, mutants: list[Mutant], until: float) -> list[Program]:
        names = {number: name for name, number in self.numbers.items()}
        held = list(mutants)
        for _ in range(MOST_ROUNDS):
            files = self._files(held)
            tree = self.workshop.copy("switched", {**{file: it.text for file, it in files.items()}, **self._root(files)})
            status, messages, errors = self.workshop.cargo(tree, ["check", "--lib", f"--package={self.workshop.crate}"], until)
            if status == 0:
                return self._programs(tree, until)
            wrong = [
                each["message"] for each in messages if each["reason"] == "compiler-message" and each["message"]["level"] == "error"
            ]
            try:
                found = blamed(wrong, files)
            except ValueError as error:
                raise Broken(str(error)) from None
            if not found.mutants | found.functions:
                raise Broken(f"{self.workshop.crate} does not compile: {errors}")
            self.unviable |= {names[number] for number in found.mutants}
            for file in files.values():
                self.alone |= {names[number] for number, function in file.owner.items() if function in found.functions}
            self.alone -= self.unviable
            held = [each for each in held if each.name not in self.unviable and each.name not in self.alone]
            print(f"== {len(self.unviable)} do not compile", flush=True)
        raise Broken(f"{self.workshop.crate} does not compile after {MOST_ROUNDS} rounds")

    def _files(self, held: list[Mutant]) -> dict[str, Switched]:
        files = {}
        for file in sorted({each.file for each in held}):
            text = (self.workshop.project / file).read_text()
            files[file] = switched(text, [each for each in held if each.file == file], self.numbers)
            self.alone |= {each.name for each in files[file].alone}
            self.owner |= {self.order[number - 1]: function for number, function in files[file].owner.items()}
        return files

    def _root(self, files: dict[str, Switched]) -> dict[str, str]:
        root = next((file for file in files if file.endswith("/src/lib.rs")), None)
        if root is None:
            found = subprocess.run(
                ["cargo", "metadata", "--no-deps", "--format-version=1", "--locked"],
                cwd=self.workshop.project, check=True, capture_output=True, text=True,
            )  # fmt: skip
            package = next(each for each in json.loads(found.stdout)["packages"] if each["name"] == self.workshop.crate)
            library = next(each["src_path"] for each in package["targets"] if "lib" in each["kind"])
            root = str(Path(library).relative_to(self.workshop.project))
        text = files[root].text if root in files else (self.workshop.project / root).read_text()
        return {root: text + MODULE}

    def _programs(self, tree: Path, until: float) -> list[Program]:
        status, messages, errors = self.workshop.cargo(tree, ["test", "--no-run", *self.workshop.selected()], until)
        if status:
            raise Broken(f"the tests of {', '.join(self.workshop.tests)} do not compile: {errors}")
        built = [each for each in messages if each["reason"] == "compiler-artifact" and each.get("executable") and each["profile"]["test"]]
        return [Program(each["target"]["name"], each["executable"], str(Path(each["manifest_path"]).parent)) for each in built]

    def _measured(self, programs: list[Program], until: float) -> list[Program]:
        """The programs without a change, quick ones first: what they take, and which functions they reach."""
        measured: list[Program] = []
        waiting = list(reversed(programs))
        while waiting:
            program = waiting.pop()
            trace = self.workshop.folder / "trace"
            trace.unlink(missing_ok=True)
            began = time.monotonic()
            outcome, said = self._run(program, {"MUTANT": "0", "MUTANT_TRACE": str(trace)}, enough(until))
            if outcome != "missed":
                raise Broken(f"the tests of {program.name} fail without any change, so that nothing can be said:\n{said}")
            reached = frozenset(int(line) for line in trace.read_text().splitlines()) if trace.exists() else frozenset()
            seconds = time.monotonic() - began
            if seconds > SLOW and not program.only:
                waiting.extend(self._divided(program))
            else:
                measured.append(replace(program, seconds=seconds, reached=reached))
        print("== tests without a change: " + ", ".join(f"{each.name} {each.seconds:.1f} s" for each in measured), flush=True)
        return sorted(measured, key=lambda program: program.seconds)

    def _divided(self, program: Program) -> list[Program]:
        """Its tests one by one: a test that notices ends the search, and many tests do not reach the function at all."""
        listed = subprocess.run([program.path, "--list", "--format=terse"], cwd=program.folder, capture_output=True, text=True, check=True)
        tests = [line.removesuffix(": test") for line in listed.stdout.splitlines() if line.endswith(": test")]
        return [replace(program, name=f"{program.name} {test}", only=("--exact", test)) for test in tests]

    def _run(self, program: Program, variables: dict[str, str], timeout: float) -> tuple[str, str]:
        try:
            with subprocess.Popen(
                [program.path, "--quiet", "--test-threads=1", *program.only], cwd=program.folder, env={**self.workshop.environment, **variables},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
            ) as process:  # fmt: skip
                try:
                    said = process.communicate(timeout=timeout)[0]
                except BaseException:
                    os.killpg(process.pid, signal.SIGKILL)
                    raise
        except subprocess.TimeoutExpired:
            return "timeout", ""
        return ("caught" if process.returncode else "missed"), said

    def _try(self, name: str, until: float) -> Result | None:
        began = time.monotonic()
        reaching = [program for program in self.programs if self.owner[name] in program.reached]
        for program in reaching:
            timeout = max(LEAST_TIMEOUT, TIMEOUT_FACTOR * program.seconds)
            left = until - time.monotonic()
            if left <= 0:
                return None
            outcome, _ = self._run(program, {"MUTANT": str(self.numbers[name])}, min(timeout, left))
            if outcome == "timeout" and left < timeout:
                return None
            if outcome != "missed":
                return Result(name, outcome, time.monotonic() - began, program.name)
        return Result(name, "missed", time.monotonic() - began, None if reaching else "no test reaches it")

    def run(self, results: Results, until: float) -> None:
        """Go on with what is left, until then."""
        for name in self.order if self.left is None else ():
            if name in self.unviable:
                results.add(Result(name, "unviable", 0.0))
        if self.left is None:
            self.left = [name for name in self.order if name not in self.unviable and name not in self.alone]
        done = set()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for result in pool.map(lambda name: self._try(name, until), self.left):
                if result is not None:
                    results.add(result)
                    done.add(result.name)
        self.left = [name for name in self.left if name not in done]


class Alone:
    """The mutants that are built one by one, by cargo-mutants."""

    def __init__(self, workshop: Workshop, mutants: Iterable[str], of: Iterable[Mutant]) -> None:
        self.workshop = workshop
        self.left = list(mutants)
        self.all = [mutant.name for mutant in of]

    def run(self, results: Results, until: float) -> None:
        while self.left and until > time.monotonic():
            names, self.left = self.left[:TOGETHER], self.left[TOGETHER:]
            done = self._together(names, until)
            for result in done:
                results.add(result)
            self.left = [name for name in names if name not in {result.name for result in done}] + self.left
            if len(done) < len(names):
                return

    def _together(self, names: list[str], until: float) -> list[Result]:
        tree = self.workshop.copy("plain")
        out = self.workshop.folder / "alone"
        # By leaving out all others: what examines by name does not apply to every kind of mutant.
        shutil.rmtree(out / "mutants.out", ignore_errors=True)
        (out / "mutants.out").mkdir(parents=True)
        others = [name for name in self.all if name not in names]
        (out / "mutants.out" / "previously_caught.txt").write_text("\n".join(others) + "\n")
        command: list[str] = [
            str(self.workshop.cargo_mutants), "mutants", "--in-place", "--baseline=skip", f"--timeout={LEAST_TIMEOUT * TIMEOUT_FACTOR}",
            f"--package={self.workshop.crate}", "--dir", str(tree), "--iterate", "--output", str(out), "--colors=never",
            *(f"--test-package={package}" for package in self.workshop.tests), "--cargo-arg=--locked",
            *(f"--cargo-arg={word}" for word in OPTIMIZED), "--", "--tests",
        ]  # fmt: skip
        # It takes back its change when it is interrupted.
        with subprocess.Popen(
            command, env=self.workshop.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        ) as process:
            try:
                said = process.communicate(timeout=max(0.0, until - time.monotonic()))[0]
            except (subprocess.TimeoutExpired, KeyboardInterrupt) as stopped:
                process.send_signal(signal.SIGINT)
                said = process.communicate()[0]
                if isinstance(stopped, KeyboardInterrupt):
                    raise
            else:
                # 2: some were missed; 3: some timed out.
                if process.returncode not in (0, 2, 3):
                    raise Broken(f"cargo-mutants failed: {said}")
        outcomes = {"CaughtMutant": "caught", "MissedMutant": "missed", "Unviable": "unviable", "Timeout": "timeout"}
        file = out / "mutants.out" / "outcomes.json"
        listed = json.loads(file.read_text())["outcomes"] if file.exists() else []
        return [
            Result(each["scenario"]["Mutant"]["name"], outcomes[each["summary"]], sum(phase["duration"] for phase in each["phase_results"]))
            for each in listed
            if isinstance(each["scenario"], dict) and each["scenario"]["Mutant"]["name"] in names
        ]
