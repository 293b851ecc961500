"""Which models a study has, and which of them teach, are chosen, judged and timed; no path of a file is known here."""

from functools import cached_property

from codestill.kit.program import UserError
from codestill.study.cell import AXES, NULLABLE, TAUGHT
from codestill.study.grid import default_cell, parse_cell
from codestill.study.model_graph import CHOSEN
from codestill.study.recipe_names import CORPUS, TEACHER
from codestill.study.recipe_words import TOLD, recipe_words


class Roster:
    """The models of one study."""

    def __init__(self, study, grid):
        self.study, self.grid, self.graph = study, grid, grid.graph
        self.defaults = default_cell(study)

    def cell(self, name):
        """The cell of that name, in the grid or not.

        Raises UserError where the name is not canonical, or a model that it names is none of the study's.
        """
        if name in self.grid.cells:
            return self.grid.cells[name]
        cell = parse_cell(name, self.defaults)
        try:
            self.graph.needs_of(cell)
        except UserError as error:
            raise UserError(f"cell {name}: {error}") from None
        return cell

    @property
    def taught(self):
        """The cells that have a teacher."""
        return self.graph.taught

    @cached_property
    def teachers(self):
        """The models that teach a cell of the grid, or write its text."""
        return list(dict.fromkeys(one for cell in self.grid.cells.values() for one in self.graph.needs_of(cell)[1:]))

    @cached_property
    def further_teachers(self):
        """The base models beside the study's teacher that teach."""
        return [name for name in self.teachers if name in self.graph.bases and name != "teacher"]

    @cached_property
    def texts(self):
        """The texts that models write for cells of the grid."""
        found = (self.graph.text_of(cell) for cell in self.grid.cells.values())
        return list(dict.fromkeys(text for text in found if text))

    @staticmethod
    def text_of_states(name):
        """The name of the text that stored states are of, None of the corpus, by the name of the states."""
        return name if "/" in name else None

    def states_name(self, cell):
        """Under which name the states of a cell's teacher are stored: its own for the corpus, else its text's."""
        return self.graph.text_of(cell) or self.graph.teacher_of(cell)

    @cached_property
    def stored(self):
        """The names of all states that cells of the grid may read."""
        return list(dict.fromkeys(self.states_name(self.grid.cells[name]) for name in self.taught))

    @staticmethod
    def model_of(name):
        """The model that states or a text are of, by their name."""
        return name.rpartition("/")[2]

    @cached_property
    def chosen(self):
        """The cells chosen on validation, under names of their own; no distilled one without distilled cells."""
        return [name for name in CHOSEN if self.candidates(name)]

    def candidates(self, chosen):
        """The cells among which validation chooses."""
        return self.graph.candidates.get(chosen, [])

    def finalists(self, chosen):
        """The further trainings of the best candidates of a side, by the seeds that candidates lack."""
        return [name for name, one in self.graph.later.items() if one.rank and one.chosen == chosen]

    def contenders(self, chosen):
        """Those cells and the finalists among them."""
        return [*self.candidates(chosen), *self.finalists(chosen)]

    def same_seed(self, later):
        """The candidates with the seed of a later model, one of which may have its axes and is it then already."""
        one = self.graph.later[later]
        return [name for name in self.candidates(one.chosen) if self.grid.cells[name].seed == one.seed]

    @cached_property
    def shortlisted(self):
        """The sides whose best candidates are trained on more seeds before one is chosen."""
        return [chosen for chosen in self.chosen if self.finalists(chosen)]

    @cached_property
    def reported_later(self):
        """The later models that are judged on reported benchmarks: fresh ones, else the finalists."""
        fresh = [name for name, one in self.graph.later.items() if not one.rank]
        return fresh or list(self.graph.later)

    @cached_property
    def models(self):
        """Every model that is measured."""
        return [*self.graph.bases, *self.grid.cells, *self.graph.derived, *self.graph.later]

    def judged(self, benchmark):
        """The models judged on one benchmark; on one for development, the candidates."""
        if benchmark in self.study.tested:  # no result: of those that write
            tests = [text.partition("/")[::2] for text in self.texts]
            return list(dict.fromkeys(author for recipe, author in tests if recipe != TEACHER))
        if benchmark in self.study.development:
            candidates = {cell for chosen in self.chosen for cell in self.candidates(chosen)}
            finalists = [name for chosen in self.chosen for name in self.finalists(chosen)]
            return [*[cell for cell in self.grid.cells if cell in candidates], *finalists]
        healed = [cell for cells in self.graph.healing.values() for cell in cells]
        headline = ["teacher", "student", *self.chosen, *self.graph.derived, *healed, *self.reported_later]
        every = [name for name in self.models if name not in self.graph.later or name in self.reported_later]
        whole = [name for name in every if name not in self.graph.variants and name not in healed]
        return {"all": every, "headline": headline, "without_variants": whole}[self.study.benchmarks[benchmark].models]

    @property
    def timed(self):
        """Speed and size belong to an architecture: a cell and a task's model have those of what they start from."""
        return [*self.graph.bases, *self.graph.variants]

    @property
    def without_model(self):
        """What completes the reported benchmarks without a model."""
        return list(dict.fromkeys(self.study.measures.baselines))

    @property
    def named_models(self):
        """The base models that are downloaded."""
        return [name for name, one in self.study.bases.items() if one.name is not None]

    @property
    def built_models(self):
        """The base models that are built here; one of a shape is drawn for each of its seeds."""
        return [name for name, node in self.graph.bases.items() if node.part.name is None]

    @property
    def trained_bases(self):
        """The base models that are fine-tuned before they teach."""
        return [name for name, node in self.graph.bases.items() if getattr(node.part, "training", None)]

    @property
    def matched_bases(self):
        """The further models, that are brought to the study's vocabulary as the student is."""
        return [name for name, node in self.graph.bases.items() if node.section in self.study.models]

    def teaching_of(self, model):
        """The section of the own training of a base model, or of a task's."""
        return self.graph.nodes[model].part.training

    def training_of(self, cell):
        """The training of one cell: the study's, with the cell's axes over it."""
        own = {axis: value for axis, value in cell.axes().items() if axis in type(self.study.training).model_fields}
        return self.study.training.model_copy(update=own)

    @property
    def states_device(self):
        """Where the teacher's states are made."""
        return "cpu" if self.study.distillation.teacher_device == "cpu" else self.study.training.device

    @staticmethod
    def gpus(training):
        """The GPUs that a training asks a cluster for."""
        return 0 if training.device == "cpu" else training.processes

    def labels(self, cell):
        """What Snakemake's report labels a cell's figure with: T, alpha, and whatever else tells it from others."""
        told = {"T": "none" if cell.temperature is None else repr(cell.temperature), "alpha": repr(cell.alpha)}
        axes = cell.axes()
        told |= {axis: str(axes[axis]) for axis in self._varied if axis not in ("temperature", "alpha", *TOLD)}
        return told | ({"recipe": recipe_words(axes)} if self._several_recipes else {})

    @cached_property
    def _several_recipes(self):
        """Whether any cell learns from another text than the corpus alone."""
        return any(recipe_words(cell.axes()) != CORPUS for cell in self.grid.cells.values())

    @cached_property
    def _varied(self):
        """The axes in which the cells of the grid differ, and the seed."""
        cells = list(self.grid.cells.values())
        taught = [cell for cell in cells if cell.taught]  # without a teacher there is no objective of one
        found = ["seed"]
        for axis in AXES:
            values = {getattr(cell, axis) for cell in (taught if axis in TAUGHT else cells)}
            idle = set() if axis in NULLABLE else {None}  # of a cell on which the axis does not act
            if axis != "seed" and len(values - idle) > 1:
                found.append(axis)
        return found

    def resolved(self):
        """The resolved study, for study.json: its config, models, experiments and benchmarks."""
        models = {name: {"role": name, "cell": None} for name in ("teacher", "student")}
        models |= {name: {"role": "model", "cell": None} for name in self.graph.bases if name not in models}
        models |= {name: {"role": "cell", "cell": cell.axes()} for name, cell in self.grid.cells.items()}
        models |= {name: {"role": "chosen", "cell": None} for name in self.chosen}
        for name, one in self.graph.later.items():
            models[name] = {"role": one.kind, "cell": None, "of": one.chosen, "rank": one.rank, "seed": one.seed}
        for name, node in self.graph.variants.items():
            told = {"operation": node.part.operation, "value": node.part.value, "by": node.part.ranked_by}
            models[name] = {"role": "variant", "cell": None, **told, "healed": self.graph.healing.get(name, [])}
        for name, node in self.graph.tasks.items():
            models[name] = {"role": "task", "cell": None, "task": node.section, "benchmarks": node.part.benchmarks}
        return {
            "study": self.study.study,
            "config": self.study.model_dump(),
            "models": models,
            "made_from": {name: list(node.needs) for name, node in self.graph.nodes.items()},
            "timed": self.timed,
            "experiments": self.grid.experiments,
            "sweeps": self.grid.sweeps,
            "direct": self.grid.direct,
            "baselines": self.grid.baselines,
            "without_model": self.without_model,
            "benchmarks": {
                name: {"n": one.n, "k": one.k, "use": one.use, "models": self.judged(name)}
                for name, one in self.study.benchmarks.items()
            },
        }
