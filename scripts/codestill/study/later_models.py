"""Models whose axes are known only once others were measured, under names that are known before any job runs.

A finalist is one of the best settings of a side by what its candidates measured, most of them with one seed, trained on
a seed of the study that some candidates lack. A fresh model is the chosen setting with a seed that did not choose.
"""

from dataclasses import dataclass, replace

from codestill.kit.program import UserError

SIDES = {"best_distilled": "distilled", "best_finetuned": "finetuned"}
FINALIST, FRESH = "finalist", "fresh"


@dataclass(frozen=True)
class LaterModel:
    """rank: of a finalist, from 1; 0 of a fresh model. cells: the settings of which it is one, with its seed.

    teachers: {what an axis calls one: the model's name}. texts: {Cell.text_word: the name of the text} of recipes.
    """

    name: str
    chosen: str
    seed: int
    rank: int
    cells: tuple
    teachers: dict
    texts: dict
    needs: tuple

    @property
    def kind(self):
        return FINALIST if self.rank else FRESH


def later_models(graph):
    """{name: LaterModel} of a study's finalists, then of its fresh models."""
    asked, found = graph.study.selection, []
    sides = [chosen for chosen, cells in graph.candidates.items() if cells]
    for chosen in sides:
        for rank in range(1, min(asked.finalists, len(settings_of(graph, chosen))) + 1):
            for seed in new_seeds(graph, chosen):
                name = f"finalist-{rank}_{SIDES[chosen]}_seed-{seed}"
                found.append(LaterModel(name, chosen, seed, rank, *_sources(graph, chosen, seed)))
    for chosen in sides:
        for seed in asked.fresh_seeds:
            found.append(LaterModel(f"{chosen}_seed-{seed}", chosen, seed, 0, *_sources(graph, chosen, seed)))
    return {one.name: one for one in found}


def settings_of(graph, chosen):
    """{setting, a cell without its seed: the seeds that it has} of a side's candidates."""
    found = {}
    for name in graph.candidates[chosen]:
        cell = graph.cells[name]
        found.setdefault(replace(cell, seed=None), []).append(cell.seed)
    return found


def new_seeds(graph, chosen):
    """The study's seeds that a candidate of the side lacks; none without finalists."""
    settings = settings_of(graph, chosen) if graph.study.selection.finalists else {}
    return [seed for seed in graph.study.seeds if any(seed not in seeds for seeds in settings.values())]


def _sources(graph, chosen, seed):
    """(cells, teachers, texts, needs) of a LaterModel of the side with this seed. Raises UserError without one."""
    cells = tuple(replace(cell, seed=seed) for cell in settings_of(graph, chosen))
    teachers = {cell.teacher_word: graph.teacher_of(cell) for cell in cells if cell.taught}
    texts = {cell.text_word: graph.text_of(cell) for cell in cells if graph.text_of(cell)}
    written = {graph.text_of(cell) for cell in graph.cells.values()}
    for text in set(texts.values()) - written:
        raise UserError(f"no cell of the study has the text {text}")
    needs = dict.fromkeys(need for cell in cells for need in graph.needs_of(cell)[1:])
    return cells, teachers, texts, tuple(needs)


def faults(graph):
    """Yield (location in the config, what is wrong and what to do) for each later model that cannot be."""
    asked = graph.study.selection
    counts = {chosen: len(settings_of(graph, chosen)) for chosen in graph.candidates}
    most = max(counts.values(), default=0)
    if asked.finalists > most:  # a side with fewer has them all
        have = f"{counts['best_distilled']} settings with a teacher and {counts['best_finetuned']} without"
        yield ("selection", "finalists"), f"{asked.finalists}, but there are {have}; ask for {most} at most"
    for chosen in counts:
        for where, seeds in (("finalists", new_seeds(graph, chosen)), ("fresh_seeds", asked.fresh_seeds)):
            for seed in seeds:
                try:
                    _sources(graph, chosen, seed)
                except UserError as error:
                    yield ("selection", where), f"{error}; give it this seed"
    for name, cell in graph.cells.items():
        if cell.seed in asked.fresh_seeds:
            yield ("selection", "fresh_seeds"), f"{cell.seed} is the seed of {name}, which the study has; take another"
