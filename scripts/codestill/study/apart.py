"""What a study must keep apart: problems that choose from problems that are reported, and Pocket's parts."""

from pathlib import Path

from codestill.study.entries import benchmark_kinds

# Kinds that ask the same problems, with other tests.
_FAMILIES = ({"humaneval", "humaneval+"}, {"mbpp", "mbpp+"})
# Kinds that may choose where these are reported.
_CHOOSERS = {"pocket": "pocket_validation", "humaneval": "mbpp_development", "humaneval+": "mbpp_development"}
_CHOOSERS |= {"mbpp": "mbpp_development", "mbpp+": "mbpp_development"}


def shared_problems(study):
    """Yield (field, what is wrong and what to do) for each benchmark that chooses with problems that are reported."""
    for chooser in study.development:
        for reported in study.reported:
            if _share(study.benchmarks[chooser], study.benchmarks[reported]):
                kind = _CHOOSERS.get(study.benchmarks[reported].kind)
                other = f"kind {kind}, whose problems are others," if kind else "other problems"
                fault = f"{chooser} has problems of {reported}, which is reported; let {other} choose"
                yield f"benchmarks.{chooser}.use", fault


def _share(one, other):
    """Whether two benchmarks have problems in common, as far as a config tells."""
    kinds = {one.kind, other.kind}
    if kinds == {"mbpp", "mbpp_development"}:  # two parts of one file
        return False
    if one.path and other.path and Path(one.path).resolve() == Path(other.path).resolve():
        return _later(one.until, other.since) and _later(other.until, one.since)
    if len(kinds) > 1:
        return any(kinds <= family for family in _FAMILIES)
    own = benchmark_kinds()[one.kind].get("corpus")  # of the corpus each use has a split of its own
    return one.seed == other.seed and not own and not (one.path and other.path)


def _later(until, since):
    return until is None or since is None or until >= since


def other_seeds(study):
    """Yield the same for each of Pocket's sources and benchmarks that has another seed than the first.

    Which part of Pocket a sentence belongs to hangs on the seed: training text of one seed holds problems of another.
    """
    found = {}
    for task, corpus in study.corpora.items():
        home = f"tasks.{task}.corpus" if task else "corpus"
        found |= {f"{home}.sources.{name}.seed": one for name, one in corpus.sources.items()}
    found |= {f"benchmarks.{name}.seed": one for name, one in study.benchmarks.items()}
    seeds = {field: one.seed for field, one in found.items() if one.kind.startswith("pocket")}
    for field, seed in seeds.items():
        first = next(iter(seeds))
        if seed != seeds[first]:
            told = f"{seed}, where {first} is {seeds[first]}"
            yield field, f"{told}: Pocket's parts are apart by one seed only; give both the same"
