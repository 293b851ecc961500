"""The study as typed data: every section of a config file, and the rules that hold between them.

One config file is one study. `load_study` turns the mapping that YAML gives into a `Study` or raises a UserError of
one line that names the file, the field and the remedy. `schema()` is the JSON schema written to config/schema.json.
"""

import re
from functools import cache
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from codestill.kit.program import UserError
from codestill.study.apart import other_seeds, shared_problems
from codestill.study.config_files import named, worded
from codestill.study.entries import benchmark_kinds
from codestill.study.mistakes import first_mistake
from codestill.study.recipe_names import CORPUS_PROMPTS
from codestill.study.section import Name, Section, Seeds, field, known_of, wrong
from codestill.study.sections.benchmarks import Benchmark
from codestill.study.sections.corpus import Corpus, Tokens
from codestill.study.sections.distillation import Distillation
from codestill.study.sections.experiments import Query
from codestill.study.sections.generation import Generation
from codestill.study.sections.grading import Grading
from codestill.study.sections.measures import Measures
from codestill.study.sections.models import FurtherModel, Student, Teacher
from codestill.study.sections.plan import PlanSettings
from codestill.study.sections.recipes import Recipes
from codestill.study.sections.selection import BODIES, PASS, Selection
from codestill.study.sections.tasks import FineTuning
from codestill.study.sections.training import Training
from codestill.study.sections.variants import Variant
from codestill.study.sections.vocabulary import Vocabulary


@cache
def known_rules():
    """The names of the workflow's rules, which an experiment cannot have too."""
    root = Path(__file__).resolve().parents[3]
    files = [root / "Snakefile", *sorted((root / "rules").glob("*.smk"))]
    named = re.compile(r"^(?:rule|use rule \w+ as) (\w+)", re.M)
    return {name for file in files for name in named.findall(file.read_text(encoding="utf-8"))}


class Study(Section):
    """One study: what the workflow makes, from download to report."""

    study: Name = Field(description="its name: results land in results/<study>")
    teacher: Teacher = Field(description="the model that teaches")
    student: Student = Field(description="the model that learns")
    models: dict[Name, FurtherModel] = Field(default_factory=dict, description="further models, by names of their own")
    vocabulary: Vocabulary = Field(default_factory=Vocabulary, description="how token ids are shared")
    corpus: Corpus = Field(description="what is learned from")
    tokens: Tokens = Field(default_factory=Tokens, description="how text becomes tokens")
    training: Training = Field(default_factory=Training, description="defaults of every training")
    distillation: Distillation = Field(default_factory=Distillation, description="defaults of the distilling axes")
    recipes: Recipes = Field(default_factory=Recipes, description="how text is drawn that a teacher writes")
    seeds: Seeds = Field([42, 43, 44], min_length=1, description="seeds of experiments and controls")
    experiments: dict[Name, Query] = Field(default_factory=dict, description="named cells to compare")
    sweeps: dict[Name, Query] = Field(default_factory=dict, description="named grids; `snakemake sweep_NAME`")
    variants: dict[Name, Variant] = Field(default_factory=dict, description="models made smaller")
    tasks: dict[Name, FineTuning] = Field(
        default_factory=dict, description="tasks that finished models are fine-tuned for"
    )
    benchmarks: dict[Name, Benchmark] = Field(min_length=1, description="what models are judged on")
    generation: Generation = Field(default_factory=Generation, description="how samples are drawn")
    selection: Selection = Field(default_factory=Selection, description="how the headline's settings are chosen")
    measures: Measures = Field(default_factory=Measures, description="how language is measured")
    grading: Grading = Field(default_factory=Grading, description="how samples are judged")
    plan: PlanSettings = field(PlanSettings(), "what `make plan` reckons with; changes no result", machine=True)

    @model_validator(mode="before")
    @classmethod
    def _models_train_by_default_like_the_student(cls, raw):
        usual = raw.get("training", {}) if isinstance(raw, dict) else None
        if not isinstance(usual, dict):
            return raw

        def filled(part, own):
            fits = isinstance(part, dict) and isinstance(own, dict)
            return {**part, "training": {**usual, **own}} if fits else part

        teacher, models, tasks = raw.get("teacher"), raw.get("models"), raw.get("tasks")
        if isinstance(teacher, dict):
            raw = {**raw, "teacher": filled(teacher, teacher.get("training", {}))}
        if isinstance(models, dict):
            # Without a training of its own such a model is taken as it is.
            own = {name: one.get("training") for name, one in models.items() if isinstance(one, dict)}
            raw = {**raw, "models": {name: filled(one, own.get(name)) for name, one in models.items()}}
        if isinstance(tasks, dict):
            own = {name: one.get("training", {}) for name, one in tasks.items() if isinstance(one, dict)}
            raw = {**raw, "tasks": {name: filled(one, own.get(name)) for name, one in tasks.items()}}
        return raw

    @model_validator(mode="before")
    @classmethod
    def _a_shape_starts_from_random_weights(cls, raw):
        asked, student = (raw.get(key, {}) if isinstance(raw, dict) else None for key in ("distillation", "student"))
        if isinstance(asked, dict) and isinstance(student, dict) and student.get("shape") is not None:
            raw = {**raw, "distillation": {"init": "random", **asked}}
        return raw

    @property
    def bases(self):
        """{name: its section} of the models that are brought or built: teacher, student, then the further ones."""
        return {"teacher": self.teacher, "student": self.student, **self.models}

    @property
    def corpora(self):
        """{task, None for the study itself: its corpus}."""
        return {None: self.corpus, **{name: task.corpus for name, task in self.tasks.items()}}

    @property
    def sources(self):
        """{name: its section} of the sources of all corpora."""
        return {name: source for corpus in self.corpora.values() for name, source in corpus.sources.items()}

    @property
    def development(self):
        """The benchmarks that may choose."""
        return [name for name, one in self.benchmarks.items() if one.use == "development"]

    @property
    def reported(self):
        """The benchmarks whose scores are results."""
        return [name for name, one in self.benchmarks.items() if one.use == "reported"]

    @property
    def tested(self):
        """The benchmarks whose prompts and tests serve training."""
        return [name for name, one in self.benchmarks.items() if one.use == "training"]

    @property
    def drawn(self):
        """{name: its section} of all that models complete: the benchmarks, and the corpus' own training prompts."""
        own = {"n": self.recipes.n, "k": [1], "problems": self.recipes.max_prompts}
        return {**self.benchmarks, CORPUS_PROMPTS: Benchmark(kind="prompts", use="training", **own)}

    @property
    def generation_format(self):
        """`chat` or `plain`: what generation.format comes to in this study."""
        asks = any(source.format == "instruct" for source in self.corpus.sources.values())
        return ("chat" if asks else "plain") if self.generation.format == "auto" else self.generation.format

    @property
    def grading_rules(self):
        """What grading.rules comes to in this study."""
        by_format = "extract" if self.generation_format == "chat" else "human-eval"
        return by_format if self.grading.rules == "auto" else self.grading.rules

    @property
    def chosen_by(self):
        """(measure, the development benchmark it is taken on or None): what `selection` comes to in this study."""
        by = self.selection.by
        if by == "auto":
            by = PASS if self.development else BODIES
        return by, (self.selection.on or self.development[0]) if by == PASS else None

    @model_validator(mode="after")
    def _choice(self):
        on = self.selection.on
        if not self.reported:
            uses = " or ".join(dict.fromkeys(one.use for one in self.benchmarks.values()))
            raise wrong("benchmarks", f"all are for {uses}, so that nothing would be reported; add one to report")
        if on is not None and on not in self.benchmarks:
            raise wrong("selection.on", f"{on!r} is no benchmark of the study; it has {', '.join(self.benchmarks)}")
        if on is not None and on not in self.development:
            raise wrong(
                "selection.on",
                f"{on} is {'trained on' if on in self.tested else 'reported'}, so it cannot choose; give another "
                "benchmark use: development",
            )
        if on is not None and self.chosen_by[0] != PASS:
            raise wrong("selection.on", f"acts where by is pass@1, not {self.selection.by}; remove it")
        if self.selection.by == PASS and not self.development:
            raise wrong("selection.by", "pass@1 needs a benchmark with use: development; add one, or choose otherwise")
        if self.selection.finalists and len(self.seeds) < 2:
            raise wrong(
                "selection.finalists", "are trained on all seeds, and the study has one; give seeds two or more"
            )
        for seed in set(self.selection.fresh_seeds) & set(self.seeds):
            raise wrong("selection.fresh_seeds", f"{seed} is a seed of the study, which chooses; take another")
        return self

    @staticmethod
    def _check_use(name, one):
        """Raise where a benchmark is trained on that has no part for it, or judged on what models learn from."""
        if one.kind == "prompts" or name == CORPUS_PROMPTS:
            raise wrong(f"benchmarks.{name}", "the recipe teacher completes the corpus' prompts by itself; remove it")
        kinds = benchmark_kinds()
        trained = kinds[one.kind].get("training")
        if one.use == "training" and not trained:
            fit = ", ".join(kind for kind, entry in kinds.items() if entry.get("training") and kind != "prompts")
            raise wrong(f"benchmarks.{name}.use", f"{one.kind} has no part to train on; training takes {fit}")
        if one.use != "training" and trained == "only":
            raise wrong(f"benchmarks.{name}.use", f"must be training, not {one.use}: models learn from {one.kind}")

    @model_validator(mode="after")
    def _names(self):
        for name in self.experiments:
            if name in self.sweeps:
                raise wrong(f"experiments.{name}", f"{name} is an experiment and a sweep; rename one")
            if name in known_rules() | {f"sweep_{sweep}" for sweep in self.sweeps}:
                raise wrong(f"experiments.{name}", f"{name} is a target of the workflow; rename the experiment")
        for name, one in self.benchmarks.items():
            self._check_use(name, one)
        if self.teacher.shape is not None and self.student.name is not None:
            raise wrong("student.name", "a teacher from scratch needs a student from scratch: give student.shape")
        for name, one in self.models.items():
            if self.teacher.shape is not None and one.name is not None:
                raise wrong(f"models.{name}.name", "a teacher from scratch needs models from scratch: give a shape")
            if self.vocabulary.policy == "shared":
                raise wrong(f"models.{name}", "policy shared fits one teacher and one student; use transfer or same")
        return self

    @model_validator(mode="after")
    def _parts_apart(self):
        for where, fault in (*shared_problems(self), *other_seeds(self)):
            raise wrong(where, fault)
        return self

    @model_validator(mode="after")
    def _corpora(self):
        first = {}
        for task, corpus in self.corpora.items():
            where = f"tasks.{task}.corpus" if task else "corpus"
            for name in corpus.hold_out or ():
                if name not in self.benchmarks:
                    raise wrong(f"{where}.hold_out", f"{name} is no benchmark of the study; add it, or take it away")
                if self.benchmarks[name].use == "training":
                    raise wrong(f"{where}.hold_out", f"{name} is trained on (use: training); take it away here")
                if benchmark_kinds()[self.benchmarks[name].kind].get("corpus") and not self.benchmarks[name].path:
                    raise wrong(f"{where}.hold_out", f"{name} is made of the corpus; take it away here")
            for name in corpus.sources:
                if first.setdefault(name, where) != where:
                    raise wrong(f"{where}.sources.{name}", f"{first[name]} has a source of that name; rename one")
        for task, one in self.tasks.items():
            for name in one.benchmarks:
                if name not in self.reported:
                    known = ", ".join(self.reported)
                    raise wrong(f"tasks.{task}.benchmarks", f"{name!r} is not reported here; it has {known}")
        return self


def load_study(raw, origin="config"):
    """The `Study` in the mapping `raw`. Raises UserError naming `origin`, the field and the remedy in one line.

    `origin` is a name, or the `ConfigFiles` that `raw` was merged from.
    """
    if not isinstance(raw, dict):
        raise UserError(f"{origin}: a config is a mapping of fields, not {type(raw).__name__}")
    try:
        # A key x-... is the user's own: a place for YAML's anchors.
        own = {key: value for key, value in raw.items() if not str(key).startswith("x-")}
        return Study.model_validate(worded(own))
    except ValidationError as error:
        location, remedy, more = first_mistake(error, Study)
        field = ".".join(map(str, location)) or "study"
        others = f" (and {more} more)" if more else ""
        raise UserError(f"{named(origin, location)}: {field}: {remedy}{others}") from None


def science_of(part):
    """A section as plain data, without what can change no result: the machine's settings and the plan."""
    if not isinstance(part, Section):
        return {name: science_of(one) for name, one in part.items()} if isinstance(part, dict) else part
    names = [name for name, info in type(part).model_fields.items() if not known_of(info).get("machine")]
    return {name: science_of(getattr(part, name)) for name in names}


def schema():
    """The JSON schema of a config file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Study.model_json_schema()}
