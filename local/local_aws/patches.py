"""The places where this package patches ministack.

ministack has no extension points, so its module attributes are replaced. That is only safe with one known version. So the version is
checked at start, and so is every name before it is replaced: an upgrade fails with an error message and not with a test that hangs.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from types import ModuleType
from typing import Any

MINISTACK_VERSION = "1.5.33"


class SeamMissing(SystemExit):
    """ministack is not the version for which this package was written."""


def check_version() -> None:
    try:
        found = importlib.metadata.version("ministack")
    except importlib.metadata.PackageNotFoundError:
        raise SeamMissing("ministack is not installed: install local/requirements.txt") from None
    if found != MINISTACK_VERSION:
        raise SeamMissing(
            f"local_aws was written against ministack {MINISTACK_VERSION}, but {found} is installed: "
            "install local/requirements.txt, or review every use of local_aws.patches against the new version"
        )


def original(module: ModuleType, name: str) -> Any:
    """The attribute of ministack that will be replaced or called."""
    try:
        return getattr(module, name)
    except AttributeError:
        raise SeamMissing(
            f"ministack {MINISTACK_VERSION} should have {module.__name__}.{name}, but has not: "
            "the installed copy differs from the released one"
        ) from None


def replace(module: ModuleType, name: str, make: Callable[[Any], Any]) -> None:
    """Replace `module.name` by `make(original)`."""
    setattr(module, name, make(original(module, name)))
