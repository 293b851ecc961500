"""Namespaces for a zygote: a process table, a network, and a file tree of its own that holds only what may be read."""

import ctypes
import errno
import os
import stat

from codestill.grading.sandbox.kernel.readable import DEVICES, hidden, trees
from codestill.grading.sandbox.kernel.syscalls import checked, die_with_parent, libc, syscall

_NEW = {"mount": 0x20000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000}
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _REMOUNT = 1, 2, 4, 0x20
_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
SCRATCH = "/scratch/tmp"  # /tmp is a link to it, but where something must be readable there
SCRATCH_OPTIONS = "size=64m,nr_inodes=4096,mode=1777"


def _mount(source, target, kind, flags, options=None):
    encode = [text if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    source, target, kind, options = encode
    checked(libc.mount(source, target, kind, ctypes.c_ulong(flags), options), f"mount {target!r}")


def _unmount(target):
    checked(libc.umount2(os.fsencode(target), _DETACH), f"umount {target}")


def _write(path, text):
    with open(path, "w") as handle:
        handle.write(text)


def _unshare(names):
    """New namespaces for this process. A user namespace, which grants the others, only where root is not at hand."""
    flags = sum(_NEW[name] for name in names)
    user, group = os.getuid(), os.getgid()
    if user == 0:
        checked(libc.unshare(ctypes.c_int(flags)), "unshare")
        return
    checked(libc.unshare(ctypes.c_int(flags | _NEW["user"])), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")


class _Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def _show(root, path, flags):
    """Bind `path` read-only at the same place below `root`."""
    target = root + path
    if stat.S_ISDIR(os.stat(path).st_mode):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o444))
    _mount(path, target, None, _BIND | _RECURSIVE)
    attributes = _Attributes(flags, 0, 0, 0)
    size = ctypes.sizeof(attributes)
    name = ctypes.c_char_p(os.fsencode(target))
    syscall("mount_setattr", _AT_FDCWD, name, _AT_RECURSIVE, ctypes.byref(attributes), size)


def _link_like_the_host(root):
    """/lib and its like are often links into /usr: programs look them up under both names."""
    for name in ("/lib", "/lib64"):
        if os.path.islink(name) and not os.path.lexists(root + name):
            os.symlink(os.readlink(name), root + name)


def _new_root(root):
    """Make the folder `root` the root of a file tree that holds what may be read, and an empty SCRATCH."""
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)
    _mount("tmpfs", root, "tmpfs", _NO_SUID | _NO_DEVICES, "size=4m,mode=755")
    for path in trees():
        _show(root, path, _READ_ONLY | _NO_SUID | _NO_DEVICES)
    for path in hidden():
        _mount("tmpfs", root + path, "tmpfs", _READ_ONLY | _NO_SUID | _NO_DEVICES, "size=4k,mode=000")
    for path in DEVICES:
        if os.path.exists(path):
            _show(root, path, _NO_SUID)
    _link_like_the_host(root)
    os.makedirs(root + SCRATCH, exist_ok=True)
    # Where Python itself lies in /tmp, the folder that it is in stands there; Python looks on for another to write.
    if not os.path.lexists(root + "/tmp"):
        os.symlink(SCRATCH[1:], root + "/tmp")
    os.mkdir(root + "/.old")
    os.chdir(root)
    syscall("pivot_root", ctypes.c_char_p(b"."), ctypes.c_char_p(b".old"))
    os.chdir("/")
    _unmount("/.old")
    os.rmdir("/.old")
    fresh_scratch(mounted=False)
    _mount(None, "/", None, _REMOUNT | _BIND | _READ_ONLY | _NO_SUID | _NO_DEVICES)


def fresh_scratch(mounted=True):
    """Put an empty file system of limited size on SCRATCH; what was there is gone, whatever it was."""
    if mounted:
        _unmount(SCRATCH)
    _mount("tmpfs", SCRATCH, "tmpfs", _NO_SUID | _NO_DEVICES, SCRATCH_OPTIONS)


def enter(root):
    """Move this process into new namespaces; it returns as their first process, whose end ends all others in them.

    The process that called stays outside and only waits for it. Raises OSError where the kernel does not offer this.
    """
    _unshare(_NEW.keys() - {"user"})
    child = os.fork()
    if child:
        _stand_by(child)
    die_with_parent()
    _new_root(root)


def enter_files(root):
    """Give this process a file tree as `enter` does, and no other namespace. Raises OSError as that does."""
    _unshare(["mount"])
    _new_root(root)


def _stand_by(child):
    """Wait for `child` and end as it did, holding no descriptor meanwhile."""
    os.closerange(0, 256)
    while True:
        try:
            _, status = os.waitpid(child, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
        except OSError as error:
            if error.errno != errno.EINTR:
                os._exit(1)
