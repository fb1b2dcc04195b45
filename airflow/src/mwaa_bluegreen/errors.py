"""The errors of this package. No error is ever resolved by assuming a color."""

from __future__ import annotations


class BlueGreenError(Exception):
    """The owner of the run cannot be determined; the run must not execute."""


class ConfigurationInvalid(BlueGreenError):
    """A setting of this environment is missing or wrong. A retry does not help."""


class FlagMissing(BlueGreenError):
    """The flag does not exist."""


class FlagInvalid(BlueGreenError):
    """No version of the flag holds a color, or the flag cannot be read."""


class FlagEncrypted(FlagInvalid):
    """The flag is a SecureString. Writing to it does not help: only a new parameter can be a String."""


class StoreUnavailable(BlueGreenError):
    """Parameter Store refused, did not answer in time, or contradicted itself."""
