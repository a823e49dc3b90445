"""The hook for Thalamus' imports.

https://doc.thalamus.global/api-reference/api-rest-json-v4/imports/get-status
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from airflow_provider_importstatus.exceptions import (
    ImportNotFoundError,
    ImportProtocolError,
    ImportRequestError,
    ImportSettingsError,
)
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.connection_form import Advice
from airflow_provider_importstatus.protocol.flow import Flow, send_authenticated
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    Request,
    Response,
    basic_credentials,
    quote_path_segment,
)
from airflow_provider_importstatus.protocol.responses import (
    MAX_SECRET_LINKS,
    extract_messages,
    flatten,
    other_id,
    parse_count,
    parse_timestamp,
    raise_for_status,
    read_json,
    with_secret_links,
)
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.protocol.submission import read_param, start_import
from airflow_provider_importstatus.protocol.transfers import SourceFile, Upload
from airflow_provider_importstatus.status import MAX_WORD, ImportState, ImportStatus, RowCounts

__all__ = ["ThalamusHook"]

WHAT, IMPORT, CANCEL = "Thalamus' import status", "Thalamus' file import", "Thalamus' cancellation"
API = "/api/v4"

#: The state numbers in the filter of the list of imports.
NUMBERS = {
    "1": ImportState.QUEUED,
    "2": ImportState.RUNNING,
    "3": ImportState.SUCCEEDED,
    "4": ImportState.FAILED,
    "5": ImportState.BLOCKED,
    "6": ImportState.CANCELLED,
}
#: Only CANCELED is documented; the others are labels of the UI. Upper case, letters only. States that end a
#: wait are matched completely, so that PROCESSEDWITHERRORS or CANCELING do not match.
WORDS = (
    (re.compile(r"WAIT(ING.*)?"), ImportState.QUEUED),
    (re.compile(r"PROCESSING|INPROCESS.*"), ImportState.RUNNING),
    (re.compile(r"PROCESSED"), ImportState.SUCCEEDED),
    (
        re.compile(r"(FILE)?FORMATERROR|ERROR(INFILE|INFILEFORMAT|FILEFORMAT|INFORMAT|FORMAT|FILE)?"),
        ImportState.FAILED,
    ),
    (re.compile(r".*CONFIG.*"), ImportState.BLOCKED),
    (re.compile(r"CANCELL?ED"), ImportState.CANCELLED),
)
#: Thalamus sends both codes together, whichever applies.
REJECTION_CODES = frozenset({"invalidtouchpointcode", "touchpointcoderequired"})
#: Maximum number of error codes read from a response.
MAX_CODES = 1000
#: Counts of rows that are missing in the vendor's system after the import.
BAD_ROWS = ("rowsWithErrors", "rowsRollbacked", "rowsRollbackedWithErrors")


class ThalamusHook(ImportStatusHook):
    """Submits files to Thalamus, polls their imports and cancels them.

    :param conn_id: a connection of type ``thalamus``
    """

    conn_type = "thalamus"
    default_conn_name = "thalamus_default"
    hook_name = "Thalamus"
    no_import = "0"
    advice = Advice(
        refusal="If the response mentions the touchpoint, check {touchpoint} and {token}. Otherwise check"
        " {login} and {password}, and that this user has permission to see imports.",
    )

    def static_credential(self, settings: ConnectionSettings) -> Credential:
        """Return touchpoint, token and user from the connection, which every request carries.

        https://doc.thalamus.global/api-reference/api-rest-json-v4/account-user-management/user-authentication/login
        """
        settings.require("login", "password", "touchpoint", "token")
        # A document is written `type:number` as a principal, but `type$number` in Basic authentication.
        user = settings.get_str("login").replace(":", "$")
        basic = basic_credentials(user, settings.get_str("password"))
        token = settings.get_header("token")
        return Credential(f"{settings.get_header('touchpoint')}\n{token}\n{basic}", secrets=(token, basic))

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        """Return the request with touchpoint, token and user."""
        touchpoint, token, basic = credential.value.split("\n")
        headers = {
            "Thalamus-Touchpoint": touchpoint,
            "Thalamus-Token": token,
            "Authorization": f"Basic {basic}",
        }
        return request.with_headers(headers)

    def effective_status(self, response: Response) -> int:
        """Return the HTTP status that the codes in `errors` stand for: Thalamus sends 400 for many errors."""
        if response.status >= 300 and response.status != 400:
            return response.status
        codes = _error_codes(response)
        if codes & REJECTION_CODES:
            return 401
        # A body with errors is an error, whatever the HTTP status, as in the vendor's SDK.
        return 400 if codes else response.status

    def probe(self) -> Flow[object]:
        """Poll an import that does not exist; if that request is rejected, request the current user.

        https://doc.thalamus.global/api-reference/api-rest-json-v4/account-user-management/user-authentication/currently-logged-user
        """
        try:
            return (yield from self.poll(self.no_import))
        except ImportRequestError:
            # The response for an id that does not exist is documented for cancelling only.
            response = yield from send_authenticated(self, Request("GET", f"{self._api}/me"))
            raise_for_status(response, "Thalamus' user")
            return read_json(response, "Thalamus' user")

    def submit(self, file: SourceFile, type: str | int | None = None, name: str | None = None) -> Flow[str]:  # noqa: A002 - Thalamus' name
        """Submit a file and return the id of its import.

        https://doc.thalamus.global/api-reference/api-rest-json-v4/imports/import-file

        :param type: what the file contains: 25004 companies, 25006 physical locations, 25011 partner sales,
            25012 partner stock
        :param name: the import's name in Thalamus; the file's name by default
        """
        query = urlencode(
            {
                "name": read_param("name", file.name if name is None else name, "sales.csv"),
                "type": _read_type(type),
            }
        )
        upload = Upload(file, "application/octet-stream", field="file")
        request = Request("POST", f"{self._api}/import/file?{query}", body=upload)
        return (yield from start_import(self, request, IMPORT, "id"))

    def cancel(self, import_id: str) -> Flow[None]:
        """Cancel the import.

        https://doc.thalamus.global/api-reference/api-rest-json-v4/imports/cancel-import
        """
        path = f"{self._api}/import/cancel/{quote_path_segment(import_id)}"
        response = yield from send_authenticated(self, Request("POST", path))
        if response.status == 400 and "invalidid" in _error_codes(response):
            raise _unknown(import_id)
        raise_for_status(response, CANCEL)

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        """Poll the import once and return its status."""
        response = yield from send_authenticated(
            self, Request("GET", f"{self._api}/import/status/{quote_path_segment(import_id)}")
        )
        # Who has the link can read the customer's file.
        links = flatten([(response.parse() or {}).get("url")])
        response = with_secret_links(response, islice(links, MAX_SECRET_LINKS))
        if response.status == 400 and "invalidid" in _error_codes(response):
            raise _unknown(import_id)
        raise_for_status(response, WHAT)
        data = read_json(response, WHAT)
        word = data.get("state")
        if isinstance(word, bool) or not isinstance(word, str | int) or not str(word).strip():
            raise ImportProtocolError(f"{WHAT}: no state ({response.excerpt()})")
        return _to_status(self.vendor, import_id, str(word), data, response)

    @property
    def _api(self) -> str:
        return "" if self.base_url.endswith(API) else API


def _read_type(value: Any) -> str:
    text = read_param("type", value, "25011")
    if not text.isdecimal():
        raise ImportSettingsError("type is not a number. Give one such as 25011. Nothing was sent.")
    return text


def _unknown(import_id: str) -> ImportNotFoundError:
    return ImportNotFoundError(
        f"Thalamus knows no import {import_id!r} (InvalidID). Check that it is the id that the import call"
        " returned."
    )


def _error_codes(response: Response) -> set[str]:
    errors = (response.parse() or {}).get("errors")
    if not errors:
        return set()
    codes = flatten(errors.values() if isinstance(errors, Mapping) else [errors])
    return {str(code)[:MAX_WORD].strip().casefold() for code in islice(codes, MAX_CODES)}


def _to_status(
    vendor: str, import_id: str, word: str, data: Mapping[str, Any], response: Response
) -> ImportStatus:
    state = _read_state(word)
    key = data.get("stateInternationalizableKey")
    if state is ImportState.UNKNOWN and isinstance(key, str):
        state = _read_state(key.rpartition(".")[2])
    # Absent or null means no rows; an invalid count must not be taken for 0.
    bad = [0 if data.get(name) is None else parse_count(data[name]) for name in BAD_ROWS]
    if state is ImportState.SUCCEEDED and any(rows != 0 for rows in bad):
        state = ImportState.PARTIAL
    return ImportStatus(
        vendor=vendor,
        import_id=import_id,
        state=state,
        vendor_state=response.clean(word, MAX_WORD),
        rows=RowCounts(
            total=parse_count(data.get("rows")),
            succeeded=parse_count(data.get("rowsOk")),
            failed=_sum_of_bad(data, bad),
            skipped=parse_count(data.get("rowsSkipped")),
        ),
        messages=extract_messages(response, other_id(import_id, "id", data.get("id"))),
        progress=_progress(data.get("percentageProcessed")),
        started_at=parse_timestamp(data.get("creationDate")),
        finished_at=parse_timestamp(data.get("modificationDate")) if state.is_terminal else None,
    )


def _read_state(word: str) -> ImportState:
    word = word[: 2 * MAX_WORD]
    if word.strip() in NUMBERS:
        return NUMBERS[word.strip()]
    letters = "".join(filter(str.isalpha, word)).upper()
    return next((state for pattern, state in WORDS if pattern.fullmatch(letters)), ImportState.UNKNOWN)


def _sum_of_bad(data: Mapping[str, Any], bad: list[int | None]) -> int | None:
    if data.get("rowsWithErrors") is None or None in bad:
        return None
    return sum(rows for rows in bad if rows)


def _progress(percentage: Any) -> float | None:
    # Thalamus reports 0 for finished imports too, so 0 has no meaning.
    is_number = isinstance(percentage, int | float) and not isinstance(percentage, bool)
    return percentage / 100 if is_number and 0 < percentage <= 100 else None
