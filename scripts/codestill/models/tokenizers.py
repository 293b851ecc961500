"""Tokenizers: trained on the corpus, loaded as they were saved, saved so that they load again, and taken apart."""

import difflib
import json
from functools import lru_cache
from pathlib import Path

from codestill.kit.program import UserError

END_TOKEN = "</s>"
PAD_TOKEN = "<pad>"

# Code in which tokenizers differ: runs of blanks, tabs, digits, quotes, letters outside ASCII, contractions.
PROBE = (
    'def f(self, x=1234, *args):\n    """It\'s naïve: 日本 → ½.\n\n    >>> f(0.5e-3)\n    """\n'
    "\tif x>=10 and not args:\n            return {'a_b': [x**2, ~x]}  # don't\n\n\n    raise ValueError(f'{x!r}')\r\n"
)


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

    A folder whose tokenizer_config.json names the plain class is read from tokenizer.json alone: transformers would
    let the model's type beside it pick another class, with another way to split text.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; it should hold a tokenizer (tokenizer.json)")
    plain = (folder / "tokenizer.json").is_file() and _class_name(folder) in (
        "TokenizersBackend",
        "PreTrainedTokenizerFast",
    )
    loader = PreTrainedTokenizerFast if plain else AutoTokenizer
    try:
        tokenizer = loader.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # transformers raises many kinds for one cause: the files do not hold a tokenizer
        raise UserError(f"{folder}: no tokenizer can be loaded from it ({one_line(error)})") from error
    if not tokenizer.is_fast:
        raise UserError(f"{folder}: {type(tokenizer).__name__} has no tokenizer.json; save its fast version there")
    if tokenizer.eos_token_id is None:
        raise UserError(f'{folder}/tokenizer_config.json: "eos_token" is missing; name the token that ends a text')
    return tokenizer


def _class_name(folder):
    try:
        return json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("tokenizer_class")
    except (OSError, ValueError):
        return None


def one_line(error):
    """An error's message on one line, cut where it runs on (transformers lists every class that it knows)."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


def frozen(tokenizer):
    """The same tokenizer as the plain class of transformers, which is wholly described by its tokenizer.json."""
    from transformers import PreTrainedTokenizerFast

    names = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
    special = {name: getattr(tokenizer, name) for name in names if getattr(tokenizer, name, None) is not None}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        clean_up_tokenization_spaces=False,
        model_max_length=tokenizer.model_max_length,
        **special,
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
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    before = backend.encode_special_tokens
    backend.encode_special_tokens = True
    try:
        return backend.encode_batch(list(texts), add_special_tokens=False)
    finally:
        backend.encode_special_tokens = before


@lru_cache(maxsize=1)
def _bytes_of_characters():
    """{character: byte} of GPT-2's byte-level alphabet: printable bytes are themselves, the others from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


def is_byte_level(tokenizer):
    """Whether the tokenizer writes bytes in GPT-2's byte-level alphabet."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    return '"ByteLevel"' in json.dumps([state.get("decoder"), state.get("pre_tokenizer")])


def token_bytes(tokenizer):
    """{id: the bytes that the token stands for}; special and added tokens stand for their own string."""
    byte_level = is_byte_level(tokenizer)
    added = {index: token.content for index, token in tokenizer.added_tokens_decoder.items()}
    alphabet = _bytes_of_characters()
    result = {}
    for token, index in tokenizer.get_vocab().items():
        if index in added:
            result[index] = added[index].encode()
        elif byte_level and all(character in alphabet for character in token):
            result[index] = bytes(alphabet[character] for character in token)
        elif len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            result[index] = bytes([int(token[3:5], 16)])
        else:
            result[index] = token.replace("\u2581", " ").encode()
    return result


def byte_level_string(data):
    """`data` in GPT-2's byte-level alphabet, as the strings of such a vocabulary are written."""
    characters = {byte: character for character, byte in _bytes_of_characters().items()}
    return "".join(characters[byte] for byte in data)


def close_to(word, words):
    """`, did you mean ...?` where one of `words` is near, else an empty string."""
    near = difflib.get_close_matches(word, list(words), n=1)
    return f", did you mean {near[0]!r}?" if near else ""
