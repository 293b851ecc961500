"""A seccomp filter for candidates: no new process, no program, no network, nothing that reaches another process."""

import ctypes
import errno
import functools
import os
import struct

from codestill.grading.sandbox.kernel.syscalls import LAST_KNOWN, checked, libc, numbers, prctl

_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_SET, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
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


_REFUSED, _ALLOWED = _operation(_RETURN, _ERRNO | errno.EPERM), [_operation(_RETURN, _ALLOW)]


def _call(number, body):
    """Instructions for call `number` alone; `body` ends in a return."""
    return [_operation(_JUMP_EQUAL, number, 0, len(body)), *body]


def _deny(number, error):
    return _call(number, [_operation(_RETURN, _ERRNO | error)])


def _load(argument):
    return _operation(_LOAD, _ARGUMENTS + 8 * argument)


def _one_of(argument, values):
    """Go on where the argument is one of the values, deny the call elsewhere."""
    values = list(values)
    tests = [_operation(_JUMP_EQUAL, value, len(values) - place) for place, value in enumerate(values)]
    return [_load(argument), *tests, _REFUSED]


def _fcntl(number):
    """Of F_SETFL all flags but O_ASYNC."""
    flags = [_load(2), _operation(_JUMP_SET, _ASYNC, 0, 1), _REFUSED, *_ALLOWED]
    set_flags = [_load(1), _operation(_JUMP_EQUAL, _SETFL, 0, len(flags)), *flags]
    return _call(number, [*set_flags, *_one_of(1, _FCNTL), *_ALLOWED])


@functools.cache
def _parts(machine):
    """The instructions in three parts; one that compares with the process's own number belongs between each two."""
    denied, others, audit_arch = numbers(machine)
    code = [
        _operation(_LOAD, _ARCH),
        _operation(_JUMP_EQUAL, audit_arch, 1, 0),
        _operation(_RETURN, _KILL),
        _operation(_LOAD, _NUMBER),
        # Beyond the tables: newer calls, and x86-64's second set of numbers (x32), which would go round them.
        _operation(_JUMP_ABOVE, LAST_KNOWN, 0, 1),
        _operation(_RETURN, _ERRNO | errno.ENOSYS),
    ]
    for number in sorted(denied.values()):
        code += _deny(number, errno.EPERM)
    # ENOSYS makes the C library fall back to clone, whose flags a filter can read: threads yes, processes no.
    code += _deny(others["clone3"], errno.ENOSYS)
    thread = [_load(0), _operation(_JUMP_SET, _CLONE_THREAD, 1, 0), _REFUSED]
    code += _call(others["clone"], [*thread, *_ALLOWED])
    # prlimit64 on oneself is how the C library reads and lowers limits; pid 0 means oneself.
    code += _call(others["prlimit64"], [*_one_of(0, (0,)), *_ALLOWED])
    code += _fcntl(others["fcntl"])
    code += _call(others["ioctl"], [*_one_of(1, _IOCTL), *_ALLOWED])
    code += _call(others["prctl"], [*_one_of(0, _PRCTL), *_ALLOWED])
    code += _call(others["socketpair"], [*_one_of(0, _UNIX), *_one_of(1, _STREAMS), *_ALLOWED])
    parts = [b"".join(code)]
    for name in ("kill", "tgkill"):
        code = _call(others[name], [_load(0), bytes(8), _REFUSED, *_ALLOWED])
        at = code.index(bytes(8))
        parts[-1] += b"".join(code[:at])
        parts.append(b"".join(code[at + 1 :]))
    parts[-1] += _operation(_RETURN, _ALLOW)
    return parts


def program(pid, machine=None):
    """The filter's BPF instructions, as bytes, for the process `pid`: it may signal itself and nobody else."""
    return _operation(_JUMP_EQUAL, pid, 1, 0).join(_parts(machine))


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
