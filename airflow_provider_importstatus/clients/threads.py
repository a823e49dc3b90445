"""Blocking calls from an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async

__all__ = ["in_thread"]

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that blocks, such as one that calls Airflow, and return its result.

    If the caller is cancelled, the function is not interrupted. Airflow says in the message of a cancellation
    whether to call a trigger's `on_kill`; asgiref would lose that message.
    """
    call = asyncio.ensure_future(sync_to_async(function)(*args, **kwargs))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        # Nobody awaits it any more.
        call.add_done_callback(_ignore_error)
        raise


def _ignore_error(call: asyncio.Future[T]) -> None:
    if not call.cancelled():
        call.exception()
