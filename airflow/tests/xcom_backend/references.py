"""A typical custom XCom backend: the database holds a reference, and the value is stored elsewhere."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

try:
    from airflow.sdk.bases.xcom import BaseXCom
except ImportError:
    from airflow.models.xcom import BaseXCom


class References(BaseXCom):
    @staticmethod
    def serialize_value(value: Any, **_: Any) -> Any:
        path = Path(os.environ["AIRFLOW_HOME"]) / f"xcom-{uuid.uuid4()}.json"
        path.write_text(json.dumps(value))
        return BaseXCom.serialize_value(str(path))

    @staticmethod
    def deserialize_value(result: Any) -> Any:
        # Without a check of its type, as in many backends.
        return json.loads(Path(BaseXCom.deserialize_value(result)).read_text())
