"""The smallest set of faults that still fails: delta debugging of a plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["smallest"]

T = TypeVar("T")


def smallest(parts: Sequence[T], fails: Callable[[Sequence[T]], bool], seconds: float = 120.0) -> list[T]:
    """Return a part of `parts` that fails, and no longer does without any single one of them.

    :param fails: whether these fail; they do
    :param seconds: after this time, return the smallest so far
    """
    ends = time.monotonic() + seconds
    left, pieces = list(parts), 2
    while left and time.monotonic() < ends:
        size = -(-len(left) // min(pieces, len(left)))
        for start in range(0, len(left), size):
            fewer = left[:start] + left[start + size :]
            if fails(fewer):
                left, pieces = fewer, max(pieces - 1, 2)
                break
        else:
            if size == 1:
                break
            pieces *= 2
    return left
