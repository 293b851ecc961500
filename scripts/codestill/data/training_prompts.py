"""The prompts of a training split: what a model is asked to complete, so that another learns from what it writes."""

from codestill.data import completions
from codestill.kit.files import read_jsonl


def prompts(path):
    """The rows of a benchmark from a training split: functions up to the docstring's end, and what was asked once.

    A conversation of one question is a prompt; one with a system's words or several turns is left out.
    """
    talks, asked = set(), []
    for number, record in enumerate(read_jsonl(path), 1):
        if record.get("format") != "instruct":
            continue
        name, turns = f"{record.get('source') or 'corpus'}/{number}", record["messages"]
        talks.add(name)
        if [turn["role"] for turn in turns] == ["user", "assistant"]:
            question, answer = (turn["content"] for turn in turns)
            row = {"prompt": question, "entry_point": "", "canonical_solution": answer, "test": "", "judge": "text"}
            asked.append({"task_id": name, **row})
    # An answer that is a function is no prompt of its own.
    return [*(row for row in completions.problems(path) if row["task_id"] not in talks), *asked]
