"""The blocks of template.yaml."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import Any

from tools.generate.blocks import Writer

FUNCTIONS = ("health-watcher", "switch-handler", "change-listener")
# The holders of a policy: all functions, the two that decide, and each function alone.
HOLDERS = {
    "functions": set(FUNCTIONS),
    "deciders": {"health-watcher", "switch-handler"},
    **{function: {function} for function in FUNCTIONS},
}
ROOT = '{Root: !If [RootGiven, !Ref ParameterRoot, !If [IsDefaultPair, /mwaa/blue-green, !Sub "/mwaa/${PairName}"]]}'
ARN = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${Root}/"
# For the values of one metric, in their order; the last for what is no value.
COLORS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf", "#9edae5",
          "#aec7e8", "#ffbb78", "#98df8a", "#ff9896", "#c5b0d5")  # fmt: skip
# The fixed colors of an environment, a failure and a success, wherever they are drawn.
FIXED = {"blue": "#1f77b4", "green": "#2ca02c", "succeeded": "#2ca02c", "failed": "#d62728", "failover": "#d62728",
         "standby-unhealthy": "#d62728"}  # fmt: skip


def plain(about: str) -> str:
    """As the console shows it: without Markdown marks."""
    return " ".join(about.replace("`", "").split())


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def parameters(settings: Iterable[dict[str, Any]], indent: str) -> list[str]:
    lines = []
    for setting in settings:
        if "words" in setting:
            words = setting["words"]
            allowed = (
                f"Type: String, Default: {setting['default']}, AllowedValues: [{', '.join(words)}], "
                f"ConstraintDescription: {quoted(', '.join(words[:-1]) + ' or ' + words[-1] + '.')}"
            )
        else:
            unit = f" {setting['unit']}" if setting["unit"] else ""
            allowed = (
                f"Type: Number, Default: {setting['default']}, MinValue: {setting['least']}, MaxValue: {setting['most']}, "
                f"ConstraintDescription: {setting['least']} to {setting['most']}{unit}."
            )
        lines += [
            f"{indent}{setting['parameter']}:",
            f"{indent}  {{{allowed},",
            f"{indent}   Description: {quoted(plain(setting['about']))}}}",
        ]
    return lines


def group(settings: Iterable[dict[str, Any]], indent: str) -> list[str]:
    return [f"{indent}- {setting['parameter']}" for setting in settings]


def variables(settings: Iterable[dict[str, Any]], indent: str) -> list[str]:
    return [
        f"{indent}{setting['variable']}: "
        + (f"!Ref {setting['parameter']}" if setting["parameter"] else f'"{setting["default"]}"')
        for setting in settings
    ]


def held(parameter: dict[str, Any], access: str) -> dict[str, bool]:
    """The holders that need this right to this parameter: the widest whose functions all need it, then the rest."""
    needing = {function for function in FUNCTIONS if access in parameter["access"][function]}
    found = {}
    for holder, functions in HOLDERS.items():
        found[holder] = functions <= needing
        if found[holder]:
            needing -= functions
    return found


def resources(names: Iterable[str], indent: str) -> list[str]:
    return [f'{indent}- !Sub ["{ARN}{name}", {ROOT}]' for name in names]


def rights(schema: dict[str, Any]) -> dict[str, Writer]:
    """The parameters of every statement, by its holder and its right."""
    found: dict[str, Writer] = {}
    accesses = sorted({access for p in schema["parameters"] for function in FUNCTIONS for access in p["access"][function]})
    for access in accesses:
        for holder in HOLDERS:
            names: list[str] = []
            for parameter in schema["parameters"]:
                if held(parameter, access)[holder]:
                    name = parameter["name"]
                    if access == "list":
                        # Authorized against the requested path, with and without the slash.
                        names += [name.rstrip("/"), name]
                    else:
                        names.append(f"{name}*" if name.endswith("/") else name)
            if names:
                found[f"{holder} {access}"] = partial(resources, names)
    return found


def series(namespace: str, metric: dict[str, Any], indent: str) -> list[str]:
    free = [color for color in COLORS if color not in {FIXED.get(value) for value in metric["values"]}]
    drawn = []
    for value in metric["values"]:
        color = FIXED.get(value) or free.pop(0)
        drawn.append(
            f'["{namespace}", "{metric["name"]}", "Pair", "${{PairName}}", "{metric["dimension"]}", "{value}", '
            f'{{"label": "{value}", "color": "{color}"}}]'
        )
    return [f"{indent}{metric['name']}: !Sub |-", *(f"{indent}  {line}" for line in ",\n".join(drawn).splitlines())]


def dashboard(schema: dict[str, Any], indent: str) -> list[str]:
    metrics = schema["metrics"]
    return [line for metric in metrics["names"] if metric["dimension"] for line in series(metrics["namespace"], metric, indent)]


def notified(types: Iterable[dict[str, Any]], indent: str) -> list[str]:
    mailed = [event for event in types if event["is_mail"]]
    silent = sorted({event["silent_outcome"] for event in mailed} - {None})
    return [
        f"{indent}detail-type:",
        *(f"{indent}  - {event['detail_type']}" for event in mailed),
        f"{indent}detail:",
        f"{indent}  outcome: [{{anything-but: [{', '.join(silent)}]}}, {{exists: false}}]",
    ]


def blocks(schema: dict[str, Any]) -> dict[str, Writer]:
    settings = schema["settings"]
    found: dict[str, Writer] = {
        "variables": partial(variables, settings),
        "notified events": partial(notified, schema["events"]["types"]),
        "metrics by dimension": partial(dashboard, schema),
        **rights(schema),
    }
    for name in dict.fromkeys(setting["group"] for setting in settings if setting["group"]):
        its = [setting for setting in settings if setting["group"] == name]
        found[f"parameters of {name}"] = partial(parameters, its)
        found[f"group of {name}"] = partial(group, its)
    return found
