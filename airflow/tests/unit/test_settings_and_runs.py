"""Settings, the instant of a run, and the decision."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from support.guard_flag import NAME, Store, tail

import mwaa_bluegreen
from mwaa_bluegreen import settings
from mwaa_bluegreen.decision import decide
from mwaa_bluegreen.errors import ConfigurationInvalid
from mwaa_bluegreen.flag import shared_flag
from mwaa_bluegreen.run import instant_of
from mwaa_bluegreen.settings import Settings
from mwaa_bluegreen.since import since_of

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
START = NOON + timedelta(minutes=5)


@pytest.fixture(autouse=True)
def no_reader_of_another_test() -> None:
    shared_flag.cache_clear()


def run(kind: str, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"run_type": kind, "run_id": "r", "conf": {}, "start_date": START, **more})


def test_settings_have_defaults_for_all_but_the_color() -> None:
    assert settings.read({"environment_color": "blue"}.get) == Settings("blue", NAME, None, 420)


def test_all_faults_of_the_settings_are_told_at_once() -> None:
    given = {"environment_color": "red", "bluegreen_flag_parameter": "a b", "bluegreen_standby_wait_seconds": "-1"}
    with pytest.raises(ConfigurationInvalid) as error:
        settings.read(given.get)
    for part in ["is 'red'; set it to blue in one environment", "'a b'; give the name", "'-1'; allowed are whole seconds"]:
        assert part in str(error.value)


@pytest.mark.parametrize("value", ["Blue", " blue", "BLUE", "blue,green"])
def test_a_color_is_neither_trimmed_nor_folded(value: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"custom\.environment_color is"):
        settings.read({"environment_color": value}.get)


def test_an_option_by_its_old_name_is_refused_by_its_new_one() -> None:
    with pytest.raises(ConfigurationInvalid, match=r"custom\.bluegreen_settle_seconds is called custom\.bluegreen_standby_wait_seconds now"):
        settings.read({"environment_color": "blue", "bluegreen_settle_seconds": "300"}.get)
    with pytest.raises(ConfigurationInvalid, match=r"custom\.bluegreen_mark is called custom\.bluegreen_status_page now"):
        settings.status_page({"bluegreen_mark": "on"}.get)


def test_an_unset_color_says_what_to_set() -> None:
    with pytest.raises(ConfigurationInvalid, match=r"environment_color is not set; set it .*AIRFLOW__CUSTOM__ENVIRONMENT_COLOR"):
        settings.read({}.get)


@pytest.mark.parametrize("value", ["86401", "1.5", "9999999", "ten"])
def test_a_wrong_settle_time_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="bluegreen_standby_wait_seconds"):
        settings.read({"environment_color": "blue", "bluegreen_standby_wait_seconds": value}.get)


@pytest.mark.parametrize("value", ["0", "86400"])
def test_the_shortest_and_the_longest_settle_time_are_allowed(value: str) -> None:
    given = {"environment_color": "blue", "bluegreen_standby_wait_seconds": value}
    assert settings.read(given.get).standby_wait_seconds == int(value)


def test_the_mode_is_all_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MWAA_BLUEGREEN_GUARD", raising=False)
    assert settings.mode({}.get) == "all"
    assert settings.mode({"bluegreen_guard": "tagged"}.get) == "tagged"
    monkeypatch.setenv("MWAA_BLUEGREEN_GUARD", "observe")
    assert settings.mode({"bluegreen_guard": "tagged"}.get) == "observe"
    monkeypatch.setenv("MWAA_BLUEGREEN_GUARD", "on")
    with pytest.raises(ConfigurationInvalid, match="is 'on'; allowed are all, tagged, observe, off"):
        settings.mode({}.get)


@pytest.mark.parametrize(
    ("given", "instant"),
    [
        (run("scheduled", run_after=NOON, data_interval_end=START), NOON),
        (run("scheduled", data_interval_end=NOON), NOON),
        (run("scheduled", data_interval_end=None), START),
        (run("manual", run_after=NOON - timedelta(days=400), data_interval_end=NOON), START),
        (run("backfill", run_after=NOON - timedelta(days=400)), START),
        (run("asset_triggered", run_after=NOON), START),
        (run("dataset_triggered", data_interval_end=NOON), START),
        (run("manual", conf={"bluegreen_instant": "2026-11-23T13:00:00+01:00"}), NOON),
        (run("manual", conf={"bluegreen_instant": "2026-11-23T12:00:00Z"}), NOON),
        (run("scheduled", run_after=NOON, conf={"bluegreen_instant": "2026-11-23T09:00:00Z"}), NOON),
        (run("manual", conf=None), START),
        *((run("manual", conf={"bluegreen_instant": nothing}), START) for nothing in (None, "None", " None ", "")),
    ],
)
def test_the_instant_of_a_run(given: SimpleNamespace, instant: datetime) -> None:
    assert instant_of(given)[0] == instant


@pytest.mark.parametrize("text", ["noon", "2026-11-23T12:00:00", 5, "none", False])
def test_an_instant_handed_on_that_cannot_be_read_is_refused(text: Any) -> None:
    with pytest.raises(ConfigurationInvalid, match="give an instant with a time zone"):
        instant_of(run("manual", conf={"bluegreen_instant": text}))


@pytest.mark.parametrize("kind", ["manual", "operator_triggered", "asset_triggered", "word_of_tomorrow"])
def test_a_handed_on_instant_wins_whatever_airflow_calls_the_run(kind: str) -> None:
    assert instant_of(run(kind, run_after=START, conf={"bluegreen_instant": "2026-11-23T12:00:00Z"}))[0] == NOON


def test_a_backfill_belongs_to_its_start_whatever_its_conf_says() -> None:
    # One conf is copied into every run of it.
    assert instant_of(run("backfill", conf={"bluegreen_instant": "2026-11-23T12:00:00Z"}))[0] == START


SINCE = "bluegreen:since=2026-11-23T11:00:00Z"


@pytest.mark.parametrize(
    ("given", "instant"),
    [
        (run("scheduled", run_after=NOON - timedelta(days=30)), NOON - timedelta(hours=1)),
        (run("scheduled", run_after=None, data_interval_end=NOON - timedelta(days=30)), NOON - timedelta(hours=1)),
        (run("scheduled", run_after=NOON - timedelta(hours=1)), NOON - timedelta(hours=1)),
        (run("scheduled", run_after=NOON), NOON),
        (run("manual", run_after=NOON - timedelta(days=30)), START),
    ],
)
def test_ticks_older_than_the_dags_tag_belong_to_the_tags_instant(given: SimpleNamespace, instant: datetime) -> None:
    assert instant_of(given, since_of([SINCE, "team:orders"], NOON))[0] == instant


@pytest.mark.parametrize("tags", [None, [], ["bluegreen:unguarded", "since=2026-11-23T11:00:00Z"]])
def test_a_dag_without_the_tag_has_no_such_instant(tags: list[str] | None) -> None:
    assert since_of(tags) is None


@pytest.mark.parametrize(
    "tags",
    [
        ["bluegreen:since"],
        ["bluegreen:since="],
        ["bluegreen:since 2026-11-23T11:00:00Z"],
        ["bluegreen:since=yesterday"],
        ["bluegreen:since=2026-11-23"],
        ["bluegreen:since=2026-11-23T11:00:00"],
        ["bluegreen:since= 2026-11-23T11:00:00Z"],
        ["bluegreen:since=0000-01-01T00:00:00Z"],
        ["bluegreen:since=2999-01-01T00:00:00Z"],
        [SINCE, "bluegreen:since=2026-11-23T12:00:00Z"],
    ],
)
def test_a_tag_that_cannot_be_obeyed_is_refused_with_what_is_allowed(tags: list[str]) -> None:
    with pytest.raises(ConfigurationInvalid, match="allowed is one tag bluegreen:since=<instant with a time zone") as refused:
        since_of(tags, NOON)
    assert repr(tags[0]) in str(refused.value)


def test_old_ticks_of_a_new_dag_are_decided_by_its_tag(store: Store) -> None:
    store.put("blue")
    time.sleep(0.01)
    old = datetime.now(timezone.utc)
    time.sleep(0.01)
    store.put("green")
    time.sleep(0.01)
    new = datetime.now(timezone.utc)
    time.sleep(0.01)
    catch_up = run("scheduled", run_after=old)
    tags = [f"bluegreen:since={new.isoformat()}"]
    assert decide(catch_up, Settings("green", standby_wait_seconds=0)).action == "skip"
    tagged = decide(catch_up, Settings("green", standby_wait_seconds=0), tags=tags)
    assert (tagged.action, tagged.instant) == ("execute", new)
    assert "bluegreen:since of the DAG; run_after of a scheduled run lies before it" in tagged.line
    assert decide(catch_up, Settings("blue", standby_wait_seconds=0), tags=tags).action == "skip"


def test_a_run_without_any_instant_is_refused() -> None:
    with pytest.raises(ConfigurationInvalid, match="neither a tick nor a start"):
        instant_of(run("manual", start_date=None))


def test_the_decision_says_color_owner_version_instant_and_why(store: Store) -> None:
    store.put("green")
    tick = datetime.now(timezone.utc) + timedelta(hours=1)
    scheduled = run("scheduled", run_after=tick)
    text = tick.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for color, line in [
        ("green", f"bluegreen: execute color=green owner=green version=1 instant={text} (run_after of a scheduled run): this"),
        ("blue", f"bluegreen: skip color=blue owner=green version=1 instant={text} (run_after of a scheduled run): standby"),
    ]:
        assert decide(scheduled, Settings(color, standby_wait_seconds=0), now=tick).line.startswith(line)


def test_a_standby_waits_until_the_settle_time_is_over_and_not_for_old_runs(store: Store) -> None:
    store.put("green")
    tick = datetime.now(timezone.utc) + timedelta(hours=1)
    patient = Settings("blue", standby_wait_seconds=40)
    decisions = [decide(run("scheduled", run_after=tick), patient, now=tick + timedelta(seconds=s)) for s in (1, 30, 39, 40, 3600)]
    assert [decision.action for decision in decisions] == ["wait", "wait", "wait", "skip", "skip"]
    waits = [(decision.again_at - tick).total_seconds() for decision in decisions[:3] if decision.again_at]
    assert waits == pytest.approx([1 + 40 / 7, 30 + 40 / 7, 40])


def test_by_default_a_standby_waits_for_the_slowest_automatic_failover_and_asks_eight_times(store: Store) -> None:
    store.put("green")
    tick = now = datetime.now(timezone.utc) + timedelta(hours=1)
    asked = []
    while (decision := decide(run("scheduled", run_after=tick), Settings("blue"), now=now)).action == "wait":
        assert decision.again_at
        asked.append((now - tick).total_seconds())
        now = decision.again_at
    assert asked == [0, 60, 120, 180, 240, 300, 360]
    assert (now - tick).total_seconds() == 420
    assert decision.action == "skip"


def test_a_standby_does_not_wait_until_airflow_calls_the_run_too_long(store: Store) -> None:
    store.put("green")
    tick = datetime.now(timezone.utc) + timedelta(hours=1)
    scheduled, limit = run("scheduled", run_after=tick), timedelta(minutes=4)
    actions = [decide(scheduled, Settings("blue"), tick + timedelta(seconds=s), limit).action for s in (119, 120)]
    assert actions == ["wait", "skip"]


def test_a_standby_waits_no_longer_for_what_no_failover_can_give_it(store: Store) -> None:
    store.put("blue")
    now = datetime.now(timezone.utc)
    store.put("green", tail(now + timedelta(seconds=10), "v2-1"))
    for second, color, action in [(-1, "green", "skip"), (9.9, "green", "skip"), (10.1, "blue", "wait"), (10.1, "green", "execute")]:
        tick = now + timedelta(seconds=second)
        assert decide(run("scheduled", run_after=tick), Settings(color), now=tick).action == action, (second, color)


def test_the_owner_does_not_wait(store: Store) -> None:
    store.put("blue")
    tick = datetime.now(timezone.utc) + timedelta(hours=1)
    assert decide(run("scheduled", run_after=tick), Settings("blue", standby_wait_seconds=40), now=tick).action == "execute"


def test_owner_of_the_package_reads_this_environments_settings(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("green")
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    with pytest.raises(ConfigurationInvalid):
        mwaa_bluegreen.owner(later)
    monkeypatch.setenv("AIRFLOW__CUSTOM__ENVIRONMENT_COLOR", "blue")
    assert mwaa_bluegreen.owner(later).color == "green"
    monkeypatch.setenv("AIRFLOW__CUSTOM__BLUEGREEN_FLAG_PARAMETER", "/elsewhere/flag")
    with pytest.raises(mwaa_bluegreen.FlagMissing, match="/elsewhere/flag"):
        mwaa_bluegreen.owner(later)


def test_what_a_site_asks_of_every_task_can_be_given_to_the_guard() -> None:
    assert settings.guard_task({}.get) == settings.GuardTask(12, None, None, None)
    given = {"bluegreen_guard_retries": "0", "bluegreen_guard_timeout_seconds": "300", "bluegreen_guard_owner": "platform",
             "bluegreen_guard_pool": "small"}  # fmt: skip
    assert settings.guard_task(given.get) == settings.GuardTask(0, 300, "platform", "small")
    with pytest.raises(ConfigurationInvalid) as error:
        settings.guard_task({"bluegreen_guard_retries": "101", "bluegreen_guard_timeout_seconds": "59"}.get)
    assert "bluegreen_guard_retries is '101'; allowed are whole numbers from 0 to 100" in str(error.value)
    assert "bluegreen_guard_timeout_seconds is '59'; allowed are whole numbers from 60 to 86400" in str(error.value)
