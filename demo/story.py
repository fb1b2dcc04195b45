"""The story of the demo, in eight parts. Each step is waited for, and shown when it has happened."""

from __future__ import annotations

import time

from demo import checks, environments, scenes
from demo.screen import milliseconds, seconds, short_times
from demo.stage import BLUE, HEALTH_THRESHOLD_SECONDS, PROBE_INTERVAL_SECONDS, ROOT, SCHEDULE_SECONDS, Stage
from demo.timeline import StepTimeout, TimelineEvent, TimelineFollower


class Story(Stage):
    title = "a pair from nothing; a scheduler dies, the standby takes over; a hold, a drill, an upgrade"

    def stop(self) -> None:
        """End the story's own processes: here there are none."""

    def tell(self) -> None:
        """Run the whole story. Raises StepTimeout where it stops, and if a check does not pass."""
        self.set_up()
        self.fail_over()
        self.switch_back()
        scenes.hold(self, BLUE)
        scenes.drill(self)
        environments.upgrade(self)
        scenes.look_back(self)
        self.verify()

    # -- 1 -------------------------------------------------------------------------------------------------------

    def set_up(self) -> None:
        screen = self.screen
        screen.heading("1  From nothing: one file, one command")
        started = time.monotonic()
        with screen.working("starting the local AWS"):
            self.aws.start()
        self.fact("local AWS", f"{self.aws.endpoint}, ready in {seconds(time.monotonic() - started)}; it is empty")
        environments.from_nothing(self)
        screen.line()
        screen.say("Make the health-watcher look now; its schedule does it every minute:")
        self.healthy_tick()

    # -- 2 -------------------------------------------------------------------------------------------------------

    def fail_over(self) -> None:
        screen, facts = self.screen, self.facts
        screen.heading("2  Blue's scheduler dies. From here on nobody touches anything")
        follower = self.follower = TimelineFollower(self.aws, self.pair, screen)
        facts.calls_from = follower.calls_read
        self.aws.put_environment(BLUE, scheduler="stopped")
        fault = next(e for e in self.aws.timeline() if e["what"] == "heartbeat-lost")
        follower.fault_at = facts.fault_at = fault["at"]
        screen.say("Seconds are counted from the fault; times of day are in UTC.", style="dim")
        facts.last_heartbeat = follower.until("fault", "the scheduler stopped", 5).data["last_heartbeat"]

        def is_blue(happening: TimelineEvent) -> bool:
            return happening.data.get("environment") == BLUE and happening.data.get("ill", False)

        follower.until("airflow", "Airflow calls its scheduler unhealthy", 20, is_blue, lambda since:
                       f"{seconds(since)}: silence, but Airflow still says healthy until its last heartbeat is "
                       f"{HEALTH_THRESHOLD_SECONDS} s old")
        facts.alarm = follower.until(
            "alarm", "the heartbeat alarm fires", 30, lambda h: h.data["state"] == "ALARM" and "-blue-" in h.data["alarm"],
            lambda since: f"{seconds(since)}: the heartbeat alarm waits for 10 s of silence").data["alarm"]
        follower.until("woken", "the watcher is woken", SCHEDULE_SECONDS + 5)
        flag = follower.until("flag", "the flag written: failover to green", self.patience, doing=self.probing)
        facts.flag_at = flag.at
        facts.claim = follower.until("claim", "the claim created", 5).data["record"]
        verdict = follower.until("verdict", "the verdict logged by the watcher", 10,
                                 lambda h: h.data["decision"] == "failover" and bool(h.data.get("transition")))
        follower.until("listener", "the change-listener woken", 15)
        follower.until("audit", "the audit event in its log group", 20, lambda h: h.data.get("version") == 2)
        facts.calls_to = follower.calls_read
        self.metrics_of_failover()
        self.sum_up(verdict)

    def probing(self, since: float) -> str:
        probes = self.follower.probes_under_way
        if not probes:
            return f"{seconds(since)}: waiting for the watcher"
        return (f"{seconds(since)}: {probes} probes so far, one every {PROBE_INTERVAL_SECONDS} s, until the failure window of "
                f"{self.window:.0f} s is over")

    def metrics_of_failover(self) -> None:
        """Read the published metrics back from CloudWatch."""
        pair, facts = self.pair, self.facts
        deadline = time.monotonic() + 15
        while True:
            span = (facts.fault_at - 1, time.time() + 1)
            found = {"Transitions": pair.datapoints("Transitions", *span, Kind="failover"),
                     "RecoveryTime": pair.datapoints("RecoveryTime", *span),
                     "SwitchDuration": pair.datapoints("SwitchDuration", *span),
                     "blue": pair.datapoints("ActiveEnvironment", facts.flag_at, span[1], Color="blue"),
                     "green": pair.datapoints("ActiveEnvironment", facts.flag_at, span[1], Color="green")}
            if all(found.values()):
                break
            if time.monotonic() > deadline:
                missing = ", ".join(name for name, values in found.items() if not values)
                raise StepTimeout(f"metrics of the failover read back from CloudWatch: {missing} missing")
            self.follower.poll()
            time.sleep(0.5)
        last = {name: values[-1][1] for name, values in found.items()}
        facts.recovery_time, facts.switch_duration = last["RecoveryTime"], last["SwitchDuration"]
        self.follower.show(TimelineEvent(
            time.time(), "metrics", "metrics", "read back from CloudWatch, namespace MWAA/BlueGreen:",
            (f"Transitions {{Kind=failover}} {last['Transitions']:.0f}",
             f"RecoveryTime {seconds(last['RecoveryTime'])}, SwitchDuration {milliseconds(last['SwitchDuration'])}",
             f"ActiveEnvironment {{Color=blue}} {last['blue']:.0f}, {{Color=green}} {last['green']:.0f}"), last))

    def sum_up(self, verdict: TimelineEvent) -> None:
        facts, screen = self.facts, self.screen
        before = facts.fault_at - facts.last_heartbeat
        after_window = facts.flag_at - facts.last_heartbeat - self.window
        screen.line()
        rows = ((seconds(facts.flag_at - facts.fault_at), "Time to failover", "from the fault to the flag written, made of"),
                (seconds(self.window), "  failure window", "since blue's last heartbeat: so long it must be seen failing"),
                (seconds(-before), "  head start", "the last heartbeat was that long before the fault"),
                (f"+{seconds(max(after_window, 0))}", "  next probe", f"the watcher, woken by the {verdict.data['trigger']}, "
                 f"probed every {PROBE_INTERVAL_SECONDS} s"),
                (milliseconds(facts.switch_duration), "The switch itself", "from decision to flag written: claim, then write"))
        for value, name, meaning in rows:
            title = screen.styled(name.ljust(21), "bold") if not name.startswith(" ") else name.ljust(21)
            screen.line(f"  {title}{value:>8}  {meaning}")

    # -- 3 -------------------------------------------------------------------------------------------------------

    def switch_back(self) -> None:
        screen, pair = self.screen, self.pair
        screen.heading("3  Repair blue, and switch back")
        self.aws.put_environment(BLUE, scheduler="running")
        self.follower.until("repair", "the scheduler started again", 5)
        self.follower.until("airflow", "Airflow calls its scheduler healthy", 15, lambda h: not h.data["ill"])
        pause = float(self.parameters["CooldownSeconds"]) - (time.time() - self.facts.flag_at)
        if pause > 0:
            over = time.monotonic() + pause + 0.1
            while time.monotonic() < over:
                self.follower.poll()
                screen.progress(f"the cooldown after a failover, here {self.parameters['CooldownSeconds']} s, is not over")
                time.sleep(0.25)
        screen.line()
        screen.say("Switch back, with a reason and a name for the audit trail:")
        request = {"to": "blue", "reason": "blue repaired", "requested_by": "ana"}
        answer = self.facts.answer = self.invoke(pair.request_command(request), "switching")
        screen.fields([
            ("outcome", f"{answer['outcome']}: {answer['reason']}"),
            ("active", f"{answer['active']} (was {answer['previous']}), version {answer['version']}"),
            ("transition", str(answer["transition"])),
            ("preconditions", ", ".join(f"{one['name']} {'passed' if one['passed'] else 'FAILED'}" for one in answer["preconditions"])),
            ("elapsed", milliseconds(answer["elapsed_ms"]))])
        if answer["outcome"] != "switched":
            raise StepTimeout(f"switched back to blue: the answer was {answer['outcome']}: {answer['reason']}")
        screen.line()
        self.follower.until("audit", "the audit event of the switch", 20, lambda h: h.data.get("version") == 3)
        screen.line()
        self.status()
        screen.line()
        self.history()

    def status(self) -> None:
        self.screen.say("Where do we stand?")
        answer = self.invoke(self.pair.outputs["StatusCommand"], "asking for status")
        rows = []
        for color in ("blue", "green"):
            verdict = answer["verdicts"][color]
            role = "active" if answer["active"] == color else "standby"
            rows.append((color, answer["environments"][color], role, verdict["verdict"],
                         short_times("; ".join(verdict["reasons"]))))
        self.screen.table(("color", "environment", "role", "verdict", "because"), rows)

    def history(self) -> None:
        self.screen.say("How did we get here?")
        answer = self.facts.history = self.invoke(self.pair.request_command({"action": "history"}), "asking for the history")
        rows = []
        for entry in reversed(answer["entries"]):
            sentence = entry["description"].split(" [effective_from=")[0]
            rows.append((str(entry["version"]), entry["kind"], f"{entry['from']} -> {entry['to']}" if entry["from"] else entry["to"],
                         checks.hour(entry["written_at"]), checks.hour(entry["effective_from"]),
                         short_times(sentence.removeprefix(f"{entry['kind']}: "))))
        self.screen.table(("version", "kind", "change", "written", "effective", "why"), rows)

    # -- 4, 5, 7: scenes.py; 6: environments.py; and 8 -----------------------------------------------------------------------------------

    def verify(self) -> None:
        screen, follower = self.screen, self.follower
        screen.heading("8  Check all of it against what AWS answers now")
        if not any(d["trigger"] == "schedule" for d in self.pair.decisions()):
            follower.until("verdict", "a tick by the stack's schedule", SCHEDULE_SECONDS + 15,
                           lambda h: h.data["trigger"] == "schedule", lambda since:
                           f"{seconds(since)}: the schedule's first tick comes a minute after the deployment")
            screen.line()
        with screen.working("reading parameters, logs, metrics and queues"):
            results = checks.verify(self.pair, self.aws, self.mailbox, ROOT / scenes.PICTURE, self.facts, self.window,
                                    PROBE_INTERVAL_SECONDS)
        for result in results:
            screen.check(result.passed, result.what, result.seen)
        missing = [result.what for result in results if not result.passed]
        if missing:
            raise StepTimeout("; ".join(missing))
