"""The outcomes that are right for a plan, computed from the plan alone."""

from __future__ import annotations

from .answers import ENDS
from .kinds import KINDS
from .plan import Plan, Step

__all__ = ["may_have_started", "right_outcome"]

TIMEOUT = "AirflowSensorTimeout"
CLASSES = {
    "unavailable": "ImportUnavailableError",
    "broken": "ImportProtocolError",
    "unauthorized": "ImportAuthError",
    "not_found": "ImportNotFoundError",
    "refused": "ImportRequestError",
    "redirect": "ImportProtocolError",
}
#: Statuses of 5xx by variant: see the kind. Of them 503 says that the request was not taken.
_5XX = (500, 502, 503, 504, 507, 520, 599)
_NOT_TAKEN = ("408 and 425", "429", "503, Retry-After", "page under 404", "redirect", "rejected credential")


def right_outcome(plan: Plan) -> str:
    """Return the outcome that is right: a final state, or the class of an error."""
    for step in plan.at("login"):
        if step.means not in ("unavailable", "broken"):
            return CLASSES[step.means]
    for step in plan.at("submit"):
        if step.means == "refused":
            return CLASSES["refused"]
        if may_have_started(step):
            return "SubmissionUncertainError"
    return _outcome_of_polls(plan)


def may_have_started(step: Step) -> bool:
    """Return whether a vendor may have started an import, although the answer does not say so."""
    if step.kind == "5xx":
        return _5XX[step.variant % len(_5XX)] != 503
    if step.kind == "5xx under 200":
        return (500, 503, 429)[step.variant % 3] == 500
    return step.means in ("unavailable", "broken") and not step.kind.startswith(_NOT_TAKEN)


def _outcome_of_polls(plan: Plan) -> str:
    is_known = is_paused = False
    polls = plan.at("poll", "report")
    for step in polls:
        is_paused = is_paused or KINDS[step.kind].is_long
        match step.means:
            case "good" if step.state in ENDS[plan.vendor]:
                return step.state
            case "good" | "not_found":
                is_known = True
            case "refused" | "redirect":
                return CLASSES[step.means]
            case "unauthorized" if not is_known:
                return CLASSES[step.means]
    last = polls[-1]
    return (
        TIMEOUT if is_paused or KINDS[last.kind].is_announced or last.means == "good" else CLASSES[last.means]
    )
