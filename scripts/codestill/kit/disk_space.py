"""Want of room on the disk, told in one line whichever library met it."""

import contextlib
import errno
import os

from codestill.kit.program import UserError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# torch's archive writer tells no reason, only that its file is shorter than what it wrote.
SHORT_FILE = ("inline_container", "PytorchStreamWriter")


@contextlib.contextmanager
def room_on_disk(folder, remedy="free some space and run the same command again: it goes on from its last checkpoint"):
    """Raise UserError in place of an error of the block whose cause is a full disk, a quota or a limit of file size."""
    try:
        yield
    except Exception as error:
        reason = want_of_room(error)
        if reason is None:
            raise
        path = getattr(error, "filename", None) or folder
        raise UserError(f"{path}: could not be written ({reason}); {remedy}") from error


def want_of_room(error):
    """What the operating system said where an exception, or one behind it, is a write without room; else None."""
    while error is not None:
        code = getattr(error, "errno", None)
        if code in NO_ROOM:
            return os.strerror(code)
        text = str(error)
        for code in NO_ROOM:
            if f"os error {code})" in text:  # the errors of safetensors carry no number
                return os.strerror(code)
        if isinstance(error, RuntimeError) and any(word in text for word in SHORT_FILE):
            return "a file came out short: no room"
        error = error.__cause__ or error.__context__
    return None
