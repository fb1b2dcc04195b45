"""Reads template.yaml, with CloudFormation's short forms unresolved: {"Fn": …}."""

from __future__ import annotations

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    pass


def value_of(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    """What a short form is applied to."""
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


def _tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    return {suffix: value_of(loader, node)}


_Loader.add_multi_constructor("!", _tag)


def read(text: str) -> dict[str, Any]:
    template: dict[str, Any] = yaml.load(text, Loader=_Loader)
    return template


def text_of(value: Any) -> str:
    """The literal text, before any substitution."""
    if isinstance(value, dict):
        value = value["Sub"]
    return str(value[0] if isinstance(value, list) else value)
