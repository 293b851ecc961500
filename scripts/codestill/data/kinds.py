"""What an entry in a table of kinds says: how a source or a benchmark of that kind is read, and what it goes by."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """`read(options)` gives its rows; `takes` and `needs` name the fields of the config that act on it alone.

    problems: how many a benchmark of this kind has; functions: how many a source has in train, validation and test,
    before any is dropped, and tokens of one; where these are known before anything is brought. corpus: without a path,
    a benchmark is made of the study's own functions, of the split of its use. training: whether a benchmark `may` be
    trained on, or is there for that `only`. licence: of what the kind always brings, as it is named there. The config
    and the plan read these literals where they stand (study/entries.py), so that a new kind is one entry.
    """

    read: Callable
    takes: tuple = ()
    needs: tuple = ()
    problems: int | None = None
    functions: tuple = ()
    tokens: float | None = None
    corpus: bool = False
    training: str | None = None
    licence: str | None = None
