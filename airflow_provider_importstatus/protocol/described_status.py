"""What the answers of a described vendor mean."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from airflow_provider_importstatus.exceptions import (
    ImportNotFoundError,
    ImportProtocolError,
    ImportRequestError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.protocol.description import Condition, Description, normalized_word
from airflow_provider_importstatus.protocol.description_section import is_number
from airflow_provider_importstatus.protocol.expressions import Budget, Expression, is_true
from airflow_provider_importstatus.protocol.messages import Response
from airflow_provider_importstatus.protocol.responses import (
    extract_messages,
    flatten,
    parse_count,
    parse_timestamp,
    raise_for_status,
    read_any_json,
    with_secret_links,
)
from airflow_provider_importstatus.status import (
    MAX_STAGES,
    MAX_WORD,
    ImportState,
    ImportStatus,
    RowCounts,
)

__all__ = ["check_cancelled", "effective_status", "read_status"]

#: Work for recognizing a rejected credential, which comes on top of that for the answer itself.
UNAUTHORIZED_WORK = 10_000
#: Characters of an answer without JSON that `unavailable` is judged by.
MAX_PLAIN_TEXT = 1000
#: A longer text is no word of a vendor, in characters.
LONG_WORD = 1000
#: The row counts that do not decide about the state.
OTHER_ROWS = ("total", "succeeded", "skipped")
#: Messages shown in an error.
SHOWN_MESSAGES = 3
#: As seconds since 1970 this is the year 5138, as milliseconds it is 1973.
MIN_MILLISECONDS = 1e11


class _Details:
    """What an answer says beyond the state. An expression that fails on it costs no more than its own field.

    :param failures: the texts of their errors
    """

    def __init__(self, data: Any, budget: Budget) -> None:
        self._data = data
        self._budget = budget
        self.failures: list[str] = []

    def search(self, expression: Expression | None) -> Any:
        """Return what the expression selects; None without an expression, or if it fails."""
        try:
            return _search(expression, self._data, self._budget)
        except ImportProtocolError as error:
            self.failures.append(str(error))
            return None


def effective_status(description: Description, response: Response) -> int:
    """Return 401 for a rejected credential, 503 for an outage that is answered like one."""
    budget = Budget(UNAUTHORIZED_WORK)
    try:
        if response.status in (401, 403):
            return 503 if _is_unavailable(description, response, budget) else response.status
        return 401 if _holds(description.unauthorized, response, budget) else response.status
    except ImportProtocolError:
        # `get_conn()` asks about answers of any other endpoint, too.
        return response.status


def read_status(description: Description, import_id: str, response: Response) -> ImportStatus:
    """Return the status that the answer to a poll contains, or raise what it means instead."""
    budget = Budget()
    what = f"{description.title}'s import status"
    _raise_for_answer(description, import_id, response, what, budget)
    data = read_any_json(response, what)
    _check_ok(description, data, response, what, budget)
    urls = _read_urls(description, data, budget)
    response = with_secret_links(response, urls)
    word = description.state.search(data, budget)
    state = _read_state(description, word, response, what)
    failed = _search(description.rows.get("failed"), data, budget)
    if state is ImportState.SUCCEEDED and _is_partial(description, data, failed, budget):
        state = ImportState.PARTIAL
    details = _Details(data, budget)
    others = {name: _count(details.search(description.rows.get(name))) for name in OTHER_ROWS}
    progress = _progress(description, details)
    started_at = _timestamp(details.search(description.started_at))
    finished_at = _timestamp(details.search(description.finished_at))
    messages = details.search(description.messages)
    return ImportStatus(
        vendor=description.name,
        import_id=import_id,
        state=state,
        vendor_state=response.clean(word if isinstance(word, str) else normalized_word(word) or "", MAX_WORD),
        rows=RowCounts(failed=_count(failed), **others),
        progress=progress,
        messages=extract_messages(response, details.failures, messages),
        started_at=started_at,
        finished_at=finished_at if state.is_terminal else None,
        error_report_urls=urls,
    )


def check_cancelled(description: Description, import_id: str, response: Response) -> None:
    """Raise what the answer to a cancel request means, unless it means success."""
    budget = Budget()
    what = f"{description.title}'s cancel request"
    _raise_for_answer(description, import_id, response, what, budget)
    # Its body is often empty.
    if (data := response.parse_any()) is not None:
        _check_ok(description, data, response, what, budget)


def _raise_for_answer(
    description: Description, import_id: str, response: Response, what: str, budget: Budget
) -> None:
    if _holds(description.not_found, response, budget):
        # A 404 without JSON is a gateway's page.
        read_any_json(response, what)
        origin = description.import_id_help or "the id that the vendor's submit call returned"
        raise ImportNotFoundError(
            f"{description.title} knows no import {import_id!r}. Check that it is {origin}, and check host"
            " and extras of the connection."
        )
    if _is_unavailable(description, response, budget):
        raise ImportUnavailableError(
            f"{what}: HTTP {response.status} ({response.excerpt()}). According to the description, the vendor"
            " is busy or down.",
            response.retry_after,
        )
    raise_for_status(response, what)


def _is_unavailable(description: Description, response: Response, budget: Budget) -> bool:
    if _holds(description.unavailable, response, budget):
        return True
    when = description.unavailable.when
    if when is None or response.parse_any() is not None:
        return False
    # Gateways that limit the rate answer in plain text.
    text = response.body[: 4 * MAX_PLAIN_TEXT].decode("utf-8", "replace")[:MAX_PLAIN_TEXT]
    return is_true(when.search(text, budget))


def _holds(condition: Condition, response: Response, budget: Budget) -> bool:
    if response.status in condition.statuses:
        return True
    if condition.when is None or (data := response.parse_any()) is None:
        return False
    return is_true(condition.when.search(data, budget))


def _check_ok(description: Description, data: Any, response: Response, what: str, budget: Budget) -> None:
    if description.ok is None or is_true(description.ok.search(data, budget)):
        return
    found = _Details(data, budget).search(description.messages)
    told = "; ".join(extract_messages(response, found)[:SHOWN_MESSAGES]) or response.excerpt()
    raise ImportRequestError(
        f"{what}: the vendor reports an error ({told}). Check the import_id, and the connection's host and"
        " extras."
    )


def _search(expression: Expression | None, data: Any, budget: Budget) -> Any:
    return None if expression is None else expression.search(data, budget)


def _read_state(description: Description, word: Any, response: Response, what: str) -> ImportState:
    if isinstance(word, str) and len(word) > LONG_WORD:
        return ImportState.UNKNOWN
    normalized = normalized_word(word)
    if normalized is None:
        raise ImportProtocolError(f"{what}: no state at {description.state.key} ({response.excerpt()})")
    return description.words.get(normalized, ImportState.UNKNOWN)


def _is_partial(description: Description, data: Any, failed: Any, budget: Budget) -> bool:
    if description.partial_if is not None:
        return is_true(description.partial_if.search(data, budget))
    # A count that cannot be read must not be taken for 0.
    return failed is not None and _count(failed) != 0


def _count(value: Any) -> int | None:
    return parse_count(int(value) if isinstance(value, float) and value.is_integer() else value)


def _progress(description: Description, details: _Details) -> float | None:
    value, of = details.search(description.progress), description.progress_of
    if isinstance(of, Expression):
        of = details.search(of)
    are_numbers = is_number(value) and is_number(of) and of > 0
    return value / of if are_numbers and 0 <= value <= of else None


def _timestamp(value: Any) -> datetime | None:
    return parse_timestamp(value * 1000 if is_number(value) and abs(value) < MIN_MILLISECONDS else value)


def _read_urls(description: Description, data: Any, budget: Budget) -> tuple[str, ...]:
    report = description.report
    if report is None or report.url is None:
        return ()
    return tuple(islice(_links(report.url.search(data, budget)), MAX_STAGES))


def _links(value: Any) -> Iterator[str]:
    return (
        url
        for url in flatten([value])
        if isinstance(url, str) and url.lower().startswith(("https://", "http://"))
    )
