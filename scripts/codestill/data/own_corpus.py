"""Token sets for a training that runs alone: made in its own process from a file of functions, or from the hub."""

from pathlib import Path
from types import SimpleNamespace

from codestill.data.benchmarks import load as load_benchmark
from codestill.data.prepared import prepare_corpus
from codestill.data.sources import load as load_source
from codestill.data.token_sets import tokenize_splits
from codestill.kit.files import write_jsonl
from codestill.kit.program import UserError, log
from codestill.study.sections.corpus import Source, Split

# What a distillation of code models learns from where nothing else is named: CodeSearchNet's Python functions.
HUB = {"kind": "hub", "name": "google/code_x_glue_ct_code_to_text", "config_name": "python"}
SPLITS = ("train", "validation")


def gathered(work_dir):
    """The file of functions that is brought from the hub where no training data are named; brought once."""
    path = Path(work_dir) / "corpus" / "source.jsonl.gz"
    if not path.is_file():
        log(f"no --train_data: bringing {HUB['name']} from the hub into {path}")
        write_jsonl(path, load_source(Source(**HUB), {}))
    return path


def split_files(train_data, work_dir, validation_fraction, seed):
    """(training, validation) files of the records in one file: cleaned, without HumanEval's problems, a share held out.

    A record's own partition is honoured. Raises UserError where either split is empty.
    """
    if not 0 < validation_fraction < 0.5:
        raise UserError(f"--validation_fraction {validation_fraction}: must be above 0 and below 0.5")
    root = Path(work_dir) / "corpus"
    problems, outputs = root / "humaneval.jsonl", {split: root / f"{split}.jsonl" for split in SPLITS}
    write_jsonl(problems, load_benchmark(SimpleNamespace(kind="humaneval", path=None)))
    settings = Split(validation_fraction=validation_fraction, test_fraction=0, seed=seed)
    account = prepare_corpus([train_data], [problems], outputs, root / "accounting.json", settings)
    if not account["kept"]["validation"]:
        raise UserError(
            f"{train_data}: of {account['kept']['train']} functions none was held out for validation; raise "
            "--validation_fraction, or give --validation_data"
        )
    return [outputs[split] for split in SPLITS]


def tokenized(paths, tokenizer, work_dir, max_seq_length):
    """Token sets in the work folder for those of the (training, validation) paths that are files of functions."""
    root = Path(work_dir) / "tokens"
    found = [root / split if Path(path).is_file() else Path(path) for split, path in zip(SPLITS, paths, strict=True)]
    made = [(path, folder) for path, folder in zip(paths, found, strict=True) if Path(path).is_file()]
    settings = SimpleNamespace(max_seq_length=max_seq_length or 512, layout="packed")
    tokenize_splits(tokenizer, *zip(*made, strict=True), root / "accounting.json", settings)
    return found
