"""State that all vendors share: clock, file storage, faults and request counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from airflow_provider_importstatus.sandbox.faults import Faults
from airflow_provider_importstatus.sandbox.scenario import ScenarioSupport
from airflow_provider_importstatus.sandbox.storage import Storage

__all__ = ["SandboxState"]


class SandboxState:
    """The shared state. It is only used on one event loop, so it needs no lock.

    :param clock: returns the time in seconds since 1970
    :param token_seconds: lifetime of the tokens that vendors issue
    :param scenario_support: what each vendor's scenarios support, by vendor name
    :param credential_headers: request headers that carry vendors' credentials
    """

    def __init__(
        self,
        clock: Callable[[], float],
        token_seconds: float,
        scenario_support: Mapping[str, ScenarioSupport],
        credential_headers: Iterable[str],
    ) -> None:
        self.clock = clock
        self.token_seconds = token_seconds
        self.scenario_support = scenario_support
        self.storage = Storage(clock, credential_headers)
        self.faults = Faults()
        self.requests: Counter[tuple[str, str]] = Counter()

    def reset(self) -> None:
        """Forget all files, faults and request counts."""
        self.storage.clear()
        self.faults.clear()
        self.requests.clear()
