"""How credentials are obtained, cached, shared and replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.protocol.credentials import CredentialCache, login_rejection_name
from airflow_provider_importstatus.protocol.flow import (
    ConnectionEdited,
    Flow,
    advance,
    send_authenticated,
)
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    LoadLoginRejection,
    LoadSharedToken,
    LoginRejection,
    NeedCredential,
    ReloadConnection,
    Request,
    Response,
    StoreLoginRejection,
    StoreSharedToken,
)

from ..hooks.playing import NOW, FakeClient, play, play_to_error, raw
from .acme import NEW, OLD, OTHER, QUESTION, SETTINGS, Acme


def needed(
    refused: Credential | None = None,
    *,
    held: Credential | None = None,
    vendor: Any = None,
    at: float = NOW,
    cache: CredentialCache | None = None,
) -> Flow[Credential]:
    """Return the flow that gets a credential; the rejected one was cached unless another was."""
    cache = cache or CredentialCache()
    cache.current = held or refused
    return cache.credential(vendor or Acme(), NeedCredential(refused, "HTTP 401 (no entry)"), at)


LOGIN = LoadLoginRejection(login_rejection_name(Acme()))


class TestACredential:
    def test_a_cached_credential_needs_no_effect(self) -> None:
        assert play(needed(held=OLD)) == ([], OLD)

    def test_the_first_credential_needs_a_login_but_no_connection_reload(self) -> None:
        cache = CredentialCache()
        effects, _ = play(needed(cache=cache), None, raw("t"))
        assert effects == [LOGIN, Request("POST", "https://acme.example/token")]
        assert cache.current == Credential("t")

    def test_a_rejected_credential_is_replaced_after_reloading_the_connection(self) -> None:
        effects, credential = play(needed(OLD), SETTINGS, None, raw("t"))
        assert (effects[0], credential.value) == (ReloadConnection(), "t")

    def test_no_credential_is_obtained_after_the_connection_was_edited(self) -> None:
        """A new credential must not be sent to the old host."""
        running = needed(OLD)
        advance(running)
        with pytest.raises(ConnectionEdited):
            advance(running, OTHER)

    def test_a_newer_cached_credential_replaces_a_rejected_one(self) -> None:
        assert play(needed(OLD, held=NEW)) == ([], NEW)

    def test_an_expired_credential_is_replaced(self) -> None:
        _, credential = play(needed(held=replace(OLD, expires_at=NOW)), None, raw("t"))
        assert credential.value == "t"

    def test_an_unexpired_credential_is_kept(self) -> None:
        assert play(needed(held=replace(OLD, expires_at=NOW + 1)))[0] == []

    def test_a_failed_login_keeps_the_current_credential(self) -> None:
        cache = CredentialCache()
        play_to_error(needed(OLD, cache=cache), SETTINGS, None, ImportUnavailableError("down"))
        assert cache.current == OLD

    def test_a_new_credential_that_was_never_accepted_is_not_replaced(self) -> None:
        """A permission is missing: another login would not help."""
        young = Credential("young", obtained_at=NOW - 29)
        effects, error = play_to_error(needed(young), SETTINGS)
        assert isinstance(error, ImportAuthError)
        assert (effects, "HTTP 401 (no entry)" in str(error)) == ([ReloadConnection()], True)

    @pytest.mark.parametrize(
        "refused",
        [
            pytest.param(Credential("t", obtained_at=NOW - 30), id="30 seconds old"),
            pytest.param(Credential("t", obtained_at=NOW - 1, is_accepted=True), id="accepted before"),
        ],
    )
    def test_a_credential_that_may_have_been_revoked_is_replaced(self, refused: Credential) -> None:
        _, credential = play(needed(refused), SETTINGS, None, raw("u"))
        assert credential.value == "u"

    def test_a_static_credential_needs_no_login(self) -> None:
        ready = Acme(replace(SETTINGS, extra={"ready": "from the connection"}))
        effects, credential = play(needed(vendor=ready))
        assert (effects, credential.value) == ([], "from the connection")

    def test_a_rejected_static_credential_is_an_auth_error_with_the_vendors_message(self) -> None:
        ready = Acme(replace(SETTINGS, extra={"ready": "refused"}))
        with pytest.raises(
            ImportAuthError, match=r"in connection 'files': HTTP 401 \(no entry\)\. Replace it there"
        ):
            play(needed(Credential("refused"), vendor=ready), ready.settings)


class TestASharedToken:
    """Clear revokes a token when another is requested with the same secret, and allows 288 a day."""

    def needed(self, refused: Credential | None = None, **more: Any) -> Flow[Credential]:
        return needed(refused, vendor=Acme(shared_token_name="shared"), **more)

    def test_a_shared_token_is_used(self) -> None:
        assert play(self.needed(), NEW) == ([LoadSharedToken("shared")], NEW)

    @pytest.mark.parametrize("refused", [OLD, Credential("young", obtained_at=NOW - 10)])
    def test_a_newer_shared_token_replaces_a_rejected_one(self, refused: Credential) -> None:
        assert play(self.needed(refused), SETTINGS, NEW)[1] == NEW

    def test_the_shared_token_is_loaded_twice_before_a_new_one_is_requested(self) -> None:
        effects, _ = play(self.needed(OLD), SETTINGS, OLD, OLD, None, raw("t"), None, None)
        kinds = [
            ReloadConnection,
            LoadSharedToken,
            LoadSharedToken,
            LoadLoginRejection,
            Request,
            StoreSharedToken,
            LoadSharedToken,
        ]
        assert [type(effect) for effect in effects] == kinds

    def test_the_shared_token_is_loaded_again_after_a_random_delay(self) -> None:
        pauses = set()
        for _ in range(50):
            effects, _ = play(self.needed(OLD), SETTINGS, OLD, OLD, None, raw("t"), None, None)
            pauses.add(effects[2].after)
        assert (len(pauses) > 40, min(pauses) >= 0, max(pauses) <= 2) == (True, True, True)

    def test_the_shared_token_is_first_loaded_without_delay(self) -> None:
        assert play(self.needed(OLD), SETTINGS, NEW)[0][1].after == 0

    def test_a_token_stored_during_the_delay_is_used(self) -> None:
        effects, credential = play(self.needed(OLD), SETTINGS, OLD, NEW)
        assert (len(effects), credential) == (3, NEW)

    def test_a_new_token_replaces_the_stored_one(self) -> None:
        effects, credential = play(self.needed(OLD), SETTINGS, OLD, OLD, None, raw("t"), None, None)
        assert effects[-2] == StoreSharedToken("shared", credential, expected=OLD)

    def test_a_stored_token_is_read_back_after_two_seconds(self) -> None:
        effects, _ = play(self.needed(), None, None, None, raw("t"), None, None)
        assert effects[-1] == LoadSharedToken("shared", after=2.0)

    def test_a_token_that_cannot_be_read_back_is_used(self) -> None:
        down = ImportUnavailableError("Variable")
        assert play(self.needed(), None, None, None, raw("t"), None, down)[1] == Credential("t")

    def test_a_rejected_token_younger_than_five_minutes_is_an_outage(self) -> None:
        """The process that revoked it stores another one, or five minutes pass."""
        young = Credential("young", obtained_at=NOW - 299)
        with pytest.raises(ImportUnavailableError, match=r"younger than five minutes.*connection 'files'"):
            play(self.needed(young), SETTINGS, young, young)

    def test_a_rejected_young_token_is_replaced_by_the_one_that_is_stored_meanwhile(self) -> None:
        """Two processes logged in at once: the one whose token is valid finds the other's in its place."""
        young = Credential("young", obtained_at=NOW - 3)
        effects, credential = play(self.needed(young), SETTINGS, young, NEW)
        assert (effects[-1], credential) == (LoadSharedToken("shared", after=4.0), NEW)

    def test_a_rejected_token_older_than_five_minutes_is_replaced(self) -> None:
        aged = Credential("aged", obtained_at=NOW - 300)
        assert play(self.needed(aged), SETTINGS, aged, aged, None, raw("t"), None, None)[1].value == "t"

    def test_an_expired_token_younger_than_five_minutes_is_replaced(self) -> None:
        expired = Credential("short", obtained_at=NOW - 100, expires_at=NOW - 1)
        _, credential = play(self.needed(held=expired), expired, expired, None, raw("t"), None, None)
        assert credential.value == "t"

    def test_an_expired_shared_token_is_not_used(self) -> None:
        expired = replace(NEW, expires_at=NOW - 1)
        assert play(self.needed(), expired, expired, None, raw("t"), None, None)[1].value == "t"

    def test_a_static_credential_does_not_load_the_shared_token(self) -> None:
        ready = Acme(replace(SETTINGS, extra={"ready": "t"}), shared_token_name="shared")
        assert play(needed(OLD, vendor=ready), ready.settings)[0] == [ReloadConnection()]

    def test_failing_to_load_the_shared_token_is_an_error(self) -> None:
        with pytest.raises(ImportUnavailableError, match="Variable"):
            play(self.needed(OLD), SETTINGS, ImportUnavailableError("Variable"))

    def test_no_token_is_stored_after_a_rejected_login(self) -> None:
        effects, _ = play_to_error(self.needed(), None, None, None, raw("", 401), None)
        assert not [effect for effect in effects if isinstance(effect, StoreSharedToken)]


class TestAStoredToken:
    """Another process may overwrite it more than two seconds after it was stored."""

    vendor = Acme(shared_token_name="shared")

    def cache(self) -> CredentialCache:
        cache = CredentialCache()
        play(needed(cache=cache, vendor=self.vendor), None, None, None, raw("mine"), None, None)
        return cache

    def needed(self, cache: CredentialCache, at: float) -> Flow[Credential]:
        return cache.credential(self.vendor, NeedCredential(), at)

    def test_a_stored_token_is_used_before_it_is_confirmed(self) -> None:
        assert play(self.needed(self.cache(), NOW + 9))[0] == []

    def test_a_stored_token_is_read_back_once_more(self) -> None:
        cache = self.cache()
        mine = cache.current
        assert play(self.needed(cache, NOW + 10), mine) == ([LoadSharedToken("shared")], mine)
        assert play(self.needed(cache, NOW + 20))[0] == []

    def test_an_overwritten_token_is_tried_after_the_other_one(self) -> None:
        cache, others = self.cache(), Credential("others", obtained_at=NOW)
        mine = cache.current
        assert play(self.needed(cache, NOW + 10), others)[1] == others
        refused = cache.credential(self.vendor, NeedCredential(others), NOW + 11)
        assert play(refused, SETTINGS, None, None)[1] == mine

    def test_a_token_that_cannot_be_read_back_is_used(self) -> None:
        cache = self.cache()
        assert play(self.needed(cache, NOW + 10), ImportUnavailableError("Variable"))[1].value == "mine"


class TestTwoProcessesThatRequestATokenAtOnce:
    """Responses arrive in any order, and only the token requested last is valid."""

    mine, others = Credential("mine", obtained_at=NOW), Credential("others", obtained_at=NOW)

    def cache_that_met(self, *, when: str) -> tuple[CredentialCache, Credential]:
        cache = CredentialCache()
        found = (self.others,) if when == "stored" else (None, self.others)
        running = needed(cache=cache, vendor=Acme(shared_token_name="shared"))
        _, credential = play(running, None, None, None, raw("mine"), *found)
        return cache, credential

    def refused(self, cache: CredentialCache, refused: Credential) -> Flow[Credential]:
        return needed(refused, cache=cache, vendor=Acme(shared_token_name="shared"))

    @pytest.mark.parametrize("when", ["stored", "read back"])
    def test_the_token_of_the_other_process_is_tried_first(self, when: str) -> None:
        assert self.cache_that_met(when=when)[1] == self.others

    @pytest.mark.parametrize("when", ["stored", "read back"])
    def test_our_token_is_stored_if_the_other_one_is_rejected(self, when: str) -> None:
        cache, others = self.cache_that_met(when=when)
        effects, credential = play(self.refused(cache, others), SETTINGS, None, None)
        assert credential == self.mine
        assert effects == [
            ReloadConnection(),
            StoreSharedToken("shared", self.mine, expected=self.others),
            LoadSharedToken("shared", 2.0),
        ]

    def test_a_third_token_is_also_tried_before_ours(self) -> None:
        third = Credential("third", obtained_at=NOW)
        cache, others = self.cache_that_met(when="stored")
        _, credential = play(self.refused(cache, others), SETTINGS, third)
        assert credential == third
        assert play(self.refused(cache, third), SETTINGS, None, None)[1] == self.mine

    def test_our_token_is_dropped_once_the_other_one_was_accepted(self) -> None:
        """It has been revoked by then."""
        cache, others = self.cache_that_met(when="stored")
        others.is_accepted = True
        with pytest.raises(ImportUnavailableError, match="younger than five minutes"):
            play(self.refused(cache, others), SETTINGS, others, others)


class TestARejectedLogin:
    rejection = LoginRejection(NOW, "Acme's login was refused.")

    def test_a_rejected_login_is_stored_for_other_processes(self) -> None:
        effects, error = play_to_error(needed(), None, raw("", 401), None)
        assert isinstance(error, ImportAuthError)
        assert effects[-1] == StoreLoginRejection(login_rejection_name(Acme()), str(error))

    @pytest.mark.parametrize("seconds", [0, 59.9])
    def test_a_rejected_login_is_not_repeated_within_a_minute(self, seconds: float) -> None:
        vendor = Acme()
        with pytest.raises(
            ImportAuthError, match=r"^Acme's login was refused\. .*not repeated within a minute"
        ):
            play(needed(vendor=vendor, at=NOW + seconds), self.rejection)
        assert vendor.logins == 0

    @pytest.mark.parametrize("seconds", [60, -1])
    def test_a_rejected_login_is_repeated_after_a_minute_or_if_it_is_in_the_future(
        self, seconds: float
    ) -> None:
        _, credential = play(needed(at=NOW + seconds), self.rejection, raw("t"))
        assert credential.value == "t"

    def test_an_outage_is_not_stored_as_a_rejected_login(self) -> None:
        effects, _ = play_to_error(needed(), None, ImportUnavailableError("down"))
        assert not [effect for effect in effects if isinstance(effect, StoreLoginRejection)]

    def test_a_rejected_login_for_a_shared_token_is_not_repeated_either(self) -> None:
        with pytest.raises(ImportAuthError, match="not repeated"):
            play(needed(vendor=Acme(shared_token_name="shared")), None, None, self.rejection)

    def test_rejected_logins_are_identified_by_token_url_and_login(self) -> None:
        others = [replace(SETTINGS, login="somebody"), replace(SETTINGS, host="moved.example")]
        assert len({login_rejection_name(Acme(settings)) for settings in (SETTINGS, *others)}) == 3

    def test_rejected_logins_are_not_identified_by_a_secret(self) -> None:
        assert login_rejection_name(Acme(replace(SETTINGS, password="changed"))) == login_rejection_name(
            Acme()
        )

    def test_rejected_logins_without_a_login_name_are_identified_by_connection(self) -> None:
        """Two connections to one vendor with different secrets must not block each other."""
        assert login_rejection_name(Acme(replace(SETTINGS, conn_id="other"))) != login_rejection_name(Acme())


def test_many_waits_rejected_at_the_same_time_log_in_once() -> None:
    vendor = Acme()
    valid = [b"first"]

    def server(request: Request) -> Response:
        if request.method == "POST":
            valid.append(f"token {len(valid)}".encode())
            return raw(valid[-1])
        return raw("", 200 if request.headers["Authorization"].encode() == valid[-1] else 401)

    client = FakeClient(SETTINGS, server)
    client.credentials.current = OLD
    assert {client.run(vendor, send_authenticated(vendor, QUESTION)).status for _ in range(100)} == {200}
    assert vendor.logins == 1
