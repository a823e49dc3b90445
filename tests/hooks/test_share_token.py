"""The extra `share_token`: whether processes log in once for all, or each for itself."""

from __future__ import annotations

import base64
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import ImportAuthError, ImportUnavailableError
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.thalamus import ThalamusHook
from airflow_provider_importstatus.protocol.credentials import CredentialCache
from airflow_provider_importstatus.protocol.flow import Flow
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    LoadLoginRejection,
    LoadSharedToken,
    NeedCredential,
    ReloadConnection,
    Request,
    StoreSharedToken,
)
from airflow_provider_importstatus.protocol.settings import ConnectionSettings

from .. import vendors
from .playing import NOW, answer, play, play_to_error, raw

#: Of the vendors whose form has the extra. Described vendors are in test_described.py.
HOOKS = {
    vendor: hook
    for vendor, hook in vendors.HOOKS.items()
    if "share_token" in vendors.EXTRAS[vendor] and vendor != "import_api"
}
EXTRA = {"client_id": "app-1", "client_secret": "app-secret"}
#: Spaced so that a response that is parsed and written anew is another one.
RESPONSE = b'{"access_token" :  "t0ken", "expires_in": 3600}'
HELD = Credential("held", obtained_at=NOW - 900)

every_vendor = pytest.mark.parametrize("vendor", HOOKS)


def settings(vendor: str, share_token: Any = True, **fields: Any) -> ConnectionSettings:
    extra = {**EXTRA, "share_token": share_token, **fields.pop("extra", {})}
    return ConnectionSettings(
        "the_conn",
        vendor,
        **{"host": "vendor.example", "login": "me", "password": "my-password", "extra": extra, **fields},
    )


def hook(vendor: str, *arguments: Any, **fields: Any) -> ImportStatusHook:
    hook = HOOKS[vendor]()
    hook.settings = settings(vendor, *arguments, **fields)
    return hook


def name(vendor: str, *arguments: Any, **fields: Any) -> str | None:
    return hook(vendor).shared_token_name(settings(vendor, *arguments, **fields))


def needed(
    vendor: str,
    rejected: Credential | None = None,
    *,
    held: Credential | None = None,
    share_token: Any = True,
) -> Flow[Credential]:
    """Return the flow that gets a credential; the rejected one was cached unless another was."""
    cache = CredentialCache()
    cache.current = held or rejected
    return cache.credential(hook(vendor, share_token), NeedCredential(rejected, "HTTP 401"), NOW)


@every_vendor
class TestTheFlow:
    def test_by_default_no_shared_token_is_loaded_or_stored(self, vendor: str) -> None:
        effects, _ = play(needed(vendor, share_token=None), None, raw(RESPONSE))
        assert [type(effect) for effect in effects] == [LoadLoginRejection, Request]

    def test_the_shared_token_saves_the_login(self, vendor: str) -> None:
        assert play(needed(vendor), HELD) == ([LoadSharedToken(name(vendor) or "")], HELD)

    def test_the_first_process_logs_in_and_stores_its_token(self, vendor: str) -> None:
        effects, credential = play(needed(vendor), None, None, None, raw(RESPONSE), None, None)
        kinds = [
            LoadSharedToken,
            LoadSharedToken,
            LoadLoginRejection,
            Request,
            StoreSharedToken,
            LoadSharedToken,
        ]
        assert [type(effect) for effect in effects] == kinds
        assert effects[4] == StoreSharedToken(name(vendor) or "", credential)

    def test_the_first_login_waits_up_to_two_seconds_for_another_process(self, vendor: str) -> None:
        pauses = [play(needed(vendor), None, HELD)[0][1].after for _ in range(50)]
        assert (len(set(pauses)) > 40, min(pauses) >= 0, max(pauses) <= 2) == (True, True, True)

    def test_a_token_that_another_process_stored_meanwhile_is_used(self, vendor: str) -> None:
        others = Credential("others", obtained_at=NOW)
        replies = (None, None, None, raw(RESPONSE), others)
        assert play(needed(vendor), *replies)[1] == others

    def test_an_expired_token_is_replaced_by_the_one_of_another_process(self, vendor: str) -> None:
        expired = replace(HELD, expires_at=NOW - 1)
        newer = Credential("newer", obtained_at=NOW - 1, expires_at=NOW + 3600)
        effects, credential = play(needed(vendor, held=expired), expired, newer)
        assert ([type(effect) for effect in effects], credential) == ([LoadSharedToken] * 2, newer)

    def test_a_rejected_token_is_replaced_by_the_one_of_another_process(self, vendor: str) -> None:
        newer = Credential("newer", obtained_at=NOW)
        reloaded = settings(vendor)
        effects, credential = play(needed(vendor, HELD), reloaded, newer)
        assert ([type(effect) for effect in effects], credential) == (
            [ReloadConnection, LoadSharedToken],
            newer,
        )

    def test_an_old_rejected_token_is_replaced_by_a_login(self, vendor: str) -> None:
        replies = (settings(vendor), HELD, HELD, None, raw(RESPONSE), None, None)
        effects, credential = play(needed(vendor, HELD), *replies)
        assert effects[-2] == StoreSharedToken(name(vendor) or "", credential, expected=HELD)

    def test_a_young_rejected_token_is_an_outage(self, vendor: str) -> None:
        young = Credential("young", obtained_at=NOW - 10)
        _, error = play_to_error(needed(vendor, young), settings(vendor), young, young)
        assert isinstance(error, ImportUnavailableError)
        assert "younger than five minutes" in str(error)

    def test_without_sharing_a_young_rejected_token_is_an_auth_error(self, vendor: str) -> None:
        young = Credential("young", obtained_at=NOW - 10)
        flow = needed(vendor, young, share_token=False)
        _, error = play_to_error(flow, settings(vendor, share_token=False))
        assert isinstance(error, ImportAuthError)

    def test_a_rejected_login_stores_no_token(self, vendor: str) -> None:
        effects, error = play_to_error(needed(vendor), None, None, None, answer(401), None)
        assert isinstance(error, ImportAuthError)
        assert not [effect for effect in effects if isinstance(effect, StoreSharedToken)]


@every_vendor
class TestTheName:
    def test_the_name_has_the_documented_prefix(self, vendor: str) -> None:
        assert (name(vendor) or "").startswith(f"importstatus_token_{vendor}_")

    @pytest.mark.parametrize("value", [None, "", False, "false", "off", "0"], ids=repr)
    def test_without_share_token_there_is_no_name(self, vendor: str, value: Any) -> None:
        assert name(vendor, value) is None

    @pytest.mark.parametrize("value", ["true", "True", "1", "yes", 1], ids=repr)
    def test_share_token_may_be_text(self, vendor: str, value: Any) -> None:
        assert name(vendor, value) == name(vendor)

    @pytest.mark.parametrize(
        "fields",
        [
            {"login": "another"},
            {"host": "another.example"},
            {"extra": {"token_url": "https://another.example/token"}},
        ],
        ids=repr,
    )
    def test_another_login_or_address_has_another_name(self, vendor: str, fields: dict[str, Any]) -> None:
        assert name(vendor, **fields) != name(vendor)

    @pytest.mark.parametrize("fields", [{"password": "another"}, {"extra": {"timeout": 5}}], ids=repr)
    def test_a_changed_password_has_the_same_name(self, vendor: str, fields: dict[str, Any]) -> None:
        """A digest of a password that a person chose could be used to guess it."""
        assert name(vendor, **fields) == name(vendor)

    def test_the_name_contains_no_digest_of_a_secret(self, vendor: str) -> None:
        digests = [sha256(secret.encode()).hexdigest()[:16] for secret in ("my-password", "app-secret")]
        assert not [digest for digest in digests if digest in (name(vendor) or "")]


def test_another_connected_app_has_another_name() -> None:
    assert name("zilliant", extra={"client_id": "app-2"}) != name("zilliant")


def test_zilliant_shares_the_complete_token_response_and_keeps_its_secret() -> None:
    effects, _ = play(needed("zilliant"), None, None, None, raw(RESPONSE), None, None)
    shared = effects[4].credential
    assert (base64.b64decode(shared.value), shared.secrets) == (RESPONSE, ("t0ken",))


def test_a_vendor_without_a_login_shares_nothing() -> None:
    extra = {"touchpoint": "rest", "token": "t", "share_token": True}
    assert ThalamusHook().shared_token_name(settings("thalamus", extra=extra)) is None
