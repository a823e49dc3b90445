"""Secrets leave a process only in requests to their vendor: tested with vendors that echo everything.

Every secret here holds the word MARKER, or is what a request carried in a header of credentials.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger

from ..network.servers import Seen, Server, answer
from ..vendors import HOOKS, SAMPLES
from ..vendors.samples import SECRET
from .tasks import Connect, TaskInstance, fired, resume, run, sensor

pytestmark = pytest.mark.usefixtures("no_refresh_delays")

SIGNED = "https://storage.example/MARKER-path/report.csv?X-Amz-Signature=MARKER-signature"
CREDENTIAL_HEADERS = (
    "authorization",
    "thalamus-token",
    "x-clear-auth-token",
    "x-clear-client-secret",
)
PLANTED: dict[str, dict[str, Any]] = {
    **{
        name: {
            "password": "MARKER-password",
            "extra": {
                extra: f"MARKER-{extra}" for extra, value in vendor.settings.extra.items() if value == SECRET
            },
        }
        for name, vendor in SAMPLES.items()
    },
    "clear-ready": {"extra": {"access_token": "MARKER-access-token"}},
    "zilliant-ready": {
        "extra": {"token_response": {"access_token": "MARKER-token", "signature": "MARKER-s"}}
    },
}
#: The vendors whose hooks request a token.
LOGGING_IN = {name for name, hook in HOOKS.items() if hook.authenticate is not ImportStatusHook.authenticate}
TOKEN = {"access_token": "MARKER-issued-token", "expires_in": 3600, "signature": "MARKER-salesforce"}


def echo(seen: Seen) -> str:
    # The secrets come first, so that they fit into every excerpt.
    return " ".join([*carried_by(seen), seen.body.decode(), SIGNED, seen.target, str(seen.headers)])


def carried_by(seen: Seen) -> list[str]:
    """Return the credentials in a request's headers, without their schemes."""
    values = (seen.headers.get(name, "") for name in CREDENTIAL_HEADERS)
    return [value.rpartition(" ")[2] for value in values if value]


def is_login(seen: Seen) -> bool:
    return "token" in seen.target or "oauth" in seen.target


def going_on(seen: Seen, state: str = "running") -> list[bytes | float]:
    """Return the response of the vendor that the path names, full of echoes and signed URLs."""
    vendor, is_report = SAMPLES[seen.target.split("/")[1]], seen.target.endswith("/report")
    return answer(json.dumps(vendor.answer(state, text=echo(seen), url=SIGNED, is_report=is_report)))


def after_login(script: Any) -> Any:
    return lambda seen: answer(json.dumps(TOKEN)) if is_login(seen) else script(seen)


def says(status: int, content_type: str = "application/json", **headers: str) -> Any:
    """Return a server script that echoes requests with an HTTP status."""

    def script(seen: Seen) -> list[bytes | float]:
        body = json.dumps({"message": echo(seen), "error": echo(seen), "errors": {"x": echo(seen)}})
        return answer(body, status, content_type=content_type, **headers)

    return script


SCRIPTS = {
    "going-on": after_login(going_on),
    "failed": after_login(lambda seen: going_on(seen, "failed")),
    "200-html": after_login(says(200, "text/html")),
    "200-no-state": after_login(
        lambda seen: answer(json.dumps({"result": {"x": echo(seen)}, "x": echo(seen)}))
    ),
    "302": after_login(says(302, location=SIGNED)),
    "400": after_login(says(400)),
    "401": after_login(says(401)),
    "404": after_login(says(404)),
    "422": after_login(says(422)),
    "503": after_login(says(503)),
    "cut": after_login(lambda seen: [*going_on(seen)][:0]),
    "login-200": says(200),
    "login-302": says(302, location=SIGNED),
    "login-400": says(400),
    "login-401": says(401),
    "login-500": says(500),
}
#: What the error of a wait says.
ENDS = {"going-on": "is running", "failed": "is failed"}


def planted(case: str, server: Server, connect: Connect) -> str:
    fields = dict(PLANTED[case])
    name = case.partition("-")[0]
    more = {"token_url": f"{server.url}/oauth/token"} if name in ("zilliant", "tao_advance") else {}
    extra = {"timeout": 2, **more, **fields.pop("extra", {})}
    return connect(name, host=f"{server.url}/{name}", **fields, extra=extra)


def tried(conn_id: str, mode: str) -> list[str]:
    """Return everything that a wait reveals, on a worker or in a triggerer and afterwards."""
    limits: dict[str, Any] = {"outage_tolerance": 0.05, "not_found_grace": 0.03}
    ti, task = TaskInstance(), sensor(conn_id, "7", timeout=0.06, **limits)
    revealed = [repr(task)]
    try:
        if mode == "worker":
            revealed.append(repr(run(task, ti)))
        else:
            now = time.time()
            initial_state = {"first_poll_at": now, "deadline": now + 0.06, "poke_interval": 0.03, **limits}
            trigger = ImportStatusTrigger(conn_id, "7", wait=initial_state)
            revealed += [repr(trigger), repr(trigger.serialize())]
            event = fired(trigger)
            revealed.append(json.dumps(event, ensure_ascii=False))
            revealed.append(repr(resume(task, event, ti)))
    except Exception as error:
        revealed += traceback.format_exception(error)
    return [*revealed, json.dumps(ti.xcoms, ensure_ascii=False)]


@pytest.mark.parametrize("mode", ["worker", "triggerer"])
@pytest.mark.parametrize(
    ("case", "script"),
    [
        (case, script)
        for case in PLANTED
        for script in SCRIPTS
        if not script.startswith("login") or case in LOGGING_IN
    ],
)
def test_no_secret_is_revealed(
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    case: str,
    script: str,
    mode: str,
) -> None:
    with Server(SCRIPTS[script]) as vendor, caplog.at_level(logging.DEBUG):
        revealed = tried(planted(case, vendor, connect), mode)
    text = "\n".join([*revealed, caplog.text, *capsys.readouterr()])
    assert ENDS.get(script, "") in text, "check `body` in the vendor's module in tests/vendors"
    secrets = {secret for seen in vendor.seen for secret in carried_by(seen)}
    assert any("MARKER" in str(seen) for seen in vendor.seen) or secrets
    assert [secret for secret in ("MARKER", *secrets) if secret in text] == []


@pytest.mark.parametrize("case", PLANTED)
def test_no_secret_is_in_a_hook_or_its_status(connect: Connect, case: str) -> None:
    with Server(after_login(going_on)) as server:
        hook = hook_for(planted(case, server, connect))
        status = hook.get_import_status("7")
    text = repr([hook, hook.settings, status, status.to_dict(), vars(hook)])
    assert "MARKER" not in text


def test_a_signed_url_is_kept_in_error_report_urls(connect: Connect) -> None:
    """This ensures that the tests above have something to find."""
    with Server(after_login(going_on)) as server:
        status = hook_for(planted("clear", server, connect)).get_import_status("7")
    assert status.error_report_urls == (SIGNED,)


@pytest.mark.parametrize(
    ("vendor_name", "fields"),
    [
        ("clear", {"password": "MARKER\nsecret"}),
        ("clear", {"extra": {"access_token": "MARKER\r\ntoken"}}),
        ("thalamus", {"extra": {"token": "MARKER-\N{SNOWMAN}"}}),
        ("zilliant", {"extra": {"token_response": "MARKER is no JSON"}}),
        ("thalamus", {"host": "https://somebody:MARKER@vendor.example"}),
        ("thalamus", {"host": "https://vendor.example/?key=MARKER"}),
    ],
)
def test_an_unusable_secret_is_not_revealed_either(
    connect: Connect, vendor_name: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(ImportSettingsError) as error:
        run(sensor(connect(vendor_name, **fields)))
    assert "MARKER" not in "".join(traceback.format_exception(error.value))
