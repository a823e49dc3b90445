from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.protocol.settings import ConnectionSettings, origin


def settings(**fields: Any) -> ConnectionSettings:
    return ConnectionSettings(**{"conn_id": "files", "conn_type": "zilliant", "host": "v.example", **fields})


def extra(**extra: Any) -> ConnectionSettings:
    return settings(extra=extra)


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        pytest.param({"host": "v.example"}, "https://v.example", id="a name alone"),
        pytest.param({"host": " v.example "}, "https://v.example", id="spaces around"),
        pytest.param({"host": "v.example/"}, "https://v.example", id="slash at the end"),
        pytest.param({"host": "V.Example"}, "https://v.example", id="upper case"),
        pytest.param({"host": "http://v.example"}, "http://v.example", id="scheme"),
        pytest.param({"host": "HTTP://v.example"}, "http://v.example", id="scheme in upper case"),
        pytest.param({"host": "v.example", "schema": "http"}, "http://v.example", id="schema"),
        pytest.param({"host": "v.example", "schema": "HTTPS"}, "https://v.example", id="schema, upper case"),
        pytest.param(
            {"host": "https://v.example", "schema": "http"}, "https://v.example", id="scheme before schema"
        ),
        pytest.param({"host": "v.example:8443"}, "https://v.example:8443", id="port in the host"),
        pytest.param({"host": "v.example", "port": 8443}, "https://v.example:8443", id="port"),
        pytest.param({"host": "v.example:1", "port": 2}, "https://v.example:1", id="port in the host first"),
        pytest.param({"host": "https://v.example", "port": 443}, "https://v.example", id="https' own port"),
        pytest.param({"host": "http://v.example:80"}, "http://v.example", id="http's own port"),
        pytest.param({"host": "http://v.example:443"}, "http://v.example:443", id="the other's port"),
        pytest.param({"host": "v.example/thalamus"}, "https://v.example/thalamus", id="path"),
        pytest.param(
            {"host": "https://v.example/a/b/"}, "https://v.example/a/b", id="path, slash at the end"
        ),
        pytest.param(
            {"host": "https://v.example/a", "port": 81}, "https://v.example:81/a", id="path after the port"
        ),
        pytest.param({"host": "::1", "port": 80, "schema": "http"}, "http://[::1]", id="IPv6"),
        pytest.param({"host": "[::1]:8080"}, "https://[::1]:8080", id="IPv6 in brackets"),
    ],
)
def test_the_base_url_is_built_from_host_schema_and_port(fields: dict[str, Any], base_url: str) -> None:
    assert settings(**fields).base_url == base_url


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("", id="nothing"),
        pytest.param("   ", id="blank"),
        pytest.param("ftp://v.example", id="another scheme"),
        pytest.param("https://", id="no name"),
        pytest.param("https://me:pw@v.example", id="user"),
        pytest.param("v.example?touchpoint=t", id="query"),
        pytest.param("v.example#top", id="fragment"),
        pytest.param("v.example, w.example", id="two hosts"),
        pytest.param("v.example:https", id="port that is no number"),
        pytest.param("v.example:99999", id="port out of range"),
        pytest.param("https://[::1", id="half a bracket"),
        pytest.param("https://v.example\\w.example", id="backslash"),
        pytest.param("https://v.example\u200b", id="zero width"),
    ],
)
def test_an_invalid_host_is_rejected_by_name(host: str) -> None:
    with pytest.raises(ImportSettingsError, match=r"^Connection 'files' \(zilliant\): host "):
        _ = settings(host=host).base_url


def test_a_rejected_host_is_not_quoted() -> None:
    with pytest.raises(ImportSettingsError) as caught:
        _ = settings(host="https://me:hunter22@v.example").base_url
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "verify"),
    [
        pytest.param(True, True, id="true"),
        pytest.param(False, False, id="false"),
        pytest.param("true", True, id="text true"),
        pytest.param("false", False, id="text false"),
        pytest.param(" False ", False, id="text False, spaces"),
        pytest.param("no", False, id="no"),
        pytest.param("0", False, id="text 0"),
        pytest.param(0, False, id="0"),
        pytest.param(1, True, id="1"),
        pytest.param("", True, id="empty"),
        pytest.param(None, True, id="null"),
        pytest.param("/etc/ssl/ours.pem", "/etc/ssl/ours.pem", id="file"),
    ],
)
def test_verify_is_read_leniently(value: Any, verify: bool | str) -> None:
    assert extra(verify=value).verify == verify


def test_certificates_are_verified_by_default() -> None:
    assert settings().verify is True


@pytest.mark.parametrize(
    ("value", "share_token"),
    [
        pytest.param(True, True, id="true"),
        pytest.param(False, False, id="false"),
        pytest.param(" True ", True, id="text True, spaces"),
        pytest.param("false", False, id="text false"),
        pytest.param("no", False, id="no"),
        pytest.param(1, True, id="1"),
        pytest.param("0", False, id="text 0"),
        pytest.param("", False, id="empty"),
        pytest.param(None, False, id="null"),
    ],
)
def test_share_token_is_read_leniently(value: Any, share_token: bool) -> None:
    assert extra(share_token=value).share_token is share_token


@pytest.mark.parametrize("value", ["maybe", 2, ["true"]], ids=repr)
def test_any_other_share_token_is_rejected_by_name(value: Any) -> None:
    with pytest.raises(ImportSettingsError, match="share_token is neither true nor false"):
        assert extra(share_token=value).share_token


@pytest.mark.parametrize(
    ("value", "timeout"),
    [
        pytest.param(None, 30.0, id="null"),
        pytest.param("", 30.0, id="empty"),
        pytest.param(5, 5.0, id="number"),
        pytest.param("2.5", 2.5, id="text"),
    ],
)
def test_timeout_is_read_leniently(value: Any, timeout: float) -> None:
    assert extra(timeout=value).timeout == timeout


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("timeout", 30.0),
        ("transfer_timeout", 3600.0),
        ("max_concurrency", 16),
        ("proxy", None),
        ("verify", True),
        ("share_token", False),
    ],
)
def test_a_missing_extra_has_its_default(name: str, default: Any) -> None:
    assert getattr(settings(), name) == default


NUMBERS = {"timeout": 3600, "transfer_timeout": 86400, "max_concurrency": 1000}
NO_NUMBERS = [
    0,
    -1,
    "0",
    "nan",
    "inf",
    "-inf",
    "soon",
    "30s",
    "1e10",
    1e10,
    10**400,
    True,
    False,
    [5],
    {"s": 5},
]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: repr(value)[:10])
def test_an_invalid_number_is_rejected_by_name(name: str, value: Any) -> None:
    with pytest.raises(ImportSettingsError, match=f"'files'.*: {name} is .* give a "):
        getattr(extra(**{name: value}), name)


@pytest.mark.parametrize(("name", "most"), NUMBERS.items())
def test_a_number_above_the_maximum_is_rejected_with_the_maximum(name: str, most: int) -> None:
    assert getattr(extra(**{name: most}), name) == most
    with pytest.raises(ImportSettingsError, match=f"{name} is out of range.* up to {most}"):
        getattr(extra(**{name: most + 1}), name)


@pytest.mark.parametrize(("value", "kind"), [("30s", "str"), ([5], "list"), ({"s": 5}, "dict")])
def test_a_value_that_is_not_a_number_is_rejected_with_its_type(value: Any, kind: str) -> None:
    with pytest.raises(ImportSettingsError, match=f"timeout is .*{kind}"):
        _ = extra(timeout=value).timeout


def test_max_concurrency_is_an_integer_of_at_least_one() -> None:
    assert extra(max_concurrency="0.5").max_concurrency == 1


@pytest.mark.parametrize(("value", "proxy"), [("http://p:3128", "http://p:3128"), ("", None), (None, None)])
def test_an_empty_proxy_is_none(value: Any, proxy: str | None) -> None:
    assert extra(proxy=value).proxy == proxy


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("code", "code", id="text"),
        pytest.param(" code\n", "code", id="white space around"),
        pytest.param(7, "7", id="number"),
        pytest.param({"a": 1}, '{"a": 1}', id="object"),
        pytest.param(None, "", id="null"),
    ],
)
def test_an_extra_is_read_as_text(value: Any, text: str) -> None:
    assert extra(touchpoint=value).get_str("touchpoint") == text


@pytest.mark.parametrize("value", ["", "  ", None])
def test_an_empty_field_has_the_default(value: Any) -> None:
    assert extra(token_url=value).get_str("token_url", "https://login") == "https://login"


def test_a_password_keeps_its_spaces() -> None:
    assert settings(password=" pass word ").get_str("password") == " pass word "


def test_a_login_does_not_keep_its_spaces() -> None:
    assert settings(login=" me ").get_str("login") == "me"


def test_login_is_never_taken_from_the_extra() -> None:
    assert extra(login="me").get_str("login") == ""


@pytest.mark.parametrize("value", ["two\nlines", "tab\there", "süß", "zero\x00"], ids=repr)
def test_characters_invalid_in_headers_are_rejected_by_name(value: str) -> None:
    with pytest.raises(
        ImportSettingsError, match=r"'files'.*: token contains characters not allowed in an HTTP header"
    ):
        extra(token=value).get_header("token")


def test_a_rejected_header_is_not_quoted() -> None:
    with pytest.raises(ImportSettingsError) as caught:
        extra(token="hunter22\nhunter22").get_header("token")
    assert "hunter22" not in str(caught.value)


def test_all_missing_fields_are_named_in_one_error() -> None:
    with pytest.raises(ImportSettingsError, match=r"'files' \(zilliant\) lacks login, client_id\."):
        settings(password="x").require("login", "password", "client_id")


def test_a_blank_field_counts_as_missing() -> None:
    with pytest.raises(ImportSettingsError, match="lacks client_id"):
        extra(client_id="  ").require("client_id")


def test_a_complete_connection_passes_require() -> None:
    settings(login="me", password="x").require("login", "password")


@pytest.mark.parametrize("secret", ["the-login", "the-password", "the-extra"])
def test_the_repr_contains_no_secret(secret: str) -> None:
    whole = settings(login="the-login", password="the-password", extra={"token": "the-extra"})
    assert secret not in repr(whole)


@pytest.mark.parametrize(
    ("url", "reaches"),
    [
        pytest.param("https://v.example/a?b", ("https", "v.example", 443), id="usual port"),
        pytest.param("http://V.example", ("http", "v.example", 80), id="name in upper case"),
        pytest.param("https://v.example:8443", ("https", "v.example", 8443), id="another port"),
        pytest.param("https://v.example:443", ("https", "v.example", 443), id="usual port, said"),
    ],
)
def test_an_origin_is_scheme_name_and_port(url: str, reaches: tuple[str, str, int]) -> None:
    assert origin(url) == reaches


def test_a_host_with_the_same_prefix_is_another_origin() -> None:
    assert origin("https://v.example.evil.example") != origin("https://v.example")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://w.example\\@v.example/", id="backslash"),
        pytest.param("https://w.example:1\\/@v.example/", id="backslash and slash"),
        pytest.param("https://v.ex\tample/", id="tab"),
        pytest.param("https://v.example:x/", id="port"),
        pytest.param("https://[v.example]@v.example/", id="brackets"),
    ],
)
def test_a_url_that_can_be_read_in_several_ways_has_no_origin(url: str) -> None:
    """`requests` sends the first one to w.example, where `urlsplit` reads v.example."""
    assert origin(url) == ("", "", 0)


@pytest.mark.parametrize(
    ("proxy", "secrets"),
    [
        ("", ()),
        ("http://proxy.example:3128", ()),
        ("http://u:p%2Fw@proxy.example", ("p/w", "dTpwL3c=")),
        ("u:p/w@proxy.example", ("p/w", "dTpwL3c=")),
        ("http://u@proxy.example", ("", "dTo=")),
        ("http://u:\N{SNOWMAN}@proxy.example", ("\N{SNOWMAN}", "dTo/")),
    ],
)
def test_what_a_proxy_is_sent_is_secret(proxy: str, secrets: tuple[str, ...]) -> None:
    assert settings(password="pass", extra={"proxy": proxy}).secrets == ("pass", *secrets)
