"""The config's sections `corpus` and `tokens`: what is learned from, and how text becomes rows of tokens."""

from typing import Literal

from pydantic import model_validator

from codestill.study.entries import source_kinds
from codestill.study.section import Name, Positive, Section, field, wrong

# Ours of a source's columns, as codestill.data.sources reads them.
Column = Literal["code", "docstring", "func_name", "repo", "path", "url", "partition", "messages", "prompt", "response"]


class Source(Section):
    """One origin of Python code."""

    kind: Literal[tuple(source_kinds())] = field(words="which reader serves it")
    name: str | None = field(
        None, "hub: the data set (owner/name), or a folder that `datasets` can load; package: an installed one"
    )
    config_name: str | None = field(None, "hub: its configuration")
    revision: str | None = field(None, "hub: commit, tag or branch")
    stream: bool = field(False, "hub: rows are read as they arrive, and no copy of the data set is kept on disk")
    path: str | None = field(None, "files (JSON lines, gzip, parquet), python: a file or folder", min_length=1)
    format: Literal["functions", "code", "instruct"] = field(
        "functions",
        "functions: one function a record, with a docstring; code: any Python, fenced or not, be it functions with "
        "what they need, classes, scripts or files (python, package, stdlib: cut into units), documented or not; "
        "instruct: prompts with responses, of which the response is learnt (columns of OpenCodeInstruct, Magicoder, "
        "CodeAlpaca and messages are known)",
    )
    columns: dict[Column, str] = field(
        {},
        "hub, files: our field (code, docstring, func_name, repo, path, url, partition; instruct: messages, or prompt "
        "and response) from their column",
    )
    max_samples: Positive | None = field(None, "take this many records only, chosen by seed; pocket: make them")
    seed: int = field(0, "of that choice; pocket: seed of the grammar", ge=0)

    @model_validator(mode="after")
    def _fits_its_kind(self):
        self.check_kind(source_kinds())
        if self.format == "instruct" and self.kind not in ("hub", "files"):
            raise wrong("format", f"{self.format} takes rows of kind hub or files, not {self.kind}")
        return self


class Split(Section):
    """How functions are split."""

    validation_fraction: float = field(0.05, "of functions without a partition of their own", ge=0, lt=0.5)
    test_fraction: float = field(0.05, "of functions without a partition of their own", ge=0, lt=0.5)
    split_by: Literal["function", "repo", "path"] = field(
        "function",
        "what stands in one split: functions that do the same; or also all of a repository (repo) or file (path), so "
        "that none is in train and validation both",
    )
    max_samples: Positive | None = field(None, "keep this many in train; the other splits shrink in proportion")
    seed: int = field(42, "of the order and of the split", ge=0)
    workers: Positive = field(4, "processes that clean and tokenise, at most one a core", machine=True)


class Corpus(Split):
    """The functions to learn from, and how they are split."""

    sources: dict[Name, Source] = field(words="named origins, read in this order", flag=False, min_length=1)
    hold_out: list[Name] | None = field(
        None,
        "benchmarks whose problems are kept out; null: all that the study had when its corpus was made, so that a "
        "benchmark that is added later trains nothing again (what the corpus holds of it is then told)",
        flag=False,
    )

    @model_validator(mode="after")
    def _no_empty_split(self):
        for name in ("validation_fraction", "test_fraction"):
            if not getattr(self, name):
                raise wrong(name, "must be greater than 0: a study reads every split")
        return self


class Tokens(Section):
    """How functions become rows of tokens."""

    max_seq_length: int = field(512, "tokens in a row, at most", ge=16)
    layout: Literal["packed", "padded"] = field("packed", "many functions in a row, isolated; or one")
    start: Literal["auto", "none"] = field("auto", "auto: texts open as the tokenizer's own rule has it; none: never")
