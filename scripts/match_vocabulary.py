"""Make teacher and student share token ids, and write the student as it is before distillation.

    python scripts/match_vocabulary.py --teacher results/codegpt/inputs/models/teacher \\
        --student results/codegpt/inputs/models/student --policy transfer \\
        --output results/codegpt/models/student --report results/codegpt/inputs/vocabulary.json

Policies, all checked by token strings, never by sizes alone:
  same      the two vocabularies are identical, special tokens included
  shared    the teacher's vocabulary extends the student's: ids agree wherever the student has a token; all text is
            cut by the student's tokenizer
  transfer  the student takes the teacher's tokenizer; its embedding rows by fast vocabulary transfer (Gee et al.,
            EMNLP 2022): tokens in common keep their row, others get the mean of their old pieces' rows.
            --embeddings teacher takes the teacher's rows instead, where the widths agree

The tokenizer written beside the student is the study's: tokens are made with it, for the teacher too. A mismatch that
the policy does not cover stops with the first tokens that differ and the remedy. --report says what was matched.
"""

from codestill.kit.files import write_json
from codestill.kit.program import log, parser, run
from codestill.kit.whole import given
from codestill.study.flags import add_flags
from codestill.study.sections.corpus import Tokens
from codestill.study.sections.vocabulary import Vocabulary


def main():
    """Match and write one student."""
    flags = parser(__doc__)
    flags.add_argument(
        "--teacher", type=given, metavar="DIR", required=True, help="folder of the teacher and its tokenizer"
    )
    flags.add_argument(
        "--student", type=given, metavar="DIR", required=True, help="folder of the student and its tokenizer"
    )
    add_flags(flags, Vocabulary, ["policy", "embeddings"])
    add_flags(flags, Tokens, ["start"])
    flags.add_argument("--output", metavar="DIR", required=True, help="folder of the matched student")
    flags.add_argument("--report", metavar="FILE", required=True, help="JSON file: what was matched")
    args = flags.parse_args()

    from codestill.models.shapes import save_model
    from codestill.models.vocabularies import Asked, match

    matched, report = match(args.teacher, args.student, args.policy, Asked(args.embeddings, args.start))
    counts = ", ".join(f"{number:,} {kind}" for kind, number in report["counts"].items())
    log(f"policy {args.policy}: {counts}; end token {report['end_token']!r} (id {report['end_token_id']})")
    if report["start_tokens"]:
        log(f"texts open with {' '.join(report['start_tokens'])}, as the tokenizer's own rule has it")
    if report["pad_is_end"]:
        log("no pad token: rows are filled with the end token's id, and labels are masked by position")
    save_model(matched.model, matched.tokenizer, args.output)
    write_json(args.report, report)


if __name__ == "__main__":
    run(main)
