"""Answers that a description reads as the state of a simulated import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from airflow_provider_importstatus.sandbox.fields import UsageError
from airflow_provider_importstatus.sandbox.inversion import (
    NotInvertibleError,
    Tree,
    fails,
    holds,
    parse,
    search,
    selects,
    with_truth,
    with_value,
    without_failure,
)
from airflow_provider_importstatus.sandbox.scenario import Phase
from airflow_provider_importstatus.sandbox.vendors.base import UNDOCUMENTED_STATE

__all__ = ["AnswerBook", "Facts", "UnplayableError"]

#: The conditions that must not hold in the answer about an import.
ERRORS = ("unauthorized", "not_found", "unavailable")
#: The counts of rows. The failed ones first: others give way to them.
COUNTS = ("failed", "total", "succeeded", "skipped")
#: What an example can be given for in place of a state that the vendor does not document.
INSTEAD_OF_UNKNOWN = {Phase.UNKNOWN: Phase.RUNNING}
#: HTTP statuses of errors that the description does not give another.
USUAL_STATUSES = {"unauthorized": 401, "not_found": 404}


class UnplayableError(UsageError):
    """A phase cannot be played. The message says why, and what to add to the description."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the answer says about an import besides its state; times are ISO 8601 texts.

    :param done: the number of rows processed
    """

    total: int = 120
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    done: int = 0
    messages: Sequence[str] = ()
    started_at: str | None = None
    finished_at: str | None = None
    report_url: str | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """Something that an answer must say.

    :param key: the key of the expression in the description
    :param value: the value that it must select, unless `truth` is given
    :param truth: whether it must hold
    :param hint: a value to prefer
    :param may_fail: whether an expression that cannot be evaluated counts as one that does not hold
    """

    key: str
    tree: Tree
    value: Any = None
    truth: bool | None = None
    hint: Any = None
    may_fail: bool = False

    def is_met(self, data: Any) -> bool:
        """Return whether the answer says it."""
        if self.truth is not None:
            is_evaluated = self.may_fail or not fails(self.tree, data)
            return is_evaluated and holds(self.tree, data) is self.truth
        return selects(self.tree, self.value, data)

    def reach(self, data: Any) -> Any:
        """Return a copy of the answer that says it, too."""
        if self.truth is not None:
            return with_truth(self.tree, self.truth, data, self.hint)
        return with_value(self.tree, self.value, data)


class AnswerBook:
    """The answers of the vendor that a description describes.

    :param document: the description
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._examples: Mapping[str, Any] = (document.get("sandbox") or {}).get("answers") or {}

    def status(self, phase: Phase, facts: Facts) -> Any:
        """Return the answer about an import: the description's example, or one that is made up.

        :raises UnplayableError: no answer was found
        """
        if phase is Phase.UNKNOWN:
            return self._composed(phase, UNDOCUMENTED_STATE, facts)
        if phase.value in self._examples:
            return self._example(phase)
        words = self._words(phase)
        if not words:
            raise UnplayableError(f"state.map has no word for {phase.value}.")
        return self._composed(phase, words[0], facts)

    def error(self, name: str, message: str) -> tuple[int, Any]:
        """Return status and body of an error.

        :param name: one of `USUAL_STATUSES`
        """
        condition = self._document.get(name) or {}
        when, (status, *_) = condition.get("when"), condition.get("status") or [None]
        if name in self._examples:
            return status or (200 if when else USUAL_STATUSES[name]), self._examples[name]
        body = self.message(message)
        if when and not status:
            with suppress(NotInvertibleError):
                return 200, with_truth(parse(when), True, body)
        return status or USUAL_STATUSES[name], body

    def message(self, text: str) -> Any:
        """Return the body of an error with a message where the description expects it."""
        if expression := self._document.get("messages"):
            for value in (text, [text]):
                with suppress(NotInvertibleError):
                    return with_value(parse(expression), value, None)
        return {"message": text}

    def _example(self, phase: Phase) -> Any:
        example = self._examples[phase.value]
        words = [str(word).strip().casefold() for word in self._words(phase)]
        told = search(parse(self._document["state"]["path"]), example)
        if str(told).strip().casefold() not in words:
            raise UnplayableError(
                f"sandbox.answers.{phase.value} has the state {told!r}, which is no word for it. Correct it."
            )
        return example

    def _words(self, phase: Phase) -> list[Any]:
        known = self._document["state"]["map"]
        own = known.get(phase.value) or []
        # Most vendors have one word for both kinds of success.
        return own or (known.get(Phase.SUCCEEDED.value) or [] if phase is Phase.PARTIAL else [])

    def _composed(self, phase: Phase, word: Any, facts: Facts) -> Any:
        state = Goal("state.path", parse(self._document["state"]["path"]), word)
        required = [state, *self._envelope(), *self._verdict(phase, facts)]
        data = None
        # Twice: what one goal takes may undo another.
        for goal in [*required, *required]:
            data = _reached(goal, data) if not goal.is_met(data) else data
        unmet = [goal.key for goal in required if not goal.is_met(data)]
        if unmet or not isinstance(data, dict | list):
            (key, *_), missing = [*unmet, state.key], INSTEAD_OF_UNKNOWN.get(phase, phase).value
            raise UnplayableError(
                f"no answer was found in which {key} says {phase.value}. Add sandbox.answers.{missing}, an"
                " example of such an answer."
            )
        data = self._with_details(data, required, facts)
        if failing := [key for key, tree in self._expressions() if fails(tree, data)]:
            raise UnplayableError(
                f"no answer was found on which {failing[0]} can be evaluated. Add sandbox.answers, examples"
                " of answers by state."
            )
        return data

    def _with_details(self, data: Any, required: list[Goal], facts: Facts) -> Any:
        """Return the answer with all facts that the description can read besides what is required."""
        met = list(required)
        for _, tree in self._expressions():
            with suppress(NotInvertibleError):
                changed = without_failure(tree, data)
                data = changed if all(goal.is_met(changed) for goal in met) else data
        for goal in self._details(facts):
            changed = data if goal.is_met(data) else _reached(goal, data)
            if all(each.is_met(changed) for each in [*met, goal]):
                data = changed
                met.append(goal)
        return data

    def _expressions(self) -> Iterator[tuple[str, Tree]]:
        """Return the expressions that are evaluated on each answer about an import, with their keys."""
        sections = {"rows": COUNTS, "report": ("url",), "progress": ("path", "of")}
        keys = ("messages", "started_at", "finished_at", "progress")
        texts = {key: self._document.get(key) for key in keys}
        for section, names in sections.items():
            values = self._document.get(section)
            values = values if isinstance(values, Mapping) else {}
            texts |= {f"{section}.{name}": values.get(name) for name in names}
        return ((key, parse(text)) for key, text in texts.items() if isinstance(text, str))

    def _envelope(self) -> Iterator[Goal]:
        if expression := self._document.get("ok"):
            yield Goal("ok", parse(expression), truth=True)
        for name in ERRORS:
            if expression := (self._document.get(name) or {}).get("when"):
                yield Goal(f"{name}.when", parse(expression), truth=False, may_fail=name == "unauthorized")

    def _verdict(self, phase: Phase, facts: Facts) -> Iterator[Goal]:
        """Return what distinguishes a success from a partial one."""
        is_partial = phase is Phase.PARTIAL
        has_word = is_partial and self._document["state"]["map"].get(phase.value)
        if has_word or phase not in (Phase.SUCCEEDED, Phase.PARTIAL):
            return
        failed = (self._document.get("rows") or {}).get("failed")
        if expression := self._document.get("partial_if"):
            yield Goal("partial_if", parse(expression), truth=is_partial, hint=facts.failed)
        elif failed:
            yield Goal("rows.failed", parse(failed), facts.failed)
        elif is_partial:
            raise UnplayableError(
                "there is neither a word for partial in state.map, nor partial_if, nor rows.failed."
            )

    def _details(self, facts: Facts) -> Iterator[Goal]:
        rows = self._document.get("rows") or {}
        for name in COUNTS:
            if rows.get(name):
                yield Goal(f"rows.{name}", parse(rows[name]), getattr(facts, name))
        yield from self._progress(facts)
        texts = {"started_at": facts.started_at, "finished_at": facts.finished_at}
        for key, text in texts.items():
            if text and self._document.get(key):
                yield Goal(key, parse(self._document[key]), text)
        if facts.messages and (expression := self._document.get("messages")):
            # A field takes one text, a list several; what does not fit is left out.
            yield Goal("messages", parse(expression), "; ".join(facts.messages))
            yield Goal("messages", parse(expression), list(facts.messages))
        if facts.report_url and (url := (self._document.get("report") or {}).get("url")):
            yield Goal("report.url", parse(url), facts.report_url)
            yield Goal("report.url", parse(url), [facts.report_url])

    def _progress(self, facts: Facts) -> Iterator[Goal]:
        progress = self._document.get("progress")
        if not progress:
            return
        described = progress if isinstance(progress, Mapping) else {"path": progress}
        of = described.get("of") or 1
        if isinstance(of, str):
            yield Goal("progress.of", parse(of), facts.total)
            yield Goal("progress.path", parse(described["path"]), facts.done)
        elif facts.total:
            value = round(of * facts.done / facts.total, 4)
            yield Goal(
                "progress.path", parse(described["path"]), int(value) if value == int(value) else value
            )


def _reached(goal: Goal, data: Any) -> Any:
    """Return the answer with the goal met, if that is possible."""
    try:
        return goal.reach(data)
    except NotInvertibleError:
        return data
