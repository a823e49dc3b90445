"""Isolation of the tests, the four vendors on localhost, and Airflow's connections to them."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Any

import pytest

# Airflow reads these when it is first imported, so they are set here and not in a fixture.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-")
for _name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[_name]
os.environ["AIRFLOW_HOME"] = _HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

from airflow_provider_importstatus.sandbox import Sandbox  # noqa: E402 - after the environment is set
from airflow_provider_importstatus.sandbox.vendors import registry  # noqa: E402
from airflow_provider_importstatus.version_compat import is_airflow  # noqa: E402

from .sandbox.clients import Client, clear_token  # noqa: E402

#: Airflow before 3.1 has neither the Imports page nor the modules that it needs.
collect_ignore = [] if version("apache-airflow") >= "3.1" else ["test_page.py"]

#: The names of all vendors, which are their connection types.
VENDORS = tuple(vendor.name for vendor in registry.VENDORS)
#: The scenario of an import that never ends.
ENDLESS: dict[str, Any] = {"seconds": 1000, "queued": 0}
#: Environment variables that configure HTTP libraries.
STEERING = ("NETRC", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")

#: Extras of a connection that are JSON but no object, and the types that errors name.
NOT_OBJECTS = (("[1]", "list"), ("[]", "list"), ("5", "int"), ('"text"', "str"), ("true", "bool"))
#: Create a connection to a sandbox vendor: `connect(vendor, conn_id, extra={}, **fields)` returns its id.
Connect = Callable[..., str]
#: Return the lines that tasks have logged since the last call.
Logged = Callable[[], list[str]]
#: Poll an import once: `poll(conn_id, import_id, **hook_params)`.
Poll = Callable[..., Any]


def pytest_unconfigure() -> None:
    _HOME.cleanup()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return the scheduler that distributes tests to processes; only pytest-xdist calls this."""
    from .scheduling import Scheduling

    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Reject a test that would start an Airflow without sharing it."""
    from .scheduling import group_of

    for item in items:
        if "deployment" in getattr(item, "fixturenames", ()) and not group_of(item.nodeid):
            raise pytest.UsageError(
                f"{item.nodeid} uses an Airflow: give its module a group in scheduling.py"
            )


def pytest_collection_finish() -> None:
    """Exempt Airflow's heap, which stays, from garbage collection: each would take about 0.1 seconds."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def clean_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Isolate the test from the environment."""
    for name in list(os.environ):
        is_ours = name.startswith(("AIRFLOW_CONN_", "AIRFLOW_VAR_"))
        if is_ours or name in STEERING or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    _forget_masked_secrets()
    _forget_rejected_logins()
    if is_airflow(3, 0) and not is_airflow(3, 1):
        _forget_variables()


def _forget_variables() -> None:
    # Outside of tasks, Airflow 3.0 has them in the database only.
    from airflow import settings
    from airflow.models import Variable

    engine: Any = settings.engine
    table = Variable.metadata.tables["variable"]
    table.create(engine, checkfirst=True)
    with engine.begin() as connection:
        connection.execute(table.delete())


def _forget_rejected_logins() -> None:
    if shared_token := sys.modules.get("airflow_provider_importstatus.clients.token_store"):
        shared_token._own_rejections.clear()


def _forget_masked_secrets() -> None:
    # Airflow compiles all secrets ever masked into one expression, again for each new one: after a few
    # hundred tests with their tokens that would take longer than the tests.
    for name in [name for name in sys.modules if name.endswith("secrets_masker")]:
        if masker := getattr(sys.modules[name], "_secrets_masker", None):
            masker().patterns = set()
            masker().replacer = None


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Logged:
    """Return the lines that tasks have logged since the last call."""

    def logged() -> list[str]:
        # Airflow 2.11 logs through the standard library, and to the console as well.
        lines = caplog.messages if not is_airflow(3, 0) else []
        caplog.clear()
        return lines or capsys.readouterr().out.splitlines()

    return logged


@pytest.fixture
def settled() -> None:
    """Exempt what other tests have imported, too, from garbage collection during a test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox(port=0) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    """Return the four vendors, without imports, tokens, faults or counts."""
    running_sandbox.reset()
    return running_sandbox


@pytest.fixture
def connect(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Create sandbox connections with the given fields and extras replaced."""

    def connect(
        vendor: str, conn_id: str | None = None, *, extra: Mapping[str, Any] | None = None, **fields: Any
    ) -> str:
        conn_id = conn_id or f"{vendor}_default"
        usual = _described() if vendor == "import_api" else sandbox.connections[f"{vendor}_default"]
        merged = {**usual, **fields, "extra": {**usual["extra"], **(extra or {})}}
        if merged["host"].startswith("http://"):
            # Nothing is verified over HTTP, and reading the CA bundle would take longer than most tests.
            merged["extra"].setdefault("verify", False)
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(merged))
        return conn_id

    return connect


@pytest.fixture
def connect_with_text(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Create a sandbox connection whose extra is any text, as secrets backends return it."""
    if is_airflow(3, 0) and not is_airflow(3, 2):
        pytest.skip("Airflow 3.0 and 3.1 find no connection whose extra is no object.")

    def connect(vendor: str, extra: str) -> None:
        usual = _described() if vendor == "import_api" else sandbox.connections[f"{vendor}_default"]
        monkeypatch.setenv(f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT", json.dumps({**usual, "extra": extra}))

    return connect


def _described() -> dict[str, Any]:
    # Imported here because it loads parts of Airflow that most tests do not need.
    from .vendors.described import CONNECTION

    return CONNECTION


@pytest.fixture
def request_token(sandbox: Sandbox) -> Callable[[], str]:
    """Request a token directly from Clear, which revokes the previous one."""

    def request_token() -> str:
        with Client(sandbox.url) as client:
            return clear_token(client)

    return request_token


@pytest.fixture
def connections(connect: Connect, request_token: Callable[[], str]) -> Connect:
    """Create a connection to each vendor under its default id, for Clear with an access token."""
    for vendor in VENDORS:
        connect(vendor, extra={"access_token": request_token()} if vendor == "clear" else {})
    return connect


@pytest.fixture
def forgiven() -> Iterator[None]:
    """Ignore resources that libraries leave to garbage collection after broken HTTP or an early end."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def no_refresh_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the delays with which processes avoid refreshing a shared token at the same time."""
    from airflow_provider_importstatus.protocol import credentials

    monkeypatch.setattr(credentials, "MAX_REFRESH_DELAY", 0.0)
    monkeypatch.setattr(credentials, "READ_BACK_DELAY", 0.0)


@pytest.fixture
def short_last_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up the poll at a wait's deadline after a fraction of a second instead of ten."""
    from airflow_provider_importstatus.polling import schedule

    monkeypatch.setattr(schedule, "LAST_POLL_TIME", 0.2)


@pytest.fixture(params=["requests", "aiohttp"])
def poll(request: pytest.FixtureRequest) -> Poll:
    """Poll an import once with a new hook, synchronously as on workers or asynchronously as in triggerers."""
    # Imported here because it loads parts of Airflow that most tests do not need.
    from airflow_provider_importstatus.hooks.lookup import hook_for

    def poll(conn_id: str, import_id: str, **hook_params: Any) -> Any:
        hook = hook_for(conn_id, hook_params)
        if request.param == "requests":
            return hook.get_import_status(import_id)
        return asyncio.run(hook.aget_import_status(import_id))

    return poll
