"""The status page in Airflow's UI: it says ACTIVE or STANDBY. Off unless `custom.bluegreen_status_page` is `on`.

Every component of Airflow loads plugins: nothing of a web framework may be imported before a web server asks for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from html import escape
from typing import Any

from mwaa_bluegreen import settings as configuration
from mwaa_bluegreen.errors import BlueGreenError, ConfigurationInvalid, FlagEncrypted, FlagInvalid, FlagMissing
from mwaa_bluegreen.flag import shared_flag
from mwaa_bluegreen.ownership import COLORS

log = logging.getLogger(__name__)

NAME, PATH = "Blue-Green", "/bluegreen"
ACTIVE, STANDBY, UNKNOWN = "ACTIVE", "STANDBY", "UNKNOWN"

CACHE_SECONDS = 10.0
"""How long one answer, or one failure, is cached for all viewers of a process: at most six GetParameter a minute."""
STALE_SECONDS = 30.0
"""How old the last answer may become while a new one is awaited; a read can take a minute."""
REFRESH_SECONDS = 30


@dataclass(frozen=True)
class StatusPage:
    """The content of the page."""

    word: str
    """`ACTIVE`, `STANDBY` or `UNKNOWN`."""
    asked_at: datetime
    color: str | None = None
    version: int | None = None
    since: datetime | None = None
    why: str | None = None
    """Foreign text, for viewers who have logged in."""
    trouble: str | None = None
    """What failed, for viewers who have logged in: it names the account, the role and the parameter."""
    what_to_do: str | None = None
    """For every viewer."""


def look(now: datetime | None = None) -> StatusPage:
    """Determine whether this environment owns a run that is due now. Never raises: what cannot be known is UNKNOWN."""
    now = now or datetime.now(timezone.utc)
    color = None
    try:
        settings = configuration.read()
        color = settings.color
        found = shared_flag(settings.parameter, settings.region).in_force(now)
    except BlueGreenError as error:
        return StatusPage(UNKNOWN, now, color, trouble=str(error), what_to_do=_what_to_do(error))
    except Exception as error:  # a fault of ours must not look like a fault of Airflow
        return StatusPage(UNKNOWN, now, color, trouble=repr(error), what_to_do="Look into the web server's log")
    word = ACTIVE if found.owner.color == color else STANDBY
    what_to_do = _REPAIR if found.broken else None
    return StatusPage(word, now, color, found.owner.version, found.since, found.why, found.broken, what_to_do)


_REPAIR = "The flag holds no color: write blue or green into it, as a String. The web server's log says more"

_REPLACE = "The flag is a SecureString, which nobody can make a String of: delete it, wait 30 s, and create it again as a String"


def _what_to_do(error: BlueGreenError) -> str:
    if isinstance(error, ConfigurationInvalid):
        what = "A setting of this environment is missing or wrong, such as custom.environment_color"
    elif isinstance(error, FlagMissing):
        what = "The flag does not exist: create it, or correct custom.bluegreen_flag_parameter and custom.bluegreen_flag_region"
    elif isinstance(error, FlagEncrypted):
        what = _REPLACE
    elif isinstance(error, FlagInvalid):
        return _REPAIR
    else:
        what = "Parameter Store refused or did not answer: see whether the web server's role may read the flag"
    return f"{what}. The web server's log says more"


class StatusCache:
    """The last answer, for all viewers of one process. Only one thread reads the flag at a time; no other waits for it.

    A waiting viewer would occupy a thread of the web server, and on Airflow 3 anybody who reaches it can open the page.
    """

    def __init__(self, ask: Callable[[], StatusPage] = look, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._monotonic = ask, monotonic
        self._asking = threading.Lock()
        self._last: tuple[float, StatusPage] | None = None

    def status_page(self) -> StatusPage:
        """The page to show."""
        shown = self._within(CACHE_SECONDS)
        if shown is not None:
            return shown
        if not self._asking.acquire(blocking=False):
            return self._within(STALE_SECONDS) or StatusPage(
                UNKNOWN,
                datetime.now(timezone.utc),
                what_to_do="Parameter Store is being asked at this moment; this page looks again by itself",
            )
        try:
            # Another thread may have read the flag since.
            shown = self._within(CACHE_SECONDS)
            if shown is None:
                shown = self._ask()
                self._tell(shown)
                self._last = (self._monotonic(), shown)
            return shown
        finally:
            self._asking.release()

    def _within(self, seconds: float) -> StatusPage | None:
        last = self._last
        return last[1] if last is not None and self._monotonic() - last[0] < seconds else None

    def _tell(self, status_page: StatusPage) -> None:
        if status_page.trouble is not None and (self._last is None or self._last[1].trouble != status_page.trouble):
            log.warning("bluegreen: status page %s: %s", status_page.word, status_page.trouble)


cache = StatusCache()

HEADERS = {
    "Cache-Control": "no-store",
    # Airflow 3.1 and later show the page in a frame of their own.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
}

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 3rem auto; max-width: 40rem; padding: 0 1rem }
h1 { font-size: 4rem; line-height: 1.2; margin: 0; padding: 0 1rem; display: inline-block; border: 6px solid }
h1.ACTIVE { border-style: solid } h1.STANDBY { border-style: dashed } h1.UNKNOWN { border-style: dotted }
h1.blue { border-color: #2f6fdf } h1.green { border-color: #2e8b57 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem } dd { margin: 0; overflow-wrap: anywhere }
"""


def page(status_page: StatusPage, logged_in: bool) -> str:
    """The page's HTML. A viewer who is not logged in sees neither text that people wrote nor answers of AWS."""
    other = next((color for color in COLORS if color != status_page.color), None) if status_page.color else None
    here = f"This environment is {status_page.color}. " if status_page.color else ""
    belong = {
        ACTIVE: "Runs that are due now belong to it.",
        STANDBY: f"Runs that are due now belong to {other}.",
        UNKNOWN: "Whose the runs are that are due now cannot be known.",
    }
    text = here + belong[status_page.word]
    facts = [("This environment", status_page.color), ("The other", other)]
    if status_page.version is not None:
        facts += [
            ("Version of the flag", str(status_page.version)),
            ("In force since", _text(status_page.since) if status_page.since else "not known: its history could not be read"),
        ]
    if logged_in:
        facts += [("Why, by its writer", status_page.why), ("What failed", status_page.trouble)]
    facts += [("What to do", status_page.what_to_do), ("Asked at", _text(status_page.asked_at))]
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in facts if value)
    back = '<p><a href="..">Airflow</a></p>\n' if logged_in else ""
    title = f"{status_page.word} ({status_page.color})" if status_page.color else status_page.word
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f'<body><h1 class="{escape(status_page.word)} {escape(status_page.color or "")}">{escape(status_page.word)}</h1>\n'
        f"<p>{escape(text)}</p>\n<dl>\n{rows}</dl>\n{back}</body></html>\n"
    )


def _text(instant: datetime) -> str:
    return instant.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


# -- Airflow's plugin interface ------------------------------------------------------------------------------------------


def __getattr__(name: str) -> Any:
    """`PLUGIN`, the entry point: created when Airflow reads it. None if the status page is off; Airflow ignores that."""
    if name == "PLUGIN":
        return plugin()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def plugin(lookup: configuration.Lookup = configuration.from_airflow) -> Any:
    """The plugin's class, or None if the status page is off.

    Raises ConfigurationInvalid for a wrong setting, which Airflow shows as the plugin's import error.
    """
    if not configuration.status_page(lookup):
        return None
    from airflow.plugins_manager import AirflowPlugin

    # Airflow 2 does not know `fastapi_apps`; 3 would want another provider for views.
    airflow_3 = hasattr(AirflowPlugin, "fastapi_apps")

    class BlueGreenMark(AirflowPlugin):  # type: ignore[misc]
        """Only a web server reads these properties."""

        name = "bluegreen_status_page"

        @cached_property
        def fastapi_apps(self) -> list[Any]:
            """Airflow 3: the page."""
            return _or_nothing(lambda: [{"app": _application(), "url_prefix": PATH, "name": NAME}]) if airflow_3 else []

        @cached_property
        def external_views(self) -> list[Any]:
            """Airflow 3.1 and later: the entry in the navigation, which shows the page in a frame."""
            if not self.fastapi_apps:
                return []
            return _or_nothing(
                lambda: [
                    {
                        "name": NAME,
                        "href": f"{_root()}{PATH}/",
                        "destination": "nav",
                        "url_route": PATH.strip("/"),
                        "nav_top_level": True,
                    }
                ]
            )

        @cached_property
        def appbuilder_views(self) -> list[Any]:
            """Airflow 2: the page and its entry in the menu."""
            # Before 2.10 Airflow reads `category` without a check that it exists; empty is the menu's top level.
            return [] if airflow_3 else _or_nothing(lambda: [{"name": NAME, "category": "", "view": _view()}])

    return BlueGreenMark


def _or_nothing(make: Callable[[], list[Any]]) -> list[Any]:
    try:
        return make()
    except Exception:
        log.exception("bluegreen: no status page in this UI; everything else is as without it")
        return []


def _root() -> str:
    """The path below which Airflow serves, without a slash at its end."""
    from urllib.parse import urlsplit

    from airflow.configuration import conf

    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")


def _application() -> Any:
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse

    # Not a coroutine: it may wait for Parameter Store, and then only in a thread of its own.
    def show():  # type: ignore[no-untyped-def]
        return HTMLResponse(page(cache.status_page(), logged_in=False), headers=HEADERS)

    application = FastAPI(title=NAME, openapi_url=None, docs_url=None, redoc_url=None)
    application.add_api_route("/", show, methods=["GET"], response_model=None, response_class=HTMLResponse)
    return application


def _view() -> Any:
    from flask_appbuilder import BaseView, expose, has_access

    class BlueGreenMarkView(BaseView):  # type: ignore[misc]
        route_base = PATH
        default_view = "show"
        # A permission that every role has that may see Airflow's UI: one of our own would be the administrators' only.
        class_permission_name = "Website"
        method_permission_name = {"show": "read"}  # noqa: RUF012

        @expose("/")  # type: ignore[untyped-decorator]
        @has_access  # type: ignore[untyped-decorator]
        def show(self) -> Any:
            return page(cache.status_page(), logged_in=True), HEADERS

    return BlueGreenMarkView()
