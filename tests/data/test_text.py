"""The training text of a function: docstring once, class indentation gone, nothing else changed."""

import ast
import inspect
import json

import pytest

from codestill.data.text import function_text, read_texts
from codestill.kit.files import read_jsonl
from codestill.kit.program import UserError
from shared_data import shared


def test_code_with_its_docstring_is_taken_as_it_is():
    code = 'def f(x):\n    """Add one.\n\n    >>> f(1)\n    """\n    return x + 1'
    assert function_text({"code": code + "\n\n", "docstring": "Add one."}) == code


@pytest.mark.parametrize(
    "docstring",
    [
        "Add one.",
        'Say "hi"',
        'Ends in """ three',
        "A \\ back\\nslash",
        "First line.\n\nMore:\n    indented",
        'Two.\nEnds "so"',
    ],
)
@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    return x",
        "def f(x): return x",
        "def f(é='ü'): return é",
        "def f(x):\n    # why\n    return x",
        "async def f(\n        x):\n\n        return x",
        "@wraps\ndef f(x):\n    @cache\n    def g():\n        return x\n    return g",
    ],
)
def test_a_missing_docstring_is_put_in_once(code, docstring):
    text = function_text({"code": code, "docstring": docstring})
    (function,) = ast.parse(text).body
    assert ast.get_docstring(function) == inspect.cleandoc(docstring)
    (before,) = ast.parse(code).body
    assert [ast.dump(node) for node in function.body[1:]] == [ast.dump(node) for node in before.body]
    assert function_text({"code": text, "docstring": docstring}) == text


def test_a_method_loses_its_class_indentation_but_no_string_changes():
    code = (
        'def f(self):\n        """Say it.\n\n        More.\n        """\n        if self:\n'
        '            text = """\n        kept\n            kept\n"""\n        return text'
    )
    assert function_text({"code": code}) == (
        'def f(self):\n    """Say it.\n\n    More.\n    """\n    if self:\n'
        '        text = """\n        kept\n            kept\n"""\n    return text'
    )


def test_code_that_does_not_parse_and_windows_newlines():
    assert function_text({"code": "    print 'x'\r\n    print 'y'\r\n", "docstring": "D"}) == "print 'x'\nprint 'y'"
    assert function_text({"code": "\n\n  "}) == ""


@pytest.mark.filterwarnings("ignore:invalid escape")
def test_real_records_keep_their_meaning():
    checked = 0
    for path in sorted(shared("codesearchnet").glob("*.jsonl.gz")):
        for record in read_jsonl(path):
            try:
                (before,) = ast.parse(record["code"].replace("\r\n", "\n")).body
            except SyntaxError:
                continue
            (after,) = ast.parse(function_text(record)).body
            assert after.body[0].col_offset in (2, 4), record["url"]
            # cleandoc leaves a last line of blanks as it stands
            assert ast.get_docstring(after).rstrip() == ast.get_docstring(before).rstrip()
            assert [ast.dump(node) for node in after.body[1:]] == [ast.dump(node) for node in before.body[1:]]
            checked += 1
    assert checked == 398


def test_a_text_that_cannot_be_written_comes_empty(tmp_path):
    path = tmp_path / "functions.jsonl"
    rows = [{"code": "a = 1"}, {"code": "b = '\ud83d'"}, {"code": "c = '\U0001f40d'"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert list(read_texts(path)) == ["a = 1", "", "c = '\U0001f40d'"]


def test_a_byte_order_mark_is_no_text_and_latin_1_is_named_by_its_line(tmp_path):
    path = tmp_path / "functions.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"code": "a = 1"}\r\n' * 2)
    assert list(read_texts(path)) == ["a = 1", "a = 1"]
    path.write_bytes(b'{"code": "a = 1"}\n' * 3 + '{"code": "größe = 1"}\n'.encode("latin-1"))
    with pytest.raises(UserError, match=r"functions\.jsonl:4: not UTF-8 \(byte 0xf6 at 12\); .*iconv"):
        list(read_texts(path))
