"""The context of a request: account, region, caller, and what caused an invocation.

ministack keeps account and region in context variables that only a request sets. Our own threads (timers, deliveries) must set them.
We add the caller's ARN and the instant that a stale read sees.
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
    """Set the account and region of the rest of this thread, which must be our own."""
    from ministack.core.responses import set_request_account_id, set_request_region

    set_request_account_id(account)
    set_request_region(region)


def caller_name(arn: str) -> str:
    """`role session -> session name`, which for a function is its name; else the last part of the ARN."""
    return arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
