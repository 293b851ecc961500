"""Frames on a pipe or socket: four bytes of length, then JSON, or bytes as they are."""

import os
import select
import struct
import time

from codestill.grading.sandbox.literals import Malformed, dumps, loads

LIMIT = 32 << 20  # bytes of one frame
VALUES = 512 << 20  # bytes of one that holds a candidate's values; the memory of who receives them is bounded, too
# Kept here, since a candidate's program may replace what the module `os` holds.
_read, _write = os.read, os.write
_pack, _unpack = struct.Struct(">I").pack, struct.Struct(">I").unpack


class Closed(Exception):
    """The other side has gone, or has not moved for as long as it may take."""


def send(descriptor, value, seconds=None, limit=LIMIT):
    """Write a value as one frame; see `send_bytes`."""
    send_bytes(descriptor, dumps(value), seconds, limit)


def send_bytes(descriptor, data, seconds=None, limit=LIMIT):
    """Write one frame. Raises Closed where nobody reads any more, ValueError where it is over the limit.

    seconds: how long the other side may take to read it; the descriptor is then one that does not block.
    """
    if len(data) > limit:
        raise ValueError(f"a value of over {limit >> 20} MiB")
    data = memoryview(_pack(len(data)) + data)
    until = None if seconds is None else time.monotonic() + seconds
    try:
        while data:
            if until is not None:
                _await(descriptor, select.POLLOUT, until)
            data = data[_write(descriptor, data) :]
    except (BrokenPipeError, ConnectionResetError):
        raise Closed from None


def _await(descriptor, what, until):
    poller = select.poll()
    poller.register(descriptor, what)
    if not poller.poll(max(0, until - time.monotonic()) * 1000):
        raise Closed


def _exactly(descriptor, size, until=None):
    parts = []
    while size:
        if until is not None:
            _await(descriptor, select.POLLIN, until)
        part = _read(descriptor, min(size, 1 << 20))
        if not part:
            raise Closed
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def receive(descriptor, seconds=None, limit=LIMIT):
    """The next frame's value. Raises Closed at the end, Malformed where it is none or too long; see `receive_bytes`."""
    return loads(receive_bytes(descriptor, seconds, limit))


def receive_bytes(descriptor, seconds=None, limit=LIMIT):
    """The next frame's bytes. seconds: how long all of it may take to come, without end where not given."""
    until = None if seconds is None else time.monotonic() + seconds
    try:
        (size,) = _unpack(_exactly(descriptor, 4, until))
        if size > limit:
            raise Malformed(f"a frame of over {limit >> 20} MiB")
        return _exactly(descriptor, size, until)
    except ConnectionResetError:
        raise Closed from None
