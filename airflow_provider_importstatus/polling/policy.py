"""What a terminal status means for the task: the one policy, for every vendor and every mode."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_importstatus.status import ImportState, ImportStatus

__all__ = ["Action", "Policy", "Verdict", "describe", "judge"]


class Action(StrEnum):
    """What becomes of the task."""

    SUCCEED = "succeed"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the author of the DAG accepts.

    :param on_partial: what becomes of the task after a partial import
    :param max_failed_rows: a partial import with at most this many rejected rows counts as succeeded
    """

    on_partial: Action = Action.FAIL
    max_failed_rows: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the task, and why, for people."""

    action: Action
    reason: str


def judge(status: ImportStatus, policy: Policy) -> Verdict:
    """What the terminal `status` means for the task."""
    match status.state:
        case ImportState.SUCCEEDED:
            return Verdict(Action.SUCCEED, describe(status))
        case ImportState.PARTIAL:
            return _judge_partial(status, policy)
        case ImportState.FAILED | ImportState.CANCELLED:
            advice = "It is not retried: asking again cannot change it."
            return Verdict(Action.FAIL, f"{describe(status)} {advice}")
    raise ValueError(f"An import that is {status.state} is not over: there is nothing to judge.")


def _judge_partial(status: ImportStatus, policy: Policy) -> Verdict:
    rejected = status.rows.failed
    # 0 rejected rows of a partial import is no count to rely on.
    if policy.max_failed_rows and rejected is not None and rejected <= policy.max_failed_rows:
        accepted = f"Accepted: max_failed_rows is {policy.max_failed_rows}."
        return Verdict(Action.SUCCEED, f"{describe(status)} {accepted}")
    match policy.on_partial:
        case Action.SUCCEED:
            return Verdict(Action.SUCCEED, f"{describe(status)} Accepted: on_partial is 'succeed'.")
        case Action.SKIP:
            return Verdict(Action.SKIP, f"{describe(status)} Skipped: on_partial is 'skip'.")
    if policy.max_failed_rows and rejected is None:
        advice = (
            "The vendor does not count rejected rows, so that on_partial decides and not max_failed_rows."
        )
        return Verdict(Action.FAIL, f"{describe(status)} {advice}")
    advice = "To accept it, set on_partial='succeed' or max_failed_rows; on_partial='skip' skips."
    return Verdict(Action.FAIL, f"{describe(status)} {advice}")


def describe(status: ImportStatus) -> str:
    """One line for people: which import, what it is, the vendor's word, counts and first messages."""
    head = f"Import {status.import_id} ({status.vendor}) is {status.state}"
    facts = [f"the vendor says {status.vendor_state!r}"]
    facts += [str(status.rows)] if str(status.rows) else []
    facts += [f"{stage.stage} {stage.state}" for stage in status.stages if stage.state != status.state][:3]
    said = [f'"{message}"' for message in status.messages[:3]]
    more = len(status.messages) - len(said) + status.more_messages
    said += [f"and {more} more"] if more else []
    messages = f" Messages: {', '.join(said)}." if said else ""
    return f"{head}: {'; '.join(facts)}.{messages}"
