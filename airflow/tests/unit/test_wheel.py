"""The wheel that README.md's commands build."""

from __future__ import annotations

import configparser
import re
import zipfile
from pathlib import Path

from support.paths import PACKAGE, PACKAGE_README


def test_it_has_the_name_that_readme_tells_to_put_into_requirements_txt(wheel: Path) -> None:
    assert re.findall(r"/usr/local/airflow/plugins/([\w.-]+\.whl)", PACKAGE_README) == [wheel.name]
    name, number, _ = wheel.name.split("-", 2)
    assert f"`{name.replace('_', '-')}=={number}`" in PACKAGE_README


def test_it_has_every_module_the_types_marker_and_nothing_else(wheel: Path) -> None:
    source = PACKAGE / "src"
    wanted = {str(path.relative_to(source)) for path in source.glob("mwaa_bluegreen/*") if path.suffix in (".py", ".typed")}
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if ".dist-info/" not in name} == wanted
    assert {"mwaa_bluegreen/__init__.py", "mwaa_bluegreen/policy.py", "mwaa_bluegreen/py.typed"} <= wanted


def test_airflow_finds_the_policy_and_the_plugin_in_it(wheel: Path) -> None:
    told = configparser.ConfigParser(delimiters="=")
    with zipfile.ZipFile(wheel) as archive:
        told.read_string(archive.read("mwaa_bluegreen-0.2.0.dist-info/entry_points.txt").decode())
    assert {group: dict(told[group]) for group in told.sections()} == {
        "airflow.policy": {"mwaa_bluegreen": "mwaa_bluegreen.policy"},
        "airflow.plugins": {"mwaa_bluegreen": "mwaa_bluegreen.status_page:PLUGIN"},
    }
