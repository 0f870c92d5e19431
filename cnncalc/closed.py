"""What layers and the language have to know of counting with open sizes (`unknowns.py`): that it may not go on.

A module of its own, so that an ordinary analysis does not import that one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from cnncalc.indexing import PeriodTooLong


class NoClosedForm(PeriodTooLong, ValueError):
    """Something has to be known as a number: what it describes is left untracked, or refused."""


aside: ContextVar[bool] = ContextVar("aside", default=False)


@contextmanager
def beside() -> Iterator[None]:
    """Inside, only what is proven of open sizes is known, and all else raises `NoClosedForm`.

    For what no count depends on: it must not narrow the sizes that the counts hold for.
    """
    token = aside.set(True)
    try:
        yield
    finally:
        aside.reset(token)
