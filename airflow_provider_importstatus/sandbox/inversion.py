"""JSON that a JMESPath expression reads as a given value: the inverse of a search.

There is no general inverse. Each step tries what usually works, and counts only if a search confirms it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter

__all__ = [
    "NotInvertibleError",
    "Tree",
    "fails",
    "holds",
    "parse",
    "search",
    "selects",
    "with_truth",
    "with_value",
    "without_failure",
]

#: A node of jmespath's syntax tree: a dictionary with `type`, `children` and, for some, `value`.
Tree: TypeAlias = Any
#: Values tried for an expression that must hold, and for one that must not.
TRUE_VALUES: tuple[Any, ...] = (True, 1, "sandbox", ["sandbox"], [{}])
FALSE_VALUES: tuple[Any, ...] = (None, False, "", [])
#: Values that say nothing, tried for an expression that cannot be evaluated.
EMPTY_VALUES: tuple[Any, ...] = ([], "", 0, {}, [0], ["sandbox"])


class NotInvertibleError(ValueError):
    """No JSON was found that the expression reads as the value."""


def parse(text: str) -> Tree:
    """Return the syntax tree of an expression."""
    return jmespath.compile(text).parsed


def search(tree: Tree, data: Any) -> Any:
    """Return what the expression selects; None if it cannot be evaluated on this data."""
    return None if fails(tree, data) else TreeInterpreter().visit(tree, data)


def selects(tree: Tree, value: Any, data: Any) -> bool:
    """Return whether the expression selects this value."""
    found = search(tree, data)
    # In Python, true equals 1.
    return bool(found == value and isinstance(found, bool) == isinstance(value, bool))


def fails(tree: Tree, data: Any) -> bool:
    """Return whether the expression cannot be evaluated on this data."""
    try:
        TreeInterpreter().visit(tree, data)
    except (JMESPathError, TypeError, ValueError, AttributeError):
        return True
    return False


def holds(tree: Tree, data: Any) -> bool:
    """Return whether JMESPath takes the selected value for true."""
    value = search(tree, data)
    return not (value is None or value is False or (isinstance(value, str | list | dict) and not value))


def with_value(tree: Tree, value: Any, data: Any) -> Any:
    """Return a copy of the data in which the expression selects the value.

    :raises NotInvertibleError: none was found
    """
    changed = _put(tree, value, data)
    if not selects(tree, value, changed):
        raise NotInvertibleError
    return changed


def with_truth(tree: Tree, is_true: bool, data: Any, hint: Any = None) -> Any:
    """Return a copy of the data on which the expression holds, or does not hold.

    :param hint: a value to prefer, such as the number of rejected rows
    :raises NotInvertibleError: none was found
    """
    if _is(tree, is_true, data):
        return data
    for changed in _attempts(tree, is_true, data, hint):
        if _is(tree, is_true, changed):
            return changed
    raise NotInvertibleError


def without_failure(tree: Tree, data: Any) -> Any:
    """Return a copy of the data on which the expression can be evaluated.

    :raises NotInvertibleError: none was found
    """
    if not fails(tree, data):
        return data
    for value in EMPTY_VALUES:
        for changed in _tried(partial(_put, tree, value, data)):
            if not fails(tree, changed):
                return changed
    raise NotInvertibleError


def _is(tree: Tree, is_true: bool, data: Any) -> bool:
    return not fails(tree, data) and holds(tree, data) is is_true


def _put(tree: Tree, value: Any, data: Any) -> Any:
    """Return a copy of the data in which the expression should select the value."""
    children = tree["children"]
    match tree["type"]:
        case "identity" | "current":
            # An empty object stands for any item of a list.
            return data if value == {} and isinstance(data, dict) else value
        case "field":
            return _with_field(tree["value"], value, data)
        case "index":
            return _with_item(tree["value"], value, data)
        case "subexpression" | "pipe" | "index_expression":
            return _put_in_turn(children, value, data)
        case "projection" | "filter_projection":
            return _put_items(tree, value, data)
        case "flatten":
            return _put_flattened(children[0], value, data)
        case "multi_select_list":
            return _put_each(children, value, data)
        case "or_expression":
            return _put_in_one(tree, value, data)
        case "and_expression":
            return with_truth(children[0], True, _put(children[1], value, data))
        case "function_expression":
            return _put_argument(tree, value, data)
        case "literal" if tree["value"] == value:
            return data
    raise NotInvertibleError


def _put_in_one(alternatives: Tree, value: Any, data: Any) -> Any:
    for child in alternatives["children"]:
        for changed in _tried(partial(_put, child, value, data)):
            # An earlier alternative may hold, too.
            if _is_like(search(alternatives, changed), value):
                return changed
    raise NotInvertibleError


def _is_like(found: Any, value: Any) -> bool:
    if isinstance(value, list) and isinstance(found, list) and all(item == {} for item in value):
        return len(found) == len(value)
    return bool(found == value)


def _with_field(name: str, value: Any, data: Any) -> dict[str, Any]:
    if not isinstance(data, dict | None):
        raise NotInvertibleError
    return {**(data or {}), name: value}


def _with_item(index: int, value: Any, data: Any) -> list[Any]:
    if not isinstance(data, list | None):
        raise NotInvertibleError
    items = list(data or [])
    items += [{}] * ((index + 1 if index >= 0 else -index) - len(items))
    items[index] = value
    return items


def _put_in_turn(steps: list[Tree], value: Any, data: Any) -> Any:
    """Put the value where one step after the other leads."""
    *earlier, last = steps
    if not earlier:
        return _put(last, value, data)
    if last["type"] == "slice":
        return _put_in_turn(earlier, value, data)
    inner = data
    for step in earlier:
        inner = search(step, inner)
    return _put_in_turn(earlier, _put(last, value, inner), data)


def _put_flattened(tree: Tree, values: Any, data: Any) -> Any:
    if tree["type"] == "multi_select_list":
        return _put(tree["children"][0], values, data)
    if not isinstance(values, list):
        raise NotInvertibleError
    return _put(tree, [[value] if isinstance(value, list) else value for value in values], data)


def _put_items(projection: Tree, values: Any, data: Any) -> Any:
    if not isinstance(values, list):
        raise NotInvertibleError
    base, item, *conditions = projection["children"]
    known = search(base, data)
    known = known if isinstance(known, list) else []
    items = [
        _put(item, value, known[index] if index < len(known) else None) for index, value in enumerate(values)
    ]
    for condition in conditions:
        items = [with_truth(condition, True, each) for each in items]
    return _put(base, items, data)


def _put_each(children: list[Tree], values: Any, data: Any) -> Any:
    if not isinstance(values, list) or len(values) > len(children):
        raise NotInvertibleError
    for child, value in zip(children, values, strict=False):
        data = _put(child, value, data)
    return data


def _put_argument(call: Tree, value: Any, data: Any) -> Any:
    """Put what a function must get to return the value."""
    name, arguments = call["value"], call["children"]
    match name:
        case "sum":
            (argument,) = arguments
            is_list = argument["type"] == "multi_select_list"
            zeros = [0] * (len(argument["children"]) - 1) if is_list else []
            return _put(argument, [value, *zeros], data)
        case "length" if isinstance(value, int):
            return _put(arguments[0], [{}] * value, data)
        case "join":
            return _put(arguments[1], [value], data)
        case "map" if isinstance(value, list):
            (function,) = arguments[0]["children"]
            return _put(arguments[1], [_put(function, each, None) for each in value], data)
        case "not_null" | "to_string" | "to_number":
            return _put(arguments[0], value, data)
    raise NotInvertibleError


def _attempts(tree: Tree, is_true: bool, data: Any, hint: Any) -> Iterator[Any]:
    """Return data on which the expression may hold, or may not."""
    children = tree["children"]
    match tree["type"]:
        case "not_expression":
            yield from _tried(partial(with_truth, children[0], not is_true, data, hint))
        case "and_expression" | "or_expression" if is_true == (tree["type"] == "and_expression"):
            yield from _tried(partial(_with_truth_of_all, children, is_true, data, hint))
        case "and_expression" | "or_expression":
            for child in children:
                yield from _tried(partial(with_truth, child, is_true, data, hint))
        case "comparator":
            yield from _compared(tree, data, hint)
        case "function_expression" if tree["value"] in ("contains", "starts_with", "ends_with"):
            yield from _containing(children, data) if is_true else _containing_nothing(children, data)
    for value in TRUE_VALUES if is_true else FALSE_VALUES:
        yield from _tried(partial(_put, tree, value, data))


def _with_truth_of_all(children: list[Tree], is_true: bool, data: Any, hint: Any) -> Any:
    for child in children:
        data = with_truth(child, is_true, data, hint)
    return data


def _compared(comparator: Tree, data: Any, hint: Any) -> Iterator[Any]:
    """Return data with values near the one that is compared with."""
    left, right = comparator["children"]
    if left["type"] == "literal":
        left, right = right, left
    limit = search(right, data)
    near = (limit + 1, limit - 1) if isinstance(limit, int | float) else ("sandbox",)
    for value in (hint, limit, *near, True, False, None):
        yield from _tried(partial(_put, left, value, data))


def _containing(arguments: list[Tree], data: Any) -> Iterator[Any]:
    subject, part = arguments
    known, wanted = search(subject, data), search(part, data)
    if isinstance(known, list) and known:
        yield from _tried(partial(_put, part, known[0], data))
    if wanted is not None:
        yield from _tried(partial(_put, subject, wanted, data))
        yield from _tried(partial(_put, subject, [wanted], data))


def _containing_nothing(arguments: list[Tree], data: Any) -> Iterator[Any]:
    for part, value in itertools.product(arguments, ("", [], "sandbox")):
        yield from _tried(partial(_put, part, value, data))


def _tried(attempt: Callable[[], Any]) -> Iterator[Any]:
    """Return the result of an attempt, or nothing if it fails."""
    with suppress(NotInvertibleError):
        yield attempt()
