"""A seccomp filter for candidates: no new process, no program, no network, nothing that reaches another process."""

import ctypes
import errno
import functools
import os
import struct

from codestill.grading.sandbox.syscalls import LAST_KNOWN, checked, libc, numbers, prctl

_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_SET, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH, _ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; the low half of argument 0 (little endian)
_CLONE_THREAD = 0x00010000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER_MODE = 38, 22, 2


def _operation(code, value, if_true=0, if_false=0):
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _deny(number, error):
    return [_operation(_JUMP_EQUAL, number, 0, 1), _operation(_RETURN, _ERRNO | error)]


def _only(number, jump, value):
    """Allow call `number` where `jump` holds between its first argument and `value`, deny it elsewhere."""
    return [
        _operation(_JUMP_EQUAL, number, 0, 4),
        _operation(_LOAD, _ARGUMENT),
        _operation(jump, value, 0, 1),
        _operation(_RETURN, _ALLOW),
        _operation(_RETURN, _ERRNO | errno.EPERM),
    ]


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
    code += _only(others["clone"], _JUMP_SET, _CLONE_THREAD)
    # prlimit64 on oneself is how the C library reads and lowers limits; pid 0 means oneself.
    code += _only(others["prlimit64"], _JUMP_EQUAL, 0)
    parts = [b"".join(code)]
    for name in ("kill", "tgkill"):
        code = _only(others[name], _JUMP_EQUAL, 0)
        parts[-1] += b"".join(code[:2])
        parts.append(b"".join(code[3:]))
    parts[-1] += _operation(_RETURN, _ALLOW)
    return parts


def program(pid, machine=None):
    """The filter's BPF instructions, as bytes, for the process `pid`: it may signal itself and nobody else."""
    return _operation(_JUMP_EQUAL, pid, 0, 1).join(_parts(machine))


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
