"""The bytes that a token stands for, by the tokenizer's own decoder; whatever its kind, a text is its tokens' bytes."""

import json
from functools import lru_cache

from codestill.kit.program import UserError

_ANCHOR = "x"  # decoders treat the first token of a text in ways of their own: tokens are decoded behind this one


@lru_cache(maxsize=1)
def _bytes_of_characters():
    """{character: byte} of GPT-2's byte-level alphabet: printable bytes are themselves, the others from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


def byte_level_string(data):
    """`data` in GPT-2's byte-level alphabet, as the strings of such a vocabulary are written."""
    characters = {byte: character for character, byte in _bytes_of_characters().items()}
    return "".join(characters[byte] for byte in data)


def _kinds(part):
    """The types within a part of a tokenizer's description (a decoder, a pre-tokenizer, or a sequence of them)."""
    if isinstance(part, dict):
        yield part.get("type")
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from _kinds(inner)


def _described(tokenizer):
    return json.loads(tokenizer.backend_tokenizer.to_str())


def is_byte_level(tokenizer):
    """Whether the tokenizer writes bytes in GPT-2's byte-level alphabet: its decoder reads them, or, where it has
    none, its pre-tokenizer makes them."""
    state = _described(tokenizer)
    return "ByteLevel" in _kinds(state.get("decoder") or state.get("pre_tokenizer"))


def token_bytes(tokenizer):
    """{id: the bytes that the token stands for}; special tokens stand for their own string.

    An added token that is not special is a part of a text: of the text itself in a byte-level tokenizer, else of what
    its decoder makes of it (Gemma spells runs of blanks with U+2581).
    """
    byte_level, state = is_byte_level(tokenizer), _described(tokenizer)
    fallback = "ByteFallback" in _kinds(state.get("decoder"))
    added = tokenizer.added_tokens_decoder
    special = {index for index, token in added.items() if token.special} | set(tokenizer.all_special_ids)
    alphabet, decoder = _bytes_of_characters(), tokenizer.backend_tokenizer.decoder
    result = {}
    for token, index in tokenizer.get_vocab().items():
        if index in special or (byte_level and (index in added or not all(char in alphabet for char in token))):
            result[index] = token.encode()
        elif byte_level:
            result[index] = bytes(alphabet[character] for character in token)
        elif fallback and len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            result[index] = bytes([int(token[3:5], 16)])
        else:
            text = decoder.decode([_ANCHOR, token]) if decoder else _ANCHOR + token
            result[index] = text.removeprefix(_ANCHOR).encode()
    return result


def text_pieces(tokenizer, size):
    """A list of `size`: the bytes that each id adds to a text; special tokens and ids without a token add nothing."""
    known, special = token_bytes(tokenizer), set(tokenizer.all_special_ids)
    special |= {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    return [b"" if index in special else known.get(index, b"") for index in range(size)]


def spells(pieces, ids, text):
    """Whether the bytes of the tokens `ids` are those of `text`, but for one blank that a tokenizer may put first."""
    joined, wanted = b"".join([pieces[index] for index in ids]), text.encode()
    return joined == wanted or (joined[:1] == b" " and joined[1:] == wanted)


def check_spelling(tokenizer, where):
    """Raise UserError where a probe of code does not come back from its tokens, byte for byte."""
    from codestill.models.tokenizers import ASCII_PROBE, plain_ids

    pieces = token_bytes(tokenizer)
    ids = plain_ids(tokenizer, [ASCII_PROBE])[0]
    if not spells(pieces, ids, ASCII_PROBE):
        found = b"".join(pieces[index] for index in ids).decode(errors="replace")
        at = next((i for i, (a, b) in enumerate(zip(found, ASCII_PROBE, strict=False)) if a != b), len(found))
        raise UserError(
            f"{where}: its tokenizer does not give code back: {ASCII_PROBE[at : at + 12]!r} became "
            f"{found[at : at + 12]!r}; choose a model with a lossless tokenizer"
        )
