"""A worker's folder in the temporary directory: locked while its worker lives, swept by later runs once it is dead."""

import contextlib
import fcntl
import os
import secrets
import stat
import tempfile

PREFIX = "grading-"
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Scratch:
    """A folder of this process's. `lock` is a descriptor whose end, however it comes, tells others that it is dead."""

    def __init__(self):
        while True:
            self.path = tempfile.mkdtemp(prefix=PREFIX)
            self.lock = os.open(self.path, _OPEN)
            fcntl.flock(self.lock, fcntl.LOCK_EX)
            if os.path.isdir(self.path):
                return
            os.close(self.lock)  # a sweep came between

    def remove(self):
        """Delete it with all that it holds."""
        with contextlib.suppress(OSError):
            empty(self.path)
            os.rmdir(self.path)
        os.close(self.lock)


def sweep():
    """Delete this user's folders whose workers are dead."""
    for entry in os.listdir(tempfile.gettempdir()):
        path = os.path.join(tempfile.gettempdir(), entry)
        with contextlib.suppress(OSError):
            if entry.startswith(PREFIX) and os.lstat(path).st_uid == os.geteuid():
                _remove_dead(path)


def _remove_dead(path):
    handle = os.open(path, _OPEN)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        empty(path)
        os.rmdir(path)
    finally:
        os.close(handle)


def empty(folder):
    """Delete all below `folder`, however deep it lies and however its modes were set; `folder` stays."""
    while entries := list(os.scandir(folder)):
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            # What a folder holds moves up before it goes, so that no path grows too long for the kernel.
            os.chmod(entry.path, 0o700)
            for name in os.listdir(entry.path):
                os.rename(os.path.join(entry.path, name), os.path.join(folder, secrets.token_hex(8)))
            os.rmdir(entry.path)


def over(folder, most_bytes, most_entries):
    """Whether more lies below `folder` than it may hold; what cannot be read or is just going does not count."""
    size = entries = 0
    folders = [folder]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as found:
            for entry in found:
                status = entry.stat(follow_symlinks=False)
                size, entries = size + 512 * status.st_blocks, entries + 1
                if size > most_bytes or entries > most_entries:
                    return True
                if stat.S_ISDIR(status.st_mode):
                    folders.append(entry.path)
    return False
