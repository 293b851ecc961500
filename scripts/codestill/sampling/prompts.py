"""Prompts as the model sees them: stripped, tokenised, and checked against the room it has."""

from dataclasses import dataclass, field

from codestill.kit.program import UserError
from codestill.models.chat import prompt_ids
from codestill.models.tokenizers import plain_ids, start_ids

STRIPS = {
    "newline": lambda prompt: prompt.rstrip("\n"),
    "whitespace": lambda prompt: prompt.rstrip(),
    "none": lambda prompt: prompt,
}


@dataclass
class Task:
    """One problem: its id, its prompt's ids (led by the start token that the tokenizer has), and how many new tokens
    fit behind it."""

    name: str
    ids: list = field(repr=False)
    room: int


def positions_of(config):
    """How many positions the model has, or None where its config sets no limit."""
    for name in ("max_position_embeddings", "n_positions", "n_ctx"):
        limit = getattr(config, name, None)
        if isinstance(limit, int) and limit > 0:
            return limit
    return None


def read_tasks(rows, tokenizer, limit, settings, source):
    """Tasks from a benchmark's rows ({task_id, prompt}), by the Settings' format. limit: the model's positions or None.

    A prompt is never cut: where fewer than max_new_tokens fit behind it, its `room` is smaller, 0 at the least.
    Raises UserError on rows without task_id or prompt, on an id that comes twice, and on an empty prompt.
    """
    tasks, seen, start, max_new_tokens = [], set(), start_ids(tokenizer), settings.max_new_tokens
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not all(isinstance(row.get(field), str) for field in ("task_id", "prompt")):
            raise UserError(f"{source}:{number}: a row needs task_id and prompt, both of them text")
        name = row["task_id"]
        if name in seen:
            raise UserError(f"{source}:{number}: task_id {name!r} comes twice")
        seen.add(name)
        text = STRIPS[settings.strip_prompt](row["prompt"])
        ids = plain_ids(tokenizer, [text])[0]
        if not ids:
            raise UserError(f"{source}:{number}: the prompt of {name!r} has no token; give it some text")
        ids = prompt_ids(tokenizer, text) if settings.format == "chat" else [*start, *ids]
        room = max_new_tokens if limit is None else max(0, min(max_new_tokens, limit - len(ids)))
        tasks.append(Task(name, ids, room))
    if not tasks:
        raise UserError(f"{source}: no task")
    return tasks


def shortage(tasks, max_new_tokens):
    """What does not fit: tasks with no room at all, and tasks with less room than asked for."""
    return {
        "no_room": [task.name for task in tasks if task.room == 0],
        "less_room": {task.name: task.room for task in tasks if 0 < task.room < max_new_tokens},
    }
