"""A benchmark of one's own code: held-out functions of the corpus, to be completed as they stand there.

HumanEval says nothing about a company's code, and most of it has no tests. These problems need none: what a model
writes is compared with what is there (grading/text_match.py).
"""

from codestill.data.functions import FUNCTIONS, parse
from codestill.data.text import body_start, function_text
from codestill.kit.files import read_jsonl
from codestill.kit.program import UserError


def problems(path):
    """The rows of a benchmark from a split of a prepared corpus (JSON lines): prompt to the docstring's end, body."""
    found = []
    for number, record in enumerate(read_jsonl(path), 1):
        if not isinstance(record.get("code"), str):
            raise UserError(f'{path}: record {number} has no "code"; give a split that prepare_corpus.py wrote')
        text = function_text(record)
        tree = parse(text)
        last = tree.body[-1] if tree and tree.body else None
        if not isinstance(last, FUNCTIONS):
            continue
        before = sum(len(line) + 1 for line in text.split("\n")[: last.lineno - 1])
        start = body_start(text[before:])
        if start is None or not text[before + start :].strip():
            continue
        start += before
        found.append(
            {
                "task_id": f"{record.get('source') or 'corpus'}/{number}",
                "prompt": text[:start],
                "entry_point": last.name,
                "canonical_solution": text[start:],
                "test": "",
                "judge": "text",
            }
        )
    return found
