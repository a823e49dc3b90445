"""A seeded campaign of faults: whatever vendors and networks do, each wait ends in time, and rightly."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from airflow_provider_importstatus.clients import token_store
from airflow_provider_importstatus.polling import outage

from .campaign import Campaign, run_campaign
from .kinds import KINDS
from .plan import Plan, draw
from .shrink import smallest

#: The short form, beside other tests, is always the same and checks no figures that a busy machine changes.
IS_SHORT = "FAULT_WAITS" not in os.environ
#: A few in the short form, thousands in the whole one.
WAITS = int(os.environ.get("FAULT_WAITS", "140"))
SEED = int(os.environ.get("FAULT_SEED") or (5 if IS_SHORT else random.SystemRandom().randrange(10**6)))
#: How long our work may block the event loop, in seconds, and how much longer a busy machine makes it.
BLOCKED, TOLERANCE = 0.2, 3.0
#: How much memory the answers to 100 waits at a time may take, in MiB.
GROWTH = 400.0
#: Failed waits to shrink; the others mostly have the same reason.
SHRUNK = 3

# Broken HTTP leaves sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses of an outage that waits share, and store no login's rejection."""
    monkeypatch.setattr(outage, "MAX_PROBE_INTERVAL", 0.3)
    monkeypatch.setattr(outage, "MIN_PROBE_INTERVAL", 0.05)
    token_store._own_rejections.clear()


@pytest.mark.usefixtures("quick", "no_refresh_delays", "settled")
def test_each_wait_of_a_campaign_of_faults_ends_rightly_and_in_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = run_campaign(draw(SEED, WAITS), tmp_path)
    capsys.readouterr()
    with capsys.disabled():
        sys.stdout.write(_report(campaign))
    wrong = campaign.wrong()
    assert not wrong, _explained(campaign, wrong, tmp_path)
    missing = ", ".join(sorted(set(KINDS) - set(campaign.table())))
    assert not missing, (
        f"FAULT_SEED={SEED}: no wait met {missing}."
        " Raise WAITS or choose another SEED (a new vendor changes the draws)."
    )
    assert not campaign.seen["mistakes"], f"FAULT_SEED={SEED}"
    if IS_SHORT:
        return
    assert campaign.lateness.longest < campaign.bare.longest + BLOCKED * TOLERANCE, f"FAULT_SEED={SEED}"
    assert campaign.lateness.callback < BLOCKED, f"FAULT_SEED={SEED}"
    assert campaign.memory.growth < GROWTH, f"FAULT_SEED={SEED}"


def test_a_plan_is_the_same_for_the_same_seed() -> None:
    assert draw(7, 50) == draw(7, 50) != draw(8, 50)


def test_a_plan_survives_its_way_to_the_server() -> None:
    assert [Plan.from_dict(plan.to_dict()) for plan in draw(7, 50)] == draw(7, 50)


def test_shrinking_finds_the_steps_that_fail_together() -> None:
    assert smallest(range(40), lambda left: {7, 23} <= set(left)) == [7, 23]


def _report(campaign: Campaign) -> str:
    table = campaign.table()
    outcomes = sorted({outcome for row in table.values() for outcome in row})
    width = max(map(len, table))
    lines = ["", f"FAULT_SEED={SEED} FAULT_WAITS={len(campaign.plans)}: {campaign.took:.0f} s"]
    lines += [f"  {letter}  {outcome}" for letter, outcome in zip("abcdefghijklmnop", outcomes, strict=False)]
    lines.append(f"{'':{width}}" + "".join(f"{letter:>6}" for letter in "abcdefghijklmnop"[: len(outcomes)]))
    for kind in KINDS:
        counts = table.get(kind, Counter())
        lines.append(
            f"{kind:{width}}" + "".join(f"{counts.get(outcome, 0) or '.':>6}" for outcome in outcomes)
        )
    polls = sum(each["polls"] for each in campaign.seen["waits"].values())
    starts = sum(each["starts"] for each in campaign.seen["waits"].values())
    lines.append(
        f"{len(campaign.ends)} waits ended; {polls} polls; {starts} imports started or perhaps started"
    )
    lines.append(
        f"event loop late by at most {_ms(campaign.lateness.longest)}, a bare one beside it by"
        f" {_ms(campaign.bare.longest)}; one callback took at most {_ms(campaign.lateness.callback)}"
    )
    lines.append(f"memory grew by at most {campaign.memory.growth:.0f} MiB")
    return "\n".join([*lines, ""])


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _explained(campaign: Campaign, wrong: dict[str, str], folder: Path) -> str:
    lines = [f"FAULT_SEED={SEED} FAULT_WAITS={len(campaign.plans)}: {len(wrong)} waits are wrong."]
    plans = {plan.wait: plan for plan in campaign.plans}
    for wait, what in list(wrong.items())[:SHRUNK]:
        plan = plans[wait]
        lines.append(f"{plan.mode} wait {wait} of {plan.vendor} {what}")
        lines += [f"    {line}" for line in _shrunk(plan, campaign.plans, folder)]
    lines += [
        f"{plans[wait].mode} {plans[wait].vendor} {wait} {what}"
        for wait, what in list(wrong.items())[SHRUNK:]
    ]
    return "\n".join(lines)


def _shrunk(plan: Plan, plans: Sequence[Plan], folder: Path) -> list[str]:
    """Return the fewest faults with which a wait is still wrong, alone or with those on its connection."""
    for lane in ([plan], [each for each in plans if each.lane == plan.lane]):
        faults = [(each.wait, index) for each in lane for index in range(len(each.steps) - 1)]

        def fails(left: Sequence[tuple[str, int]], lane: Sequence[Plan] = lane) -> bool:
            fewer = [_with(each, left) for each in lane]
            token_store._own_rejections.clear()
            return plan.wait in run_campaign(fewer, folder).wrong()

        if fails(faults):
            least = smallest(faults, fails)
            few = [_with(each, least) for each in lane]
            return [
                f"{each.wait} {step.place}: {step.kind} (variant {step.variant}, {step.state})"
                for each in few
                for step in each.steps
            ]
    return ["not wrong again when run alone: it may depend on the order of events"]


def _with(plan: Plan, left: Sequence[tuple[str, int]]) -> Plan:
    last = len(plan.steps) - 1
    return plan.without(index for index in range(last) if (plan.wait, index) not in left)
