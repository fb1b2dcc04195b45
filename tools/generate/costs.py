"""The tables of docs/cost-and-performance.md."""

from __future__ import annotations

from functools import partial
from typing import Any

from tools.generate.blocks import Writer
from tools.generate.reference import code, table


def dollars(amount: str | None) -> str:
    return "unknown" if amount is None else f"{float(amount):,.2f}"


def month(costs: dict[str, Any], _: str) -> list[str]:
    parts = ("environments", "further_workers", "metadata", "network", "controller", "together", "more_than_standard")
    rows = []
    for each in costs["classes"]:
        for number, mode in enumerate(each["modes"]):
            head = code([each["class"]]) if number == 0 else ""
            rows.append([head, str(each["workers"]) if number == 0 else "", mode["mode"], *(dollars(mode[part]) for part in parts)])
    return table(
        ["class", "workers each", "mode", "environments", "further workers", "metadata", "network", "controller", "together",
         "more than standard"],
        rows,
    )  # fmt: skip


def standby(costs: dict[str, Any], _: str) -> list[str]:
    return table(
        ["class", "a further worker, a month", f"a standby with 1 worker instead of {costs['workers']} saves", "of the pair's price"],
        (
            [
                code([each["class"]]),
                dollars(each["worker"]) if each["class"] != "mw1.micro" else "has none",
                dollars(each["saved"]) if each["saved"] else "",
                f"{each['saved_percent']} %" if each["saved"] else "",
            ]
            for each in costs["classes"]
        ),
    )


def network(costs: dict[str, Any], _: str) -> list[str]:
    return table(
        ["way out", "in `pair.toml`", "a month"],
        ([each["way"], code([each["keys"]]), dollars(each["month"])] for each in costs["networks"]),
    )


def lineage(costs: dict[str, Any], _: str) -> list[str]:
    return table(["part", "", "a month"], ([each["name"], each["detail"], dollars(each["month"])] for each in costs["lineage"]))


def price(usd: float) -> str:
    """As it is written: no exponent, and cents at least."""
    text = f"{usd:.10f}".rstrip("0")
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest.ljust(2, '0')}"


def sources(costs: dict[str, Any], _: str) -> list[str]:
    return table(
        ["price", "dollars", "for a", "sources"],
        (
            [
                code([name]),
                price(each["usd"]),
                each["unit"],
                f"[AWS]({each['source']}), " + (f"[second]({each['second_source']})" if each["second_source"] else "no second one was found"),
            ]
            for name, each in costs["prices"].items()
        ),
    )


def blocks(schema: dict[str, Any]) -> dict[str, Writer]:
    costs = schema["costs"]
    return {
        "costs a month": partial(month, costs),
        "costs of the standby's workers": partial(standby, costs),
        "costs of the network": partial(network, costs),
        "costs of lineage": partial(lineage, costs),
        "prices and sources": partial(sources, costs),
    }
