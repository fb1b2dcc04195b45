"""The part of CloudWatch metric math that alarms of a small stack use.

ministack has none. Supported: numbers, metric ids, + - * /, comparisons, FILL(id, number), IF(c, a, b),
SUM([a, b]), MAX([…]), MIN([…]). Everything else makes the alarm's value missing, with a line in the log.
"""

from __future__ import annotations

import ast
import logging
import operator
from collections.abc import Callable
from typing import Any

log = logging.getLogger("local_aws.metric_math")

_ARITHMETIC: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}
_COMPARISON: dict[type, Callable[[float, float], bool]] = {
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def evaluate(queries: list[dict[str, Any]], metric_value: Callable[[dict[str, Any]], float | None]) -> float | None:
    """The value of the query that returns data. `metric_value` answers for one MetricStat."""
    by_id = {query["Id"]: query for query in queries}
    returning = [query for query in queries if query.get("ReturnData", True) not in (False, "false")]
    return _query(returning[0], by_id, metric_value) if returning else None


def _query(query: dict[str, Any], by_id: dict[str, Any], metric_value: Any) -> float | None:
    if query.get("MetricStat"):
        return metric_value(query["MetricStat"])
    expression = query.get("Expression", "")
    try:
        # IF is a Python keyword; nothing else in the supported part of the language conflicts.
        return _value(ast.parse(expression.replace("IF(", "IF_("), mode="eval").body, by_id, metric_value)
    except ZeroDivisionError:
        return None
    except (SyntaxError, ValueError, KeyError) as error:
        log.warning("metric math expression %r is not supported here: %s", expression, error)
        return None


def _value(node: ast.expr, by_id: dict[str, Any], metric_value: Any) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return _query(by_id[name], by_id, metric_value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            found = _value(operand, by_id, metric_value)
            return None if found is None else -found
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            pair = _value(left, by_id, metric_value), _value(right, by_id, metric_value)
            # As on AWS: where one side has no datapoint, the result has none.
            return None if None in pair else _ARITHMETIC[type(op)](*pair)  # type: ignore[arg-type]
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISON:
            pair = _value(left, by_id, metric_value), _value(right, by_id, metric_value)
            return None if None in pair else float(_COMPARISON[type(op)](*pair))  # type: ignore[arg-type]
        case ast.Call(func=ast.Name(id="FILL"), args=[inner, ast.Constant(value=int() | float() as number)]):
            found = _value(inner, by_id, metric_value)
            return float(number) if found is None else found
        case ast.Call(func=ast.Name(id="IF_"), args=[condition, yes, no]):
            found = _value(condition, by_id, metric_value)
            return None if found is None else _value(yes if found else no, by_id, metric_value)
        case ast.Call(func=ast.Name(id="SUM" | "MAX" | "MIN" as name), args=[ast.List(elts=elements)]):
            known = [v for v in (_value(e, by_id, metric_value) for e in elements) if v is not None]
            if not known:
                return None
            return sum(known) if name == "SUM" else max(known) if name == "MAX" else min(known)
    raise ValueError(ast.unparse(node))
