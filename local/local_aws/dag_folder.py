"""The DAGs of an environment that a stack or the API of MWAA made: those whose files lie in its bucket's folder.

A file `x.py` has the DAG `x`, paused when it is new unless `core.dags_are_paused_at_creation` says otherwise. A file that does not
compile, or that raises at module level, has an import error: its DAG, if it was known, keeps standing in the list with it. The DAG of a
deleted file goes stale. All of that comes `parse_seconds` after the change in the bucket.

Known differences: no file is executed, `.airflowignore` is ignored, and a file has one DAG, whatever is in it.
"""

from __future__ import annotations

import ast
import logging
import re
import threading
import time
from pathlib import PurePosixPath

from ministack.services import s3

from local_aws import patches, scope
from local_aws.airflow_api import is_airflow_3
from local_aws.mwaa_environments import Environment, Made, environments, lock
from local_aws.mwaa_rules import BUCKET_ARN

EVERY_SECONDS = 0.1
AT_ONCE = 200  # files parsed while everything else waits
WITHOUT_AIRFLOW = ("CREATING", "CREATE_FAILED", "DELETING", "PENDING")


def has_import_error(source: bytes) -> bool:
    try:
        return any(isinstance(statement, ast.Raise) for statement in ast.parse(source).body)
    except (SyntaxError, ValueError):
        return True


def _listed(environment: Environment, made: Made) -> tuple[str, str, dict[str, str]]:
    """The bucket, the prefix of the folder, and its files with their entity tags."""
    found = re.fullmatch(BUCKET_ARN, str(environment.settings.source_bucket_arn))
    bucket = found[2] if found else ""
    folder = str(made.request.get("DagS3Path") or "").strip("/")
    prefix = f"{folder}/" if folder else ""
    objects = list(s3._buckets.get(bucket, {"objects": {}})["objects"].items())
    return bucket, prefix, {key.removeprefix(prefix): record["etag"] for key, record in objects
                            if key.startswith(prefix) and key.endswith(".py")}


def look(environment: Environment, made: Made, now: float) -> None:
    """Notice what has changed in the bucket, and parse what was noticed long enough ago."""
    bucket, prefix, files = _listed(environment, made)
    for file in files.keys() | made.files.keys() | made.noticed.keys():
        tag = files.get(file)
        if tag == made.files.get(file):
            made.noticed.pop(file, None)
        elif file not in made.noticed or made.noticed[file][0] != tag:
            # It changed after the last look. Counted from there, a late look is no reason for Airflow to be late.
            made.noticed[file] = (tag, (made.looked_at or now) + environment.settings.parse_seconds)
    due = [(file, tag) for file, (tag, at) in made.noticed.items() if at <= now]
    if len(due) <= AT_ONCE:
        made.looked_at = now
    due = due[:AT_ONCE]
    for file, tag in due:
        del made.noticed[file]
        source = s3._get_object_data(bucket, prefix + file) if tag else None
        _parsed(environment, made, file, tag, source)
    if due:
        folder = "" if is_airflow_3(environment.settings) else "/usr/local/airflow/dags/"
        environment.settings.import_errors = [folder + file for file in sorted(made.broken)]
        environment.dags = dict(sorted(environment.dags.items()))


def _parsed(environment: Environment, made: Made, file: str, tag: str | None, source: bytes | None) -> None:
    dag_id = PurePosixPath(file).stem
    known = environment.dags.get(dag_id)
    if tag is None or source is None:
        made.files.pop(file, None)
        made.broken.discard(file)
        if known is not None and known.get("file") == file:
            known.update(stale=True, import_errors=False)
        return
    made.files[file] = tag
    if has_import_error(source):
        made.broken.add(file)
        if known is not None:
            known["import_errors"] = True
        return
    made.broken.discard(file)
    if known is None:
        option = environment.settings.configuration_options.get("core.dags_are_paused_at_creation", "True")
        known = environment.dags[dag_id] = {"paused": option.lower() in ("true", "t", "1")}
    known.update(import_errors=False, stale=False, file=file)


def _watch() -> None:
    while True:
        time.sleep(EVERY_SECONDS)
        with lock:
            found = list(environments.values())
        for environment in found:
            made = environment.made
            if made is None or not made.reads_bucket or environment.settings.status in WITHOUT_AIRFLOW \
                    or environment.settings.scheduler != "running":
                continue
            scope.enter(environment.settings.region)
            try:
                with lock:
                    look(environment, made, time.time())
            # S3's own threads change its objects meanwhile. The next look sees them as they are then, and this thread, which every
            # environment needs, goes on.
            except Exception:
                logging.getLogger(__name__).exception("a look at the DAGs of %s failed; the next one comes", environment.name)


def install() -> None:
    patches.original(s3, "_buckets")
    patches.original(s3, "_get_object_data")
    threading.Thread(target=_watch, daemon=True, name="local-aws-dag-folder").start()
