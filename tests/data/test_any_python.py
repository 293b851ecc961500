"""Any Python as training text: what typical rows hold is kept, what a function needs comes along, nothing leaks."""

import ast
import json

import pytest

from codestill.data.code_in_text import code_in
from codestill.data.encoding import TextEncoder
from codestill.data.prepared import prepare_corpus
from codestill.data.sources import load
from codestill.data.text import read_texts
from codestill.data.units import units
from codestill.measure.function_parts import BODY, FunctionParts
from codestill.models.token_bytes import token_bytes
from codestill.study.sections.corpus import Source, Split
from small_models import make_tokenizer

ROWS = {
    "fenced function": "Here it is:\n```python\ndef area(w, h):\n    return w * h * 2\n```\nDone.",
    "import and function": "import math\n\n\ndef root(x):\n    return math.sqrt(x) + 1",
    "helper and function": "def half(x):\n    return x / 2\n\n\ndef quarter(x):\n    return half(half(x))",
    "class": "class Box:\n    def __init__(self, width):\n        self.width = width\n",
    "stdin script": "n = int(input())\nprint(sum(range(n)))",
    "bare function": "def twice(text):\n    return text + text + '!'",
}
SETTINGS = Split(validation_fraction=0.001, test_fraction=0.001)


def prepared(folder, rows, form, benchmarks=()):
    """(texts to train on, accounts, what was logged) of these rows as a source of that format."""
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps({"code": row, "docstring": ""}) + "\n" for row in rows))
    source = Source(kind="files", path=str(file), format=form)
    (folder / "own.jsonl").write_text("".join(json.dumps({**row, "source": "own"}) + "\n" for row in load(source, {})))
    outputs = {split: folder / f"{split}.jsonl" for split in ("train", "validation", "test")}
    account = prepare_corpus([str(folder / "own.jsonl")], benchmarks, outputs, folder / "a.json", SETTINGS)
    texts = [text for path in outputs.values() for text in read_texts(path)]
    return texts, account


def test_six_typical_rows_are_kept(tmp_path, capsys):
    texts, account = prepared(tmp_path, ROWS.values(), "code")
    wanted = {"def area(w, h):\n    return w * h * 2" if "```" in row else row.rstrip() for row in ROWS.values()}
    assert set(texts) == wanted and sum(account["dropped"].values()) == 0
    assert "WARNING" not in capsys.readouterr().out


def test_what_is_dropped_is_said_with_the_remedy(tmp_path, capsys):
    rows = [*ROWS.values(), 'def f(x):\n    """Return x and one."""\n    return x + 1']
    texts, _ = prepared(tmp_path, rows, "functions")
    said = capsys.readouterr().out
    assert len(texts) == 1
    assert "WARNING: own: 6 of 7 records dropped (not a function 4, without docstring 1, does not parse 1)" in said
    assert "corpus.sources.own.format: code takes any Python" in said


@pytest.mark.parametrize("row", ["def torn(:\n", "", "# only words\n", '"""Words."""\npass\n'])
def test_what_is_no_code_is_dropped(row, tmp_path):
    texts, account = prepared(tmp_path, [row, ROWS["class"]], "code")
    assert len(texts) == 1 and sum(account["dropped"].values()) == 1


def test_a_function_alone_is_the_same_in_both_formats(tmp_path):
    """So that a copy in another source is found, whatever format that has."""
    code = 'def f(x):\n    """Return x and one."""\n    return x + 1 if x else [y for y in range(x)]'
    both = [{"code": code, "docstring": "", "source": form, "format": form} for form in ("code", "functions")]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in both))
    outputs = {split: tmp_path / f"{split}.jsonl" for split in ("train", "validation", "test")}
    account = prepare_corpus([str(tmp_path / "own.jsonl")], [], outputs, tmp_path / "a.json", SETTINGS)
    assert sum(account["kept"].values()) == 1


def test_a_benchmarks_solution_is_found_in_classes_and_files(tmp_path):
    body = (
        "    best = None\n    for one in values:\n"
        "        if best is None or one * 2 > best - 3:\n            best = one"
    )
    problem = {"task_id": "b/0", "prompt": "def largest(values):\n", "entry_point": "largest", "test": ""}
    solution = f"{body}\n    return [best, len(values)]\n"
    (tmp_path / "b.jsonl").write_text(json.dumps({**problem, "canonical_solution": solution}) + "\n")
    function = problem["prompt"] + solution
    method = "class A:\n" + "".join(
        f"    {line}\n" for line in function.replace("(values", "(self, values").split("\n")
    )
    file = f"import os\n\n\ndef other(path):\n    return os.stat(path)\n\n\n{function}"
    texts, account = prepared(tmp_path, [function, method, file, ROWS["class"]], "code", [tmp_path / "b.jsonl"])
    assert len(texts) == 1 and len(account["contaminated"]) == 3


SOURCE = '''"""A module."""
import os
import re as regular

LIMIT = 3
UNUSED = 4


def helper(text):
    return regular.sub("a", "b", text)[:LIMIT]


# What it is for:
# the name of a file.
@staticmethod
def name_of(path):
    return helper(os.path.basename(path))


class Thing:
    kind = helper("x")


if __name__ == "__main__":
    print(name_of("x"))
'''


def test_a_files_units_bring_what_they_need():
    found = dict(units(SOURCE))
    assert list(found) == ["helper", "name_of", "Thing"]
    assert found["helper"] == 'import re as regular\nLIMIT = 3\n\n\ndef helper(text):\n' + (
        '    return regular.sub("a", "b", text)[:LIMIT]'
    )  # fmt: skip
    assert found["name_of"].startswith("import os\nimport re as regular\nLIMIT = 3\n\n\ndef helper(text):")
    assert "\n\n\n# What it is for:\n# the name of a file.\n@staticmethod\ndef name_of(path):" in found["name_of"]
    assert "UNUSED" not in "".join(found.values())
    for text in found.values():
        exec(compile(ast.parse(text), "unit", "exec"), {})


def test_a_file_without_definitions_is_one_script():
    assert list(units("import os\n\nprint(os.getcwd())\n")) == [("script", "import os\n\nprint(os.getcwd())")]
    assert list(units("")) == [] and list(units("def f(:\n")) == []


def test_a_folder_of_source_gives_units(tmp_path):
    (tmp_path / "a.py").write_text(SOURCE)
    rows = list(load(Source(kind="python", path=str(tmp_path), format="code"), {}))
    assert [row["func_name"] for row in rows] == ["helper", "name_of", "Thing"]
    assert {row["format"] for row in rows} == {"code"} and {row["path"] for row in rows} == {"a.py"}


def test_blocks_that_are_no_python_are_left_out():
    assert code_in("```\n$ pip install x y\n```\n```python\nx = 1\n```\n```py\ny = 2\n```") == "x = 1\n\n\ny = 2"
    assert code_in("no fence = 1") == "no fence = 1"


def test_a_script_is_all_body():
    tokenizer = make_tokenizer()
    found = TextEncoder(tokenizer, 200).encode([ROWS["stdin script"]])
    row = {"input_ids": found.ids.tolist(), "labels": found.ids, "position_ids": list(range(len(found.ids)))}
    import numpy

    rows = [{name: numpy.array(value) for name, value in row.items()}]
    spelt = token_bytes(tokenizer)
    parts = FunctionParts(rows, [spelt.get(number, b"") for number in range(len(tokenizer))], 10)
    assert (parts.codes[0] == BODY).all()
