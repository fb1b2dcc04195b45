"""Find Rust files that are too long.

    python -m tools.long_files shared functions cli
"""

from __future__ import annotations

import sys
from pathlib import Path

MOST_LINES = 600


def too_long(folder: Path) -> list[tuple[int, Path]]:
    files = list(folder.rglob("*.rs"))
    if not files:
        raise FileNotFoundError(f"{folder} has no Rust files")
    lengths = [(len(file.read_bytes().splitlines()), file) for file in files]
    return sorted((length, file) for length, file in lengths if length > MOST_LINES)


def main(folders: list[str]) -> int:
    try:
        found = [each for folder in folders for each in too_long(Path(folder))]
    except FileNotFoundError as error:
        print(error)
        return 2
    for length, file in found:
        print(f"{file} has {length} lines, more than {MOST_LINES}: divide it by what it is about")
    return 1 if found or not folders else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
