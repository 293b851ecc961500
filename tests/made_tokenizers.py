"""Tokenizers of every kind that the field has: from real vocabularies where they are at hand, else by their rules."""

import json
from functools import cache

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from shared_data import shared

TEXTS = tuple(
    f'def f{n}(self, x={n}, *args):\n    """Return x plus {n} or nothing at all."""\n    if x > {n}:\n'
    f"        return x + {n}\n\n    for item in args:\n            print(item, {n}.5)\n    return [self]\n"
    for n in range(40)
)
SPLIT = r"\p{N}| ?[^\s\p{L}\p{N}]+| ?\p{L}+|\s+(?!\S)|\s+"


def _plain(backend, **special):
    return PreTrainedTokenizerFast(tokenizer_object=backend, **special)


def _byte_level(vocabulary, merges, *, split=False, **special):
    backend = Tokenizer(models.BPE(vocabulary, merges))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not split)
    single_digits = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence([single_digits, level]) if split else level
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(name, normalized=False) for name in special.values()])
    return _plain(backend, **special)


@cache
def _files(name, prefix=""):
    folder = shared(f"tokenizers/{name}")
    vocabulary = json.loads((folder / f"{prefix}vocab.json").read_text(encoding="utf-8"))
    lines = (folder / f"{prefix}merges.txt").read_text(encoding="utf-8").split("\n")
    return vocabulary, [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]


def gpt2():
    """GPT-2's own."""
    return _byte_level(*_files("gpt2"), eos_token="<|endoftext|>")


def codet5():
    """CodeT5's vocabulary, with the start token that its kind (RoBERTa's) puts first."""
    made = _byte_level(*_files("codet5", "codet5-"), bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    ids = [(token, made.convert_tokens_to_ids(token)) for token in ("<s>", "</s>")]
    made.backend_tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ids)
    return made


def incoder():
    """InCoder's: tokens reach across blanks and lines."""
    vocabulary, merges = _files("incoder", "incoder-")
    return _byte_level(vocabulary, merges, split=True, eos_token="<|endoftext|>")


def codegen():
    """GPT-2's and 30 runs of 31 to 2 blanks, 8 of 9 to 2 tabs: added tokens that are not special."""
    made = gpt2()
    runs = [" " * count for count in range(31, 1, -1)] + ["\t" * count for count in range(9, 1, -1)]
    made.backend_tokenizer.add_tokens([AddedToken(run, normalized=True) for run in runs])
    return made


def _trained_byte_level(texts, **how):
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    backend.train_from_iterator(texts, trainer)
    state = json.loads(backend.to_str())["model"]
    return _byte_level(state["vocab"], [tuple(merge) for merge in state["merges"]], eos_token="<|end|>", **how)


def single_digits():
    """SmolLM2's and Llama 3's kind: byte-level behind a Split that transformers' own classes drop."""
    return _trained_byte_level(TEXTS, split=True)


def sentencepiece(normalizer=True, added=()):
    """Llama 2's kind: blanks as U+2581, one put before a text, bytes where a character has no token, a start token."""
    blank = normalizers.Replace(" ", "\u2581")
    learner = Tokenizer(models.BPE(unk_token="<unk>"))
    learner.normalizer = blank
    words = Regex("\u2581+|[^\u2581\\s]+|\\s")
    learner.pre_tokenizer = pre_tokenizers.Split(words, behavior="isolated")
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    learner.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=700, special_tokens=tokens, show_progress=False))
    state = json.loads(learner.to_str())["model"]
    merges = [tuple(merge) for merge in state["merges"]]
    backend = Tokenizer(models.BPE(state["vocab"], merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    first = [normalizers.Prepend("\u2581")] if normalizer else []
    backend.normalizer = normalizers.Sequence([*first, blank])
    strip = [decoders.Strip(" ", 1, 0)] if normalizer else []
    backend.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    backend.add_special_tokens([AddedToken(name, normalized=False) for name in ("<unk>", "<s>", "</s>")])
    backend.add_tokens([AddedToken(token, normalized=False) for token in added])
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return _plain(backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def gemma_like():
    """Gemma's kind: no blank put first; runs of blanks as added tokens, spelt with U+2581, that are not special."""
    made = sentencepiece(normalizer=False)
    runs = ["\u2581" * count for count in range(2, 32)]
    made.backend_tokenizer.add_tokens([AddedToken(run, normalized=True) for run in runs])
    return made


KINDS = {one.__name__: one for one in (gpt2, codet5, incoder, codegen, single_digits, sentencepiece, gemma_like)}
