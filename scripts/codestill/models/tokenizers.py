"""Tokenizers: trained on the corpus, loaded as they were saved, saved so that they load again, and taken apart."""

import difflib
import json
from pathlib import Path

from codestill.kit.program import UserError, log
from codestill.models.loading import short

END_TOKEN = "</s>"
PAD_TOKEN = "<pad>"

# Code in which tokenizers differ: runs of blanks and tabs, digits, digits after an indent, blank lines, quotes,
# contractions.
ASCII_PROBE = (
    'def f(self, x=1234, *args):\n    """It\'s 3.5x: a -> b.\n\n    >>> f(0.5e-3)\n    """\n'
    "\tif x>=10 and not args:\n            return {'a_b': [x**2, ~x]}  # don't\n\n\n    raise ValueError(f'{x!r}')\r\n"
    "        1024, 20\n\n\n\n\t\t\t7\t\t x  =   0xFF\n" + " " * 33 + "pass\n"
)
PROBE = ASCII_PROBE + "# na\u00efve: \u65e5\u672c \u2192 \u00bd \U0001f40d e\u0301\n"


def train_tokenizer(texts, vocab_size):
    """A byte-level BPE tokenizer trained on `texts`, with an end and a pad token; the same texts give the same ids.

    `vocab_size` counts the special tokens and the 256 bytes; a small corpus may fill less.
    """
    if vocab_size < 258:
        raise UserError(f"--vocab_size {vocab_size}: too small; 256 bytes, the end and the pad token need at least 258")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_TOKEN, PAD_TOKEN],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token=END_TOKEN, pad_token=PAD_TOKEN, clean_up_tokenization_spaces=False
    )


def load_tokenizer(folder):
    """The tokenizer saved in `folder`. Raises UserError where there is none, it is not a fast one, or has no end token.

    tokenizer.json is the truth: transformers rebuilds some tokenizers from their vocabulary alone, and drops what the
    file has besides. Where that gives other ids, the file itself is taken. Merges that are left out by chance (the
    model's dropout, a regulariser of training) are never left out here: a text has one reading.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; it should hold a tokenizer (tokenizer.json)")
    try:
        tokenizer = _built(folder)
    except Exception as error:  # transformers raises many kinds for one cause: the files do not hold a tokenizer
        raise UserError(f"{folder}: no tokenizer can be loaded from it ({short(error)})") from error
    if not tokenizer.is_fast:
        raise UserError(f"{folder}: {type(tokenizer).__name__} has no tokenizer.json; save its fast version there")
    if tokenizer.eos_token_id is None:
        raise UserError(f'{folder}/tokenizer_config.json: "eos_token" is missing; name the token that ends a text')
    _steady(tokenizer.backend_tokenizer)
    return _as_the_file_has_it(folder, tokenizer) if (folder / "tokenizer.json").is_file() else tokenizer


def _steady(backend, folder=None):
    """Turn a tokenizer's dropout of merges off, and say so of a `folder`; returns the tokenizer."""
    if getattr(backend.model, "dropout", None):
        if folder:
            log(f"{folder}: its tokenizer leaves out merges by chance (dropout {backend.model.dropout:g}); turned off")
        backend.model.dropout = None
    return backend


def _built(folder):
    """What transformers makes of a folder; code of the folder's own is never run, nor asked about."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if is_plain(folder):
        return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)
    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception:
        if not (folder / "tokenizer.json").is_file():
            raise
        return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)


def is_plain(folder):
    """Whether a folder's tokenizer is wholly described by its tokenizer.json, and says so."""
    folder = Path(folder)
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    named = config.get("tokenizer_class") in ("TokenizersBackend", "PreTrainedTokenizerFast")
    return named and (folder / "tokenizer.json").is_file()


def _as_the_file_has_it(folder, tokenizer):
    """`tokenizer`, or the one in tokenizer.json where the two cut or open a text differently."""
    from tokenizers import Tokenizer

    raw = _steady(Tokenizer.from_file(str(folder / "tokenizer.json")), folder)
    built = tokenizer.backend_tokenizer
    cut = _plain(raw, [PROBE])[0].ids == _plain(built, [PROBE])[0].ids
    if cut and raw.encode("x").ids == built.encode("x").ids:
        return tokenizer
    what = "opens texts" if cut else "cuts text"
    log(f"{folder}: {type(tokenizer).__name__} of transformers {what} otherwise than tokenizer.json; the file is taken")
    return frozen(tokenizer, raw)


def frozen(tokenizer, backend=None):
    """The same tokenizer as the plain class of transformers, which is wholly described by its tokenizer.json.

    `backend` takes the place of the tokenizer's own.
    """
    from transformers import PreTrainedTokenizerFast

    names = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
    special = {name: getattr(tokenizer, name) for name in names if getattr(tokenizer, name, None) is not None}
    if tokenizer.chat_template:
        special["chat_template"] = tokenizer.chat_template
    return PreTrainedTokenizerFast(
        tokenizer_object=backend or tokenizer.backend_tokenizer,
        clean_up_tokenization_spaces=False,
        model_max_length=tokenizer.model_max_length,
        **special,
    )


def start_ids(tokenizer):
    """The ids that the tokenizer's own rule puts before a text: mostly one start token, or none."""
    backend = tokenizer.backend_tokenizer
    text = _plain(backend, ["x"])[0].ids
    whole = backend.encode("x").ids
    found = (at for at in range(len(whole) - len(text) + 1) if whole[at : at + len(text)] == text)
    return whole[: next(found, 0)]


def without_start(tokenizer):
    """The same tokenizer with nothing put before a text."""
    from tokenizers.processors import TemplateProcessing

    plain = frozen(tokenizer)
    plain.backend_tokenizer.post_processor = TemplateProcessing(single="$A", pair="$A $B:1", special_tokens=[])
    return plain


def save_tokenizer(tokenizer, folder):
    """Write tokenizer.json and tokenizer_config.json, so that any reader gets the same ids; raises UserError if not."""
    from transformers import AutoTokenizer

    plain = frozen(tokenizer)
    plain.save_pretrained(folder)
    again = load_tokenizer(folder)
    same = plain_ids(again, [PROBE]) == plain_ids(plain, [PROBE]) and again.eos_token_id == plain.eos_token_id
    if not same or start_ids(again) != start_ids(plain):
        raise UserError(
            f"{folder}: the tokenizer does not load again as it was saved; update tokenizers and transformers"
        )
    other = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    if plain_ids(other, [PROBE]) != plain_ids(plain, [PROBE]):
        log(
            f"{folder}: AutoTokenizer takes the model's type for another tokenizer ({type(other).__name__}); readers "
            "outside Codestill load this one with PreTrainedTokenizerFast.from_pretrained"
        )


def pad_token_id(tokenizer, rows):
    """An id to fill rows with: the pad token, else another special token named like one, at worst the end token.

    Only ids below `rows`, the number of embedding rows, count. Where no other token serves, the end token's id is
    returned: safe all the same, because labels are masked by position and never by this id.
    """
    end = tokenizer.eos_token_id
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id not in (end,) and tokenizer.pad_token_id < rows:
        return tokenizer.pad_token_id
    named = [
        index
        for index, token in tokenizer.added_tokens_decoder.items()
        if token.special and "pad" in token.content.lower() and index != end and index < rows
    ]
    return min(named, default=end)


def plain_ids(tokenizer, texts):
    """The token ids of each text (list of lists), with nothing added and no special token read out of the text."""
    return [encoding.ids for encoding in plain_encodings(tokenizer, texts)]


def plain_encodings(tokenizer, texts):
    """As `plain_ids`, the tokenizers library's Encoding objects: `</s>` in a docstring is text, not an end token."""
    return _plain(tokenizer.backend_tokenizer, texts)


def _plain(backend, texts):
    backend.no_truncation()
    backend.no_padding()
    before = backend.encode_special_tokens
    backend.encode_special_tokens = True
    try:
        return backend.encode_batch(list(texts), add_special_tokens=False)
    finally:
        backend.encode_special_tokens = before


def close_to(word, words):
    """`, did you mean ...?` where one of `words` is near, else an empty string."""
    near = difflib.get_close_matches(word, list(words), n=1)
    return f", did you mean {near[0]!r}?" if near else ""
