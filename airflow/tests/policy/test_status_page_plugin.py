"""The status page, as Airflow's own plugin manager finds it. Needs an environment with Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

plugins_manager = pytest.importorskip("airflow.plugins_manager")

from mwaa_bluegreen import status_page  # noqa: E402

AIRFLOW_3 = hasattr(plugins_manager.AirflowPlugin, "fastapi_apps")
HAS_VIEWS_IN_FRAMES = hasattr(plugins_manager.AirflowPlugin, "external_views")  # 3.1 and later
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)

# The manager caches what it has found, so each setting needs a process of its own.
FOUND = """
import json, sys
from airflow import plugins_manager
before = set(sys.modules)
# Ours alone, as its entry point loads it: other plugins, such as OpenLineage's, may import what they like.
import mwaa_bluegreen.status_page
costly = [name for name in ("boto3", "fastapi", "flask", "flask_appbuilder") if name in set(sys.modules) - before]
plugins_manager.ensure_plugins_loaded()
found = [plugin for plugin in plugins_manager.get_plugin_info() if plugin["name"] == "bluegreen_status_page"]
errors = plugins_manager.get_import_errors() if hasattr(plugins_manager, "get_import_errors") else plugins_manager.import_errors
print("FOUND" + json.dumps([found, errors, costly], default=str))
"""


def found_with(setting: str | None, **more: str) -> tuple[list[dict[str, Any]], dict[str, str], list[str]]:
    environment = {name: value for name, value in os.environ.items() if name != "AIRFLOW__CUSTOM__BLUEGREEN_STATUS_PAGE"}
    if setting is not None:
        environment["AIRFLOW__CUSTOM__BLUEGREEN_STATUS_PAGE"] = setting
    done = subprocess.run([sys.executable, "-c", FOUND], env={**environment, **more}, capture_output=True, text=True, check=True)
    found, errors, costly = json.loads(done.stdout.partition("FOUND")[2])
    return found, {source: error for source, error in errors.items() if "bluegreen" in source + error}, costly


def test_switched_on_airflow_finds_the_plugin_and_loading_it_imports_no_web_framework() -> None:
    found, errors, costly = found_with("on")
    assert (len(found), errors, costly) == (1, {}, [])
    assert "mwaa-bluegreen" in found[0]["source"].replace("_", "-")
    pages = found[0]["fastapi_apps"] if AIRFLOW_3 else found[0]["appbuilder_views"]
    assert [entry["name"] for entry in pages] == ["Blue-Green"]
    # On Airflow 3 a view would make the API server require the FAB provider.
    assert bool(found[0]["appbuilder_views"]) is not AIRFLOW_3


@pytest.mark.parametrize("setting", [None, "off"])
def test_switched_off_airflow_has_no_plugin_and_no_complaint(setting: str | None) -> None:
    assert found_with(setting)[:2] == ([], {})


def test_a_wrong_setting_is_an_import_error_of_the_plugin_and_of_nothing_else() -> None:
    found, errors, _ = found_with("yes")
    assert found == []
    assert list(errors.values()) == ["custom.bluegreen_status_page is 'yes'; allowed are on, off"]


@pytest.mark.skipif(not HAS_VIEWS_IN_FRAMES, reason="Airflow 3.1 and later")
def test_the_entry_in_the_navigation_follows_the_base_url() -> None:
    for base_url, href in [("https://airflow.example.org", "/bluegreen/"), ("https://example.org/team/air/", "/team/air/bluegreen/")]:
        found, _, _ = found_with("on", AIRFLOW__API__BASE_URL=base_url)
        entry = found[0]["external_views"][0]
        assert (entry["name"], entry["href"], entry["destination"]) == ("Blue-Green", href, "nav")


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Any:
    seen = status_page.StatusPage("STANDBY", NOON, "blue", 7, NOON, why="asked for by ana")
    monkeypatch.setattr(status_page, "cache", status_page.StatusCache(lambda: seen))
    return status_page.plugin({"bluegreen_status_page": "on"}.get)()


@pytest.mark.skipif(not AIRFLOW_3, reason="Airflow 3")
def test_the_page_answers_where_airflow_3_mounts_it(plugin: Any) -> None:
    pytest.importorskip("httpx")
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    (registered,) = plugin.fastapi_apps
    airflow = FastAPI()
    airflow.mount(registered["url_prefix"], registered["app"])
    client = TestClient(airflow)
    answer = client.get("/bluegreen/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    assert ">STANDBY</h1>" in answer.text
    assert "ana" not in answer.text
    assert [client.get(f"/bluegreen/{other}").status_code for other in ("docs", "redoc", "openapi.json")] == [404, 404, 404]
    assert client.post("/bluegreen/").status_code == 405


@pytest.mark.skipif(not AIRFLOW_3, reason="Airflow 3")
def test_a_web_framework_that_refuses_leaves_airflow_as_it_was(plugin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_page, "_application", lambda: 1 / 0)
    assert (plugin.fastapi_apps, plugin.external_views, plugin.appbuilder_views) == ([], [], [])


@pytest.mark.skipif(AIRFLOW_3, reason="Airflow 2")
def test_the_view_of_airflow_2_wants_the_permission_to_see_the_ui(plugin: Any) -> None:
    (registered,) = plugin.appbuilder_views
    view = registered["view"]
    assert (registered["name"], view.route_base) == ("Blue-Green", "/bluegreen")
    assert (view.class_permission_name, set(view.base_permissions)) == ("Website", {"can_read"})

    asked: list[tuple[str, str]] = []

    def has_access(permission: str, resource: str) -> bool:
        asked.append((permission, resource))
        return True

    view.appbuilder = SimpleNamespace(sm=SimpleNamespace(has_access=has_access))
    html, headers = view.show()
    assert asked == [("can_read", "Website")]
    assert ">STANDBY</h1>" in html
    assert "asked for by ana" in html
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.skipif(AIRFLOW_3, reason="Airflow 2")
def test_a_view_that_cannot_be_made_leaves_airflow_as_it_was(plugin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_page, "_view", lambda: 1 / 0)
    assert plugin.appbuilder_views == []
