"""The tables of docs/reference."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from tools.generate.blocks import Writer
from tools.generate.stack import FUNCTIONS
from tools.generate.template import text_of

# The page that says more about a parameter than its description can hold.
SEE = {
    "ParameterRoot": "[two pairs](../features/two-pairs.md)",
    "OnFlagFault": "[flag repair](../features/flag-repair.md)",
    "RunReportSeconds": "[run report](../features/run-report.md)",
    "DagManagement": "[DAG management](../features/dag-management.md)",
    "AuditTrail": "[what a stack leaves](../features/account-rules.md#what-a-stack-leaves)",
    "VpcSubnetIds": "[private web servers](../getting-started.md#3-private-web-servers)",
    "KmsKeyArn": "[a key of your own](../features/account-rules.md#a-key-of-your-own)",
    "SsmEndpointUrl": "[networks](../features/account-rules.md#networks)",
}
# The parameter that enables a conditional resource.
ONLY_WITH = {
    "BlueIsHere": "blue in the stack's region",
    "GreenIsHere": "green in the stack's region",
    "DrillsScheduled": "`DrillSchedule`",
    "DrillsMayBeOverdue": "`DrillOverdueDays`",
}
ASKERS = {
    "automatic-failover": "automatic failover",
    "switch": "switch by a person",
    "failover": "failover by a person",
    "rollback": "rollback",
    "drill": "drill",
}


def cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        "",
        "| " + " | ".join(headings) + " |",
        "|" + "---|" * len(headings),
        *("| " + " | ".join(cell(text) for text in row) + " |" for row in rows),
        "",
    ]


def code(words: Iterable[Any], between: str = ", ") -> str:
    return between.join(f"`{word}`" for word in words)


def page_of(see: str | None) -> str:
    return f"; see [{see.replace('-', ' ')}](../features/{see}.md)" if see else ""


# -- one function a table


def preconditions(schema: dict[str, Any]) -> list[str]:
    return table(
        ["precondition", "objects when", "what lifts it"],
        ([code([each["name"]]), each["about"], each["lifted_by"]] for each in schema["preconditions"]),
    )


def asked(schema: dict[str, Any]) -> list[str]:
    names = schema["preconditions"]
    return table(
        ["transition", "what can stop it"],
        ([words, code(each["name"] for each in names if asker in each["asked_by"])] for asker, words in ASKERS.items()),
    )


def events(schema: dict[str, Any]) -> list[str]:
    return table(
        ["event", "when", "mail"],
        ([code([each["detail_type"]]), each["about"] + page_of(each["see"]), each["mail"]] for each in schema["events"]["types"]),
    )


def metrics(schema: dict[str, Any]) -> list[str]:
    return table(
        ["metric", "dimension", "values of the dimension", "unit", "value"],
        (
            [
                code([each["name"]]),
                code([each["dimension"]]) if each["dimension"] else "",
                code(each["values"] or []),
                each["unit"].lower(),
                each["about"],
            ]
            for each in schema["metrics"]["names"]
        ),
    )


def readers(parameter: dict[str, Any], accesses: set[str]) -> str:
    using = [function for function in FUNCTIONS if accesses & set(parameter["access"][function])]
    return "all" if len(using) == len(FUNCTIONS) else ", ".join(using)


def parameters(schema: dict[str, Any]) -> list[str]:
    rows = []
    for each in schema["parameters"]:
        name = each["name"] + ("…" if each["name"].endswith("/") else "")
        rows.append(
            [
                code([name]),
                each["about"],
                readers(each, {"get", "history", "list"}),
                readers(each, {"put", "create", "delete"}) or "the stack",
            ]
        )
    return table(["parameter", "value", "read by", "written by"], rows)


def memories(schema: dict[str, Any]) -> list[str]:
    return table(["field of `memory`", "contents"], ([code([each["name"]]), each["about"]] for each in schema["memories"]))


def actions(schema: dict[str, Any]) -> list[str]:
    return table(
        ["action", "what it does", "writes"],
        (
            [code([each["name"]]), each["about"] + page_of(each["see"]), "yes" if each["writes"] else "no"]
            for each in schema["actions"]
        ),
    )


def fields(schema: dict[str, Any]) -> list[str]:
    writing = [action["name"] for action in schema["actions"] if action["writes"]]
    rows = [[code(["action"]), "", "what to do; see above"]]
    own = {(field["action"], name) for field in schema["fields"] if field["action"] for name in field["names"]}
    for field in schema["fields"]:
        taking = [
            action["name"]
            for action in schema["actions"]
            for name in field["names"][:1]
            if name in action["fields"] and (field["action"] or (action["name"], name) not in own)
        ]
        taking = [field["action"]] if field["action"] else taking
        rows.append([code(field["names"]), "all that write" if taking == writing else ", ".join(taking), field["about"]])
    return table(["field", "with action", "meaning"], rows)


def outcomes(schema: dict[str, Any]) -> list[str]:
    return table(
        ["outcome", "what happened", "what to do"],
        ([code(each["outcomes"]), each["about"], each["advice"]] for each in schema["outcomes"]),
    )


def errors(schema: dict[str, Any]) -> list[str]:
    return table(["`errorType`", "what it means"], ([code([each["error_type"]]), each["about"]] for each in schema["errors"]))


def commands(schema: dict[str, Any]) -> list[str]:
    return table(
        ["command", "what it does", "options"],
        (
            [code([each["name"]]), each["about"] or "", code(option["name"] for option in each["options"])]
            for each in schema["commands"]
        ),
    )


def options(schema: dict[str, Any]) -> list[str]:
    return table(
        ["option of every command", "meaning"],
        ([code([each["name"]]), angled(each["about"] or "")] for each in schema["options"]),
    )


def angled(text: str) -> str:
    """Placeholders, which Markdown would parse as tags."""
    return re.sub(r"([^\s\[\]]*<[A-Za-z-]+>[^\s\[\]]*)", r"`\1`", text)


def exit_codes(schema: dict[str, Any]) -> list[str]:
    return table(["exit code", "meaning"], ([str(each["code"]), each["about"]] for each in schema["exit_codes"]))


def alarms(template: dict[str, Any]) -> list[str]:
    rows = []
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::CloudWatch::Alarm":
            continue
        properties = resource["Properties"]
        text = text_of(properties["AlarmDescription"])
        found = re.search(r" Runbook: \S*/([a-z-]+\.md|README\.md)\.?", text)
        about, page = (text.replace(found[0], ""), found[1]) if found else (text, "")
        condition = resource.get("Condition")
        notifies = "wakes the watcher" if "HealthWatcherFunction.Arn" in str(properties["AlarmActions"]) else "mail"
        rows.append(
            [
                code([text_of(properties["AlarmName"]).replace("${PairName}", "<pair>")]),
                placeholders(about),
                notifies,
                ONLY_WITH[condition] if condition else "",
                f"[{page}](../runbooks/{page})" if page else "",
            ]
        )
    return table(["alarm", "description", "action", "only with", "runbook"], rows)


def placeholders(text: str) -> str:
    """The placeholders that a deployment replaces, and the resulting command."""
    text = text.replace("${PairName}", "<pair>").replace("${AWS::Region}", "<region>")
    text, found, command = text.partition(" with: ")
    text = re.sub(r"(\S*<pair>\S*?)([.,:]?)(?=\s|$)", r"`\1`\2", re.sub(r"\$\{(\w+)\}", r"`\1`", text))
    command = re.sub(r"\$\{(.+?)\}", r"<\1>", command.rstrip("."))
    return f"{text}{found}`{command}`." if found else text


def default_of(spec: dict[str, Any]) -> str:
    return code([spec["Default"]]) if str(spec["Default"]) else "none"


def allowed_in(spec: dict[str, Any]) -> str:
    values = spec.get("AllowedValues", [])
    if 0 < len(values) <= 8:
        return code(values)
    if "MinValue" in spec:
        return f"{spec['MinValue']} to {spec['MaxValue']}"
    return str(spec.get("ConstraintDescription", "")).rstrip(".")


def template_parameters(schema: dict[str, Any], template: dict[str, Any]) -> list[str]:
    about = {setting["parameter"]: setting["about"] for setting in schema["settings"]}
    lines = []
    for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]:
        rows = []
        for name in group["Parameters"]:
            spec = template["Parameters"][name]
            meaning = about.get(name) or re.sub(r"(\S*<\w+>\S*?)([.,]?)(?=\s|$)", r"`\1`\2", spec["Description"])
            see = f" See {SEE[name]}." if name in SEE else ""
            rows.append([code([name]), default_of(spec), allowed_in(spec), meaning + see])
        lines += ["", f"## {group['Label']['default']}", *table(["parameter", "default", "allowed", "meaning"], rows)[:-1]]
    return [*lines, ""]


def blocks(schema: dict[str, Any], template: dict[str, Any]) -> dict[str, dict[str, Writer]]:
    """The content of each block, by page."""

    def writer(lines: list[str]) -> Writer:
        return lambda _: lines

    return {
        "alarms.md": {"alarms": writer(alarms(template))},
        "command-line.md": {
            "commands": writer(commands(schema)),
            "options": writer(options(schema)),
            "exit codes": writer(exit_codes(schema)),
        },
        "events.md": {"events": writer(events(schema))},
        "metrics.md": {"metrics": writer(metrics(schema))},
        "preconditions.md": {"preconditions": writer(preconditions(schema)), "who asks": writer(asked(schema))},
        "requests-and-responses.md": {
            "actions": writer(actions(schema)),
            "fields": writer(fields(schema)),
            "outcomes": writer(outcomes(schema)),
            "errors": writer(errors(schema)),
        },
        "ssm-parameters.md": {"parameters": writer(parameters(schema)), "memories": writer(memories(schema))},
        "template-parameters.md": {"template parameters": writer(template_parameters(schema, template))},
    }
