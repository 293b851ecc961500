"""The notebook in docs/: every cell runs on a finished study and shows something."""

import ast
import shutil
from pathlib import Path

import matplotlib
import nbformat

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs/finished_study.ipynb"


def shown(source, names):
    """Run a cell's code; returns the value of its last expression, as a notebook shows it."""
    tree = ast.parse(source)
    last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(last, "cell", "eval"), names) if last else None


def test_the_notebook_runs_on_a_finished_study(whole, tmp_path, monkeypatch):
    shutil.copytree(whole, tmp_path / "results/demo")
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    names, results = {}, []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs  # outputs are of somebody's machine and go stale
            results.append(shown(cell.source, names))
    head, passed, seeds, cell, _ = results
    assert len(head) == 5 and set(passed["model"]) > {"teacher", "student"} and (seeds["size"] == 3).any()
    assert cell[0]["temperature"] and (cell[1] / "provenance.json").is_file()
    assert len(names["axes"].get_lines()) == names["cell"].curves.groupby(["split", "measure"]).ngroups > 3
