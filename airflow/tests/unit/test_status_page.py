"""The status page in Airflow's UI: its content, and how often it reads the flag. Needs no Airflow."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.guard_flag import NAME, Store

from mwaa_bluegreen import settings, status_page
from mwaa_bluegreen.errors import ConfigurationInvalid, StoreUnavailable
from mwaa_bluegreen.flag import Flag, InForce, Owner, _client, shared_flag
from mwaa_bluegreen.ownership import HistoryEntry, sentence
from mwaa_bluegreen.status_page import StatusCache, StatusPage, look, page

GET, HISTORY = "GetParameter", "GetParameterHistory"
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def blue_and_no_reader_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    shared_flag.cache_clear()
    monkeypatch.setenv("AIRFLOW__CUSTOM__ENVIRONMENT_COLOR", "blue")


def tail(instant: datetime, record: str) -> str:
    return f" [effective_from={instant:%Y-%m-%dT%H:%M:%S.%fZ} record={record}]"


def soon() -> datetime:
    """Just after every write of the test: the local AWS stores milliseconds."""
    return datetime.now(timezone.utc) + timedelta(milliseconds=10)


# -- its content ----------------------------------------------------------------------------------------------------------


def test_active_says_version_since_when_and_why(store: Store) -> None:
    store.put("green")
    time.sleep(1.2)
    since = datetime.now(timezone.utc) - timedelta(seconds=1)
    store.put("blue", f"failover: heartbeat stale for 138 s; by health-watcher{tail(since, 'v2-1')}")
    seen = look(soon())
    assert (seen.word, seen.color, seen.version) == ("ACTIVE", "blue", 2)
    assert seen.since == since
    assert seen.why == "failover: heartbeat stale for 138 s; by health-watcher"
    html = page(seen, logged_in=True)
    for part in [">ACTIVE</h1>", "This environment is blue. Runs that are due now belong to it.", "<dd>2</dd>",
                 f"{since:%Y-%m-%d %H:%M:%S} UTC", "<dd>failover: heartbeat stale", "<title>ACTIVE (blue)</title>"]:  # fmt: skip
        assert part in html
    assert "STANDBY" not in html.partition("<body>")[2]


def test_standby_names_the_owner(store: Store) -> None:
    store.put("green", "made by hand")
    html = page(look(soon()), logged_in=True)
    assert ">STANDBY</h1>" in html
    assert "This environment is blue. Runs that are due now belong to green." in html
    assert "<dd>made by hand</dd>" in html


def test_a_switch_that_is_written_but_does_not_count_yet_changes_nothing(store: Store) -> None:
    store.put("blue", "made by hand")
    now = datetime.now(timezone.utc)
    store.put("green", f"switch: test{tail(now + timedelta(seconds=10), 'v2-1')}")
    assert [look(now + timedelta(seconds=s)).word for s in (9, 11, 70)] == ["ACTIVE", "STANDBY", "STANDBY"]
    assert [look(now + timedelta(seconds=s)).version for s in (9, 11)] == [1, 2]


@pytest.mark.parametrize(
    ("color", "value", "fault", "trouble", "what_to_do"),
    [
        (None, "blue", None, "custom.environment_color is not set; set it to blue in one", "A setting of this environment is"),
        ("red", "blue", None, "custom.environment_color is &#x27;red&#x27;", "A setting of this environment is"),
        ("blue", None, None, f"the flag {NAME} does not exist in us-east-1", "The flag does not exist: create it"),
        ("blue", "purple", None, "holds &#x27;purple&#x27;; allowed are blue and green", "write blue or green into it"),
        ("blue", "blue", "access-denied", "allow the environment&#x27;s execution role ssm:GetParameter", "role may read the flag"),
        ("blue", "blue", "malformed", "gave no usable answer", "refused or did not answer"),
    ],
)
def test_what_cannot_be_known_is_unknown_and_says_what_to_do(
    store: Store, monkeypatch: pytest.MonkeyPatch, color: str | None, value: str | None, fault: str | None, trouble: str, what_to_do: str
) -> None:
    if color is None:
        monkeypatch.delenv("AIRFLOW__CUSTOM__ENVIRONMENT_COLOR")
    else:
        monkeypatch.setenv("AIRFLOW__CUSTOM__ENVIRONMENT_COLOR", color)
    if value is not None:
        store.put(value)
    if fault is not None:
        store.aws.add_fault(fault, "ssm", GET)
    seen = look(soon())
    public, private = page(seen, logged_in=False), page(seen, logged_in=True)
    for html in (public, private):
        assert ">UNKNOWN</h1>" in html
        assert what_to_do in html
        assert "log says more" in html
        assert "ACTIVE" not in html.partition("<body>")[2]
    assert trouble in private
    assert trouble not in public


def test_a_flag_that_is_encrypted_is_made_anew_and_not_written_into(store: Store) -> None:
    store.put("green", "made by hand")
    assert look(soon()).word == "STANDBY"
    store.ssm.delete_parameter(Name=NAME)
    store.ssm.put_parameter(Name=NAME, Value="green", Type="SecureString")
    shared_flag.cache_clear()
    seen = look(soon())
    public, private = page(seen, logged_in=False), page(seen, logged_in=True)
    for html in (public, private):
        assert ">UNKNOWN</h1>" in html
        assert "delete it, wait 30 s, and create it again as a String. The web server&#x27;s log says more" in html
        assert "write blue or green into it" not in html
    assert f"{NAME} is a SecureString" in private
    assert NAME not in public


def test_a_broken_flag_shows_the_color_that_stays_in_force_and_what_to_do(store: Store) -> None:
    store.put("green", "made by hand")
    store.put("purple", "a slip")
    seen = look(soon())
    assert (seen.word, seen.version, seen.why) == ("STANDBY", 1, "made by hand")
    public, private = page(seen, logged_in=False), page(seen, logged_in=True)
    assert "write blue or green into it" in public
    assert "purple" not in public
    assert "version 2 holds &#x27;purple&#x27;, no color" in private


def test_a_fault_of_ours_is_unknown_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_page, "shared_flag", lambda *_: 1 / 0)
    seen = look()
    assert (seen.word, seen.color) == ("UNKNOWN", "blue")
    assert "ZeroDivisionError" in page(seen, logged_in=True)
    assert "ZeroDivisionError" not in page(seen, logged_in=False)


def test_without_a_login_nobody_reads_what_people_wrote() -> None:
    seen = StatusPage("ACTIVE", NOON, "blue", 7, NOON - timedelta(hours=1), why="asked for by ana@example.org")
    html = page(seen, logged_in=False)
    assert "ana" not in html
    for part in ["ACTIVE", "blue", "<dd>7</dd>", "<dd>2026-11-23 11:00:00 UTC</dd>"]:
        assert part in html


def test_foreign_text_stays_text(store: Store) -> None:
    evil = """</dd><script>alert("1")</script>'&amp;<img src=x onerror=y>"""
    store.put("blue", evil)
    html = page(look(soon()), logged_in=True)
    assert "&lt;/dd&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#x27;&amp;amp;&lt;img" in html
    assert "<script" not in html
    assert "<img" not in html
    broken = page(StatusPage("UNKNOWN", NOON, None, trouble=evil, what_to_do=evil), logged_in=True)
    assert "<script" not in broken
    assert "<img" not in broken


def test_the_page_has_no_script_loads_nothing_and_looks_again() -> None:
    html = page(StatusPage("ACTIVE", NOON, "blue", 1, NOON), logged_in=True)
    assert '<meta http-equiv="refresh" content="30">' in html
    for word in ("<script", "src=", "url(", "@import", "<link"):
        assert word not in html


@pytest.mark.parametrize(
    ("history", "told"),
    [
        ([(1, "blue", None)], None),
        ([(1, "blue", "  ")], None),
        ([(1, "blue", "Created by initialize" + tail(NOON, "none"))], "Created by initialize"),
        ([(1, "blue", tail(NOON, "none"))], None),
        ([(1, "blue", "a [effective_from=then record=r]")], "a [effective_from=then record=r]"),  # no tail of ours: all of it
        ([(1, "blue", "first"), (2, "green", "switch: b" + tail(NOON, "r2"))], "switch: b"),
        # A manual edit that inherited the Description of the version before it.
        ([(1, "blue", "switch: a" + tail(NOON, "r1")), (2, "green", "switch: a" + tail(NOON, "r1"))], None),
        # A write that was retried.
        ([(1, "blue", "switch: a" + tail(NOON, "r1")), (2, "blue", "switch: a" + tail(NOON, "r1"))], "switch: a"),
        ([(3, "blue", "of a later version")], None),
    ],
)
def test_the_sentence_of_a_version(history: list[tuple[int, str, str | None]], told: str | None) -> None:
    entries = [HistoryEntry(number, value, number, description) for number, value, description in history]
    assert sentence(reversed(entries), min(len(entries), 2)) == told


# -- how often it reads the flag ------------------------------------------------------------------------------------------


def test_after_the_first_time_one_get_parameter_is_enough_until_the_next_version(store: Store) -> None:
    store.put("blue", "made by hand")
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    assert store.calls(lambda: store.flag.in_force(later)) == [GET, HISTORY]
    assert store.calls(lambda: store.flag.in_force(later)) == [GET]
    store.put("green", "switch: made by hand")
    assert store.calls(lambda: store.flag.in_force(later)) == [GET, HISTORY]
    assert store.flag.in_force(later).owner == store.flag.owner(later) == Owner("green", 2)


def test_without_the_history_the_page_knows_as_much_as_the_guard(store: Store) -> None:
    written = store.put("blue", "made by hand")
    store.aws.add_fault("access-denied", "ssm", HISTORY)
    assert store.flag.in_force(written + timedelta(seconds=61)) == InForce(Owner("blue", 1), None, None)
    with pytest.raises(StoreUnavailable):
        store.flag.in_force(written + timedelta(seconds=59))
    seen = look(written + timedelta(seconds=61))
    assert seen.word == "ACTIVE"
    assert "not known: its history could not be read" in page(seen, logged_in=False)


class Asked:
    """Counts the reads, and can block the reader."""

    def __init__(self, *answers: StatusPage) -> None:
        self.answers, self.count, self.seconds = list(answers), 0, 0.0
        self.started, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.cache = StatusCache(self, monotonic=lambda: self.seconds)

    def __call__(self) -> StatusPage:
        self.count += 1
        self.started.set()
        assert self.go_on.wait(20)
        return self.answers[min(self.count, len(self.answers)) - 1]


BLUE = StatusPage("ACTIVE", NOON, "blue", 1)
GREEN = StatusPage("STANDBY", NOON, "blue", 2)
FAILED = StatusPage("UNKNOWN", NOON, "blue", trouble="GetParameter failed: denied", what_to_do="allow it")


def test_viewers_share_one_answer_for_ten_seconds() -> None:
    asked = Asked(BLUE, GREEN)
    assert [asked.cache.status_page() for _ in range(100)] == [BLUE] * 100
    asked.seconds += status_page.CACHE_SECONDS - 0.1
    assert (asked.cache.status_page(), asked.count) == (BLUE, 1)
    asked.seconds += 0.2
    assert (asked.cache.status_page(), asked.count) == (GREEN, 2)


def test_a_failure_is_shared_as_well_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked(FAILED)
    with caplog.at_level(logging.WARNING, logger="mwaa_bluegreen.status_page"):
        for _ in range(10):
            assert asked.cache.status_page() == FAILED
        assert asked.count == 1
        asked.seconds += status_page.CACHE_SECONDS + 1
        assert asked.cache.status_page() == FAILED
    assert asked.count == 2
    assert [record.message for record in caplog.records] == ["bluegreen: status page UNKNOWN: GetParameter failed: denied"]


@pytest.mark.parametrize(("age", "shown"), [(11, "ACTIVE"), (29, "ACTIVE"), (31, "UNKNOWN"), (None, "UNKNOWN")])
def test_while_one_asks_the_others_do_not_wait_and_an_old_answer_ends(age: float | None, shown: str) -> None:
    asked = Asked(BLUE, GREEN) if age is not None else Asked(GREEN)
    if age is not None:
        asked.cache.status_page()
        asked.seconds += age
        asked.started.clear()
    asked.go_on.clear()
    thread = threading.Thread(target=asked.cache.status_page)
    thread.start()
    try:
        assert asked.started.wait(20)
        seen = asked.cache.status_page()
        assert seen.word == shown
        if shown == "UNKNOWN":
            assert "is being asked at this moment" in page(seen, logged_in=False)
    finally:
        asked.go_on.set()
        thread.join()
    assert asked.cache.status_page() == GREEN
    assert asked.count == (1 if age is None else 2)


def test_one_who_comes_just_after_an_answer_takes_it() -> None:
    # Two readers find the answer too old; the second proceeds when the first has read the flag.
    asked = Asked(BLUE, GREEN)
    asked.cache.status_page()
    within = asked.cache._within
    first = iter([None])
    asked.cache._within = lambda seconds: next(first, within(seconds))  # type: ignore[method-assign]
    assert (asked.cache.status_page(), asked.count) == (BLUE, 1)


def test_a_silent_store_ends_in_bounded_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mwaa_bluegreen.flag.READ_TIMEOUT", 0.3)
    store.put("blue")
    store.aws.add_fault("timeout", "ssm", GET, latency_ms=2000)
    monkeypatch.setattr(status_page, "shared_flag", lambda *_: Flag(NAME, client=_client(None)))
    started = time.monotonic()
    assert look(soon()).word == "UNKNOWN"
    assert time.monotonic() - started < 20


# -- on and off ----------------------------------------------------------------------------------------------------------


def test_it_is_off_unless_switched_on() -> None:
    assert settings.status_page({}.get) is False
    assert settings.status_page({"bluegreen_status_page": "off"}.get) is False
    assert settings.status_page({"bluegreen_status_page": "on"}.get) is True


@pytest.mark.parametrize("value", ["ON", "true", "yes", "1", " on"])
def test_another_value_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=f"custom.bluegreen_status_page is '{value}'; allowed are on, off"):
        settings.status_page({"bluegreen_status_page": value}.get)


def test_switched_off_it_needs_neither_airflow_nor_a_web_framework_nor_boto3() -> None:
    code = (
        "import json, sys; from mwaa_bluegreen import status_page; none = status_page.PLUGIN is None;"
        "print(json.dumps([none, [m for m in ('airflow', 'boto3', 'botocore', 'fastapi', 'flask') if m in sys.modules]]))"
    )
    source = Path(status_page.__file__).parents[1]
    # Not in pytest's working directory: the repository has a folder named airflow.
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(source)}, cwd=source, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [True, []]
