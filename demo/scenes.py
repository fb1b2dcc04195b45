"""The second half of the story: an operator uses `mwaa-bluegreen`. A hold, a drill, a readiness check, a timeline picture."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from pathlib import Path

from demo.commands import ROOT, BackgroundCommand
from demo.screen import milliseconds, seconds, short_times
from demo.stage import Stage
from demo.timeline import StepTimeout, TimelineEvent, TimelineFollower

HOLD_MINUTES, DRILL_MINUTES = 10, 1  # the shortest allowed
PICTURE = Path(".demo/timeline.svg")
PERIOD_SECONDS = 1  # of the picture: everything here takes seconds; CloudWatch itself keeps these metrics by the minute


def command(stage: Stage, text: str, doing: str) -> str:
    """Run a command of the command line, and show its output."""
    stage.screen.command(text)
    with stage.screen.working(doing):
        said = stage.pair.command_line(text)
    stage.screen.printed(short_times(said))
    return said


def hold(stage: Stage, blue: str) -> None:
    """Place a hold, kill blue's scheduler: nothing may fail over. Repair, release."""
    screen, pair, facts = stage.screen, stage.pair, stage.facts
    screen.heading("4  A hold: work on the network, and no automatic failover meanwhile")
    screen.say("Both sides are well again, says a tick:")
    stage.healthy_tick()
    screen.line()
    screen.say(f"From here on by the command line; it finds the pair by MWAA_BLUEGREEN_PAIR={pair.name}:")
    command(stage, f"mwaa-bluegreen hold --minutes {HOLD_MINUTES} --reason 'work on the network' --requested-by ana --yes",
            "placing the hold")
    screen.line()
    screen.say("Blue's scheduler dies under the hold. Seconds are counted from here:")
    follower = TimelineFollower(stage.aws, pair, screen)
    stage.aws.put_environment(blue, scheduler="stopped")
    follower.fault_at = facts.held_fault_at = time.time()
    follower.until("fault", "the scheduler stopped again", 5)
    follower.until("alarm", "the heartbeat alarm fires again", 30,
                   lambda h: h.data["state"] == "ALARM" and "-blue-" in h.data["alarm"],
                   lambda since: f"{seconds(since)}: the heartbeat alarm waits for 10 s of silence")
    follower.until("verdict", "the failover blocked by the hold", stage.patience, lambda h: h.data["decision"] == "blocked",
                   lambda since: f"{seconds(since)}: the watcher probes until the failure window of {stage.window:.0f} s is over")
    follower.until("audit", "the event Failover Blocked", 20, lambda h: h.data["type"] == "Failover Blocked")
    screen.line()
    screen.say("Every tick decides anew, and says what it would have done. The next one is asked for now:")
    answer = stage.invoke(pair.tick_command(), "one tick")
    objecting = [f"{precondition['name']}: {precondition['detail']}" for precondition in answer["preconditions"] if not precondition["passed"]]
    screen.fields([("decision", f"{answer['decision']}: green would take over; {answer['active']} stays active, version "
                                f"{answer['version']}"),
                   ("reason", short_times(answer["reason"])),
                   ("objects", short_times("; ".join(objecting)))])
    if (answer["decision"], answer["blocked_by"], answer["version"]) != ("blocked", ["hold"], 3):
        raise StepTimeout(f"the tick blocked by the hold: {answer['decision']} by {answer['blocked_by']}")
    screen.line()
    follower.until("verdict", "that tick in the watcher's log", 15, lambda h: h.data["trigger"] == "invoke")
    screen.line()
    screen.say("Blue comes back; the hold is no longer needed:")
    stage.aws.put_environment(blue, scheduler="running")
    follower.until("airflow", "Airflow calls its scheduler healthy", 15, lambda h: not h.data["ill"])
    screen.line()
    command(stage, "mwaa-bluegreen release --reason 'network done' --requested-by ana --yes", "releasing")
    stage.healthy_tick()


def drill(stage: Stage) -> None:
    """A drill: green is active for a minute, and the watcher returns to blue."""
    screen, pair = stage.screen, stage.pair
    screen.heading("5  A drill: green shows that it can do the work, while nothing is broken")
    follower = TimelineFollower(stage.aws, pair, screen)
    follower.fault_at = time.time()
    command(stage, f"mwaa-bluegreen drill --duration-minutes {DRILL_MINUTES} --reason 'weekly practice' --requested-by ana --yes",
            "starting the drill")
    returns_at = pair.flag().modified.timestamp() + DRILL_MINUTES * 60
    screen.line()
    watch = "mwaa-bluegreen watch --until-settled"
    screen.say("Follow it; in between, what else happens. Seconds are counted from the drill's beginning:")
    screen.command(watch)
    with BackgroundCommand(watch, pair.variables) as following:
        shown = 0

        def watched() -> list[TimelineEvent]:
            nonlocal shown
            new = following.lines[shown:]
            shown += len(new)
            return [TimelineEvent(at, "watch", "watch", short_times(re.sub(r"^\S+ \S+Z ", "", line)), data={"line": line})
                    for at, line in new]

        follower.also.append(watched)
        follower.until("watch", "the watch tells of the drill", 20, lambda h: "drill switch pending" in h.data["line"])
        follower.until("audit", "the audit event of the drill's switch", 20, lambda h: h.data.get("version") == 4)
        screen.line()
        screen.say("Meanwhile: the mail that told people of the failover above")
        with screen.working("reading the mail"):
            mail = stage.mailbox.wait_for("FAILOVER blue -> green")
        screen.fields([("subject", mail.subject)], indent=6)
        screen.printed(short_times("\n".join(mail.beginning())), indent=6)
        screen.printed("... then why, what to do, and the commands that undo it", indent=6)
        screen.line()
        while time.time() < returns_at + 0.5:
            follower.poll()
            screen.progress(f"green works for its minute; {max(returns_at - time.time(), 0):.0f} s are left")
            time.sleep(0.25)
        tick = pair.tick_command()
        if not any(happening.kind == "flag" and happening.data.get("version") == 5 for happening in follower.seen):
            screen.say("The minute is over. The watcher's next tick returns; it is asked for now:")
            stage.invoke(tick, "one tick")
        follower.until("flag", "the flag written back", 70, lambda h: h.data.get("version") == 5)
        follower.until("audit", "the event Drill Finished", 20, lambda h: h.data["type"] == "Drill Finished")
        finished = next(h.data for h in follower.seen if h.data.get("type") == "Drill Finished")
        stage.facts.drill = finished
        deadline = time.monotonic() + 60
        while following.ended() is None:
            if time.monotonic() > deadline:
                raise StepTimeout(f"{watch} ended when all was settled: not within 60 s")
            follower.poll()
            screen.progress("watch ends when the return counts, a moment after it was written")
            time.sleep(0.25)
        follower.until("watch", "the last line of watch", 5, lambda h: "active blue version 5" in h.data["line"])
        if code := following.ended():
            raise StepTimeout(f"{watch} ended with exit code {code}")
    outcome_of(stage, follower)


def outcome_of(stage: Stage, follower: TimelineFollower) -> None:
    """The drill's outcome, from the audit event and the metric."""
    finished = stage.facts.drill
    timings = finished["timings"]
    deadline = time.monotonic() + 60
    while not (values := stage.pair.datapoints("DrillOutcome", follower.fault_at - 1, time.time() + 1, Outcome="succeeded")):
        if time.monotonic() > deadline:
            raise StepTimeout("the metric DrillOutcome {Outcome=succeeded} read back from CloudWatch")
        time.sleep(0.5)
    stage.screen.line()
    stage.screen.fields([
        ("event", f"Drill Finished: {finished['outcome']}; green worked for {seconds(timings['held_s'])}; switched in "
                  f"{milliseconds(timings['switch_duration_ms'])}, returned in {milliseconds(timings['return_duration_ms'])}"),
        ("metric", f"DrillOutcome {{Outcome=succeeded}} {values[-1][1]:.0f}")])


def look_back(stage: Stage) -> None:
    """Check whether the standby is ready, and draw the whole timeline."""
    screen = stage.screen
    screen.heading("7  Is the standby ready for the next time? And a picture of it all")
    stage.facts.check = command(stage, "mwaa-bluegreen check", "checking the standby")
    screen.line()
    (ROOT / PICTURE).parent.mkdir(exist_ok=True)
    (ROOT / PICTURE).unlink(missing_ok=True)
    start = datetime.fromtimestamp(stage.facts.began, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    command(stage, f"mwaa-bluegreen chart --from {start} --period {PERIOD_SECONDS} --output {PICTURE}",
            "drawing what the metrics say")
    screen.say("It stays there; open it in a browser.", style="dim")
