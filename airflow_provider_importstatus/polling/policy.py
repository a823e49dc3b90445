"""The policy that maps a terminal status to the end of the task, for every vendor and mode."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_importstatus.status import ImportState, ImportStatus

__all__ = ["Action", "Policy", "Verdict", "describe", "judge"]


class Action(StrEnum):
    """How the task ends."""

    SUCCEED = "succeed"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the DAG's author accepts.

    :param on_partial: how the task ends after a partial import
    :param max_failed_rows: a partial import with at most this many rejected rows counts as succeeded
    """

    on_partial: Action = Action.FAIL
    max_failed_rows: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the task ends, with a human-readable reason."""

    action: Action
    reason: str


def judge(status: ImportStatus, policy: Policy) -> Verdict:
    """Return how the task ends for a terminal `status`."""
    match status.state:
        case ImportState.SUCCEEDED:
            return Verdict(Action.SUCCEED, describe(status))
        case ImportState.PARTIAL:
            return _judge_partial(status, policy)
        case ImportState.FAILED | ImportState.CANCELLED:
            return Verdict(Action.FAIL, describe(status))
    raise ValueError(f"An import that is {status.state} has not ended.")


def _judge_partial(status: ImportStatus, policy: Policy) -> Verdict:
    rejected = status.rows.failed
    # A count of 0 contradicts a partial import and is not reliable.
    if policy.max_failed_rows and rejected is not None and rejected <= policy.max_failed_rows:
        accepted = f"Accepted: max_failed_rows is {policy.max_failed_rows}."
        return Verdict(Action.SUCCEED, f"{describe(status)} {accepted}")
    match policy.on_partial:
        case Action.SUCCEED:
            return Verdict(Action.SUCCEED, f"{describe(status)} Accepted: on_partial is 'succeed'.")
        case Action.SKIP:
            return Verdict(Action.SKIP, f"{describe(status)} Skipped: on_partial is 'skip'.")
    advice = "To accept it, set on_partial='succeed'; to skip the task, set on_partial='skip'."
    if rejected is not None:
        advice = advice.replace("; to", " or max_failed_rows; to")
    elif policy.max_failed_rows:
        advice = f"The vendor does not report rejected rows, so max_failed_rows has no effect. {advice}"
    return Verdict(Action.FAIL, f"{describe(status)} {advice}")


def describe(status: ImportStatus) -> str:
    """Return a one-line summary: import, state, the vendor's state, counts, first messages and reports."""
    head = f"Import {status.import_id} ({status.vendor}) is {status.state}"
    facts = [f"vendor state {status.vendor_state!r}"]
    facts += [str(status.rows)] if str(status.rows) else []
    usual = ImportState.SUCCEEDED if status.state.is_terminal else status.state
    facts += [f"{stage.stage} {stage.state}" for stage in status.stages if stage.state != usual][:3]
    quoted = [f'"{message}"' for message in status.messages[:3]]
    more = len(status.messages) - len(quoted) + status.more_messages
    quoted += [f"and {more} more"] if more else []
    messages = f" Messages: {', '.join(quoted)}." if quoted else ""
    stored = f" Error reports: {', '.join(status.error_reports[:3])}." if status.error_reports else ""
    return f"{head}: {'; '.join(facts)}.{messages}{stored}"
