"""Into how many jobs the samples of one model on one benchmark are cut.

The number follows from the config and the user's own files alone, never from what a run has brought meanwhile: a
number that changed once a benchmark is there would draw finished samples again. Each job draws its I-th of N parts of
whatever problems there are, so a count that is off changes the size of the parts and nothing else.
"""

import math

from codestill.kit.files import count_jsonl
from codestill.study.entries import benchmark_kinds

ASSUMED = 200  # problems of a benchmark of which neither its kind nor a file tells


def known_problems(benchmark):
    """Problems of a benchmark of the config (its section), as far as config and local files tell."""
    if benchmark.kind == "prompts":  # of a corpus there are many
        return benchmark.problems or ASSUMED
    known, listed = benchmark_kinds()[benchmark.kind].get("problems"), count_jsonl(benchmark.path)
    count = min(listed or known or ASSUMED, known or math.inf)  # of MBPP's file its test split alone is taken
    return min(count, benchmark.problems or count)


def jobs_of(benchmark, samples_per_job):
    """How many jobs draw a model's samples; 1 where samples_per_job is None."""
    return math.ceil(known_problems(benchmark) * benchmark.n / samples_per_job) if samples_per_job else 1
