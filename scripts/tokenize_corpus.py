"""Turn the functions of a corpus into token rows for training and measuring.

    python scripts/tokenize_corpus.py --tokenizer results/demo/models/student \\
        --inputs results/demo/inputs/corpus/{train,validation,test}.jsonl \\
        --outputs results/demo/tokens/{train,validation,test} \\
        --accounting results/demo/tokens/accounting.json --max_seq_length 512 --layout packed

The text of a function is its signature, its docstring once, and its body, ended by the tokenizer's end token, which
is a target like any other. Longer functions than --max_seq_length are cut and lose their end token. `packed` fills
rows with whole functions by first fit, kept apart by position_ids that start again at 0 (call the model with
use_cache=False and no attention mask); `padded` gives each function a row of its own.

Each output is a folder for datasets.load_from_disk with the columns input_ids, position_ids, labels (aligned like
input_ids, -100 where there is no target) and bytes (UTF-8 bytes of the text of the row's targets). --accounting says
where every token and byte of each split went. The same inputs write the same bytes.

A prompt is a beginning of such a text only without the newlines at its end: the newline and the indentation after it
are one token or two of the body. Strip them before you let a model complete it, and tokenise it without special tokens.
"""

from pathlib import Path

from codestill.kit.files import read_json, sha256, write_json
from codestill.kit.program import UserError, log, parser, progress, run
from codestill.study.flags import add_flags, section_of
from codestill.study.sections.corpus import Tokens

ROWS = ("max_seq_length", "layout")
LOST_AT_MOST = 0.05  # of the functions: above, what is learned is not the corpus


def arguments():
    """The parsed flags; raises UserError where they do not go together."""
    flags = parser(__doc__)
    flags.add_argument(
        "--tokenizer", metavar="DIR", required=True, help="folder of the study's tokenizer, or of a model"
    )
    flags.add_argument(
        "--inputs", metavar="FILE", nargs="+", required=True, help="JSON lines of functions, one file a split"
    )
    flags.add_argument(
        "--outputs", metavar="DIR", nargs="+", required=True, help="a folder for each input, named as its split"
    )
    flags.add_argument("--accounting", metavar="FILE", required=True, help="JSON file of the accounts")
    flags.add_argument(
        "--vocabulary", metavar="FILE", help="match_vocabulary.py's report: how rows were made, by tokens"
    )
    flags.add_argument(
        "--compared_with", metavar="DIR", nargs="+", default=[], help="folders of other tokenizers: tokens by each"
    )
    add_flags(flags, Tokens, ROWS)
    args = flags.parse_args()
    if len(args.inputs) != len(args.outputs):
        raise UserError(f"--outputs: {len(args.outputs)} folders for {len(args.inputs)} inputs; give one for each")
    if len({Path(output).name for output in args.outputs}) != len(args.outputs):
        raise UserError("--outputs: two folders have one name, which names the split in the accounts")
    section_of(args, Tokens, ROWS)
    return args


def tokenise(tokenizer, source, output, args):
    """Write the tokens of one split; returns its accounts."""
    from codestill.data import token_shares, tokens
    from codestill.data.text import read_texts
    from codestill.kit.folders import whole_folder

    name = Path(output).name
    texts = list(progress(read_texts(source), desc=f"reading {name}", unit=" functions"))
    kept = [text for text in texts if text]
    if not kept:
        raise UserError(
            f"{source}: no function in it; every split needs some (give the corpus more or larger fractions)"
        )
    functions = tokens.encode_functions(tokenizer, kept, args.max_seq_length, f"tokenising {name}")
    check_rows(functions.ids.max(), args.tokenizer, tokenizer)
    check_spelt(functions, source)
    columns = tokens.columns_of(functions, tokens.rows_of(functions, args.layout, args.max_seq_length))
    facts = tokens.account(functions, columns, len(texts) - len(kept), tokenizer.eos_token_id, args.max_seq_length)
    unknown = tokenizer.unk_token_id
    facts["unknown_tokens"] = 0 if unknown is None else int((functions.ids == unknown).sum())
    if name == "train":
        vocabulary = read_json(args.vocabulary) if args.vocabulary else {}
        facts["rows_made"] = token_shares.shares_by_kind(functions.ids, vocabulary)
        facts["lengths"] = token_shares.lengths_by_tokenizer(args.compared_with, kept)
    with whole_folder(output) as folder:
        tokens.dataset_of(columns).save_to_disk(str(folder), num_shards=1)
    log(
        f"{name}: {facts['functions']:,} functions in {facts['rows']:,} rows, {facts['targets']:,} targets, "
        f"{facts['truncated']:,} cut, {facts['padding'] / facts['positions']:.1%} of the places empty"
    )
    return facts


def check_rows(largest, folder, tokenizer):
    """Raise UserError where a token's id lies beyond the embedding of the model in whose folder the tokenizer is."""
    config = Path(folder) / "config.json"
    rows = read_json(config).get("vocab_size") if config.is_file() else None
    if rows is not None and largest >= rows:
        token = tokenizer.convert_ids_to_tokens(int(largest))
        raise UserError(
            f'{config}: "vocab_size" is {rows}, but token {token!r} has id {largest}: the model has no row for it'
        )


def check_spelt(functions, source):
    """Say how many functions their tokens do not give back, byte for byte; raise UserError where they are many."""
    share = functions.unspelt / len(functions)
    told = f"{source}: {functions.unspelt:,} of {len(functions):,} functions do not come back from their tokens"
    if share > LOST_AT_MOST:
        raise UserError(f"{told} ({share:.0%}); choose models whose tokenizer keeps every byte")
    if functions.unspelt:
        log(told)


def main():
    """Tokenise every split and write the accounts."""
    args = arguments()
    import sys

    import datasets

    from codestill.models.token_bytes import check_spelling
    from codestill.models.tokenizers import load_tokenizer, start_ids

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    tokenizer = load_tokenizer(args.tokenizer)
    check_spelling(tokenizer, args.tokenizer)
    path = Path(args.tokenizer) / "tokenizer.json"
    accounts = {
        "max_seq_length": args.max_seq_length,
        "layout": args.layout,
        "tokenizer": {
            "sha256": sha256(path) if path.is_file() else None,
            "tokens": len(tokenizer),
            "end_token": tokenizer.eos_token,
            "end_token_id": tokenizer.eos_token_id,
            "start_tokens": tokenizer.convert_ids_to_tokens(start_ids(tokenizer)),
        },
        "splits": {},
    }
    for source, output in zip(args.inputs, args.outputs, strict=True):
        accounts["splits"][Path(output).name] = tokenise(tokenizer, source, output, args)
    write_json(args.accounting, accounts)


if __name__ == "__main__":
    run(main)
