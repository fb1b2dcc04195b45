"""The part of the package that DAG code uses. Needs an environment with Airflow."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

exceptions = pytest.importorskip("airflow.exceptions")

from mwaa_bluegreen import decision  # noqa: E402
from mwaa_bluegreen.dag import owned_or_skip  # noqa: E402
from mwaa_bluegreen.errors import FlagMissing, StoreUnavailable  # noqa: E402
from mwaa_bluegreen.flag import Owner, Ownership  # noqa: E402

GREEN = Ownership(Owner("green", 7), is_final=False)


@pytest.fixture
def green_owns(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns a context of a run that is so many seconds old, in the environment of that color."""
    monkeypatch.setattr(decision, "shared_flag", lambda parameter, region: SimpleNamespace(ownership=lambda instant: GREEN))

    def context(color: str, seconds: float = 1, settle: str = "420") -> dict[str, Any]:
        monkeypatch.setenv("AIRFLOW__CUSTOM__ENVIRONMENT_COLOR", color)
        monkeypatch.setenv("AIRFLOW__CUSTOM__BLUEGREEN_STANDBY_WAIT_SECONDS", settle)
        tick = datetime.now(timezone.utc) - timedelta(seconds=seconds)
        return {"dag_run": SimpleNamespace(run_type="scheduled", run_id="r", conf={}, run_after=tick, start_date=tick)}

    return context


def test_the_owner_gets_the_version_of_the_flag(green_owns: Any) -> None:
    assert owned_or_skip(green_owns("green")) == 7


@pytest.mark.parametrize("settle", ["0", "420", "86400"])
@pytest.mark.parametrize("seconds", [-3600, 1, 419, 100_000])
def test_the_standby_skips_at_once_and_does_not_say_that_it_waits(green_owns: Any, seconds: float, settle: str) -> None:
    with pytest.raises(exceptions.AirflowSkipException) as skipped:
        owned_or_skip(green_owns("blue", seconds, settle))
    line = str(skipped.value)
    assert line.startswith("bluegreen: skip color=blue owner=green version=7 instant=20")
    assert line.endswith("(run_after of a scheduled run): standby; the other environment owns the run")


@pytest.mark.parametrize("error", [FlagMissing("no flag"), StoreUnavailable("no answer")])
def test_an_unknown_owner_is_an_error_that_is_tried_again(green_owns: Any, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def ownership(instant: datetime) -> Ownership:
        raise error

    context = green_owns("green")
    monkeypatch.setattr(decision, "shared_flag", lambda parameter, region: SimpleNamespace(ownership=ownership))
    with pytest.raises(exceptions.AirflowException, match=f"^bluegreen: {error}$") as raised:
        owned_or_skip(context)
    assert not isinstance(raised.value, exceptions.AirflowSkipException | exceptions.AirflowFailException)


def test_a_wrong_setting_is_not_tried_again(green_owns: Any) -> None:
    with pytest.raises(exceptions.AirflowFailException, match=r"bluegreen: custom\.environment_color is 'Blue'"):
        owned_or_skip(green_owns("Blue"))
