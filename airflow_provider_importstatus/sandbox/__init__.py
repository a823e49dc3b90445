"""Four vendors on localhost: Clear, TAO Advance, Zilliant and Thalamus, without an account at any of them.

In a shell: ``python -m airflow_provider_importstatus.sandbox``. In a test::

    with Sandbox() as sandbox:
        import_id = sandbox.submit("tao_advance", ends="partial", seconds=3)
        sandbox.fault("tao_advance", "status", "429", retry_after="1")
"""

from __future__ import annotations

from airflow_provider_importstatus.sandbox.fields import UsageError
from airflow_provider_importstatus.sandbox.server import Sandbox

__all__ = ["Sandbox", "UsageError"]
