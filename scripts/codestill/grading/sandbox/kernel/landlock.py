"""Landlock: files that a candidate may read and the one folder that it may write, enforced by the kernel."""

import ctypes
import os
import stat

from codestill.grading.sandbox.kernel.syscalls import syscall

# Rights on files, by bit; the comment tells the ABI that brought them in.
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE = 1 << 4, 1 << 5
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << bit for bit in range(6, 13))
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15  # ABI 2, 3, 5
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_READ = READ_FILE | READ_DIR
_WRITE = _READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | REFER | TRUNCATE
_VERSION_FLAG, _RULE_PATH = 1, 1


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("rights", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def abi():
    """The kernel's Landlock version, 0 where it has none or does not let us use it."""
    try:
        return syscall("landlock_create_ruleset", None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def _handled(version):
    rights = (1 << 13) - 1
    for needed, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        rights |= right if version >= needed else 0
    return rights


def _allow(ruleset, path, rights):
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no right
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= _FILE_RIGHTS  # the kernel refuses a folder's rights on a file (EINVAL)
        rule = _PathRule(rights, handle)
        syscall("landlock_add_rule", ruleset, _RULE_PATH, ctypes.byref(rule), 0)
    finally:
        os.close(handle)


def ruleset(readable, writable, devices=()):
    """A rule set's descriptor: read `readable`, read and write below `writable` and the `devices`, nothing else.

    Raises OSError where the kernel refuses.
    """
    version = abi()
    handled = _handled(version)
    network = 3 if version >= 4 else 0  # TCP bind and connect; seccomp denies the rest
    scoped = 3 if version >= 6 else 0  # abstract sockets, signals
    record = _Ruleset(handled, network, scoped)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    handle = syscall("landlock_create_ruleset", ctypes.byref(record), size, 0)
    for path in readable:
        _allow(handle, path, _READ & handled)
    for path in devices:
        _allow(handle, path, (READ_FILE | WRITE_FILE) & handled)
    for path in writable:
        _allow(handle, path, _WRITE & handled)
    return handle


def confine(handle):
    """Put this process under the rule set, for good (no_new_privileges comes first). Raises OSError."""
    syscall("landlock_restrict_self", handle, 0)
