"""Judging without tests: how a completed function compares with the one that stands in the held-out code.

Nothing is run. It passes where its body is the same up to layout and comments; beside that stand the edit similarity of
the bodies' texts as CodeXGLUE has it (Lu et al. 2021, arXiv 2102.04664: the share of characters that need no insertion
or deletion), whether the program compiles, and how many of the functions that the original calls it calls too.
"""

import ast
import warnings

from codestill.data.functions import FUNCTIONS, body_of, nodes_under, parse

MEASURES = ("edit_similarity", "compiles", "calls")


def judged_by_text(problem):
    """Whether a problem asks to be judged so."""
    return problem.get("judge") == "text"


def outcome_of(problem, program):
    """The outcome of `program` (text: prompt and completion), as the sandbox tells that of one with tests.

    measures: {edit_similarity, compiles, calls}, each in [0, 1]; calls is None where the original calls nothing.
    """
    from rapidfuzz import fuzz  # not at the start of every grading: most problems have tests

    prompt, wanted = problem["prompt"], problem["canonical_solution"]
    written = program.removeprefix(prompt)
    name = problem["entry_point"]
    theirs, ours = _function(prompt + wanted, name), _function(program, name)
    measures = {
        "edit_similarity": fuzz.ratio(written.strip(), wanted.strip()) / 100,
        "compiles": float(_compiles(program)),
        "calls": _calls(theirs, ours),
    }
    if ours is None:
        return _outcome("syntax", "syntax", measures)
    same = [ast.dump(one) for one in body_of(ours)] == [ast.dump(one) for one in body_of(theirs)]
    return _outcome("passed" if same else "differs", "defines", measures)


def _outcome(kind, stage, measures):
    detail = "" if kind == "passed" else f"edit similarity {measures['edit_similarity']:.2f}"
    return {"kind": kind, "detail": detail, "stage": stage, "sure": True, "measures": measures}


def _function(text, name):
    """The last function of that name in a text, or None."""
    tree = parse(text)
    found = [node for node in tree.body if isinstance(node, FUNCTIONS) and node.name == name] if tree else []
    return found[-1] if found else None


def _compiles(program):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(program, "completion", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def _calls(theirs, ours):
    """The share of the names that the original calls which the completion calls too; None where it calls none."""
    wanted = _called(theirs)
    return len(wanted & _called(ours)) / len(wanted) if wanted else None


def _called(function):
    found = set()
    for statement in body_of(function) if function else ():
        for node in nodes_under(statement):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
                found |= {name} if name else set()
    return found
