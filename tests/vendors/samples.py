"""What a vendor's module in this folder says: a connection, real responses, and responses for any state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.protocol.settings import ConnectionSettings

TOKEN, PASSWORD, SECRET = "Zq-issued/token+1=", "Zq-password/1+2", "Zq-extra-secret"
#: A word that no vendor has for a state.
UNDOCUMENTED = "ARCHIVED"


@dataclass(frozen=True)
class Contents:
    """What a response to a poll says.

    :param state: `running`, `unknown`, `succeeded`, `partial`, `failed` or `cancelled`
    :param word: the vendor's word for it
    :param text: what the vendor says about the import, if it says anything in this state
    :param url: the URL of an error report
    :param is_report: whether this is the response to Zilliant's second request
    :param value: returns the value of a field that does not decide about the state
    """

    state: str
    word: Any
    text: str = "Row 7 is wrong."
    url: str = "https://files.example/a?sig=s"
    is_report: bool = False
    value: Callable[[Any], Any] = lambda usual: usual

    @property
    def failed(self) -> int:
        """The number of rejected rows."""
        return 3 if self.state == "partial" else 0

    @property
    def messages(self) -> list[str]:
        """The messages: none about success."""
        return [] if self.state == "succeeded" else [self.text]


@dataclass(frozen=True)
class Vendor:
    """A vendor, a connection to it, and its responses.

    :param login: the response to a login, with `TOKEN` as the token
    :param answers: real responses to a poll
    :param is_success: whether a value is a success state of the vendor, including partial success
    :param hostile: responses with any JSON value at ``%s``, each of which the hook reads
    :param words: the vendor's words for `running` and each final state that its imports may have
    :param body: returns the response to a poll with these contents, written from the vendor's documentation
    :param target: the target of a poll, with ``{}`` for the id
    :param id_name: the field with the id in the response to a submission
    :param submit_params: parameters of a submission
    :param ready: extras with which a poll needs no login; None if it always needs one
    :param not_found: the status and body of the response for an import that does not exist
    :param refusal: returns the body of the response to a wrong request, with this message
    """

    hook: type[ImportStatusHook]
    settings: ConnectionSettings
    login: dict[str, Any]
    answers: tuple[dict[str, Any], ...]
    is_success: Callable[[str], bool]
    hostile: tuple[str, ...]
    words: dict[str, str]
    body: Callable[[Contents], dict[str, Any]]
    target: str
    id_name: str = ""
    submit_params: dict[str, Any] = field(default_factory=dict)
    ready: dict[str, Any] | None = field(default_factory=dict)
    not_found: tuple[int, dict[str, Any]] = (404, {"message": "There is no such import."})
    refusal: Callable[[str], dict[str, Any]] = lambda text: {"status": 400, "message": text}

    def answer(self, state: str, **more: Any) -> dict[str, Any]:
        """Return the response to a poll of an import in this state.

        :param more: further `Contents`
        """
        return self.body(Contents(**{"state": state, "word": self.words.get(state, UNDOCUMENTED), **more}))
