from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_importstatus.conversation import (
    Conversation,
    Credential,
    Finished,
    NeedCredential,
    Purse,
    Recall,
    Request,
    Reread,
    Response,
    Share,
    ask,
    form,
    renew,
    scrub,
    segment,
    step,
)
from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportSettingsError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.settings import Settings
from airflow_provider_importstatus.transports import asynchronous, blocking

from .playing import NOW, Owner, answer, play, play_to_error, raw

SETTINGS = Settings("files", "acme", host="acme.example", password="client-secret")
OTHER = replace(SETTINGS, host="moved.example")
QUESTION = Request("GET", "/status/42")
OLD, NEW = Credential("old-token", minted_at=NOW - 900), Credential("new-token", minted_at=NOW)


class Acme:
    """A vendor like any other; whether its processes share a credential is up to the test."""

    hook_name = "Acme"

    def __init__(self, settings: Settings = SETTINGS, shared_as: str | None = None) -> None:
        self.settings = settings
        self.shares_as = shared_as
        self.logins = 0

    def given(self, settings: Settings) -> Credential | None:
        return Credential(settings.extra["ready"]) if "ready" in settings.extra else None

    def log_in(self, settings: Settings) -> Conversation[Credential]:
        self.logins += 1
        response: Response = yield Request("POST", f"{settings.base_url}/token")
        if response.status == 401:
            raise ImportAuthError("Acme's login was refused.")
        return Credential(response.body.decode(), minted_at=response.received_at)

    def shared_as(self, _: Settings) -> str | None:
        return self.shares_as

    def sign(self, request: Request, credential: Credential) -> Request:
        return replace(request, headers={**request.headers, "Authorization": credential.value})

    def meant_status(self, response: Response) -> int:
        return 403 if response.body == b"no entry" else response.status


def test_a_step_hands_over_the_answer() -> None:
    def talk() -> Generator[str, str, str]:
        return (yield "first") + (yield "second")

    running = talk()
    assert [step(running), step(running, "a"), step(running, "b")] == ["first", "second", Finished("ab")]


def test_an_error_is_thrown_into_the_script() -> None:
    def talk() -> Generator[str, str, str]:
        try:
            return (yield "question")
        except ImportUnavailableError as error:
            return f"noticed {error}"

    running = talk()
    step(running)
    assert step(running, ImportUnavailableError("rain")) == Finished("noticed rain")


def test_an_error_that_the_script_survives_brings_its_next_wish() -> None:
    """`throw()` returns what the script yields next, as `send()` does."""

    def talk() -> Generator[str, str, str]:
        try:
            yield "question"
        except ImportUnavailableError:
            return (yield "another")
        return ""

    running = talk()
    step(running)
    assert step(running, ImportUnavailableError("rain")) == "another"


def test_none_is_an_answer_too() -> None:
    running = ask(Acme(), QUESTION)
    assert isinstance(step(running), NeedCredential)
    with pytest.raises(AttributeError):
        step(running, None)


Converse = Callable[[Conversation[Any], Callable[[Any], Any]], Any]


@pytest.fixture(params=["requests", "aiohttp"])
def converse(request: pytest.FixtureRequest) -> Converse:
    """Run a conversation on one of the two drivers; `answer` is a plain function."""
    if request.param == "requests":
        return blocking.converse

    def run(talk: Conversation[Any], answer: Callable[[Any], Any]) -> Any:
        async def answered(wish: Any) -> Any:
            return answer(wish)

        return asyncio.run(asynchronous.converse(talk, answered))

    return run


def test_a_driver_brings_the_result(converse: Converse) -> None:
    def talk() -> Generator[int, int, int]:
        return (yield 1) + (yield 2)

    assert converse(talk(), lambda wish: wish * 10) == 30


def test_a_driver_goes_on_with_the_wish_after_an_error(converse: Converse) -> None:
    def talk() -> Generator[str, str, str]:
        try:
            yield "down"
        except ImportUnavailableError:
            return (yield "up")
        return ""

    def answer(wish: str) -> str:
        if wish == "down":
            raise ImportUnavailableError("rain")
        return f"{wish} again"

    assert converse(talk(), answer) == "up again"


def test_a_driver_takes_no_leaked_stopiteration_for_a_result(converse: Converse) -> None:
    def answer(_: Any) -> Any:
        raise StopIteration("leaked")

    with pytest.raises((StopIteration, RuntimeError), match=r"leaked|StopIteration"):
        converse(ask(Acme(), QUESTION), answer)


def test_a_driver_closes_the_script_when_it_is_interrupted(converse: Converse) -> None:
    ended = []

    def talk() -> Generator[str, str, None]:
        try:
            yield "question"
        finally:
            ended.append(True)

    def interrupted(_: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        converse(talk(), interrupted)
    assert ended


class TestAsk:
    def test_a_question_goes_out_signed_below_the_connections_base(self) -> None:
        asked, _ = play(ask(Acme(), QUESTION), OLD, answer())
        signed = Request("GET", "https://acme.example/status/42", {"Authorization": "old-token"})
        assert asked == [NeedCredential(), signed]

    def test_a_whole_url_is_left_as_it_is(self) -> None:
        asked, _ = play(ask(Acme(), Request("GET", "https://other.example/x")), OLD, answer())
        assert asked[1].url == "https://other.example/x"

    def test_the_answer_is_the_result(self) -> None:
        _, response = play(ask(Acme(), QUESTION), OLD, raw("hello", 404))
        assert (response.status, response.body) == (404, b"hello")

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refused_credential_is_replaced(self, status: int) -> None:
        asked, _ = play(ask(Acme(), QUESTION), OLD, raw("", status), NEW, answer())
        assert asked[2] == NeedCredential(refused=OLD)

    @pytest.mark.parametrize("status", [401, 403])
    def test_the_question_is_asked_again_with_the_new_credential(self, status: int) -> None:
        asked, response = play(ask(Acme(), QUESTION), OLD, raw("", status), NEW, answer())
        assert (asked[3].headers, response.status) == ({"Authorization": "new-token"}, 200)

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_second_refusal_is_an_auth_error(self, status: int) -> None:
        with pytest.raises(ImportAuthError, match=rf"HTTP {status} \(no right\).* connection 'files'"):
            play(ask(Acme(), QUESTION), OLD, raw("", 401), NEW, raw("no right", status))

    def test_what_the_vendor_means_by_an_answer_counts(self) -> None:
        asked, _ = play(ask(Acme(), QUESTION), OLD, raw("no entry", 200), NEW, answer())
        assert asked[2] == NeedCredential(refused=OLD)

    @pytest.mark.parametrize("status", [200, 302, 400, 404, 429, 500])
    def test_no_other_answer_costs_a_credential(self, status: int) -> None:
        asked, _ = play(ask(Acme(), QUESTION), OLD, raw("", status))
        assert len(asked) == 2

    def test_a_connection_that_moved_is_asked_at_its_new_address(self) -> None:
        vendor = Acme()
        running = ask(vendor, QUESTION)
        for reply in (None, OLD, raw("", 401)):
            step(running, reply)
        vendor.settings = OTHER
        assert step(running, NEW).url == "https://moved.example/status/42"

    @pytest.mark.parametrize("secret", ["new-token", "part-of-it", "client-secret"])
    def test_an_echoed_secret_is_in_no_error(self, secret: str) -> None:
        credential = replace(NEW, secrets=("part-of-it",))
        with pytest.raises(ImportAuthError) as caught:
            play(ask(Acme(), QUESTION), OLD, raw("", 401), credential, raw(f"bad {secret}", 401))
        assert secret not in str(caught.value)


class TestRenewWithoutSharing:
    def test_the_connection_is_read_again_first(self) -> None:
        asked, _ = play(renew(Acme(), None, NOW), SETTINGS, raw("t"))
        assert asked[0] == Reread()

    def test_the_vendor_goes_on_with_what_was_read(self) -> None:
        vendor = Acme()
        play(renew(vendor, None, NOW), OTHER, raw("t"))
        assert vendor.settings is OTHER

    def test_the_login_is_made_with_what_was_read(self) -> None:
        asked, credential = play(renew(Acme(), OLD, NOW), OTHER, raw("t"))
        assert (asked[1].url, credential.value) == ("https://moved.example/token", "t")

    def test_a_ready_credential_needs_no_login(self) -> None:
        ready = replace(SETTINGS, extra={"ready": "from the connection"})
        _, credential = play(renew(Acme(), OLD, NOW), ready)
        assert credential.value == "from the connection"

    def test_a_ready_credential_that_was_refused_is_an_auth_error(self) -> None:
        ready = replace(SETTINGS, extra={"ready": "refused"})
        with pytest.raises(ImportAuthError, match=r"in connection 'files'\. Replace it there"):
            play(renew(Acme(), Credential("refused"), NOW), ready)

    def test_a_ready_credential_that_was_replaced_is_taken(self) -> None:
        ready = replace(SETTINGS, extra={"ready": "replaced"})
        _, credential = play(renew(Acme(), Credential("refused"), NOW), ready)
        assert credential.value == "replaced"


class TestRenewWithSharing:
    """Clear revokes a token when another is minted with the same secret, and allows 288 a day."""

    def vendor(self) -> Acme:
        return Acme(shared_as="shelf")

    def test_a_token_of_another_process_is_taken(self) -> None:
        asked, credential = play(renew(self.vendor(), None, NOW), SETTINGS, NEW)
        assert (asked, credential) == ([Reread(), Recall("shelf")], NEW)

    def test_a_newer_token_is_taken_in_place_of_a_refused_one(self) -> None:
        _, credential = play(renew(self.vendor(), OLD, NOW), SETTINGS, NEW)
        assert credential == NEW

    def test_a_newer_token_is_taken_in_place_of_a_young_refused_one(self) -> None:
        young = Credential("young", minted_at=NOW - 10)
        _, credential = play(renew(self.vendor(), young, NOW), SETTINGS, NEW)
        assert credential == NEW

    def test_before_a_token_is_minted_the_shelf_is_looked_at_twice(self) -> None:
        asked, _ = play(renew(self.vendor(), OLD, NOW), SETTINGS, OLD, OLD, raw("t"), None)
        assert [type(wish) for wish in asked] == [Reread, Recall, Recall, Request, Share]

    def test_the_second_look_comes_after_a_random_pause(self) -> None:
        pauses = set()
        for _ in range(50):
            asked, _ = play(renew(self.vendor(), OLD, NOW), SETTINGS, OLD, OLD, raw("t"), None)
            pauses.add(asked[2].after)
        assert (len(pauses) > 40, min(pauses) >= 0, max(pauses) <= 2) == (True, True, True)

    def test_the_first_look_comes_at_once(self) -> None:
        asked, _ = play(renew(self.vendor(), OLD, NOW), SETTINGS, NEW)
        assert asked[1].after == 0

    def test_a_token_that_appears_during_the_pause_is_taken(self) -> None:
        asked, credential = play(renew(self.vendor(), OLD, NOW), SETTINGS, OLD, NEW)
        assert (len(asked), credential) == (3, NEW)

    def test_a_minted_token_is_shared(self) -> None:
        asked, credential = play(renew(self.vendor(), None, NOW), SETTINGS, None, None, raw("t"), None)
        assert asked[-1] == Share("shelf", credential)

    def test_a_young_token_that_is_refused_is_not_replaced(self) -> None:
        young = Credential("young", minted_at=NOW - 299)
        with pytest.raises(ImportAuthError, match=r"younger than five minutes.*connection 'files'"):
            play(renew(self.vendor(), young, NOW), SETTINGS, young)

    def test_a_refused_token_of_five_minutes_is_replaced(self) -> None:
        aged = Credential("aged", minted_at=NOW - 300)
        _, credential = play(renew(self.vendor(), aged, NOW), SETTINGS, aged, aged, raw("t"), None)
        assert credential.value == "t"

    def test_a_young_token_that_has_expired_is_replaced(self) -> None:
        expired = Credential("short", minted_at=NOW - 100, expires_at=NOW - 1)
        _, credential = play(renew(self.vendor(), expired, NOW), SETTINGS, expired, expired, raw("t"), None)
        assert credential.value == "t"

    def test_an_expired_token_of_another_process_is_not_taken(self) -> None:
        expired = replace(NEW, expires_at=NOW - 1)
        _, credential = play(renew(self.vendor(), None, NOW), SETTINGS, expired, expired, raw("t"), None)
        assert credential.value == "t"

    def test_a_ready_token_leaves_the_shelf_alone(self) -> None:
        ready = replace(SETTINGS, extra={"ready": "t"})
        asked, _ = play(renew(self.vendor(), OLD, NOW), ready)
        assert asked == [Reread()]

    def test_a_shelf_that_cannot_be_read_is_an_error(self) -> None:
        with pytest.raises(ImportUnavailableError, match="Variable"):
            play(renew(self.vendor(), OLD, NOW), SETTINGS, ImportUnavailableError("Variable"))

    def test_a_refused_login_shares_nothing(self) -> None:
        asked, _ = play_to_error(renew(self.vendor(), None, NOW), SETTINGS, None, None, raw("", 401))
        assert not [wish for wish in asked if isinstance(wish, Share)]


class TestPurse:
    def test_a_credential_in_hand_costs_nothing(self) -> None:
        purse = Purse()
        purse.held = OLD
        assert play(purse.credential(Acme(), None, NOW)) == ([], OLD)

    def test_an_empty_purse_is_filled(self) -> None:
        purse = Purse()
        play(purse.credential(Acme(), None, NOW), SETTINGS, raw("t"))
        assert purse.held == Credential("t", minted_at=NOW)

    def test_a_refused_credential_is_replaced(self) -> None:
        purse = Purse()
        purse.held = OLD
        play(purse.credential(Acme(), OLD, NOW), SETTINGS, raw("t"))
        assert purse.held.value == "t"

    def test_who_was_refused_an_earlier_credential_gets_the_one_in_hand(self) -> None:
        purse = Purse()
        purse.held = NEW
        assert play(purse.credential(Acme(), OLD, NOW)) == ([], NEW)

    def test_a_credential_about_to_expire_is_replaced_unasked(self) -> None:
        purse = Purse()
        purse.held = replace(OLD, expires_at=NOW)
        _, credential = play(purse.credential(Acme(), None, NOW), SETTINGS, raw("t"))
        assert credential.value == "t"

    def test_a_credential_that_lasts_is_kept(self) -> None:
        purse = Purse()
        purse.held = replace(OLD, expires_at=NOW + 1)
        assert play(purse.credential(Acme(), None, NOW))[0] == []

    def test_a_failed_renewal_leaves_the_purse_as_it_was(self) -> None:
        purse = Purse()
        purse.held = OLD
        play_to_error(purse.credential(Acme(), OLD, NOW), SETTINGS, ImportUnavailableError("down"))
        assert purse.held == OLD


class TestARefusedLogin:
    def purse(self) -> Purse:
        purse = Purse()
        play_to_error(purse.credential(Acme(), None, NOW), SETTINGS, raw("", 401))
        return purse

    def test_is_not_repeated_within_a_minute(self) -> None:
        vendor = Acme()
        with pytest.raises(ImportAuthError, match="not repeated within a minute"):
            play(self.purse().credential(vendor, None, NOW + 59.9), SETTINGS)
        assert vendor.logins == 0

    def test_is_not_repeated_by_another_wait(self) -> None:
        purse = self.purse()
        for _ in range(3):
            asked, _ = play_to_error(purse.credential(Acme(), None, NOW + 1), SETTINGS)
            assert asked == [Reread()]

    def test_is_told_in_the_same_words(self) -> None:
        with pytest.raises(ImportAuthError, match=r"^Acme's login was refused"):
            play(self.purse().credential(Acme(), None, NOW + 1), SETTINGS)

    def test_is_repeated_after_a_minute(self) -> None:
        _, credential = play(self.purse().credential(Acme(), None, NOW + 60), SETTINGS, raw("t"))
        assert credential.value == "t"

    @pytest.mark.parametrize("field", ["host", "login", "password", "extra"])
    def test_is_repeated_at_once_when_the_connection_changed(self, field: str) -> None:
        changed = replace(SETTINGS, **{field: {"verify": False} if field == "extra" else "changed.example"})
        _, credential = play(self.purse().credential(Acme(), None, NOW + 1), changed, raw("t"))
        assert credential.value == "t"

    def test_that_is_repeated_in_vain_starts_another_minute(self) -> None:
        purse = self.purse()
        play_to_error(purse.credential(Acme(), None, NOW + 60), SETTINGS, raw("", 401))
        with pytest.raises(ImportAuthError, match="not repeated"):
            play(purse.credential(Acme(), None, NOW + 100), SETTINGS)

    def test_is_forgotten_after_a_login_that_succeeds(self) -> None:
        purse = self.purse()
        play(purse.credential(Acme(), None, NOW + 60), SETTINGS, raw("t"))
        _, credential = play(purse.credential(Acme(), purse.held, NOW + 61), SETTINGS, raw("u"))
        assert credential.value == "u"

    def test_is_no_outage(self) -> None:
        purse = Purse()
        play_to_error(purse.credential(Acme(), None, NOW), SETTINGS, ImportUnavailableError("down"))
        _, credential = play(purse.credential(Acme(), None, NOW + 1), SETTINGS, raw("t"))
        assert credential.value == "t"


def test_many_waits_that_are_refused_together_log_in_once() -> None:
    vendor = Acme()
    valid = [b"first"]

    def server(request: Request) -> Response:
        if request.method == "POST":
            valid.append(f"token {len(valid)}".encode())
            return raw(valid[-1])
        return raw("", 200 if request.headers["Authorization"].encode() == valid[-1] else 401)

    owner = Owner(SETTINGS, server)
    owner.purse.held = OLD
    assert {owner.run(vendor, ask(vendor, QUESTION)).status for _ in range(100)} == {200}
    assert vendor.logins == 1


def test_a_form_is_encoded_once() -> None:
    request = form("https://login.example/token", {"user": "a&b=c d", "password": "ü+%"})
    assert request.body == b"user=a%26b%3Dc+d&password=%C3%BC%2B%25"


def test_a_form_says_that_it_is_one() -> None:
    request = form("https://login.example/token", {})
    assert (request.method, request.headers["Content-Type"]) == ("POST", "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("import_id", "quoted"),
    [
        pytest.param("42", "42", id="number"),
        pytest.param("2587c81c-bs9fc-4873", "2587c81c-bs9fc-4873", id="no UUID"),
        pytest.param("../v1", "..%2Fv1", id="path"),
        pytest.param("a b?c#d&e", "a%20b%3Fc%23d%26e", id="query"),
        pytest.param("50%2F", "50%252F", id="quoted already"),
        pytest.param("ü", "%C3%BC", id="no ASCII"),
        pytest.param("...", "...", id="three dots"),
    ],
)
def test_an_id_is_one_segment_of_a_path(import_id: str, quoted: str) -> None:
    assert segment(import_id) == quoted


@pytest.mark.parametrize("import_id", [".", ".."])
def test_an_id_that_would_change_the_path_is_refused(import_id: str) -> None:
    with pytest.raises(ImportSettingsError, match="Nothing was sent"):
        segment(import_id)


def test_a_longer_secret_is_scrubbed_before_a_shorter_one_in_it() -> None:
    assert scrub("abcdefgh", ("abcde", "abcdefgh")) == "***"


@pytest.mark.parametrize(
    "echo",
    [
        pytest.param('p"ä/ss+word', id="as it is"),
        pytest.param(r"p\"\u00e4/ss+word", id="in JSON"),
        pytest.param(r"p\"\u00e4\/ss+word", id="in PHP's JSON"),
        pytest.param("p%22%C3%A4%2Fss%2Bword", id="in a URL"),
    ],
)
def test_a_secret_is_scrubbed_however_it_is_spelled(echo: str) -> None:
    assert scrub(f"said {echo}!", ('p"ä/ss+word',)) == "said ***!"


def test_a_short_secret_blanks_out_no_ordinary_words() -> None:
    assert scrub("the test", ("test",)) == "the test"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(Request("GET", "/", {"Authorization": "hunter22"}, b"hunter22"), id="Request"),
        pytest.param(
            Response(200, {"set-cookie": "hunter22"}, b"hunter22", 0.0, ("hunter22",)), id="Response"
        ),
        pytest.param(Credential("hunter22", secrets=("hunter22",)), id="Credential"),
        pytest.param(NeedCredential(Credential("hunter22")), id="NeedCredential"),
        pytest.param(Share("shelf", Credential("hunter22")), id="Share"),
    ],
)
def test_no_message_shows_a_secret(message: object) -> None:
    assert "hunter22" not in repr(message)
