"""Check the release binaries: the zipped size, and that they ask for no newer C library than Lambda has."""

from __future__ import annotations

import io
import re
import sys
import zipfile
from pathlib import Path

FUNCTIONS = ("health-watcher", "switch-handler", "change-listener")
# The budget of every function's package, in bytes: small packages start fast.
MOST_ZIPPED = 3_000_000
# Amazon Linux 2023, which the runtime provided.al2023 is made of.
NEWEST_GLIBC = (2, 34)


def zipped(binary: bytes) -> int:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("bootstrap", binary)
    return len(out.getvalue())


def newest_glibc(binary: bytes) -> tuple[int, ...]:
    # The names of the versions a binary needs stand in its string table as they are.
    found = {tuple(int(part) for part in match.split(b".")) for match in re.findall(rb"\0GLIBC_(\d+(?:\.\d+)+)\0", binary)}
    return max(found, default=(0,))


def main() -> int:
    failed = False
    for function in FUNCTIONS:
        path = Path("target/lambda", function, "bootstrap")
        if not path.exists():
            print(f"{path} is not there; build it with `make functions`")
            return 1
        binary = path.read_bytes()
        size, glibc = zipped(binary), newest_glibc(binary)
        good = size <= MOST_ZIPPED and glibc <= NEWEST_GLIBC
        failed |= not good
        print(
            f"{function:16} {len(binary) / 1e6:5.2f} MB, zipped {size / 1e6:4.2f} MB (at most {MOST_ZIPPED / 1e6:.2f}), "
            f"glibc {'.'.join(map(str, glibc))} (at most {'.'.join(map(str, NEWEST_GLIBC))}): "
            f"{'good' if good else 'TOO MUCH'}"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
