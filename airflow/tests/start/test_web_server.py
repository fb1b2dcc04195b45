"""The web server of one Airflow version, in a process of its own, with every option of the package on.

`make test` runs this for every version that README promises, and the other tests for one version only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from local_aws.process import LocalAws
from support.real_airflow import Browser, RealAirflow

NAME = "/mwaa/blue-green/active-environment"
EVERY_OPTION = {
    "AIRFLOW__CUSTOM__BLUEGREEN_FLAG_PARAMETER": NAME,
    "AIRFLOW__CUSTOM__BLUEGREEN_FLAG_REGION": "us-east-1",
    "AIRFLOW__CUSTOM__BLUEGREEN_GUARD": "all",
    "AIRFLOW__CUSTOM__BLUEGREEN_STATUS_PAGE": "on",
    "AIRFLOW__CUSTOM__BLUEGREEN_STANDBY_WAIT_SECONDS": "420",
}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as local:
        yield local


@pytest.fixture(scope="module")
def web(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAirflow]:
    boto3.client("ssm", **aws.client_settings()).put_parameter(Name=NAME, Value="green", Type="String")
    no_dags = tmp_path_factory.mktemp("dags")
    environment = RealAirflow("blue", Path(os.environ["AIRFLOW_PYTHON"]), no_dags, aws.environment(), EVERY_OPTION)
    try:
        environment.make_database()
        environment.start_web_server()
        environment.wait(environment.healthy, "the web server answers")
        print(f"the web server of Airflow {environment.version} answers")
        yield environment
    finally:
        environment.kill()


def test_it_starts_and_shows_the_page(web: RealAirflow) -> None:
    browser = Browser(web)
    if not web.is_3:
        assert browser.open("/bluegreen/")[0] == "/login/"
        browser.log_in("admin")
        assert '<a href="/bluegreen/">' in browser.open("/home")[1]
    path, html = browser.open("/bluegreen/")
    assert path == "/bluegreen/"
    assert '<h1 class="STANDBY blue">STANDBY</h1>' in html
    assert "<dd>1</dd>" in html


def test_airflow_lists_the_plugin_and_knows_no_import_error(web: RealAirflow) -> None:
    found = {plugin["name"]: plugin for plugin in web.request("GET", "plugins")["plugins"]}
    assert "bluegreen_status_page" in found
    path = "plugins/importErrors" if web.is_3 and not web.version.startswith("3.0.") else None
    assert path is None or web.request("GET", path)["import_errors"] == []
