"""Modules that programs and tests commonly import, loaded once before the forks that use them."""

import gc
import importlib

_NAMES = (
    "bisect cmath collections copy datetime decimal fractions functools hashlib heapq itertools json math operator "
    "random re statistics string typing"
)


def load():
    """Import them, then put all objects out of the collector's reach, so that a fork copies fewer pages."""
    for name in _NAMES.split():
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
