"""What can go wrong. Nothing here is ever answered by assuming a color."""

from __future__ import annotations


class BlueGreenError(Exception):
    """Nobody can say who owns the run; it must not execute."""


class ConfigurationInvalid(BlueGreenError):
    """A setting of this environment is missing or wrong. Trying again does not help."""


class FlagMissing(BlueGreenError):
    """The flag does not exist."""


class FlagInvalid(BlueGreenError):
    """No version of the flag holds a color, or nobody can read it."""


class FlagEncrypted(FlagInvalid):
    """The flag is a SecureString. Writing into it does not help: only a new parameter is a String."""


class StoreUnavailable(BlueGreenError):
    """Parameter Store refused, did not answer in time, or contradicted itself."""
