"""Hostile ids and links in requests: where they go, and what they carry."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from airflow_provider_importstatus.clients.storage import StoredFile
from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.hooks.zilliant import ZilliantHook
from airflow_provider_importstatus.polling.validation import read_import_id
from airflow_provider_importstatus.protocol.messages import Credential

from ..conftest import Poll
from ..hooks.playing import answer as reply
from ..hooks.playing import play
from ..hostile_texts import HOSTILE, is_line, params
from ..network.cases import READY, VENDORS, running
from ..network.servers import Script, Seen, Server, answer
from ..vendors import SAMPLES
from ..vendors.samples import TOKEN

KEY = "Zq-key-of-acme"
ACME: dict[str, Any] = {
    "version": 1,
    "name": "acme",
    "auth": {"type": "bearer"},
    "status": {"path": "/jobs/{import_id}/state", "query": {"id": "{import_id}"}},
    "state": {"path": "state", "map": {"succeeded": ["DONE"], "failed": ["FAILED"], "running": ["RUNNING"]}},
    "report": {"url": "links"},
}


def is_id(text: str) -> bool:
    try:
        read_import_id(text)
    except ImportSettingsError:
        return False
    return text.strip() not in (".", "..")


IDS = {name: text for name, text in HOSTILE.items() if is_id(text)}

Serve = Callable[[Script], Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as servers:
        yield lambda script: servers.enter_context(Server(script))


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return a function that creates a connection to a described vendor and returns its id."""

    def acme(host: str) -> str:
        extra = {"description": ACME, "verify": False}
        connection = {"conn_type": "import_api", "host": host, "password": KEY, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_ACME", json.dumps(connection))
        return "acme"

    return acme


def test_most_hostile_texts_are_ids() -> None:
    assert len(IDS) > 0.5 * len(HOSTILE)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("import_id", params(IDS))
def test_an_id_is_one_segment_or_value_of_the_target(
    connect: Callable[..., str], serve: Serve, poll: Poll, vendor: str, import_id: str
) -> None:
    server = serve(running(vendor))
    status = poll(connect(vendor, host=server.url, extra=READY.get(vendor, {})), import_id)
    before, after = SAMPLES[vendor].target.split("{}")
    target = server.seen[-1].target
    assert target.startswith(before)
    assert target.endswith(after)
    quoted = target.removeprefix(before).removesuffix(after)
    assert not set(quoted) & set("/?#&\\ ")
    assert unquote(quoted.replace("+", " ") if vendor == "clear" else quoted) == import_id.strip()
    assert {seen.headers["host"] for seen in server.seen} == {server.address}
    assert is_line(status.import_id)


@pytest.mark.parametrize("import_id", params(IDS))
def test_an_id_is_one_segment_and_one_value_of_a_described_request(
    acme: Callable[[str], str], serve: Serve, poll: Poll, import_id: str
) -> None:
    server = serve(lambda _: answer(json.dumps({"state": "RUNNING"})))
    poll(acme(server.url), import_id)
    path, _, query = server.seen[-1].target.partition("?")
    _, jobs, segment, state = path.split("/")
    assert (jobs, unquote(segment), state) == ("jobs", import_id.strip(), "state")
    assert parse_qs(query, keep_blank_values=True) == {"id": [import_id.strip()]}


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("text", params({name: text for name, text in HOSTILE.items() if name not in IDS}))
def test_other_texts_are_refused_in_one_line_before_any_request(
    connect: Callable[..., str], serve: Serve, poll: Poll, vendor: str, text: str
) -> None:
    server = serve(running(vendor))
    conn_id = connect(vendor, host=server.url, extra=READY.get(vendor, {}))
    if vendor == "clear" and text in (".", ".."):  # A value of the query, which dots do not change.
        poll(conn_id, text)
        return
    with pytest.raises(ImportSettingsError, match="import_id") as caught:
        poll(conn_id, text)
    assert is_line(str(caught.value))
    assert server.seen == []


#: Links that some readers of URLs take for one of the vendor's: `own` and `other` are hosts with ports.
CONFUSING = {
    "another host": "http://{other}/x",
    "user": "http://{own}@{other}/x",
    "backslash": "http://{other}\\@{own}/x",
    "backslash and slash": "http://{other}\\/@{own}/x",
    "two backslashes": "http://{other}\\\\@{own}/x",
    "encoded backslash": "http://{other}%5C@{own}/x",
    "slash in the user": "http://{other}/@{own}/x",
    "fragment in the user": "http://{other}#@{own}/x",
    "question in the user": "http://{other}?@{own}/x",
    "tab": "http://{other}\t@{own}/x",
    "line break": "http://{other}\n@{own}/x",
    "space": "http://{other} @{own}/x",
    "no host": "http:///{other}/x",
    "one slash": "http:/\\{other}/x",
    "brackets": "http://[{own}]@{other}/x",
    "port": "http://{own}:80@{other}/x",
    "semicolon": "http://{own};@{other}/x",
    "upper case": "HTTP://{other}\\@{own}/x",
    "header": "http://{other}/x\r\nHost: {own}",
}


@pytest.mark.parametrize("link", params(CONFUSING))
def test_a_link_to_another_host_never_gets_the_credential(
    acme: Callable[[str], str], serve: Serve, tmp_path: Path, link: str
) -> None:
    other = serve(lambda _: answer("told"))
    links: list[str] = []

    def script(seen: Seen) -> Any:
        return answer(json.dumps({"state": "FAILED", "links": links}) if "state" in seen.target else "told")

    own = serve(script)
    links[:] = [link.format(own=own.address, other=other.address), f"{own.url}/good"]
    saved = hook_for(acme(own.url)).save_error_reports("7", tmp_path)
    assert not [seen for seen in other.seen if KEY in str(seen)]
    # It does not keep the other report from being stored, either.
    assert own.seen[-1].target == "/good"
    assert own.seen[-1].headers["authorization"] == f"Bearer {KEY}"
    assert len(saved.paths) >= 1
    assert all(map(is_line, saved.errors))


@pytest.mark.parametrize("text", params(HOSTILE))
def test_a_report_is_only_fetched_over_http(
    connect: Callable[..., str], serve: Serve, tmp_path: Path, text: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    stages = [
        {"stage": text, "status": "FAILURE", "errorReportPreSign": link}
        for link in (text, f"file://{secret}", f"{secret}", f"file:{secret}")
    ]
    result = {"workflowStatus": "FAILED", "activityStatusList": stages}
    server = serve(lambda _: answer(json.dumps({"success": True, "result": result})))
    hook = hook_for(connect("clear", host=server.url, extra=READY["clear"]))
    saved = hook.save_error_reports("7", tmp_path / "reports")
    assert "hunter2" not in "".join(Path(path).read_text() for path in saved.paths)
    assert all(map(is_line, saved.errors))
    assert not [seen for seen in server.seen if TOKEN in str(seen) and "status" not in seen.target]


@pytest.mark.parametrize("text", params({name: text for name, text in IDS.items() if text.isprintable()}))
def test_an_id_of_an_upload_is_one_segment_of_the_path(text: str) -> None:
    """The vendor chooses it, and the next request goes where it says."""

    file: Any = StoredFile(__file__)
    hook = ZilliantHook()
    hook.settings = SAMPLES["zilliant"].settings
    credential = Credential(KEY)
    replies = [credential, reply(200, uploadId=text), credential, reply(200, importId="7")]
    effects, _ = play(hook.submit(file, "m"), *replies)
    before, after = f"{hook.base_url}/v1/EntityImport/", "/import"
    url = effects[-1].url
    assert unquote(url.removeprefix(before).removesuffix(after)) == text.strip()
    assert url.count("/") == before.count("/") + after.count("/")
