"""Where a completion ends: the end token, a stop string, or no room left. Checked token by token, per row."""

import re

from codestill.models.token_bytes import text_pieces


class GrowingText:
    """Follows one completion: `add` a token, learn whether a stop string has just been written, read `text`.

    A token adds its bytes, whatever stands before it: decoding a completion alone would lose its first blank with
    tokenizers that take the first token of a text for a beginning.
    """

    __slots__ = ("ids", "rules", "written")

    def __init__(self, rules):
        self.rules = rules
        self.written = bytearray()
        self.ids = []

    def add(self, token):
        """Take one more token; True where a stop string is now complete."""
        rules = self.rules
        self.ids.append(token)
        start = max(0, len(self.written) - rules.reach)
        self.written += rules.pieces[token]
        return rules.pattern is not None and rules.pattern.search(self.written, start) is not None

    def text(self):
        """The completion, cut before its first stop string."""
        found = self.rules.pattern.search(self.written) if self.rules.pattern is not None else None
        kept = self.written[: found.start()] if found else self.written
        return kept.decode("utf-8", errors="replace")


class StopRules:
    """The stop strings and how a tokenizer's ids become text; shared by all rows."""

    def __init__(self, tokenizer, stops, size):
        self.pieces = text_pieces(tokenizer, size)
        encoded = [stop.encode() for stop in stops if stop]
        self.pattern = re.compile(b"|".join(re.escape(stop) for stop in encoded)) if encoded else None
        self.reach = max((len(stop) for stop in encoded), default=1) - 1
