"""Functions turned into token ids, every token and byte of them accounted for.

A function begins with the tokenizer's own start token where it has one (codestill.models.tokenizers, start_ids); that,
else its first token, has nothing before it and is never a target; the end token is one.
"""

from dataclasses import dataclass, field, fields

import numpy as np

from codestill.data.instruct import Chat
from codestill.kit.program import UserError
from codestill.models import chat
from codestill.models.token_bytes import spells, token_bytes
from codestill.models.tokenizers import plain_encodings, start_ids


@dataclass
class Functions:
    """Tokenised functions: `ids` (flat int32) and `learnt` (flat bool: which of them are targets), and of each [n]:

    lengths: of its piece of `ids`; full: tokens with start and end token before truncation; bytes: of the text of the
    targets; first_bytes: of the tokens that are no target (the first, where no start token leads; a conversation's
    prompts); cut_bytes: of the text that truncation took away. unspelt: whether its tokens do not give the text back;
    chats: whether it is a conversation; sources: where it came from.
    `silent` numbers the texts that were left out, since all that is learnt was cut off.
    """

    ids: np.ndarray
    learnt: np.ndarray
    lengths: np.ndarray
    full: np.ndarray
    bytes: np.ndarray
    first_bytes: np.ndarray
    cut_bytes: np.ndarray
    unspelt: np.ndarray
    chats: np.ndarray
    sources: np.ndarray
    silent: list = field(default_factory=list)

    def __len__(self):
        return len(self.lengths)

    @property
    def starts(self):
        """Where each function's piece of `ids` begins, int64 [n]."""
        return np.cumsum(self.lengths) - self.lengths


FLAT = ("ids", "learnt")
PER_FUNCTION = tuple(one.name for one in fields(Functions) if one.name not in (*FLAT, "silent"))


class TextEncoder:
    """Tokenises by one tokenizer, each text cut to `max_seq_length` tokens.

    Raises UserError where that is too short for any.
    """

    def __init__(self, tokenizer, max_seq_length):
        self.tokenizer, self.longest = tokenizer, max_seq_length
        self.start, self.end, self._pieces = start_ids(tokenizer), tokenizer.eos_token_id, token_bytes(tokenizer)
        if max_seq_length < len(self.start) + 2:
            raise UserError(
                f"--max_seq_length {max_seq_length}: too short for a start token, one more and what follows it"
            )

    def encode(self, texts, sources=None):
        """The `Functions` of non-empty `texts`, each led by the tokenizer's start token, if any, and ended by its end
        token. sources: of each text.

        A function that is cut loses its end token: it has not ended. Text that spells a special token stays text.
        """
        encodings = iter(plain_encodings(self.tokenizer, [text for text in texts if not isinstance(text, Chat)]))
        rows, silent = [], []
        for number, text in enumerate(texts):
            talk = isinstance(text, Chat)
            row = self._conversation(text) if talk else self._function(text, next(encodings))
            if row is None:
                silent.append(number)
            else:
                rows.append((*row, talk, sources[number] if sources is not None else "corpus"))
        ids, learnt, *told = zip(*rows, strict=True) if rows else [()] * 9
        kinds = (np.int64,) * 4 + (bool, bool, object)
        told = [np.array(one, dtype=kind) for one, kind in zip(told, kinds, strict=True)]
        lengths = np.array([len(piece) for piece in ids], dtype=np.int64)
        ids = np.concatenate(ids) if ids else np.zeros(0, dtype=np.int32)
        learnt = np.concatenate(learnt) if learnt else np.zeros(0, dtype=bool)
        return Functions(ids, learnt, lengths, *told, silent)

    def _conversation(self, text):
        """(ids, learnt, full, bytes, first_bytes, cut_bytes, unspelt) of a conversation, None where none is learnt."""
        ids, targets, sizes = chat.encode(self.tokenizer, text.messages)
        kept, targets[0] = slice(0, self.longest), False  # nothing stands before a row's first token
        if not targets[kept].any():
            return None
        learnt = int(sizes[kept][targets[kept]].sum())
        unlearnt = int(sizes[kept].sum()) - learnt
        return ids[kept], targets[kept], len(ids), learnt, unlearnt, int(sizes[self.longest :].sum()), False

    def _function(self, text, encoding):
        """The same of a plain text."""
        led = len(self.start)
        ids = np.array([*self.start, *encoding.ids, self.end], dtype=np.int32)
        head = "" if led else text[: encoding.token_to_chars(0)[1]]
        last = min(len(ids), self.longest) - 1
        kept = text if last == len(ids) - 1 else text[: encoding.token_to_chars(last - led)[1]]
        first, held = len(head.encode()), len(kept.encode())
        learnt = np.arange(last + 1) >= max(led, 1)
        unspelt = not spells(self._pieces, encoding.ids, text)
        return ids[: last + 1], learnt, len(ids), held - first, first, len(text.encode()) - held, unspelt
