"""Build a model from a shape with random weights, or a student from every second layer of a teacher.

From a shape (a transformers model_type and its fields; vocabulary size and special ids come from the tokenizer),
with a byte-level BPE tokenizer trained on the functions of a corpus:

    python scripts/build_model.py --shape '{"model_type": "gpt2", "n_layer": 4, "n_embd": 128, "n_head": 4}' \\
        --train results/demo/inputs/corpus/train.jsonl --vocab_size 1000 --seed 0 \\
        --output results/demo/inputs/models/teacher

With the tokenizer of another model, so that the two share a vocabulary:

    python scripts/build_model.py --shape student.json --tokenizer results/demo/inputs/models/teacher --seed 1 \\
        --output results/demo/inputs/models/student

From layers 0, 2, 4, ... of a teacher, with its embeddings, final norm, head and tokenizer (DistilBERT's recipe):

    python scripts/build_model.py --layers_of results/demo/models/teacher --every 2 \\
        --output results/demo/inputs/models/student

Writes config.json, model.safetensors, generation_config.json, tokenizer.json and tokenizer_config.json.
The same arguments write the same bytes.
"""

from codestill.kit.program import UserError, log, parser, progress, run
from codestill.kit.whole import given


def arguments():
    """The parsed flags; raises UserError where they do not go together."""
    flags = parser(__doc__)
    flags.add_argument("--shape", metavar="JSON", help="the shape, as JSON text or as the path of a JSON file")
    flags.add_argument(
        "--layers_of", type=given, metavar="DIR", help="take every --every-th layer of the model in this folder"
    )
    flags.add_argument("--every", type=int, default=2, help="with --layers_of: keep layers 0, N, 2N, ...")
    flags.add_argument(
        "--train", type=given, metavar="FILE", help="train a tokenizer on the functions of this JSON-lines file"
    )
    flags.add_argument("--vocab_size", type=int, default=1000, help="with --train: tokens, special ones included")
    flags.add_argument("--tokenizer", type=given, metavar="DIR", help="take the tokenizer of this folder instead")
    flags.add_argument("--seed", type=int, default=42, help="of the random weights")
    flags.add_argument("--output", metavar="DIR", required=True, help="folder to write")
    args = flags.parse_args()
    if bool(args.shape) == bool(args.layers_of):
        raise UserError("give either --shape or --layers_of")
    if args.shape and bool(args.train) == bool(args.tokenizer):
        raise UserError("--shape needs a tokenizer: give either --train (and --vocab_size) or --tokenizer")
    if args.layers_of and (args.train or args.tokenizer):
        raise UserError("--layers_of keeps the teacher's tokenizer: leave out --train and --tokenizer")
    return args


def tokenizer_of(args):
    """The tokenizer that the flags ask for: loaded, or trained on the training functions' text."""
    from codestill.data.text import read_texts
    from codestill.models.tokenizers import load_tokenizer, train_tokenizer

    if args.tokenizer:
        return load_tokenizer(args.tokenizer)
    texts = list(progress(filter(None, read_texts(args.train)), desc="reading", unit=" functions"))
    if not texts:
        raise UserError(f"{args.train}: no function to train a tokenizer on")
    tokenizer = train_tokenizer(texts, args.vocab_size)
    log(f"trained a tokenizer of {len(tokenizer):,} tokens on {len(texts):,} functions")
    return tokenizer


def main():
    """Build and write one model."""
    args = arguments()
    from codestill.models import shapes

    if args.layers_of:
        from codestill.models.loading import load_model
        from codestill.models.thinning import say_quality, thinned
        from codestill.models.tokenizers import load_tokenizer

        tokenizer = load_tokenizer(args.layers_of)
        teacher = load_model(args.layers_of, dtype="auto")
        model, kept = thinned(teacher, args.every)
        log(f"kept layers {', '.join(map(str, kept))}")
        say_quality(teacher, model, tokenizer)
        shapes.set_ids(model, tokenizer, model.get_input_embeddings().weight.shape[0])
    else:
        shape = shapes.read_shape(args.shape)
        tokenizer = tokenizer_of(args)
        model = shapes.build_model(shapes.config_of(shape, tokenizer), args.seed)
        shapes.set_ids(model, tokenizer, len(tokenizer))
    shapes.save_model(model, tokenizer, args.output)


if __name__ == "__main__":
    run(main)
