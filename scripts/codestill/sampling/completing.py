"""Completions of one prompt by a model that is loaded already: what `codestill try` shows."""

import torch

from codestill.kit.program import UserError
from codestill.sampling.engines import engine_for
from codestill.sampling.prompts import read_tasks


@torch.inference_mode()
def complete(model, settings, prompt):
    """`settings.n` completions of `prompt` (text) by a LoadedModel, as a benchmark's samples are drawn.

    Raises UserError where the prompt is empty or leaves no room for a completion.
    """
    row = {"task_id": "prompt", "prompt": prompt}
    tasks = read_tasks([row], model.tokenizer, model.limit, settings, "the prompt")
    if not tasks[0].room:
        raise UserError(f"the prompt: fills the model's {model.limit} positions; give a shorter one")
    engine = engine_for(settings.engine, model.model, model.tokenizer, settings.stops, settings, tasks)
    rows = []
    engine.draw([(tasks[0], index) for index in range(settings.n)], rows.append)
    return [row["completion"] for row in sorted(rows, key=lambda row: row["sample"])]
