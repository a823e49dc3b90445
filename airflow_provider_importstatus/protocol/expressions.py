"""JMESPath expressions over a vendor's answers, limited in length, depth and work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError, LexerError, ParseError
from jmespath.functions import Functions
from jmespath.parser import Parser
from jmespath.visitor import Options, TreeInterpreter

from airflow_provider_importstatus.exceptions import ImportProtocolError

__all__ = ["Budget", "Expression", "InvalidExpressionError", "is_true"]

#: The longest expression of the bundled descriptions has half of that.
MAX_LENGTH = 300
#: Maximum depth of the syntax tree. Evaluation takes three calls per level.
MAX_DEPTH = 20
#: Maximum work on one answer. A unit is a visit of a node and takes less than a microsecond; an answer of a
#: thousand messages takes some ten thousand.
MAX_WORK = 100_000
#: Characters of a text that may be compared or copied for one unit.
TEXT_UNIT = 32
#: Work of calling a function.
CALL = 3
#: Needles from this length on are searched for in linear time.
LONG_NEEDLE = 100
#: Functions whose arguments may be an expression, and which of them.
EXPRESSION_ARGUMENTS = {"map": 0, "max_by": 1, "min_by": 1, "sort_by": 1}
#: Functions that take the same time for any argument.
CONSTANT_TIME = frozenset({"length", "not_null", "to_array", "type"})
FUNCTIONS = sorted(Functions.FUNCTION_TABLE)
#: The tree of ``[]``.
_IDENTITY = {"type": "identity", "children": []}
_FLATTENED = {
    "type": "projection",
    "children": [{"type": "flatten", "children": [_IDENTITY]}, _IDENTITY],
}


class InvalidExpressionError(ValueError):
    """An expression that cannot be used; the text says why, without quoting it."""


class _TooMuchWorkError(Exception):
    """The budget is spent."""


class Budget:
    """The work that all expressions together may spend on one answer."""

    def __init__(self, work: int = MAX_WORK) -> None:
        self.left = work

    def spend(self, work: int) -> None:
        """Subtract `work` units; raise an error if there are not as many left."""
        self.left -= work
        if self.left < 0:
            raise _TooMuchWorkError


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    :param key: its dotted key in the description, for error texts
    :param text: its source
    """

    key: str
    text: str
    _tree: Any = field(repr=False, compare=False)

    @classmethod
    def compile(cls, key: str, text: str) -> Expression:
        """Return the compiled expression.

        :raises InvalidExpressionError: it is too long, too deep or invalid
        """
        if len(text) > MAX_LENGTH:
            raise InvalidExpressionError(f"is longer than {MAX_LENGTH} characters")
        if text.lstrip().startswith("$"):
            raise InvalidExpressionError(
                "begins with $: that is JSONPath, in JMESPath a path begins with the first key"
            )
        if text.count("(") > MAX_DEPTH:
            # They leave no trace in the tree, but the parser takes calls for each.
            raise InvalidExpressionError(f"has more than {MAX_DEPTH} parentheses")
        tree = _parse(text)
        _check_tree(tree)
        return cls(key, text, tree)

    @property
    def has_constant_default(self) -> bool:
        """Whether a constant stands in for a missing value, as in ``errors || `[]` ``."""
        return any(default["type"] == "literal" for default in _defaults(self._tree))

    @property
    def has_flatten_default(self) -> bool:
        """Whether it has ``|| []``, which without backticks is no empty list: it flattens the answer."""
        return any(default == _FLATTENED for default in _defaults(self._tree))

    def search(self, data: Any, budget: Budget) -> Any:
        """Return the part of the data that the expression selects; None if it selects nothing.

        :raises ImportProtocolError: it cannot be evaluated on this data, or takes too much work
        """
        try:
            return _Interpreter(budget).visit(self._tree, data)
        except Exception as error:
            # Whatever the library raises: no answer may crash a wait. Its texts quote the answer.
            raise ImportProtocolError(
                f"The description's expression {self.key} {_reason(error)}. Correct the expression, or check"
                " what the vendor sends."
            ) from None


def is_true(value: Any) -> bool:
    """Return whether JMESPath takes the value for true: all but null, false and what is empty."""
    return not (value is None or value is False or (isinstance(value, str | list | dict) and not value))


def _parse(text: str) -> Any:
    try:
        return _compiled(text).parsed
    except RecursionError:
        raise InvalidExpressionError(f"is nested deeper than {MAX_DEPTH} levels") from None
    except (LexerError, ParseError) as error:
        position = getattr(error, "lex_position", getattr(error, "lexer_position", 0))
        raise InvalidExpressionError(f"is not valid JMESPath (at character {position + 1})") from None
    except (JMESPathError, ValueError):
        raise InvalidExpressionError("is not valid JMESPath") from None


def _compiled(text: str) -> Any:
    try:
        return jmespath.compile(text)
    except TypeError:
        # From Python 3.11 on, jmespath 0.10 fails to shrink its cache.
        Parser.purge()
        return jmespath.compile(text)


def _check_tree(tree: Any) -> None:
    """Raise an error for a tree that is too deep, or whose function calls cannot work."""
    level = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _checked_children(node)]
        if not level:
            return
    raise InvalidExpressionError(f"is nested deeper than {MAX_DEPTH} levels")


def _checked_children(node: Any) -> Iterator[Any]:
    if node["type"] == "expref":
        # Its value would be a Python object instead of JSON.
        raise InvalidExpressionError("has an & outside of map, sort_by, min_by and max_by")
    position = _check_call(node) if node["type"] == "function_expression" else None
    for index, child in enumerate(node["children"]):
        if index == position and child["type"] == "expref":
            yield from child["children"]
        elif isinstance(child, dict):  # The children of a slice are numbers.
            yield child


def _check_call(node: Any) -> int | None:
    """Check a function call; return which of its arguments is an expression."""
    name, count = node["value"], len(node["children"])
    if name not in Functions.FUNCTION_TABLE:
        similar = get_close_matches(name, Functions.FUNCTION_TABLE)
        what_exists = f"similar: {', '.join(similar)}" if similar else f"it has {', '.join(FUNCTIONS)}"
        raise InvalidExpressionError(f"calls a function that JMESPath does not have; {what_exists}")
    parameters = Functions.FUNCTION_TABLE[name]["signature"]
    is_variadic = bool(parameters[-1].get("variadic"))
    if count < len(parameters) or (count > len(parameters) and not is_variadic):
        raise InvalidExpressionError(f"calls {name}() with the wrong number of arguments")
    return EXPRESSION_ARGUMENTS.get(name)


def _defaults(node: Any) -> Iterator[Any]:
    """Return the parts of a tree that stand in for a missing value."""
    children = [child for child in node["children"] if isinstance(child, dict)]
    if node["type"] == "or_expression" or node.get("value") == "not_null":
        yield from children[1:]
    for child in children:
        yield from _defaults(child)


def _reason(error: Exception) -> str:
    match error:
        case _TooMuchWorkError():
            return "takes too much work on this answer"
        case JMESPathTypeError():
            return f"failed: {error.function_name}() does not accept a value of type {error.actual_type}"
    return f"failed on this answer ({type(error).__name__})"


class _Interpreter(TreeInterpreter):
    """The library's interpreter, which spends the budget on all that grows with the answer."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(Options(custom_functions=_Functions(budget)))
        self._budget = budget

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._budget.spend(1)
        return super().visit(node, *args, **kwargs)

    def visit_flatten(self, node: Any, value: Any) -> Any:
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        self._budget.spend(len(base))
        # Before the result is built: a list may contain the same long list many times.
        self._budget.spend(sum(len(part) for part in base if isinstance(part, list)))
        return [item for part in base for item in (part if isinstance(part, list) else (part,))]

    def visit_slice(self, node: Any, value: Any) -> Any:
        if isinstance(value, list):
            self._budget.spend(len(range(*slice(*node["children"]).indices(len(value)))))
        return super().visit_slice(node, value)

    def visit_comparator(self, node: Any, value: Any) -> Any:
        left, right = (self.visit(child, value) for child in node["children"])
        if any(isinstance(left, kind) and isinstance(right, kind) for kind in (str, list, dict)):
            _spend_on(left, self._budget)
        literals = [{"type": "literal", "value": operand} for operand in (left, right)]
        compared: Any = {**node, "children": literals}
        return super().visit_comparator(compared, None)


class _Functions(Functions):
    """The library's functions, which spend the budget before they work."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def call_function(self, function_name: str, resolved_args: Any) -> Any:
        self._budget.spend(CALL)
        if function_name not in CONSTANT_TIME:
            for argument in resolved_args:
                _spend_on_parts(argument, self._budget)
        if cost := _MORE_COST.get(function_name):
            cost(self._budget, *resolved_args)
        return super().call_function(function_name, resolved_args)

    def _create_key_func(self, *args: Any) -> Callable[[Any], Any]:
        key_of = super()._create_key_func(*args)  # type: ignore[misc]  # missing in the library's types

        def counted(item: Any) -> Any:
            key = key_of(item)
            _spend_on_parts(key, self._budget)
            return key

        return counted


def _spend_on_parts(value: Any, budget: Budget) -> None:
    """Spend what it takes to read a text, or to compare or copy the items of a list or object once."""
    if isinstance(value, str):
        budget.spend(len(value) // TEXT_UNIT)
    elif isinstance(value, list | dict):
        budget.spend(len(value))
        budget.spend(sum(len(item) // TEXT_UNIT for item in value if isinstance(item, str)))


def _spend_on(value: Any, budget: Budget) -> None:
    """Spend what it takes to read a value completely; a part that it contains twice counts twice."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        budget.spend(1)
        if isinstance(part, str):
            budget.spend(len(part) // TEXT_UNIT)
        elif isinstance(part, int):
            # Python writes long numbers in quadratic time.
            budget.spend(part.bit_length() // TEXT_UNIT)
        elif isinstance(part, dict):
            budget.spend(sum(len(name) // TEXT_UNIT for name in part))
            waiting += part.values()
        elif isinstance(part, list):
            budget.spend(len(part))
            waiting += part


def _spend_on_contains(budget: Budget, subject: Any, search: Any) -> None:
    if isinstance(subject, str) and isinstance(search, str):
        budget.spend(len(subject) * min(len(search), LONG_NEEDLE) // (TEXT_UNIT * TEXT_UNIT))
    elif isinstance(subject, list) and isinstance(search, list | dict):
        _spend_on(subject, budget)


def _spend_on_join(budget: Budget, separator: Any, texts: Any) -> None:
    if isinstance(separator, str) and isinstance(texts, list):
        budget.spend(len(separator) * len(texts) // TEXT_UNIT)


def _spend_on_to_string(budget: Budget, value: Any) -> None:
    if not isinstance(value, str):
        _spend_on(value, budget)


def _spend_on_to_number(budget: Budget, value: Any) -> None:
    if isinstance(value, str):
        budget.spend(len(value) // 8)


#: What these functions do beyond reading the parts of their arguments once.
_MORE_COST: dict[str, Callable[..., None]] = {
    "contains": _spend_on_contains,
    "join": _spend_on_join,
    "to_number": _spend_on_to_number,
    "to_string": _spend_on_to_string,
}
