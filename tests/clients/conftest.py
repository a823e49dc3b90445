"""Fixtures for the tests of clients."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_refresh_delays(no_refresh_delays: None) -> None:
    """Refresh credentials without delays in all tests of this folder."""
