"""Where a completion ends: the end token, a stop string, or no room left. Checked token by token, per row."""

import json
import re


def _bytes_of_characters():
    """The byte behind each character of a byte-level token (GPT-2's table: printable bytes stand for themselves)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    table = {chr(byte): byte for byte in printable}
    table.update({chr(256 + i): byte for i, byte in enumerate(others)})
    return table


def _is_byte_level(tokenizer):
    backend = getattr(tokenizer, "backend_tokenizer", None)
    decoder = json.loads(backend.to_str()).get("decoder") if backend is not None else None
    parts = decoder.get("decoders", [decoder]) if decoder else []
    return len(parts) == 1 and parts[0]["type"] == "ByteLevel"


def byte_pieces(tokenizer, size):
    """The bytes that each id below `size` adds to a text, or None where tokens do not map to bytes one by one.

    Special tokens add nothing, as in `decode(..., skip_special_tokens=True)`.
    """
    if not _is_byte_level(tokenizer):
        return None
    table = _bytes_of_characters()
    special = set(tokenizer.all_special_ids)
    pieces = []
    for number, token in enumerate(tokenizer.convert_ids_to_tokens(list(range(size)))):
        if number in special or token is None:
            pieces.append(b"")
        elif all(character in table for character in token):
            pieces.append(bytes(table[character] for character in token))
        else:
            pieces.append(token.encode())
    return pieces


class GrowingText:
    """Follows one completion: `add` a token, learn whether a stop string has just been written, read `text`.

    Where the tokenizer is byte-level only the new bytes and the few before them are looked at; else the ids are
    decoded again (a token's text may depend on its neighbours).
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
        if rules.pieces is None:
            self.written = rules.decode(self.ids).encode()
            return rules.pattern is not None and rules.pattern.search(self.written) is not None
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
        self.tokenizer = tokenizer
        self.pieces = byte_pieces(tokenizer, size)
        encoded = [stop.encode() for stop in stops if stop]
        self.pattern = re.compile(b"|".join(re.escape(stop) for stop in encoded)) if encoded else None
        self.reach = max((len(stop) for stop in encoded), default=1) - 1

    def decode(self, ids):
        """The text of ids, without special tokens and without cosmetic changes."""
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
