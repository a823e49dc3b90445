"""JSON that an expression reads as a value."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest

from airflow_provider_importstatus.sandbox.inversion import (
    NotInvertibleError,
    holds,
    parse,
    with_truth,
    with_value,
)


@pytest.mark.parametrize(
    ("expression", "value", "expected"),
    [
        ("a", 5, {"a": 5}),
        ("a.b.c", "x", {"a": {"b": {"c": "x"}}}),
        ("a[0].b", "x", {"a": [{"b": "x"}]}),
        ("a[-1]", "x", {"a": ["x"]}),
        ("[0].a", "x", [{"a": "x"}]),
        ("a | b", 1, {"a": {"b": 1}}),
        ('"a-b"', 1, {"a-b": 1}),
        ("a || b", 1, {"a": 1}),
        ("(a == 'x' && b) || c", 1, {"a": "x", "b": 1}),
        ("a && b", 0, {"b": 0, "a": True}),
        ("sum([a, b])", 7, {"a": 7, "b": 0}),
        ("sum([a, b][?@])", 7, {"a": 7}),
        ("sum(a[].n)", 7, {"a": [{"n": 7}]}),
        ("a && sum([a, b || `0`])", 7, {"a": 7, "b": 0}),
        ("not_null(a, b)", 1, {"a": 1}),
        ("to_string(a)", "1", {"a": "1"}),
        ("length(a)", 2, {"a": [{}, {}]}),
        ("length(a[?b == 'x'])", 2, {"a": [{"b": "x"}, {"b": "x"}]}),
        ("length(a[?b] || `[]`)", 0, {"a": []}),
        ("a[].b", ["x", "y"], {"a": [{"b": "x"}, {"b": "y"}]}),
        ("a[*].b.c", ["x"], {"a": [{"b": {"c": "x"}}]}),
        ("a[:10]", ["x"], {"a": ["x"]}),
        ("[a, b][]", ["x"], {"a": ["x"]}),
        ("a[].join(': ', [b])", ["x"], {"a": [{"b": "x"}]}),
        ("a[].join(': ', map(&to_string(@), @))", ["x"], {"a": [[["x"]]]}),
        ("[a, b || `[]`][].join(': ', map(&to_string(@), @))", ["x"], {"a": [["x"]]}),
    ],
)
def test_an_expression_reads_the_value(expression: str, value: Any, expected: Any) -> None:
    data = with_value(parse(expression), value, None)
    assert data == expected
    assert jmespath.search(expression, data) == value


def test_what_is_there_stays() -> None:
    data = with_value(parse("a.b[1]"), 2, {"a": {"b": [1], "c": 3}})
    assert data == {"a": {"b": [1, 2], "c": 3}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("`1`", 2),
        ("a[].b", "no list"),
        ("join(' ', ['a', b])", "x"),
        ("keys(a)", ["x"]),
        ("{x: a}", 5),
        ("avg([a, b])", 5),
        ("length(a)", "two"),
    ],
)
def test_an_expression_without_an_inverse_is_told(expression: str, value: Any) -> None:
    with pytest.raises(NotInvertibleError):
        with_value(parse(expression), value, None)


@pytest.mark.parametrize("is_true", [True, False])
@pytest.mark.parametrize(
    "expression",
    [
        "a",
        "!a",
        "a == `true`",
        "'x' == a",
        "a != `0`",
        "a > `5`",
        "a <= `5`",
        "a && b",
        "a || b",
        "!(a || b) && c",
        "not_null(a.b, `0`) != `0` || length(c || `[]`) > `0`",
        "length(a[?success == `false` || error] || `[]`) > `0`",
        'length(errors[?contains(`["601", "602"]`, to_string(code))] || `[]`) > `0`',
        "contains(a, 'token')",
        "starts_with(a, 'Rate')",
        "[?code == 'LIMIT']",
        "a.b == c",
    ],
)
def test_an_expression_holds_or_not(expression: str, is_true: bool) -> None:
    try:
        data = with_truth(parse(expression), is_true, None)
    except NotInvertibleError:
        # Nothing is equal to what is missing but null.
        assert (expression, is_true) == ("a.b == c", False)
        return
    assert holds(parse(expression), data) is is_true


def test_a_hint_is_preferred() -> None:
    assert with_truth(parse("errors != `0`"), True, {"errors": 0}, hint=7) == {"errors": 7}
