"""URLs of requests, and how they identify the client."""

from __future__ import annotations

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_importstatus import __version__
from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.sandbox import Sandbox

from ..vendors import SAMPLES
from .cases import GOING_ON, READY, VENDORS, Connect, KeepPolling, Poll, Serve, going_on, running
from .servers import answer

IDS = {
    "slash": ("a/b", "a%2Fb"),
    "space": ("a b", "a%20b"),
    "unicode": ("é漢", "%C3%A9%E6%BC%A2"),
    "dots-inside": ("a/../b", "a%2F..%2Fb"),
    "question": ("a?b=c&d#e", "a%3Fb%3Dc%26d%23e"),
    "percent": ("%2E%2E", "%252E%252E"),
    "plus": ("a+b", "a%2Bb"),
    "equals": ("YQ==", "YQ%3D%3D"),
    "plain": ("A-z_0.9~", "A-z_0.9~"),
}
#: Vendors with the id in the path.
PATHS = {vendor: target for vendor in VENDORS if "?" not in (target := SAMPLES[vendor].target)}


@pytest.mark.parametrize(
    ("vendor", "import_id", "quoted"),
    [("thalamus", *way) for way in IDS.values()]
    + [(vendor, *IDS[name]) for vendor in PATHS if vendor != "thalamus" for name in ("slash", "unicode")],
)
def test_an_id_reaches_the_vendor_as_one_path_segment(
    connect: Connect, serve: Serve, poll: Poll, vendor: str, import_id: str, quoted: str
) -> None:
    server = serve(running(vendor))
    poll(connect(vendor, host=server.url, extra=READY.get(vendor, {})), import_id)
    assert server.seen[-1].target == PATHS[vendor].format(quoted)


@pytest.mark.parametrize(
    ("import_id", "quoted"),
    [("a/b", "a%2Fb"), ("a b", "a+b"), ("é", "%C3%A9"), ("..", ".."), ("a&b=c#d", "a%26b%3Dc%23d")],
)
def test_an_id_reaches_clear_as_one_query_value(
    connect: Connect, serve: Serve, poll: Poll, import_id: str, quoted: str
) -> None:
    server = serve(running("clear"))
    poll(connect("clear", host=server.url, extra=READY["clear"]), import_id)
    assert server.seen[-1].target == f"/one-integration/workflow/status?taskId={quoted}"


@pytest.mark.parametrize("import_id", [".", ".."])
@pytest.mark.parametrize("vendor", PATHS)
def test_an_id_of_dots_is_rejected_before_any_request(
    connect: Connect, serve: Serve, poll: Poll, vendor: str, import_id: str
) -> None:
    server = serve(running(vendor))
    with pytest.raises(ImportSettingsError):
        poll(connect(vendor, host=server.url, extra=READY.get(vendor, {})), import_id)
    assert server.seen == []


@pytest.mark.parametrize("import_id", ["a/b c", "é"])
# Thalamus' ids are numbers.
@pytest.mark.parametrize("vendor", [vendor for vendor in VENDORS if vendor != "thalamus"])
@pytest.mark.usefixtures("connections")
def test_an_import_with_special_characters_in_its_id_is_found(
    sandbox: Sandbox, poll: Poll, vendor: str, import_id: str
) -> None:
    sandbox.submit(vendor, import_id=import_id, seconds=0)
    assert poll(f"{vendor}_default", import_id).import_id == import_id


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_request_names_provider_and_airflow(
    connect: Connect, serve: Serve, poll: Poll, vendor: str
) -> None:
    server = serve(running(vendor))
    poll(connect(vendor, host=server.url, extra=READY.get(vendor, {})), "7")
    agents = {seen.headers["user-agent"] for seen in server.seen}
    assert agents == {f"airflow-provider-importstatus/{__version__} Airflow/{airflow_version}"}


def test_the_host_may_have_a_path(connect: Connect, serve: Serve, poll: Poll) -> None:
    server = serve(going_on)
    poll(connect("thalamus", host=f"{server.url}/thalamus/"), "7")
    assert server.seen[0].target == "/thalamus/api/v4/import/status/7"


def test_host_schema_and_port_may_be_separate_fields(connect: Connect, serve: Serve, poll: Poll) -> None:
    server = serve(going_on)
    host, _, port = server.address.partition(":")
    poll(connect("thalamus", host=host, schema="http", port=int(port)), "7")
    assert len(server.seen) == 1


def test_taos_older_deployments_have_no_prefix(connect: Connect, serve: Serve, poll: Poll) -> None:
    server = serve(running("tao_advance"))
    poll(connect("tao_advance", host=server.url, extra={"api_prefix": ""}), "7")
    assert [seen.target for seen in server.seen] == ["/v1/oauth2/tokens", "/api/v1/status/7"]


def test_a_login_may_be_at_another_host(connect: Connect, serve: Serve, poll: Poll) -> None:
    login = serve(lambda _: answer('{"access_token": "t0ken"}'))
    vendor = serve(lambda _: answer('{"result": {"status": "pending"}}'))
    poll(connect("tao_advance", host=vendor.url, extra={"token_url": f"{login.url}/oauth"}), "7")
    assert [seen.target for seen in login.seen] == ["/oauth"]


def test_cookies_are_not_kept(connect: Connect, serve: Serve, keep_polling: KeepPolling) -> None:
    """A load balancer's cookie would bind the polls of only one transport to a node."""
    server = serve(lambda _: answer(GOING_ON, set_cookie="node=1; Path=/"))
    # aiohttp ignores cookies from IP addresses.
    conn_id = connect("thalamus", host=server.url.replace("127.0.0.1", "localhost"))
    for _ in range(2):
        keep_polling(conn_id, "7")
    assert [seen.headers.get("cookie") for seen in server.seen] == [None, None]


def test_a_logins_cookies_are_not_kept(connect: Connect, serve: Serve, poll: Poll) -> None:
    server = serve(running("tao_advance", set_cookie="node=1; Path=/"))
    poll(connect("tao_advance", host=server.url.replace("127.0.0.1", "localhost")), "7")
    assert [seen.headers.get("cookie") for seen in server.seen] == [None, None]
