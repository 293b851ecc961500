"""Frames on a pipe or socket: four bytes of length, then JSON."""

import os
import struct

from codestill.grading.sandbox.literals import Malformed, dumps, loads

LIMIT = 32 << 20  # bytes of one frame; a candidate's value beyond it is refused, so that no flood fills the memory
# Kept here, since a candidate's program may replace what the module `os` holds.
_read, _write = os.read, os.write
_pack, _unpack = struct.Struct(">I").pack, struct.Struct(">I").unpack


class Closed(Exception):
    """The other side has gone."""


def send(descriptor, value):
    """Write one frame. Raises Closed where nobody reads any more, ValueError where it is over LIMIT."""
    data = dumps(value)
    if len(data) > LIMIT:
        raise ValueError("a value of over 32 MiB")
    data = memoryview(_pack(len(data)) + data)
    try:
        while data:
            data = data[_write(descriptor, data) :]
    except (BrokenPipeError, ConnectionResetError):
        raise Closed from None


def _exactly(descriptor, size):
    parts = []
    while size:
        part = _read(descriptor, min(size, 1 << 20))
        if not part:
            raise Closed
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def receive(descriptor):
    """The next frame's value. Raises Closed at the end, Malformed where it is none or too long."""
    try:
        (size,) = _unpack(_exactly(descriptor, 4))
        if size > LIMIT:
            raise Malformed("a frame of over 32 MiB")
        return loads(_exactly(descriptor, size))
    except ConnectionResetError:
        raise Closed from None
