"""`--airflow`: the story with two real Airflow environments, and their DAG runs.

Two DAGs tick in both: one that the package guards, and one that compares the flag's current value, the usual pattern.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from demo.commands import Operator
from demo.screen import seconds
from demo.stage import BLUE, GREEN, PAIR_NAME, ROOT
from demo.story import Story
from demo.timeline import StepTimeout, TimelineEvent, TimelineFollower
from local_aws.stack import architecture
from support.real_airflow import RealAirflowError
from support.real_pair import ATTEMPTS, CLASSIC, ENDED, GUARDED, Execution, RealPair

FLAG = "/mwaa/blue-green/active-environment"  # the template's default
TICKS = (20, 30, 60)
STANDBY_WAIT_SECONDS = 90
HEALTH_THRESHOLD_SECONDS = 20  # Airflow's default is 30
NAMES = {"blue": BLUE, "green": GREEN}
TICKS_BEFORE = 2


class AirflowStory(Story):
    title = "a real Airflow scheduler is killed, and the standby executes the runs that it missed"
    real: RealPair

    def __init__(self, python: Path, home: Path, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._python, self._home = python, home

    def stop(self) -> None:
        """End the Airflow processes."""
        if hasattr(self, "real"):
            self.real.stop()

    def tell(self) -> None:
        try:
            self.set_up()
            self.before()
            self.die()
            self.failover_semantics()
            self.come_back()
        except RealAirflowError as error:
            raise StepTimeout(str(error)) from error

    # -- 1 -------------------------------------------------------------------------------------------------------

    def set_up(self) -> None:
        screen = self.screen
        screen.heading("1  Set up: a local AWS, two real Airflow environments, the stack")
        self.aws.start()
        self.fact("local AWS", self.aws.endpoint)
        options = {"AIRFLOW__CUSTOM__BLUEGREEN_STANDBY_WAIT_SECONDS": str(STANDBY_WAIT_SECONDS),
                   "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": str(HEALTH_THRESHOLD_SECONDS)}
        self.real = RealPair(self._python, self.aws.environment(), FLAG, self._home, options, TICKS)
        forwarded = self.real.forwarded()
        for color, settings in forwarded.items():
            self.aws.put_environment(NAMES[color], **settings)
        with screen.working("deploying template.yaml with aws cloudformation package and deploy"):
            self.stack.deploy(ROOT / "template.yaml", self.binaries, self.parameters, architecture())
            self.pair = Operator(self.aws, self.parameters["PairName"], {"blue": BLUE, "green": GREEN}, self.stack.outputs(), self.program)
        given = ", ".join(f"{name}={value}" for name, value in self.parameters.items() if name != "PairName")
        self.fact("stack", f"{PAIR_NAME}: template.yaml with the real binaries; {given} (short, for the demo)")
        # Before the first tick: a run that finds no flag fails.
        answer = self.invoke(self.pair.outputs["InitializeCommand"], "initializing the flag")
        if answer["outcome"] != "initialized":
            raise StepTimeout(f"the flag initialized: the answer was {answer['outcome']}: {answer['reason']}")
        screen.line()
        started = time.monotonic()
        with screen.working("starting two Airflow environments, web server and scheduler each"):
            self.real.start()
        for color, settings in forwarded.items():
            self.fact(color, f"{NAMES[color]}: Airflow {settings['airflow_version']}, {settings['forward_to']}, scheduler is process "
                      f"{self.real[color].scheduler_pid}")
        self.fact("ready in", seconds(time.monotonic() - started))
        self.fact("DAGs", f"two that tick every {self.real.tick} s in both environments: `{GUARDED}`, which the package guards, and "
                  f"`{CLASSIC}`, which compares the flag's value")
        screen.line()
        screen.say("Make the health-watcher look now; Airflow's own health endpoint answers it:")
        self.healthy_tick()

    # -- 2 -------------------------------------------------------------------------------------------------------

    def before(self) -> None:
        self.screen.heading("2  Blue is active: its runs execute, green's wait and are skipped")

        def executed() -> bool:
            return sum(bool(who) for who in self.real.executions(GUARDED).values()) >= TICKS_BEFORE

        self.until(executed, f"{TICKS_BEFORE} ticks executed", 8 * self.real.tick + 60, "ticks go by")
        self.runs()

    def runs(self, died: float | None = None, written: float | None = None, until: float | None = None) -> None:
        """The table of ticks: which color executed them."""
        classic, rows = self.real.executions(CLASSIC), []
        for tick, who in self.real.executions(GUARDED).items():
            if tick > (until or time.time()):
                continue
            missed = died is not None and written is not None and died < tick < written
            rows.append((clock(tick), told(tick, who), told(tick, classic.get(tick, [])),
                         "blue was dead, green not yet active" if missed else ""))
        self.screen.table(("tick", f"executed by ({GUARDED})", f"executed by ({CLASSIC})", ""), rows)

    # -- 3 -------------------------------------------------------------------------------------------------------

    def die(self) -> None:
        real, screen = self.real, self.screen
        screen.heading("3  Blue's scheduler is killed. From here on nobody touches anything")
        for _ in range(ATTEMPTS):  # no run may be in progress: such a run stays with its environment
            tick = real.next_tick()
            before = tick - real.tick
            self.until(lambda before=before: real.states("blue", GUARDED).get(before) in ENDED, "blue has ended a run", 120,
                       "waiting for a moment between two ticks")
            if time.time() < tick - 2:
                break
        else:
            raise StepTimeout(f"a moment between two ticks: the machine is too busy for one every {real.tick} s")
        while time.time() < tick - 2:
            screen.progress(f"the next tick is at {clock(tick)}")
            time.sleep(0.2)
        follower = self.follower = TimelineFollower(self.aws, self.pair, screen)
        pid = real["blue"].scheduler_pid
        real["blue"].kill_scheduler()
        self.died = follower.fault_at = time.time()
        follower.show(TimelineEvent(self.died, "fault", "fault", f"kill -9 {pid}: the scheduler of {BLUE} and its tasks",
                                (f"the next tick is in {seconds(tick - self.died)}",)))
        flag = follower.until("flag", "the flag written: failover to green", self.window + HEALTH_THRESHOLD_SECONDS + 120,
                              doing=lambda since: f"{seconds(since)}: {self.health()}")
        self.written = flag.at
        follower.until("listener", "the change-listener woken", 15)
        follower.until("audit", "the audit event in its log group", 20, lambda h: h.data.get("version") == 2)

    def health(self) -> str:
        """Airflow's own report on blue's scheduler."""
        try:
            scheduler = self.real["blue"].health()["scheduler"]
        except (OSError, RealAirflowError):
            return "blue's web server does not answer"
        beat = (scheduler["latest_scheduler_heartbeat"] or "never")[:19][-8:]
        return f"blue's Airflow calls its scheduler {scheduler['status']}, last heartbeat {beat}"

    # -- 4 -------------------------------------------------------------------------------------------------------

    def failover_semantics(self) -> None:
        self.screen.heading("4  Green takes over the DAG, with the runs that blue has missed")

        def taken() -> bool:
            found = self.real.executions(GUARDED)
            after = [tick for tick in found if tick > self.written and found[tick]]
            return bool(after) and all(found[tick] for tick in found if self.died < tick < self.written)

        self.until(taken, "green executes the missed ticks and the next one", STANDBY_WAIT_SECONDS + 4 * self.real.tick + 60,
                   "green's runs that have waited look at the flag again")
        self.follower.poll()
        self.screen.line()
        self.runs(self.died, self.written)

    # -- 5 -------------------------------------------------------------------------------------------------------

    def come_back(self) -> None:
        real, screen = self.real, self.screen
        screen.heading("5  Blue's scheduler is started again: it makes the runs it missed, and skips them")
        real["blue"].start_scheduler()
        until = time.time() // real.tick * real.tick

        def caught_up() -> bool:
            return all(real.states(color, dag).get(until) in ENDED for color in NAMES for dag in (GUARDED, CLASSIC))

        self.until(caught_up, "blue has made the runs it missed", STANDBY_WAIT_SECONDS + 120, "blue's scheduler makes the runs it missed")
        screen.line()
        self.runs(self.died, self.written, until)
        screen.line()
        found = {tick: len(who) for tick, who in real.executions(GUARDED).items() if tick <= until}
        green = [tick for tick, state in real.states("blue", CLASSIC).items()
                 if tick <= until and state == real.states("green", CLASSIC).get(tick) == "success"]
        lost = [clock(tick) for tick, who in real.executions(CLASSIC).items() if tick in green and not who]
        once = sum(n == 1 for n in found.values())
        screen.check(once == len(found), f"{GUARDED}: every tick executed exactly once", f"{once} of {len(found)}")
        screen.say(f"{CLASSIC}, which compares the flag's present value, has lost {', '.join(lost) or 'nothing'}; in both Airflows "
                   "the runs are green.")
        if once != len(found):
            raise StepTimeout(f"every tick executed exactly once: {found}")

    def until(self, check: Any, step: str, timeout: float, doing: str) -> None:
        deadline = time.monotonic() + timeout
        with self.screen.working(doing):
            while not check():
                if time.monotonic() > deadline:
                    raise StepTimeout(f"{step}: not within {timeout:.0f} s")
                time.sleep(0.5)


def clock(instant: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(instant))


def told(tick: float, who: list[Execution]) -> str:
    return ", ".join(f"{execution.color} after {seconds(execution.at - tick)}" for execution in who) or "nobody"
