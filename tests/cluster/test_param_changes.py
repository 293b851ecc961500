"""Changed params in words: of flags, of the study's config, of code."""

import json

import pytest

from codestill.cluster.param_changes import changed_params
from codestill.plan.causes import CODE, PARAMETER, Cause


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (["'--seed 1 --epochs 3.0'"], ["'--seed 1 --epochs 5.0'"], ["epochs 3.0 -> 5.0"]),
        (["'--stop a b --fp16'"], ["'--stop a'"], ["stop a b -> a", "fp16 on -> absent"]),
        (["2"], ["3"], ["2 -> 3"]),
        (["[1, 10]"], ["[1, 5]"], ["[1, 10] -> [1, 5]"]),
        ([repr(json.dumps({"a": {"b": 1, "c": 2}}))], [repr(json.dumps({"a": {"b": 1, "c": 3}}))], ["a.c 2 -> 3"]),
        (["'--text \"two words\"'"], ["'--text one'"], ["text two words -> one"]),
        (
            [repr('--shape \'{"a": 1, "b": [2, 3]}\' --x 1')],
            [repr('--shape \'{"a": 1, "b": [2, 4]}\' --x 1')],
            ["shape.b [2, 3] -> [2, 4]"],
        ),
        (
            [repr('--shape \'{"a": 1, "b": 2}\'')],
            [repr('--shape \'{"b": 2, "a": 1}\'')],
            ["the same values, written otherwise"],
        ),
    ],
)
def test_a_changed_parameter_is_named_with_both_values(before, now, said):
    causes = changed_params(before, now)
    assert [cause.detail for cause in causes] == said
    assert {cause.kind for cause in causes} <= {PARAMETER}


CODE_BEFORE = "{'kit/a.py': '00000000', 'kit/b.py': '11111111', 'kit/c.py': '22222222'}"
CODE_NOW = "{'kit/a.py': '00000000', 'kit/b.py': '33333333', 'kit/d.py': '44444444'}"


def test_changed_code_is_named_file_by_file_beside_changed_parameters():
    said = ["scripts/kit/b.py edited", "scripts/kit/c.py run no more", "scripts/kit/d.py run now"]
    causes = changed_params([CODE_BEFORE, "3"], [CODE_NOW, "4"])
    assert causes == [*(Cause(CODE, one) for one in said), Cause(PARAMETER, "3 -> 4")]
    assert [cause.kind for cause in changed_params([], [CODE_NOW])] == [CODE]
