"""Python's cyclic garbage collector, paused while a network is built.

A large network is hundreds of thousands of objects of which none is garbage. The collector would walk all of them again
and again while they are made, and once more as soon as it may: half of the whole time at 20,000 layers.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """No automatic collection inside; what was made there counts as old afterwards, as if it had survived some."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if gc.get_freeze_count() == 0:
                gc.freeze()  # everything to where the collector never looks,
                gc.unfreeze()  # and from there to the oldest generation
            gc.enable()
