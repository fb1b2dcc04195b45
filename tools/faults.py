"""Takes mended faults back, one at a time, and looks for a simulated history that meets each of them.

`simulation/faults` has one patch a fault; what stands before the first `diff` says what the product then does wrong. Each is applied to a
copy of the last commit, which is built and played: `make simulate-faults FAULT=a1 YEARS=20 SEED=1`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATCHES = ROOT / "simulation" / "faults"
WORK = ROOT / "target" / "faults"
DAYS = 60
FOUND = re.compile(r"^(\S+) is broken by the history of seed (\d+):$", re.MULTILINE)


@dataclass(frozen=True)
class Fault:
    name: str
    words: str
    diff: str


@dataclass(frozen=True)
class Found:
    rule: str
    seed: int
    years: float
    """Simulated until then, of all histories from the first seed on."""


def read(patch: Path) -> Fault:
    words, mark, diff = patch.read_text().partition("diff --git ")
    if not mark or not words.strip():
        raise SystemExit(f"{patch.name}: given: {words[:60]!r}; allowed: a sentence, an empty line, and a diff of git")
    return Fault(patch.stem, " ".join(words.split()), mark + diff)


def chosen(patches: list[Path], wanted: list[str]) -> list[Fault]:
    """The faults whose names begin with one of these words; all without any."""
    faults = [read(patch) for patch in sorted(patches)]
    unknown = [word for word in wanted if not any(fault.name.startswith(word) for fault in faults)]
    if unknown:
        raise SystemExit(f"FAULT: given: {', '.join(unknown)}; allowed: the beginning of one of {', '.join(fault.name for fault in faults)}")
    return [fault for fault in faults if not wanted or any(fault.name.startswith(word) for word in wanted)]


def found(output: str, first: int) -> Found | None:
    """What `simulate` says that it found."""
    told = FOUND.search(output)
    return None if told is None else Found(told[1], int(told[2]), (int(told[2]) - first + 1) * DAYS / 365)


def run(*command: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, text=True, check=True, **more)  # type: ignore[call-overload]


def fresh_tree() -> Path:
    """A copy of the last commit. Files that are as they were keep their dates, so that cargo builds only what a patch changes."""
    tree = WORK / "tree"
    new = WORK / "new"
    new.mkdir(parents=True, exist_ok=True)
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD"], capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(new)], input=archive.stdout, check=True)
    tree.mkdir(exist_ok=True)
    wanted = {path.relative_to(new) for path in new.rglob("*") if path.is_file()}
    for path in [path for path in tree.rglob("*") if path.is_file() and path.relative_to(tree) not in wanted]:
        path.unlink()
    for name in wanted:
        there, source = tree / name, (new / name).read_bytes()
        if not there.is_file() or there.read_bytes() != source:
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(source)
    subprocess.run(["rm", "-rf", str(new)], check=True)
    return tree


def look_for(fault: Fault | None, years: float, seed: int) -> tuple[Found | None, str]:
    tree = fresh_tree()
    if fault:
        # Outside of this repository's folder, as far as git is concerned.
        environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(tree.parent)}
        run("git", "apply", "-", cwd=tree, input=fault.diff, env=environment)
    # The dependencies are as they are built already.
    if not (WORK / "build").exists() and (ROOT / "target" / "simulate").exists():
        (WORK / "build").mkdir(parents=True)
        run("cp", "--archive", str(ROOT / "target" / "simulate"), str(WORK / "build"))
    # Optimized less, because it is built once a patch; the SDK, which is executed most, is as it was.
    less = [word for crate in ("core", "aws", "controller", "simulation")
            for word in ("--config", f"profile.simulate.package.bluegreen-{crate}.opt-level=1")]
    run("cargo", "build", "--locked", "--quiet", "--profile", "simulate", "--package", "bluegreen-simulation", *less,
        "--target-dir", str(WORK / "build"), cwd=tree)
    binary = str(WORK / "build" / "simulate" / "simulate")
    played = subprocess.run([binary, "--years", str(years), "--seed", str(seed), "--days", str(DAYS), "--shrink-minutes", "0",
                             "--into", str(WORK / "finds")], capture_output=True, text=True, check=False)
    return found(played.stdout, seed), played.stdout + played.stderr


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("faults", nargs="*", help="beginnings of names; all faults without any")
    asked.add_argument("--years", type=float, default=20)
    asked.add_argument("--seed", type=int, default=1)
    given = asked.parse_args()
    faults = chosen(list(PATCHES.glob("*.patch")), given.faults)
    told, output = look_for(None, given.years, given.seed)
    if told:
        print(output)
        print(f"nothing was taken back, and {told.rule} is broken (seed {told.seed}): mend that first")
        return 1
    missed = 0
    for fault in faults:
        began = time.monotonic()
        told, _ = look_for(fault, given.years, given.seed)
        seconds = time.monotonic() - began
        missed += told is None
        result = f"not in {given.years:g} years" if told is None else f"{told.rule}, after {told.years:.1f} years (seed {told.seed})"
        print(f"{fault.name}: {result}; {seconds:.0f} s", flush=True)
    print(f"{len(faults) - missed} of {len(faults)} faults are found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
