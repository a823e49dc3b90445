"""Fresh processes for the benchmarks."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

__all__ = ["allow_many_sockets", "fresh", "log_as_a_triggerer"]


def fresh(module: str, function: str, *arguments: Any, after: Sequence[str] = ()) -> Any:
    """Call a function in a new process that has imported only what is named in `after`."""
    context = get_context("forkserver")
    # This has an effect only before the first call, so each benchmark sets it in its own process.
    context.set_forkserver_preload(list(after))
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_call, module, function, *arguments).result()


def _call(module: str, function: str, *arguments: Any) -> Any:
    return getattr(import_module(module), function)(*arguments)


def allow_many_sockets() -> None:
    """Raise the open-file limit to the system's maximum: some contenders open one connection per poll."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536) if most > 0 else 65536, most))


def log_as_a_triggerer() -> None:
    """Log JSON like Airflow 3's triggerer process, but discard the output."""
    from airflow.sdk.log import configure_logging

    # Stays open for the life of the process.
    void = Path(os.devnull).open("wb")  # noqa: SIM115
    configure_logging(json_output=True, output=void, sending_to_supervisor=True)
