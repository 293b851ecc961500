"""Token sets on disk: the functions of each split of a corpus as rows of tokens, with the accounts of all of them.

However large a corpus is, the memory that this takes stays the same: records are read in chunks, each is tokenised by
one of several processes, packed among some quarter of a million functions (packing.WINDOW), and written. What is
written is kept: a killed program goes on behind the last window.
"""

import os
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import numpy as np

from codestill.data import token_shares
from codestill.data.encoding import TextEncoder
from codestill.data.packing import WINDOW, Window, account, columns_of
from codestill.data.text import read_texts, text_of
from codestill.data.token_file import TokenFile
from codestill.kit.disk_space import room_on_disk
from codestill.kit.files import line_chunks, read_json, row_of, sha256, write_json
from codestill.kit.imports import code_digests
from codestill.kit.lease import leased_until_done
from codestill.kit.program import UserError, log, progress
from codestill.kit.workers import in_order
from codestill.models.token_bytes import check_spelling
from codestill.models.tokenizers import load_tokenizer, start_ids

LOST_AT_MOST = 0.05  # of the functions: above, what is learned is not the corpus


def tokenize_splits(
    folder, sources, outputs, accounting, settings, vocabulary=None, compared_with=(), workers=1, work_dir=None
):
    """Write a token set for each file of functions, by the tokenizer in `folder`; the accounts of all, also a file.

    `settings` has max_seq_length and layout; a split is named as its output. vocabulary: match_vocabulary.py's report;
    compared_with: folders of other tokenizers, by which the training split is counted too. work_dir: where a killed
    call leaves what it made, and the next goes on; beside the accounts where it is not given. Raises UserError
    for a tokenizer that loses bytes or has no end token, and for a file without functions.
    """
    if workers > 1:  # processes take the place of the tokenizer's threads, which no fork survives
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer = load_tokenizer(folder)
    check_spelling(tokenizer, folder)
    path = Path(folder) / "tokenizer.json"
    told = {
        "sha256": sha256(path) if path.is_file() else None,
        "tokens": len(tokenizer),
        "end_token": tokenizer.eos_token,
        "end_token_id": tokenizer.eos_token_id,
        "start_tokens": tokenizer.convert_ids_to_tokens(start_ids(tokenizer)),
    }
    limits = {"max_seq_length": settings.max_seq_length, "layout": settings.layout}
    accounts = {**limits, "tokenizer": told, "splits": {}}
    report = read_json(vocabulary) if vocabulary else {}
    work = Path(work_dir or Path(accounting).with_name(f".{Path(accounting).stem}.work"))
    encoder = TextEncoder(tokenizer, settings.max_seq_length)
    made_of = {
        **limits,
        "tokenizer": told,
        "code": code_digests("tokenize_corpus"),
        "tokenizers": version("tokenizers"),
    }
    with room_on_disk(work), leased_until_done(work):
        splits = []
        for source, output in zip(sources, outputs, strict=True):
            split = _Split(encoder, folder, source, Path(output).name, settings, work, made_of)
            facts = accounts["splits"][split.name] = split.write(workers, report)
            if split.name == "train":
                facts["rows_made"] = token_shares.shares_by_kind(split.counts, report)
                texts = list(islice(filter(None, read_texts(source)), token_shares.COMPARED))
                facts["lengths"] = token_shares.lengths_by_tokenizer(compared_with, texts, settings.max_seq_length)
            splits.append((split, output))
        for split, output in splits:
            split.file.finish(output)
    write_json(accounting, accounts)
    return accounts


class _Split:
    """One split on its way from records to rows."""

    def __init__(self, encoder, folder, source, name, settings, work, made_of):
        self.encoder, self.folder, self.source, self.name, self.settings = encoder, folder, source, name, settings
        stat = os.stat(source)
        self.file = TokenFile(work / name, {**made_of, "source": [str(source), stat.st_size, stat.st_mtime_ns]})
        state = self.file.state
        self.read, self.silent = state.get("read", 0), state.get("silent", 0)
        self.lost, self.facts = state.get("lost", []), state.get("facts", {})
        self.counts = np.array(state.get("counts", ()), np.int64)  # of each token id

    def write(self, workers, report):
        """Write what is not written yet; the accounts of all of it."""
        if self.read:
            log(f"{self.name}: {self.read:,} records are kept from a call that was ended")
        window = Window(self.file.work)
        chunks = line_chunks(self.source, skip=self.read)
        with progress(desc=f"tokenising {self.name}", unit=" functions") as bar:
            for functions, read, lost in in_order(self._encoded, chunks, workers):
                if functions.chats.any() and report.get("chat_templates_differ"):
                    raise UserError(
                        f"{self.folder}: teacher and student have chat templates of their own, which differ; take "
                        "models that share one, or vocabulary.policy: transfer"
                    )
                window.add(functions)
                self.read, self.lost = self.read + read, self.lost + lost
                self.silent += len(functions.silent)
                if len(window) >= WINDOW:
                    self._write(window)
                bar.update(read)
        if len(window):
            self._write(window)
        return self._checked()

    def _encoded(self, chunk):
        """(the Functions of a chunk of lines, how many records it has, the lines that no encoding can write)."""
        told = [text_of(row_of(self.source, number, line), f"{self.source}:{number}:") for number, line in chunk]
        texts = [(text, source) for text, source in told if text]
        functions = self.encoder.encode(*zip(*texts, strict=True)) if texts else self.encoder.encode([])
        return (
            functions,
            len(chunk),
            [number for (number, _), (text, _) in zip(chunk, told, strict=True) if text is None],
        )

    def _write(self, window):
        """Pack and write a window, and keep it."""
        for functions, rows in window.blocks(self.settings.layout, self.settings.max_seq_length):
            columns = columns_of(functions, rows)
            facts = account(functions, columns, self.encoder.end, self.settings.max_seq_length)
            self.facts = {name: self.facts.get(name, 0) + value for name, value in facts.items()}
            found = np.bincount(functions.ids, minlength=len(self.counts))
            self._check_rows(len(found) - 1)
            found[: len(self.counts)] += self.counts
            self.counts = found
            self.file.append(columns)
        state = {"read": self.read, "lost": self.lost, "silent": self.silent, "facts": self.facts}
        self.file.keep({**state, "counts": self.counts.tolist()})

    def _checked(self):
        """The split's accounts, and what is remarkable in them in the log. Raises UserError where it cannot serve."""
        facts, longest = self.facts, self.settings.max_seq_length
        if not facts:
            none_fits = f"no response fits in {longest} tokens; raise tokens.max_seq_length"
            none = "no function in it; every split needs some (give the corpus more or larger fractions)"
            raise UserError(f"{self.source}: {none_fits if self.silent else none}")
        if self.lost:
            told = f"{len(self.lost):,} records dropped that hold half a surrogate pair"
            log(f"{self.source}: {told}, the first in line {self.lost[0]}")
        if self.silent:
            log(f"{self.name}: {self.silent:,} conversations left out: their prompts fill {longest} tokens")
        _check_spelt(facts, self.source)
        unknown = self.encoder.tokenizer.unk_token_id
        log(
            f"{self.name}: {facts['functions']:,} functions in {facts['rows']:,} rows, {facts['targets']:,} targets, "
            f"{facts['truncated']:,} cut, {facts['padding'] / facts['positions']:.1%} of the places empty"
        )
        dropped = self.read - facts["functions"]
        told = {"unknown_tokens": 0 if unknown is None else int(self.counts[unknown : unknown + 1].sum())}
        return {"read": self.read, "dropped": dropped, **facts, **told}

    def _check_rows(self, largest):
        """Raise UserError where a token's id lies beyond the embedding of the model beside the tokenizer."""
        config = Path(self.folder) / "config.json"
        rows = read_json(config).get("vocab_size") if config.is_file() else None
        if rows is not None and largest >= rows:
            token = self.encoder.tokenizer.convert_ids_to_tokens(int(largest))
            raise UserError(
                f'{config}: "vocab_size" is {rows}, but token {token!r} has id {largest}: the model has no row for it'
            )


def _check_spelt(facts, source):
    """Say how many functions their tokens do not give back, byte for byte; raise UserError where they are many."""
    share = facts["unspelt"] / facts["functions"]
    told = f"{source}: {facts['unspelt']:,} of {facts['functions']:,} functions do not come back from their tokens"
    if share > LOST_AT_MOST:
        raise UserError(f"{told} ({share:.0%}); choose models whose tokenizer keeps every byte")
    if facts["unspelt"]:
        log(told)
