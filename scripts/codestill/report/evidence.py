"""What a study's tables say of its settings: observations, the pool of seeds, intervals, comparisons, shares.

Every interval and every test of a report, a comparison or a card is asked here, so that no two of them differ.
"""

import functools

import numpy

from codestill.measure import language_measures
from codestill.report.measures import COSTS, describe
from codestill.report.results import JudgedModel
from codestill.statistics import confidence_intervals, min_f_prime, pass_at_k
from codestill.statistics.observations import POSITIVE, of_rates, of_values
from codestill.statistics.seed_variance import design_of, pool


def planned_design(study):
    """How seeds are pooled, from the cells that the study plans: fixed before any result is known."""
    seeds = {}
    for entry in study["models"].values():
        cell = entry.get("cell") or {}
        if "seed" in cell:
            seeds.setdefault(tuple((a, v) for a, v in cell.items() if a != "seed"), []).append(cell["seed"])
    return design_of([*seeds.values(), *_finalists(study, seeds)])


def _finalists(study, cells):
    """The seeds of settings that will have all of the study's, whichever become finalists: those that few cells have.

    Fresh seeds are left out: they are the headline's alone, whose two sides share them.
    """
    best = {}
    for entry in study["models"].values():
        if entry["role"] == "finalist":
            best[entry["of"]] = max(entry["rank"], best.get(entry["of"], 0))
    for side, count in best.items():
        full = [
            seeds
            for axes, seeds in cells.items()
            if len(seeds) > 1 and JudgedModel("", "cell", dict(axes)).alone == (side == "best_finetuned")
        ]
        yield from [study["config"]["seeds"]] * (count - len(full))


class Evidence:
    """scores, problems: data frames of a report. design: `planned_design`. language: model -> its document, or None."""

    def __init__(self, scores, problems, design, language=lambda model: None):
        self.design, self._language = design, language
        self._values, self._counts, self.roles, self._settings = {}, {}, {}, {}
        columns = ("model", "role", "setting", "seed", "benchmark", "measure", "value")
        for model, role, setting, seed, benchmark, measure, value in zip(*(scores[c] for c in columns), strict=True):
            self.roles.setdefault(setting, role)
            self._settings[model] = setting
            seed = model if seed is None or seed != seed else int(seed)
            self._values.setdefault((setting, benchmark, measure), {})[model] = (seed, value)
        for (model, benchmark), rows in problems.groupby(["model", "benchmark"], sort=False):
            counts = zip(rows["task_id"], rows["n"], rows["c"], strict=True)
            self._counts[model, benchmark] = {task: (int(n), int(c)) for task, n, c in counts}

    def fixed(self, setting):
        """Whether this is one given model, whose training is not in question (a teacher, an untrained student)."""
        return self.roles.get(setting) != "cell"

    def value(self, setting, benchmark, measure):
        """The mean over the models of a setting; None where nothing is measured."""
        found = self._values.get((setting, benchmark, measure))
        return float(numpy.mean([value for _, value in found.values()])) if found else None

    @functools.cache  # noqa: B019  (lives as long as the report)
    def observed(self, setting, benchmark, measure):
        """The Observations of a setting's models; None where nothing is measured, or what training does not change."""
        found = self._values.get((setting, benchmark, measure))
        if not found or measure.startswith(COSTS):
            return None
        seeds, fixed = [seed for seed, _ in found.values()], self.fixed(setting)
        if measure.startswith("pass@"):
            return self._rates(list(found), benchmark, int(measure[5:]), seeds, fixed)
        if not benchmark:
            documents = [self._language(model) for model in found]
            if all(documents):
                one = language_measures.observations(documents, measure, seeds, fixed)
                if one is not None:
                    return one
        values = [value for _, value in found.values()]
        positive = describe(measure).unit != "share" and min(values) > 0
        return of_values(values, seeds, POSITIVE) if positive else None

    def _rates(self, models, benchmark, k, seeds, fixed):
        counts = [self._counts.get((model, benchmark)) for model in models]
        if not all(counts):
            return None
        tasks = [task for task in counts[0] if all(task in one for one in counts)]
        if not tasks or any(one[task][0] < k for one in counts for task in tasks):
            return None
        return of_rates([pass_at_k.per_problem([one[t] for t in tasks], k) for one in counts], seeds, tasks, fixed)

    @functools.cache  # noqa: B019
    def pool(self, benchmark, measure):
        """The SeedVariance of a measure over all settings; None where no setting has two seeds."""
        keys = [key for key in self._values if key[1:] == (benchmark, measure) and not self.fixed(key[0])]
        settings = [one for one in (self.observed(*key) for key in keys) if one is not None]
        return pool(settings, self.design)

    def interval(self, setting, benchmark, measure):
        """(low, high) of a setting's mean; (None, None) where nothing says how it varies."""
        one = self.observed(setting, benchmark, measure)
        found = None if one is None else confidence_intervals.interval(one, self.pool(benchmark, measure))
        return tuple(found) if found else (None, None)

    def compare(self, setting, against, benchmark, measure):
        """The Difference of two settings of this study; None where it cannot be told."""
        one, two = (self.observed(name, benchmark, measure) for name in (setting, against))
        if one is None or two is None:
            return None
        return min_f_prime.compare(one, two, self.pool(benchmark, measure))

    def of_model(self, model, benchmark, measure):
        """The value of one model, whatever its setting; None where it is not measured."""
        found = self._values.get((self._settings.get(model), benchmark, measure), {})
        return float(found[model][1]) if model in found else None

    def compare_models(self, model, against, benchmark, measure):
        """The Difference of two given models, over problems or functions alone; None where it cannot be told."""
        sides = [self._one(name, benchmark, measure) for name in (model, against)]
        return None if None in sides else min_f_prime.compare(*sides)

    def _one(self, model, benchmark, measure):
        """The Observations of one model, its training not in question."""
        if measure.startswith("pass@"):
            return self._rates([model], benchmark, int(measure[5:]), [model], True)
        document = self._language(model)
        return language_measures.observations([document], measure, [model], True) if document else None

    def share(self, setting, teacher, benchmark, measure):
        """(share of the teacher's value, low, high); None where it is not defined."""
        one, two = (self.observed(name, benchmark, measure) for name in (setting, teacher))
        if one is None or two is None:
            return None
        found = min_f_prime.ratio(one, two, self.pool(benchmark, measure))
        return found and tuple(None if end is None or numpy.isinf(end) else float(end) for end in found)
