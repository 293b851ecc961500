"""The I-th of N parts of a list of work: as a file's name has it, `2-of-4`, and as a person writes it, `2/4`."""

import re

from codestill.kit.program import UserError

PATTERN = r"\d+-of-\d+"


def read_shard(text):
    """(I, N) of a shard's name, I from 1. Raises UserError where it is none."""
    found = re.fullmatch(r"(\d+)(?:/|-of-)(\d+)", text)
    if not found:
        raise UserError(f"--shard {text}: give I/N, for example 1/4")
    part, parts = int(found[1]), int(found[2])
    if not 1 <= part <= parts:
        raise UserError(f"--shard {text}: I must be between 1 and N")
    return part, parts


def shard_names(parts):
    """The names of N parts."""
    return [f"{part}-of-{parts}" for part in range(1, parts + 1)]
