"""HumanEval+ (Liu et al. 2023, arXiv 2305.01210): tests from its inputs, against the results of its own solution.

Its published rows hold `base_input`, `plus_input` (lists of arguments), `atol` and a corrected `canonical_solution`;
the comparison is that project's: equal, or floats within the tolerance, elementwise and of the same type.
"""

import json

_TEST = """
import copy
import json
import math

SOLUTION = {solution}
INPUTS = json.loads({inputs})
ATOL = {atol}


def is_floats(value):
    if isinstance(value, (list, tuple)) and value:
        return all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def close(got, expected, atol):
    if type(got) is not type(expected):
        return False
    if isinstance(expected, (list, tuple)):
        return len(got) == len(expected) and all(close(*pair, atol) for pair in zip(got, expected))
    if isinstance(expected, (int, float)) and not isinstance(expected, bool):
        return got == expected or math.isclose(got, expected, rel_tol=1e-07, abs_tol=atol)
    return got == expected


def prepare():
    names = {{}}
    exec(SOLUTION, names)
    MEMORY["expected"] = [names[{entry_point}](*copy.deepcopy(given)) for given in INPUTS]


def check(candidate):
    for given, expected in zip(INPUTS, MEMORY["expected"]):
        got = candidate(*copy.deepcopy(given))
        if {root}:
            assert abs(poly(*given, got)) <= ATOL
        elif not got == expected:
            atol = ATOL or (1e-6 if is_floats(expected) else 0)
            assert atol and close(got, expected, atol)
"""


def is_plus(row):
    """True where a row holds HumanEval+'s inputs beside a solution that continues its prompt."""
    return {"base_input", "plus_input", "atol", "test"} <= row.keys()


def with_inputs(row):
    """The row with a `test` that runs all of its inputs."""
    # Any root will do for find_zero: its results are checked with the polynomial itself.
    fields = {
        "solution": repr(row["prompt"] + row["canonical_solution"]),
        "inputs": repr(json.dumps(row["base_input"] + row["plus_input"])),
        "atol": repr(float(row["atol"])),
        "entry_point": repr(row["entry_point"]),
        "root": row["entry_point"] == "find_zero",
    }
    return {**row, "test": _TEST.format(**fields)}
