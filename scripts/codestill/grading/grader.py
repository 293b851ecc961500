"""Grading a samples file: every distinct program once, timeouts again alone, verdicts in the input's order.

The file is read twice, first to run what it holds, then to write its rows with their verdicts, so that memory holds
one short record per distinct program and no sample.
"""

import hashlib
import json
import tempfile
from collections import Counter, defaultdict

from codestill.data.code_in_text import END_MARKERS
from codestill.grading import programs
from codestill.grading.funnel import FUNNEL, funnel
from codestill.grading.samples import Samples
from codestill.grading.sandbox.pool import Job
from codestill.grading.text_match import judged_by_text, outcome_of
from codestill.kit.files import write_jsonl
from codestill.kit.program import UserError

DETAIL = 300  # characters of an exception's message kept in a verdict


class Verdicts:
    """Outcomes by program; their text lies in a temporary file, a place in it for each program in memory."""

    def __init__(self):
        self._places = {}
        self._file = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - closed with the object

    @staticmethod
    def key(task_id, source):
        """What tells programs apart: the task and the text."""
        text = json.dumps([task_id, source]).encode()
        return hashlib.blake2b(text, digest_size=16).digest()

    def add(self, key, outcome):
        """Keep the outcome of a program."""
        self._places[key] = self._file.seek(0, 2)
        self._file.write((json.dumps(outcome) + "\n").encode())

    def reserve(self, key):
        """True the first time that a program is seen."""
        if key in self._places:
            return False
        self._places[key] = None
        return True

    def __getitem__(self, key):
        self._file.seek(self._places[key])
        return json.loads(self._file.readline())

    def __contains__(self, key):
        return self._places.get(key) is not None

    def __len__(self):
        return len(self._places)


class Grader:
    """One run over a samples file. problems: {task_id: row}; rules: a protocol; timeout in seconds.

    trust: `split` or `same_process` (grading/programs.py).
    """

    def __init__(self, problems, path, rules, pool, timeout, trust="split"):
        self.given, self.trust = problems, trust
        self.problems = {name: programs.as_run(problem, trust) for name, problem in problems.items()}
        self.rules, self.pool, self.timeout = rules, pool, timeout
        self.samples = Samples(path)
        self.verdicts = Verdicts()
        self.unknown = Counter()
        self.repeated = Counter()
        self.counts = defaultdict(lambda: [0, 0])
        self.funnel = Counter()
        self.kinds = Counter()
        self.measures = {}  # of problems judged by their text: {measure: {task_id: values of its samples}}
        self.formats = Counter()  # samples that fail and hold what no program holds
        self.graded = self.run_alone = 0
        self.unfinished_known = False
        self.first = None  # the first task_id, for who grades the wrong file

    def run(self, progress=lambda rows: rows):
        """Grade every distinct program; timeouts that queued for a core run again, alone."""
        doubtful = []
        for (key, place), outcome in progress(self.pool.run(self._jobs(), self.timeout)):
            if outcome["sure"]:
                self._keep(key, outcome)
            else:
                doubtful.append((key, place))
        self.run_alone = len(doubtful)
        for (key, _), outcome in self.pool.run(self._again(doubtful), self.timeout, alone=True):
            self._keep(key, outcome)

    def _keep(self, key, outcome):
        self.verdicts.add(key, outcome)

    def _source(self, problem, row):
        return programs.source_of(problem, self.rules.program(problem["prompt"], row, problem["entry_point"]))

    def _jobs(self):
        for place, row in enumerate(self.samples):
            self.first = self.first or row["task_id"]
            problem = self.problems.get(row["task_id"])
            if problem is not None:
                source = self._source(problem, row)
                key = Verdicts.key(row["task_id"], source)
                if not self.verdicts.reserve(key):
                    continue
                if judged_by_text(problem):
                    self._keep(key, outcome_of(problem, source))
                else:
                    yield Job((key, place), problem, source)

    def _again(self, doubtful):
        """The jobs at these places of the file once more."""
        wanted = {place: key for key, place in doubtful}
        if wanted:
            for place, row in enumerate(self.samples):
                if place in wanted:
                    problem = self.problems[row["task_id"]]
                    yield Job((wanted[place], place), problem, self._source(problem, row))

    def judged(self):
        """Yield (row, problem, outcome) of each sample, in the input's order; the last two are None without a task."""
        for row in self.samples:
            name = row["task_id"]
            problem = self.problems.get(name)
            if problem is None:
                yield row, None, None
                continue
            key = Verdicts.key(name, self._source(problem, row))
            if key not in self.verdicts:
                raise UserError(f"{self.samples.path}: it changed while it was graded; grade it again")
            yield row, problem, programs.judged(problem, self.verdicts[key])

    def unsolved(self):
        """The tasks that have samples of which none passes."""
        passed = {}
        for row, problem, outcome in self.judged():
            if problem is not None:
                passed[row["task_id"]] = passed.get(row["task_id"], False) or outcome["kind"] == "passed"
        return [name for name in self.problems if passed.get(name) is False]

    def rows(self, stamp, unsound):
        """Yield each sample's row with its verdict and `stamp`, in the input's order, counting as it goes."""
        seen = set()
        for row, problem, outcome in self.judged():
            name = row["task_id"]
            if problem is None:
                self.unknown[name] += 1
                yield {**row, "passed": False, "result": "unknown task_id", **stamp}
                continue
            if "sample" in row:
                mark = hash((name, str(row["sample"])))
                self.repeated[name] += mark in seen
                seen.add(mark)
            marks = {"problem": f"its own solution fails: {unsound[name]}"} if name in unsound else {}
            trust = programs.trust_of(self.given[name], self.trust)
            marks |= {} if trust == "split" else {"trust": trust}
            yield {**row, **self._count(name, row, outcome), **stamp, **marks}

    def _count(self, name, row, outcome):
        fields = verdict(outcome)
        steps = funnel(outcome, row.get("finish"))
        self.formats.update(marks_of(row, outcome))
        self.counts[name][0] += 1
        self.counts[name][1] += fields["passed"]
        self.funnel.update(step for step, reached in steps.items() if reached)
        self.unfinished_known |= "finish" in row
        self.kinds[outcome["kind"]] += 1
        self.graded += 1
        measures = outcome.get("measures", {})
        for measure, value in measures.items():
            if value is not None:
                self.measures.setdefault(measure, {}).setdefault(name, []).append(value)
        return {**fields, **measures, "kind": outcome["kind"], **{step: steps[step] for step in FUNNEL[:-1]}}

    def write(self, path, stamp, unsound=()):
        """Write the verdicts, those of `unsound` problems ({task_id: reason}) marked; returns how many rows."""
        return write_jsonl(path, self.rows(stamp, unsound))


def marks_of(row, outcome):
    """Which signs of another format than the rules read a failed sample shows: `syntax`, `fences`, `end markers`."""
    text = row.get("completion")
    if outcome["kind"] == "passed" or not isinstance(text, str):
        return []
    signs = {
        "syntax": outcome["kind"] == "syntax",
        "fences": "```" in text,
        "end markers": any(marker in text for marker in (*END_MARKERS, "</think>")),
    }
    return [name for name, shown in signs.items() if shown]


def verdict(outcome):
    """{passed, result}: result is the kind of verdict, with its detail."""
    kind, detail = outcome["kind"], outcome["detail"][:DETAIL]
    return {"passed": kind == "passed", "result": f"{kind}: {detail}" if detail else kind}
