"""The plan of a campaign: which faults each wait meets, drawn by a seeded generator."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from airflow_provider_importstatus.sandbox.vendors import registry

from .answers import ENDS, GOING_ON, VENDORS
from .kinds import KINDS, STATIC

__all__ = ["OPERATORS", "Plan", "Step", "draw"]

#: The vendors that files can be submitted to.
OPERATORS = tuple(vendor.name for vendor in registry.VENDORS)
#: Waits that share a connection, and thus an outage and a limit, in an event loop.
LANE = 8
#: One in so many waits meets an error that never passes, or one that ends it at once.
DOOMED, FATAL = 6, 8
#: Kinds whose requests must not start an import, so that another try may.
NOT_TAKEN = ("408 and 425", "429", "429, Retry-After: 1", "503, Retry-After: 1", "page under 404", "redirect")


@dataclass(frozen=True)
class Step:
    """The answer to one request.

    :param kind: of `KINDS`
    :param variant: chooses among the forms of a kind
    :param place: the request: `poll`, `report` (Zilliant's second), `login`, `prepare` or `submit`
    :param state: what a readable answer says
    """

    kind: str
    variant: int = 0
    place: str = "poll"
    state: str = "running"

    @property
    def means(self) -> str:
        """What the answer must be taken for."""
        return KINDS[self.kind].means


@dataclass(frozen=True)
class Plan:
    """What one wait meets.

    :param wait: its name, which is part of its import id
    :param mode: `async`, `sync` or `operator`
    :param lane: the name of its connection
    :param steps: the answers; the last one to a poll is repeated
    :param lie: a final state that the import never has
    :param timeout: of the wait, in seconds
    :param tolerance: the wait's `outage_tolerance`
    :param grace: the wait's `not_found_grace`
    :param request_timeout: of the connection
    """

    wait: str
    vendor: str
    mode: str
    lane: str
    steps: tuple[Step, ...]
    lie: str
    timeout: float = 120.0
    tolerance: float = 1000.0
    grace: float = 1000.0
    request_timeout: float = 20.0

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Plan:
        """Return the plan from the result of `to_dict`."""
        return cls(**{**data, "steps": tuple(Step(**step) for step in data["steps"])})

    def at(self, *places: str) -> list[Step]:
        """Return the answers to requests of these kinds."""
        return [step for step in self.steps if step.place in places]

    def without(self, dropped: Iterable[int]) -> Plan:
        """Return the plan without these steps."""
        left = set(range(len(self.steps))) - set(dropped)
        return replace(self, steps=tuple(self.steps[index] for index in sorted(left)))


class _Draw:
    """Draws kinds, the rarest so far first, so that each occurs about equally often."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._drawn: Counter[str] = Counter()

    def kind(self, kinds: Iterable[str]) -> str:
        found = list(kinds)
        self.random.shuffle(found)
        chosen = min(found, key=self._drawn.__getitem__)
        self._drawn[chosen] += 1
        return chosen

    def step(self, kinds: Iterable[str], **more: Any) -> Step:
        return Step(self.kind(kinds), self.random.randrange(1000), **more)


def draw(seed: int, waits: int) -> list[Plan]:
    """Return the plans of this many waits."""
    source = _Draw(seed)
    plans = [_plan(source, index) for index in range(waits)]
    return _share_lanes(plans)


def _plan(source: _Draw, index: int) -> Plan:
    vendor, chance = VENDORS[index % len(VENDORS)], source.random
    mode = chance.choice(("async", "async", "async", "sync", "sync"))
    if vendor in OPERATORS and chance.random() < 0.25:
        mode = "operator"
    ends = list(ENDS[vendor])
    chance.shuffle(ends)
    name = f"w{index:05}"
    plan = Plan(name, vendor, mode, name, (), lie=ends[0])
    # By the number: so that even a short campaign has all of them.
    if mode != "operator" and index % DOOMED == 0:
        return _doomed(source, plan)
    steps = [_transient(source, plan) for _ in range(chance.choice((1, 2, 2, 3, 3, 4, 6)))]
    if mode == "operator":
        steps = [*_submission(source, plan), *steps]
    if vendor not in STATIC and chance.random() < 0.5:
        steps = [*_logins(source, plan), *steps]
    steps = _with_rejections(source, plan, steps)
    if index % FATAL == 1:
        steps.append(source.step(_fatal(plan)))
    steps.append(source.step(_kinds(plan, "good"), state=ends[1]))
    is_slow = any(KINDS[step.kind].is_slow for step in steps)
    return replace(plan, steps=tuple(steps), request_timeout=2.0 if is_slow else 20.0)


def _kinds(plan: Plan, *meanings: str) -> list[str]:
    return [
        name
        for name, kind in KINDS.items()
        if kind.means in meanings and not kind.is_long and (not kind.vendors or plan.vendor in kind.vendors)
    ]


def _transient(source: _Draw, plan: Plan) -> Step:
    if plan.vendor == "zilliant" and source.random.random() < 0.3:
        # The end is announced, and then taken back: the report is lost.
        return source.step(_kinds(plan, "unavailable", "broken"), place="report")
    kinds = _kinds(plan, "unavailable", "broken", "not_found", "good")
    return source.step(kinds, state=source.random.choice(GOING_ON))


def _fatal(plan: Plan) -> list[str]:
    # Another try of an operator waits on after the others.
    return _kinds(plan, "refused") if plan.mode == "operator" else _kinds(plan, "refused", "redirect")


def _with_rejections(source: _Draw, plan: Plan, steps: list[Step]) -> list[Step]:
    """Add a rejected credential: before the import was seen it ends the wait, later it does not."""
    if plan.mode == "operator" or source.random.random() > 0.2:
        return steps
    rejected = source.step(["rejected credential"])
    if plan.vendor in STATIC and source.random.random() < 0.3:
        return [rejected]
    return [Step("plain"), rejected, *steps] if not any(step.place == "login" for step in steps) else steps


def _logins(source: _Draw, plan: Plan) -> list[Step]:
    """Return what happens to the first logins: errors that pass, perhaps one that does not."""
    kinds = [name for name in _kinds(plan, "unavailable", "broken") if name != "page under 404"]
    logins = [source.step(kinds, place="login") for _ in range(source.random.choice((1, 1, 2)))]
    if plan.mode != "operator" and source.random.random() < 0.15:
        logins.append(source.step(["rejected credential", "redirect"], place="login"))
    return logins


def _submission(source: _Draw, plan: Plan) -> list[Step]:
    """Return what happens to the submission, in the first tries of the task."""
    chance, steps = source.random, []
    if plan.vendor in ("clear", "zilliant") and chance.random() < 0.3:
        steps.append(source.step(_kinds(plan, "unavailable", "broken"), place="prepare"))
    if chance.random() < 0.4:
        steps.append(source.step(NOT_TAKEN, place="submit"))
    if chance.random() < 0.4:
        steps.append(source.step(_kinds(plan, "unavailable", "broken", "refused"), place="submit"))
    return steps


def _doomed(source: _Draw, plan: Plan) -> Plan:
    """Return a wait with an end of its own: what it meets last never passes."""
    chance = source.random
    steps = [source.step(_kinds(plan, "good"), state="running") for _ in range(chance.choice((0, 1, 2)))]
    long = [name for name, kind in KINDS.items() if kind.is_long]
    # A pause that the vendor announces does not count as outage.
    announced = [name for name, kind in KINDS.items() if kind.is_announced]
    outage = [name for name in _kinds(plan, "unavailable", "broken") if name not in announced]
    endings: dict[str, tuple[list[str], dict[str, Any]]] = {
        "never ends": (_kinds(plan, "good"), {"timeout": 3.0}),
        "long pause": (long, {"timeout": 3.0}),
        "outage": (outage, {"tolerance": 0.5}),
        "limited": (announced, {"tolerance": 2.0, "timeout": 6.0}),
        "unknown": (["not found"], {"tolerance": 0.5, "grace": 0.5}),
    }
    kinds, limits = endings[source.kind(endings)]
    steps.append(source.step(kinds))
    if kinds is long:
        steps.append(Step("plain"))
    if KINDS[steps[-1].kind].is_slow:
        limits["request_timeout"] = 2.0
    return replace(plan, steps=tuple(steps), **limits)


def _share_lanes(plans: list[Plan]) -> list[Plan]:
    """Let waits of an event loop share a connection, unless they need one of their own."""
    shared: Counter[str] = Counter()
    placed = []
    for plan in plans:
        is_own = plan.mode != "async" or plan.tolerance < 10 or plan.timeout < 10 or plan.request_timeout < 10
        if not is_own and not plan.at("login"):
            lane = f"k{VENDORS.index(plan.vendor):02}{shared[plan.vendor] // LANE:03}"
            shared[plan.vendor] += 1
            plan = replace(plan, lane=lane)
        placed.append(plan)
    return placed
