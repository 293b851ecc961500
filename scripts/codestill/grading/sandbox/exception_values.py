"""Exceptions as values: class by name, arguments, attributes, notes, cause and context; never a traceback.

The receiving side makes an instance of the first of the classes that it knows: one that both sides define, one of a
module that it has imported, a builtin. Where that is a base, the instance's class is a new one of the sender's name.
"""

import builtins
import sys

from codestill.grading.sandbox.literals import Malformed
from codestill.grading.sandbox.shared_classes import attributes_of, built_in, set_attributes

CHAIN = 20  # causes and contexts followed
NAME = 80  # characters of a class's name
# What builtin exceptions hold outside their `__dict__`.
FIELDS = (
    *("errno", "strerror", "filename", "filename2", "msg", "lineno", "offset", "text", "end_lineno", "end_offset"),
    *("encoding", "object", "start", "end", "reason", "value", "code", "name", "path"),
)
# The descriptors of `type` itself: a class may have a metaclass that answers for it.
_name, _mro = type.__dict__["__name__"].__get__, type.__dict__["__mro__"].__get__
_qualname, _module = type.__dict__["__qualname__"].__get__, type.__dict__["__module__"].__get__


def names_of(error):
    """[[module, qualified name]] of an exception's classes, from its own to its bases."""
    return [[_module_of(cls)[:NAME], str(_qualname(cls))[:NAME]] for cls in _mro(type(error))][:-1]


def _module_of(cls):
    try:
        return str(_module(cls))
    except AttributeError:  # made where no module has a name
        return "builtins"


def content(error, encoder):
    """The payload of an exception's node."""
    context = None if error.__suppress_context__ else error.__context__
    fields = [(name, getattr(error, name)) for name in FIELDS if _builtin_field(error, name)]
    parts = [part for name, value in (*attributes_of(error), *fields) for part in (name, encoder.refer(value))]
    chain = [encoder.refer(linked if _short(linked) else None) for linked in (error.__cause__, context)]
    return [names_of(error), encoder.refer(BaseException.args.__get__(error)), parts, chain]


def _short(error):
    """Whether the chain behind an exception ends soon."""
    for _ in range(CHAIN):
        if error is None:
            return True
        error = error.__cause__ or error.__context__
    return False


def _builtin_field(error, name):
    cls = next((cls for cls in type(error).__mro__ if name in vars(cls)), None)
    return cls is not None and cls.__module__ == "builtins" and type(vars(cls)[name]).__name__ in _DESCRIPTORS


# Whose exceptions say how a test went: skipped, ended, as expected. No candidate raises these.
_RULING = ("codestill", "unittest", "pytest", "_pytest")
_DESCRIPTORS = ("member_descriptor", "getset_descriptor")


def _known(module, name, shared):
    if module.partition(".")[0] in _RULING:
        return None
    found = shared.classes.get(name) if module in ("builtins", "__main__") else None
    found = found or getattr(sys.modules.get(module, builtins), name, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def class_of(names, shared):
    """The class for `names`: the first that is known, or one derived from it. Raises Malformed where none is."""
    for module, name in names:
        base = _known(module, name, shared)
        if base is not None:
            break
    else:
        raise Malformed("no exception")
    own = str(names[0][1]).rpartition(".")[2][:NAME]
    return base if base.__name__ == own else type(own, (base,), {"__module__": "builtins"})


def blank(names, shared):
    """An exception without content."""
    cls = class_of(names, shared)
    if issubclass(cls, BaseExceptionGroup):
        raise Malformed("a group is made whole")
    return built_in(cls).__new__(cls)


def group_made(names, message, members, shared):
    """An exception group. Raises Malformed where `names` are not those of one."""
    cls = class_of(names, shared)
    if not issubclass(cls, BaseExceptionGroup):
        raise Malformed("no group")
    return BaseExceptionGroup.__new__(cls, message, list(members))


def refill(error, payload, ref):
    """Put a payload's content into an exception. Raises Malformed on what is none."""
    _, args, parts, (cause, context), *_ = payload
    error.args = ref(args)
    now = dict(zip(parts[::2], map(ref, parts[1::2]), strict=True))
    for name in [name for name in now if name in FIELDS and _builtin_field(error, name)]:
        setattr(error, name, now.pop(name))
    set_attributes(error, now)
    error.__cause__, error.__context__ = ref(cause), ref(context)
    error.__suppress_context__ = error.__cause__ is not None
