"""Texts to learn from that a model wrote: completions of training prompts, as records like a corpus'.

- `teacher`: all of them, of the corpus' own training prompts: sequence-level distillation, the mode replaced by draws
  (Kim & Rush 2016, arXiv 1606.07947).
- `verified`: of the completions of prompts with tests those that pass (rejection sampling).
- `unverified`: as many of the same completions, drawn at random: the control at equal number.

A record's text is the prompt as the model saw it and what it wrote behind it; tokens are made of it as of a function of
the corpus, so prompt and completion are both learnt, and of a conversation the answer alone. Left out everywhere: what
was cut off at max_new_tokens, since its end would be taught in the wrong place, and what is blank.
"""

import ast
import random
from collections import Counter
from pathlib import Path

from codestill.data.code_in_text import code_in
from codestill.data.decontamination import read_benchmarks
from codestill.data.functions import parse
from codestill.kit.files import read_json, read_jsonl, write_json, write_jsonl
from codestill.kit.program import UserError, log, progress
from codestill.sampling.prompts import STRIPS
from codestill.study.recipe_names import TEACHER


class _Judge:
    """Tells of a text whether it holds a problem that the corpus is kept free of."""

    def __init__(self, held_out):
        self.known, self.seen = read_benchmarks(held_out), {}

    def reason(self, text):
        """`benchmark_...` of a text of code, or None."""
        if text not in self.seen:
            hit = self.known.found_in(parse(text) or ast.Module([], []), text)
            self.seen[text] = f"benchmark_{hit[0]}" if hit else None
        return self.seen[text]


def _record(prompt, row, chat, name):
    """The corpus' record of one completion."""
    about = {"docstring": "", "func_name": "", "source": name, "task_id": row["task_id"], "sample": row["sample"]}
    if chat:
        turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": row["completion"]}]
        return {"code": row["completion"], "messages": turns, "format": "instruct", **about}
    return {"code": prompt + row["completion"], "format": "code", **about}


def _completions(prompts, samples, protocol, judge):
    """Yield (record, passed or None, reason to leave it out or None) of each sample, first samples first."""
    facts, name = read_json(protocol), Path(prompts).stem
    problems, chat = {row["task_id"]: row for row in read_jsonl(prompts)}, facts["format"] == "chat"
    places = {task: place for place, task in enumerate(problems)}
    rows = sorted(read_jsonl(samples), key=lambda row: (row["sample"], places[row["task_id"]]))
    for row in progress(rows, unit=" completions", desc=name):
        problem = problems[row["task_id"]]
        prompt = STRIPS[facts["strip_prompt"]](problem["prompt"])
        record = _record(prompt, row, chat, name)
        solution, written = problem["canonical_solution"], row["completion"]
        reason = "unfinished" if row["finish"] == "length" else None if written.strip() else "blank"
        reason = reason or judge.reason(problem["prompt"] + (solution if isinstance(solution, str) else ""))
        yield record, row.get("passed"), reason or judge.reason(code_in(written) if chat else record["code"])


def write_text(recipe, prompts, samples, protocols, held_out, seed, output, accounting):
    """Write the records of a recipe's text and their accounts; returns these.

    prompts, samples, protocols: a file each of every benchmark (samples with verdicts but for `teacher`); held_out:
    files of the benchmarks whose problems no text may hold; seed: of the order, and of what `unverified` draws.
    Raises UserError where verdicts are missing, or nothing is left.
    """
    judge, dropped, sound = _Judge(held_out), Counter(), []
    counts = {"prompts": 0, "completions": 0, "passed": None if recipe == TEACHER else 0}
    for files in zip(prompts, samples, protocols, strict=True):
        counts["prompts"] += sum(1 for _ in read_jsonl(files[0]))
        for record, passed, reason in _completions(*files, judge):
            counts["completions"] += 1
            if recipe != TEACHER and not isinstance(passed, bool):
                raise UserError(f"{files[1]}: a sample without a verdict; give the verdicts that grade.py wrote")
            if passed is not None and recipe != TEACHER:
                counts["passed"] += passed
            if reason:
                dropped[reason] += 1
            else:
                sound.append((record, passed))
    kept = [record for record, _ in sound]
    if recipe != TEACHER:
        good = [record for record, passed in sound if passed]
        kept = random.Random(seed).sample(good if recipe == "verified" else kept, len(good))
        dropped["failed" if recipe == "verified" else "not_drawn"] = len(sound) - len(kept)
    if not kept:
        told = ", ".join(f"{reason} {count}" for reason, count in dropped.items() if count)
        raise UserError(f"{samples[0]}: of {counts['completions']} completions none is left to learn from ({told})")
    learnt = len({(record["source"], record["task_id"]) for record in kept})
    account = {"recipe": recipe, **counts, "dropped": dict(dropped), "kept": len(kept), "prompts_kept": learnt}
    drawn = {Path(path).stem: _drawn(read_json(protocol)) for path, protocol in zip(prompts, protocols, strict=True)}
    write_jsonl(output, kept)
    write_json(accounting, account | {"drawn": drawn, "seed": seed})
    log(f"{output}: {len(kept):,} of {counts['completions']:,} completions, of {learnt:,} prompts")
    return account


def _drawn(protocol):
    """How the completions of one benchmark were drawn, of what their protocol tells."""
    return {name: protocol.get(name) for name in ("n", "temperature", "top_p", "seed", "max_new_tokens", "format")}
