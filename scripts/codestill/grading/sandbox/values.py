"""Immutable values of the standard library that travel as the literals they are made of.

A kind is (type, parts, make): `make(*parts(value))` equals `value`. What is received is only ever given to `make`.
"""

import datetime
import importlib
import re
import time
from array import array
from decimal import Decimal
from fractions import Fraction


def _moment(value):
    return (value.hour, value.minute, value.second, value.microsecond, value.tzinfo)


def _day(value):
    return (value.year, value.month, value.day)


def _datetime(*parts):
    *parts, fold = parts
    return datetime.datetime(*parts, fold=fold)


def _time(*parts):
    *parts, fold = parts
    return datetime.time(*parts, fold=fold)


_WAYS = ("match", "fullmatch", "search")


def _match_parts(value):
    way = next(way for way in _WAYS if _found(value.re, way, value) is not None)
    return value.re, way, value.string, *_bounds(value)


def _bounds(match):
    return match.start(), match.end(), match.pos, match.endpos


def _found(pattern, way, match):
    """The match that `way` finds where `match` begins, if it is the same."""
    start, end, _, endpos = _bounds(match)
    for stop in (endpos, end):
        found = getattr(pattern, way)(match.string, start, stop)
        if found is not None and found.regs == match.regs:
            return found
    return None


def _match(pattern, way, string, start, end, pos, endpos):
    if type(pattern) is not re.Pattern or way not in _WAYS:
        raise ValueError("no match")
    for stop in (endpos, end):
        found = getattr(pattern, way)(string, start, stop)
        if found is not None and found.span() == (start, end):
            return found
    raise ValueError("no such match")


VALUES = {
    "range": (range, lambda value: (value.start, value.stop, value.step), range),
    "slice": (slice, lambda value: (value.start, value.stop, value.step), slice),
    "complex": (complex, lambda value: (complex.real.__get__(value), complex.imag.__get__(value)), complex),
    "Fraction": (Fraction, lambda value: (value.numerator, value.denominator), Fraction),
    "Decimal": (Decimal, lambda value: (Decimal.__str__(value),), Decimal),
    "datetime": (datetime.datetime, lambda value: (*_day(value), *_moment(value), value.fold), _datetime),
    "date": (datetime.date, _day, datetime.date),
    "time": (datetime.time, lambda value: (*_moment(value), value.fold), _time),
    "timedelta": (datetime.timedelta, lambda v: (v.days, v.seconds, v.microseconds), datetime.timedelta),
    "timezone": (datetime.timezone, lambda value: value.__getinitargs__(), datetime.timezone),
    "struct_time": (time.struct_time, tuple, lambda *parts: time.struct_time(parts)),
    "array": (array, lambda value: (value.typecode, value.tobytes()), array),
    "memoryview": (memoryview, lambda value: (value.format, value.shape, value.tobytes()), None),
    "Pattern": (re.Pattern, lambda value: (value.pattern, value.flags), re.compile),
    "Match": (re.Match, _match_parts, _match),
    "NotImplemented": (type(NotImplemented), lambda value: (), lambda: NotImplemented),
    "Ellipsis": (type(...), lambda value: (), lambda: ...),
}


def _view(form, shape, data):
    view = memoryview(data)
    return view if (form, shape) == ("B", (len(data),)) else view.cast(form, shape)


VALUES["memoryview"] = (*VALUES["memoryview"][:2], _view)
NUMPY_KINDS = "biufcMmUS"


def is_numpy(value):
    """True for NumPy's arrays and scalars of numbers, times and text."""
    kind = type(value)
    return getattr(kind, "__module__", None) == "numpy" and hasattr(value, "dtype") and value.dtype.kind in NUMPY_KINDS


def numpy_parts(value):
    """(array or scalar, type, shape, bytes)."""
    form = "array" if type(value).__name__ == "ndarray" else "scalar"
    return form, value.dtype.str, value.shape, value.tobytes()


def numpy_made(form, dtype, shape, data):
    """The array or scalar of these parts. Raises ValueError on a type that could hold objects."""
    import numpy

    dtype = numpy.dtype(dtype)
    if dtype.kind not in NUMPY_KINDS:
        raise ValueError("a NumPy type that is no number, time or text")
    made = numpy.frombuffer(data, dtype=dtype).reshape(shape)
    return made.copy() if form == "array" else made[()]


# Of modules that few programs load, and that would make each fork dearer: (module, class) by name, with its parts.
_LATE = {
    "ZoneInfo": ("zoneinfo", lambda value: (value.key,)),
    "UUID": ("uuid", lambda value: (value.hex,)),
    **dict.fromkeys(("PosixPath", "PureWindowsPath", "PurePosixPath"), ("pathlib", lambda value: (str(value),))),
    **{
        f"IPv{version}{what}": ("ipaddress", lambda value: (str(value),))
        for version in (4, 6)
        for what in ("Address", "Network", "Interface")
    },
}
LATE = {(module, name): name for name, (module, _) in _LATE.items()}


def _made_late(module, name):
    return lambda part: getattr(importlib.import_module(module), name)(part)


VALUES.update({name: (None, parts, _made_late(module, name)) for name, (module, parts) in _LATE.items()})
BUFFERS = ("array", "numpy")  # these may be altered in place


def refill(target, new):
    """Put the content of `new` into an array of the same kind. Raises ValueError where it does not fit."""
    if isinstance(target, array):
        target[:] = new
    else:
        if target.shape != new.shape:
            raise ValueError("an array of another shape")
        target[...] = new


VALUES["numpy"] = (None, numpy_parts, numpy_made)
