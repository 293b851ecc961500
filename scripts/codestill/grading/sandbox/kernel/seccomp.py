"""A seccomp filter for candidates: no new process, no program, no network, nothing that reaches another process."""

import ctypes
import errno
import functools
import itertools
import os
import struct

from codestill.grading.sandbox.kernel.syscalls import LAST_KNOWN, checked, libc, numbers, prctl

_LOAD, _JUMP, _JUMP_EQUAL, _JUMP_FROM, _JUMP_SET, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; of an argument the low half (little endian)
_CLONE_THREAD, _ASYNC, _SETFL = 0x00010000, 0o20000, 4
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER_MODE = 38, 22, 2

# What is left of calls that do much, by the values of one argument. fcntl: duplicates, flags, record locks, a pipe's
# size; none of the ways to have a signal sent to others (F_SETOWN, F_SETSIG), to hold up who opens a file (F_SETLEASE)
# or to take more of the kernel's memory (F_SETPIPE_SZ).
_FCNTL = (0, 1, 2, 3, 5, 6, 7, 36, 37, 38, 1030, 1032)
# TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX: what Python's own library asks for.
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# A thread's name, and questions about oneself; PR_SET_PDEATHSIG would let a candidate outlive its grader.
_PRCTL = (2, 3, 15, 16, 21, 23, 30, 39)
# A pair of streams (plain, not blocking, closed on exec): datagrams could be sent from it to any other socket.
_UNIX, _STREAMS = (1,), tuple(1 | flag for flag in (0, 0o4000, 0o2000000, 0o2004000))


def _operation(code, value, if_true=0, if_false=0):
    return struct.pack("<HBBI", code, if_true, if_false, value)


_REFUSED, _ALLOWED = _operation(_RETURN, _ERRNO | errno.EPERM), _operation(_RETURN, _ALLOW)
_UNKNOWN = _operation(_RETURN, _ERRNO | errno.ENOSYS)
_OWN_NUMBER = None  # where a comparison with the process's own number belongs


def _load(argument):
    return _operation(_LOAD, _ARGUMENTS + 8 * argument)


def _one_of(argument, values):
    """Go on where the argument is one of the values, deny the call elsewhere."""
    values = list(values)
    tests = [_operation(_JUMP_EQUAL, value, len(values) - place) for place, value in enumerate(values)]
    return [_load(argument), *tests, _REFUSED]


def _fcntl():
    """Of F_SETFL all flags but O_ASYNC."""
    flags = [_load(2), _operation(_JUMP_SET, _ASYNC, 0, 1), _REFUSED, _ALLOWED]
    set_flags = [_load(1), _operation(_JUMP_EQUAL, _SETFL, 0, len(flags)), *flags]
    return [*set_flags, *_one_of(1, _FCNTL), _ALLOWED]


def _by_number(bodies):
    """Instructions that end in one of `bodies`, [(from this number on, instructions that return)], in a few steps.

    Steps count: the kernel tries a new filter on each number that there is, for each candidate anew.
    """
    if len(bodies) == 1:
        return bodies[0][1]
    middle = len(bodies) // 2
    below, above = _by_number(bodies[:middle]), _by_number(bodies[middle:])
    return [_operation(_JUMP_FROM, bodies[middle][0], 0, 1), _operation(_JUMP, len(below)), *below, *above]


@functools.cache
def _instructions(machine):
    denied, others, audit_arch = numbers(machine)
    thread = [_load(0), _operation(_JUMP_SET, _CLONE_THREAD, 1, 0), _REFUSED, _ALLOWED]
    itself = [_load(0), _OWN_NUMBER, _REFUSED, _ALLOWED]
    body = {
        **{number: [_REFUSED] for number in denied.values()},
        # ENOSYS makes the C library fall back to clone, whose flags a filter can read: threads yes, processes no.
        others["clone3"]: [_UNKNOWN],
        others["clone"]: thread,
        # prlimit64 on oneself is how the C library reads and lowers limits; pid 0 means oneself.
        others["prlimit64"]: [*_one_of(0, (0,)), _ALLOWED],
        others["fcntl"]: _fcntl(),
        others["ioctl"]: [*_one_of(1, _IOCTL), _ALLOWED],
        others["prctl"]: [*_one_of(0, _PRCTL), _ALLOWED],
        others["socketpair"]: [*_one_of(0, _UNIX), *_one_of(1, _STREAMS), _ALLOWED],
        others["kill"]: itself,
        others["tgkill"]: itself,
    }
    calls = [(number, body.get(number, [_ALLOWED])) for number in range(LAST_KNOWN + 1)]
    # Beyond the tables: newer calls, and x86-64's second set of numbers (x32), which would go round them.
    calls.append((LAST_KNOWN + 1, [_UNKNOWN]))
    bodies = [next(group) for _, group in itertools.groupby(calls, key=lambda call: call[1])]
    return [
        _operation(_LOAD, _ARCH),
        _operation(_JUMP_EQUAL, audit_arch, 1, 0),
        _operation(_RETURN, _KILL),
        _operation(_LOAD, _NUMBER),
        *_by_number(bodies),
    ]


def program(pid, machine=None):
    """The filter's BPF instructions, as bytes, for the process `pid`: it may signal itself and nobody else."""
    own = _operation(_JUMP_EQUAL, pid, 1, 0)
    return own.join(_around_own_number(machine))


@functools.cache
def _around_own_number(machine):
    """The bytes before, between and behind the places of _OWN_NUMBER."""
    parts = [[]]
    for instruction in _instructions(machine):
        parts.append([]) if instruction is _OWN_NUMBER else parts[-1].append(instruction)
    return [b"".join(part) for part in parts]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def no_new_privileges():
    """From here on no program may raise this process's privileges; seccomp and Landlock ask for it."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def confine():
    """Put this process under the filter, for good. Raises OSError where the kernel refuses."""
    load(program(os.getpid()))


def load(code):
    """Put this process under a filter of BPF instructions, for good (no_new_privileges comes first). Raises OSError."""
    record = _Program(len(code) // 8, code)
    arguments = (ctypes.c_ulong(_FILTER_MODE), ctypes.byref(record), ctypes.c_ulong(0), ctypes.c_ulong(0))
    checked(libc.prctl(ctypes.c_int(_PR_SET_SECCOMP), *arguments), "seccomp")
