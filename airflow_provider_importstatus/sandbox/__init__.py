"""Simulated vendors on localhost, for demos and tests without an account.

In a shell: ``python -m airflow_provider_importstatus.sandbox``. In a test::

    with Sandbox() as sandbox:
        import_id = sandbox.submit(vendor, ends="partial", seconds=3)
        sandbox.fault(vendor, "status", "429", retry_after="1")

``descriptions`` adds vendors that a description describes: ``Sandbox(descriptions=["hubspot"])``.
Each vendor is one module in ``vendors``; ``vendors/registry.py`` lists them.
"""

from __future__ import annotations

from airflow_provider_importstatus.sandbox.fields import UsageError
from airflow_provider_importstatus.sandbox.server import Sandbox

__all__ = ["Sandbox", "UsageError"]
