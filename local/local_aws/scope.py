"""Whose request this is: account, region, caller, and what caused an invocation.

ministack keeps account and region in context variables that only a request sets. Our own threads (timers,
deliveries) have to set them, and we add the caller's ARN and the moment a stale read looks at.
"""

from __future__ import annotations

import contextvars

ACCOUNT = "000000000000"
REGION = "us-east-1"
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"

caller_arn: contextvars.ContextVar[str] = contextvars.ContextVar("caller_arn", default=ROOT_ARN)
"""ARN of whoever makes the current request."""

as_of: contextvars.ContextVar[float | None] = contextvars.ContextVar("as_of", default=None)
"""Set while a request must see Parameter Store as it was at this time (a stale read)."""

trigger: contextvars.ContextVar[str] = contextvars.ContextVar("trigger", default="invoke")
"""What caused the function invocation that runs in this context."""


def enter(region: str, account: str = ACCOUNT) -> None:
    """Work in this account and region from here on (in a thread of our own)."""
    from ministack.core.responses import set_request_account_id, set_request_region

    set_request_account_id(account)
    set_request_region(region)


def caller_name(arn: str) -> str:
    """`role session -> session name`, which for a function is its name; else the last part of the ARN."""
    return arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
