"""Token sets on disk: the functions of each split of a corpus as rows of tokens, with the accounts of all of them."""

from pathlib import Path

from codestill.data import token_shares, tokens
from codestill.data.text import read_functions
from codestill.kit.files import read_json, sha256, write_json
from codestill.kit.folders import whole_folder
from codestill.kit.program import UserError, log, progress
from codestill.models.token_bytes import check_spelling
from codestill.models.tokenizers import load_tokenizer, start_ids

LOST_AT_MOST = 0.05  # of the functions: above, what is learned is not the corpus


def tokenize_splits(folder, sources, outputs, accounting, settings, vocabulary=None, compared_with=()):
    """Write a token set for each file of functions, by the tokenizer in `folder`; the accounts of all, also a file.

    `settings` has max_seq_length and layout; a split is named as its output. vocabulary: match_vocabulary.py's report;
    compared_with: folders of other tokenizers, by which the training split is counted too. Raises UserError
    for a tokenizer that loses bytes or has no end token, and for a file without functions.
    """
    tokenizer = load_tokenizer(folder)
    check_spelling(tokenizer, folder)
    path = Path(folder) / "tokenizer.json"
    accounts = {
        "max_seq_length": settings.max_seq_length,
        "layout": settings.layout,
        "tokenizer": {
            "sha256": sha256(path) if path.is_file() else None,
            "tokens": len(tokenizer),
            "end_token": tokenizer.eos_token,
            "end_token_id": tokenizer.eos_token_id,
            "start_tokens": tokenizer.convert_ids_to_tokens(start_ids(tokenizer)),
        },
        "splits": {},
    }
    for source, output in zip(sources, outputs, strict=True):
        accounts["splits"][Path(output).name] = _tokenize(
            tokenizer, folder, source, output, settings, vocabulary, compared_with
        )
    write_json(accounting, accounts)
    return accounts


def _tokenize(tokenizer, folder, source, output, settings, vocabulary, compared_with):
    """Write the tokens of one split; returns its accounts."""
    name = Path(output).name
    read = list(progress(read_functions(source), desc=f"reading {name}", unit=" functions"))
    kept = [text for text, _ in read if text]
    if not kept:
        raise UserError(
            f"{source}: no function in it; every split needs some (give the corpus more or larger fractions)"
        )
    functions = tokens.encode_functions(tokenizer, kept, settings.max_seq_length, f"tokenising {name}")
    if not len(functions):
        raise UserError(f"{source}: no response fits in {settings.max_seq_length} tokens; raise tokens.max_seq_length")
    if functions.chats and vocabulary and read_json(vocabulary).get("chat_templates_differ"):
        raise UserError(
            f"{folder}: teacher and student have chat templates of their own, which differ; take models that share "
            "one, or vocabulary.policy: transfer"
        )
    silent = set(functions.silent)
    if silent:
        log(f"{name}: {len(silent):,} conversations left out: their prompts fill {settings.max_seq_length} tokens")
    _check_rows(functions.ids.max(), folder, tokenizer)
    _check_spelt(functions, source)
    rows = tokens.rows_of(functions, settings.layout, settings.max_seq_length)
    origins = [origin for text, origin in read if text]
    columns = tokens.columns_of(functions, rows, [one for at, one in enumerate(origins) if at not in silent])
    facts = tokens.account(
        functions, columns, len(read) - len(functions), tokenizer.eos_token_id, settings.max_seq_length
    )
    unknown = tokenizer.unk_token_id
    facts["unknown_tokens"] = 0 if unknown is None else int((functions.ids == unknown).sum())
    if name == "train":
        report = read_json(vocabulary) if vocabulary else {}
        facts["rows_made"] = token_shares.shares_by_kind(functions.ids, report)
        facts["lengths"] = token_shares.lengths_by_tokenizer(compared_with, kept)
    with whole_folder(output) as draft:
        tokens.dataset_of(columns).save_to_disk(str(draft), num_shards=1)
    log(
        f"{name}: {facts['functions']:,} functions in {facts['rows']:,} rows, {facts['targets']:,} targets, "
        f"{facts['truncated']:,} cut, {facts['padding'] / facts['positions']:.1%} of the places empty"
    )
    return facts


def _check_rows(largest, folder, tokenizer):
    """Raise UserError where a token's id lies beyond the embedding of the model in whose folder the tokenizer is."""
    config = Path(folder) / "config.json"
    rows = read_json(config).get("vocab_size") if config.is_file() else None
    if rows is not None and largest >= rows:
        token = tokenizer.convert_ids_to_tokens(int(largest))
        raise UserError(
            f'{config}: "vocab_size" is {rows}, but token {token!r} has id {largest}: the model has no row for it'
        )


def _check_spelt(functions, source):
    """Say how many functions their tokens do not give back, byte for byte; raise UserError where they are many."""
    share = functions.unspelt / len(functions)
    told = f"{source}: {functions.unspelt:,} of {len(functions):,} functions do not come back from their tokens"
    if share > LOST_AT_MOST:
        raise UserError(f"{told} ({share:.0%}); choose models whose tokenizer keeps every byte")
    if functions.unspelt:
        log(told)
