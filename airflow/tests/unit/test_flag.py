"""Reading the flag from the local AWS's Parameter Store: calls, cache, and every possible fault."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest
from support.guard_flag import NAME, Store, tail

from mwaa_bluegreen.errors import FlagInvalid, FlagMissing, StoreUnavailable
from mwaa_bluegreen.flag import CACHE_SECONDS, Flag, Owner, Ownership, _client

GET, HISTORY = "GetParameter", "GetParameterHistory"


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def test_one_get_parameter_answers_later_than_a_minute_after_the_write(store: Store) -> None:
    written = store.put("green")
    assert store.calls(lambda: store.flag.owner(written + seconds(60.001))) == [GET]
    assert store.flag.owner(written + seconds(3600)) == Owner("green", 1)


def test_next_to_a_switch_the_history_is_asked(store: Store) -> None:
    store.put("blue", "made by hand")
    now = datetime.now(timezone.utc)
    written = store.put("green", tail(now + seconds(10), "v2-1"))
    for at, owner in [(9.9, Owner("blue", 1)), (10.1, Owner("green", 2)), (59, Owner("green", 2))]:
        assert store.flag.owner(now + seconds(at)) == owner
    fresh = Flag(NAME, client=_client(None))
    assert store.calls(lambda: fresh.owner(written + seconds(60))) == [GET, HISTORY]


def test_an_owner_is_final_once_a_newer_version_takes_effect_after_the_instant(store: Store) -> None:
    store.put("blue", "made by hand")
    now = datetime.now(timezone.utc)
    assert store.flag.ownership(now + seconds(5)) == Ownership(Owner("blue", 1), is_final=False)
    store.put("green", tail(now + seconds(10), "v2-1"))
    fresh = Flag(NAME, client=_client(None))
    for at, ownership in [
        (5, Ownership(Owner("blue", 1), is_final=True)),
        (11, Ownership(Owner("green", 2), is_final=False)),
        (3600, Ownership(Owner("green", 2), is_final=False)),
    ]:
        assert fresh.ownership(now + seconds(at)) == ownership
    # No version takes effect before the one before it: not even a failover that is dated back to before the switch.
    store.put("blue", tail(now - seconds(30), "v3-1"))
    assert Flag(NAME, client=_client(None)).ownership(now + seconds(5)) == Ownership(Owner("blue", 1), is_final=True)


def test_the_instant_at_which_a_version_takes_effect_is_not_final(store: Store) -> None:
    # A failover may be back-dated to that very instant, and then the newer version owns it.
    store.put("blue", "made by hand")
    now = datetime.now(timezone.utc)
    store.put("green", tail(now, "v2-1"))
    assert store.flag.ownership(now) == Ownership(Owner("green", 2), is_final=False)
    store.put("blue", tail(now - seconds(30), "v3-1"))
    assert Flag(NAME, client=_client(None)).owner(now) == Owner("blue", 3)


def test_a_back_dated_failover_owns_the_runs_that_the_dead_side_missed(store: Store) -> None:
    store.put("blue")
    time.sleep(1.2)
    dead_since = datetime.now(timezone.utc) - seconds(1)
    store.put("green", tail(dead_since, "v2-1"))
    assert store.flag.owner(dead_since - seconds(0.1)).color == "blue"
    assert store.flag.owner(dead_since + seconds(0.1)).color == "green"


def test_a_hundred_versions_are_two_pages_and_older_instants_belong_to_the_oldest_known(store: Store) -> None:
    for number in range(120):
        store.put("blue" if number % 2 else "green", f"number {number}")
    now = datetime.now(timezone.utc)
    assert store.calls(lambda: store.flag.owner(now)) == [GET, HISTORY, HISTORY]
    assert store.flag.owner(now) == Owner("blue", 120)
    assert store.flag.owner(now - timedelta(days=365)) == Owner("green", 21)


def test_the_cache_serves_for_a_few_seconds_and_only_instants_before_the_answer(store: Store) -> None:
    store.put("green")
    past = datetime.now(timezone.utc) - timedelta(days=1)
    future = datetime.now(timezone.utc) + timedelta(days=1)
    assert store.calls(lambda: store.flag.owner(past))[0] == GET
    assert GET not in store.calls(lambda: store.flag.owner(past))
    # A write may lie between the answer and a later instant.
    assert store.calls(lambda: store.flag.owner(future)) == [GET]
    assert GET not in store.calls(lambda: store.flag.owner(past))
    store.seconds += CACHE_SECONDS + 0.1
    assert GET in store.calls(lambda: store.flag.owner(past))


def test_the_cache_is_well_below_the_lead_of_a_planned_switch() -> None:
    assert CACHE_SECONDS <= 5


def test_a_missing_flag_says_what_to_do(store: Store) -> None:
    with pytest.raises(FlagMissing, match=r"does not exist in us-east-1\. Set custom\.bluegreen_flag_parameter.*initialize"):
        store.flag.owner(datetime.now(timezone.utc))


def test_a_flag_that_is_deleted_after_a_reading_is_missing(store: Store) -> None:
    store.put("blue")
    store.flag.owner(datetime.now(timezone.utc))
    store.ssm.delete_parameter(Name=NAME)
    store.seconds += CACHE_SECONDS + 1
    with pytest.raises(FlagMissing):
        store.flag.owner(datetime.now(timezone.utc))


def test_a_flag_made_again_between_the_two_calls_is_not_mixed_with_its_predecessor(store: Store) -> None:
    written = store.put("blue")
    store.flag.owner(written + seconds(3600))
    store.ssm.delete_parameter(Name=NAME)
    time.sleep(0.01)
    store.put("green")
    with pytest.raises(StoreUnavailable, match="deleted and made again; this is tried again"):
        store.flag.owner(written)  # the cache still has version 1 of the old one
    assert len(store.slept) == 3
    store.seconds += CACHE_SECONDS + 1
    assert store.flag.owner(written) == Owner("green", 1)


def test_the_history_of_a_flag_that_was_made_again_is_read_anew(store: Store) -> None:
    """Its versions have the same numbers as before."""
    for value in ("blue", "purple"):
        written = store.put(value)
    assert store.flag.owner(written + seconds(61)) == Owner("blue", 1)
    store.ssm.delete_parameter(Name=NAME)
    time.sleep(0.01)
    for value in ("green", "purple"):
        written = store.put(value)
    store.seconds += CACHE_SECONDS + 1
    assert store.flag.owner(written + seconds(61)) == Owner("green", 1)


@pytest.mark.parametrize("value", ["Blue", "blue ", "red", "1"])
def test_a_version_without_a_color_is_never_in_force(store: Store, value: str) -> None:
    written = store.put("green")
    time.sleep(0.01)
    garbage = store.put(value)
    # The previous color stays in force, before and after the garbage is a minute old, and the run's log line gives the
    # reason.
    for instant in (written, garbage, garbage + seconds(1), garbage + seconds(61)):
        assert store.flag.owner(instant) == Owner("green", 1), instant
    broken = store.flag.ownership(garbage + seconds(61)).broken
    assert broken is not None
    assert f"version 2 holds {value!r}, no color: the version before it stays in force" in broken
    time.sleep(0.01)
    # After any repair, the runs that were due meanwhile still have their owner.
    repaired = store.put("blue")
    store.seconds += CACHE_SECONDS + 1
    assert store.flag.owner(garbage) == Owner("green", 1)
    assert store.flag.owner(repaired) == Owner("blue", 3)
    assert store.flag.ownership(repaired).broken is None


def test_garbage_makes_no_answer_final(store: Store) -> None:
    # No failover can be back-dated to before the garbage, but a failover can give a later run to the other color.
    store.put("green")
    time.sleep(0.01)
    garbage = store.put("purple")
    assert store.flag.ownership(garbage - seconds(0.005)).is_final
    assert not store.flag.ownership(garbage + seconds(1)).is_final


def test_the_history_behind_garbage_is_read_once(store: Store) -> None:
    store.put("green")
    time.sleep(0.01)
    garbage = store.put("purple")
    later = garbage + seconds(61)
    assert store.calls(lambda: [store.flag.owner(later) for _ in range(5)]).count(HISTORY) == 1


@pytest.mark.parametrize("value", ["Blue", "red"])
def test_a_flag_that_never_held_a_color_executes_nothing(store: Store, value: str) -> None:
    garbage = store.put(value)
    for instant in (garbage, garbage + seconds(61)):
        with pytest.raises(FlagInvalid, match=f"version 1 holds '{value}'; allowed are blue and green"):
            store.flag.owner(instant)
    time.sleep(0.01)
    store.put("green")
    store.seconds += CACHE_SECONDS + 1
    assert store.flag.owner(garbage) == Owner("green", 2)


def test_a_flag_that_is_encrypted_executes_nothing_and_says_so(store: Store) -> None:
    store.ssm.put_parameter(Name=NAME, Value="green", Type="SecureString")
    written = store.ssm.get_parameter(Name=NAME)["Parameter"]["LastModifiedDate"]
    for ask in (store.flag.ownership, store.flag.in_force):
        for instant in (written, written + seconds(61)):
            with pytest.raises(FlagInvalid, match=f"{NAME} is a SecureString.*must be a String.*delete it, wait 30 s"):
                ask(instant)
    with pytest.raises(FlagInvalid, match="is a SecureString"):
        store.flag.current()
    with pytest.raises(FlagInvalid, match="is a SecureString"):
        store.flag._pages()


@pytest.mark.parametrize("operation", [GET, HISTORY])
def test_throttling_is_outlasted_within_bounds(store: Store, operation: str) -> None:
    written = store.put("green")
    store.aws.add_fault("throttle", "ssm", operation, times=2)
    assert store.flag.owner(written) == Owner("green", 1)


@pytest.mark.parametrize("operation", [GET, HISTORY])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("throttle", "ThrottlingException"),
        ("access-denied", "AccessDenied.*allow the environment's execution role ssm:{}"),
        ("server-error", "failed"),
        ("malformed", "gave no usable answer"),
        ("lost-response", "failed"),
    ],
)
def test_trouble_that_lasts_is_an_error_and_never_a_color(store: Store, operation: str, fault: str, message: str) -> None:
    written = store.put("green")
    store.aws.add_fault(fault, "ssm", operation)
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match=message.replace("{}", operation)):
        store.flag.owner(written)
    assert time.monotonic() - started < 30


def test_silence_ends_in_bounded_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mwaa_bluegreen.flag.READ_TIMEOUT", 0.3)
    store.put("green")
    # Longer than any reader here waits: whoever hangs up is the reader, however slow this machine is.
    store.aws.add_fault("timeout", "ssm", GET, latency_ms=60_000)
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="Read timeout"):
        Flag(NAME, client=_client(None)).owner(datetime.now(timezone.utc))
    assert time.monotonic() - started < 20


def test_a_history_behind_the_parameter_is_asked_again(store: Store) -> None:
    store.put("blue")
    between = time.time()
    written = store.put("green")
    fault = store.aws.add_fault("stale", "ssm", HISTORY, as_of=between)
    reader = Flag(NAME, client=_client(None), sleep=lambda _: store.aws.clear_faults(fault))
    calls = store.calls(lambda: reader.owner(written))
    assert calls == [GET, HISTORY, HISTORY]
    assert reader.owner(written) == Owner("green", 2)


def test_clocks_of_two_environments_do_not_matter(store: Store) -> None:
    # SSM's dates alone decide which color owns an instant: a reader's wrong clock affects nothing but the cache.
    store.put("blue")
    now = datetime.now(timezone.utc)
    store.put("green", tail(now + seconds(10), "v2-1"))
    for skew in [-3600, 0, 3600]:
        reader = Flag(NAME, client=_client(None), now=lambda skew=skew: time.time_ns() + skew * 1_000_000_000)
        assert [reader.owner(now + seconds(s)).color for s in (9, 11)] == ["blue", "green"]
