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
input_ids, -100 where there is no target), bytes (UTF-8 bytes of the text of the row's targets) and sources (of its
functions). --accounting says where every token and byte of each split went. The same inputs write the same bytes,
however many --workers there are. Memory does not grow with the corpus; a call that was killed goes on in --work_dir.

A prompt is a beginning of such a text only without the newlines at its end: the newline and the indentation after it
are one token or two of the body. Strip them before you let a model complete it, and tokenise it without special tokens.
"""

from pathlib import Path

from codestill.kit.program import UserError, parser, run
from codestill.kit.whole import given
from codestill.study.flags import add_flags, section_of
from codestill.study.sections.corpus import Split, Tokens

ROWS = ("max_seq_length", "layout")


def arguments():
    """The parsed flags; raises UserError where they do not go together."""
    flags = parser(__doc__)
    flags.add_argument(
        "--tokenizer", type=given, metavar="DIR", required=True, help="folder of the study's tokenizer, or of a model"
    )
    flags.add_argument(
        "--inputs",
        type=given,
        metavar="FILE",
        nargs="+",
        required=True,
        help="JSON lines of functions, one file a split",
    )
    flags.add_argument(
        "--outputs", metavar="DIR", nargs="+", required=True, help="a folder for each input, named as its split"
    )
    flags.add_argument("--accounting", metavar="FILE", required=True, help="JSON file of the accounts")
    flags.add_argument(
        "--vocabulary", type=given, metavar="FILE", help="match_vocabulary.py's report: how rows were made, by tokens"
    )
    flags.add_argument(
        "--compared_with",
        type=given,
        metavar="DIR",
        nargs="+",
        default=[],
        help="folders of other tokenizers: tokens by each",
    )
    flags.add_argument(
        "--work_dir", metavar="DIR", help="where a killed call leaves what it made; left out: beside --accounting"
    )
    add_flags(flags, Tokens, ROWS)
    add_flags(flags, Split, ("workers",))
    args = flags.parse_args()
    if len(args.inputs) != len(args.outputs):
        raise UserError(f"--outputs: {len(args.outputs)} folders for {len(args.inputs)} inputs; give one for each")
    if len({Path(output).name for output in args.outputs}) != len(args.outputs):
        raise UserError("--outputs: two folders have one name, which names the split in the accounts")
    section_of(args, Tokens, ROWS)
    section_of(args, Split, ("workers",))
    return args


def main():
    """Tokenise every split and write the accounts."""
    args = arguments()
    import sys

    import datasets

    from codestill.data.token_sets import tokenize_splits

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    tokenize_splits(
        args.tokenizer, args.inputs, args.outputs, args.accounting, args, args.vocabulary, args.compared_with,
        args.workers, args.work_dir,
    )  # fmt: skip


if __name__ == "__main__":
    run(main)
