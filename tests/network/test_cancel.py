"""Cancellations over real sockets."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportNotFoundError,
    ImportSettingsError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.status import ImportState

from .cases import VENDORS, Connect

usual = pytest.mark.usefixtures("connections")


@pytest.mark.parametrize("form", [str, int])
@usual
def test_thalamus_cancels_a_running_import(sandbox: Sandbox, form: type) -> None:
    hook, import_id = hook_for("thalamus_default"), sandbox.submit("thalamus", seconds=1000)
    hook.cancel_import(form(import_id))
    assert hook.get_import_status(import_id).state is ImportState.CANCELLED
    assert sandbox.requests("thalamus")["cancel"] == 1


@usual
def test_another_import_is_not_cancelled(sandbox: Sandbox) -> None:
    hook = hook_for("thalamus_default")
    first, second = (sandbox.submit("thalamus", seconds=1000, queued=0) for _ in range(2))
    hook.cancel_import(first)
    assert hook.get_import_status(second).state is ImportState.RUNNING


@usual
def test_an_ended_import_keeps_its_end(sandbox: Sandbox) -> None:
    hook, import_id = hook_for("thalamus_default"), sandbox.submit("thalamus", seconds=0)
    hook.cancel_import(import_id)
    assert hook.get_import_status(import_id).state is ImportState.SUCCEEDED


@usual
def test_an_unknown_import_is_not_found() -> None:
    with pytest.raises(ImportNotFoundError, match="no import '999'"):
        hook_for("thalamus_default").cancel_import("999")


@usual
def test_a_vendor_that_is_down_is_unavailable(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", seconds=1000)
    sandbox.fault("thalamus", "cancel", "503")
    with pytest.raises(ImportUnavailableError):
        hook_for("thalamus_default").cancel_import(import_id)


def test_a_rejected_credential_is_an_auth_error(sandbox: Sandbox, connect: Connect) -> None:
    connect("thalamus", password="wrong")
    with pytest.raises(ImportAuthError):
        hook_for("thalamus_default").cancel_import(sandbox.submit("thalamus"))


@pytest.mark.parametrize("import_id", ["", None, "{{ x }}", 1.5, True])
@usual
def test_an_invalid_id_is_refused_before_anything_is_sent(sandbox: Sandbox, import_id: Any) -> None:
    with pytest.raises(ImportSettingsError, match="import_id"):
        hook_for("thalamus_default").cancel_import(import_id)
    assert not any(sandbox.requests("thalamus").values())


@pytest.mark.parametrize("vendor", [vendor for vendor in VENDORS if vendor != "thalamus"])
@usual
def test_another_vendor_cannot_cancel_and_is_asked_nothing(sandbox: Sandbox, vendor: str) -> None:
    import_id, before = sandbox.submit(vendor, seconds=1000), sandbox.requests(vendor)
    hook = hook_for(f"{vendor}_default")
    with pytest.raises(ImportSettingsError, match=f"cannot cancel import '{import_id}'"):
        hook.cancel_import(import_id)
    assert (sandbox.requests(vendor), hook.can_cancel) == (before, False)
