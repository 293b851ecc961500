"""Where everything of a study lands."""

import copy
import re
from pathlib import Path

from codestill.kit.files import read_json
from codestill.kit.model_files import MODEL_FILES
from codestill.kit.shards import shard_names
from codestill.study.entries import benchmark_kinds, figures
from codestill.study.recipe_names import CORPUS_PROMPTS, TEACHER
from codestill.study.roster import Roster
from codestill.study.sampling_jobs import jobs_of
from codestill.study.sections.selection import LOSS, PASS
from codestill.study.teacher_states import STATES_FILES

TRAINED_FILES = ("trainer_state.json", "train_results.json", "eval_results.json", "provenance.json")
SPLITS = ("train", "validation", "test")
FIGURES = figures()
FIGURE_FORMATS = ("png", "pdf", "svg")


class Layout(Roster):
    """The paths of one study, and its models."""

    def __init__(self, study, grid):
        super().__init__(study, grid)
        self.results = f"results/{study.study}"
        self.logs = f"logs/{study.study}"
        self.benchmarks = f"benchmarks/{study.study}"
        limit = study.generation.samples_per_job
        self.sampling_jobs = {name: jobs_of(one, limit) for name, one in study.drawn.items()}

    def below(self, prefix):
        """The same study where a module's `prefix` stands before every path."""
        moved = copy.copy(self)
        moved.results, moved.logs, moved.benchmarks = (
            prefix + path for path in (self.results, self.logs, self.benchmarks)
        )
        return moved

    def inputs(self, *names):
        """A path among what was downloaded or built."""
        return "/".join([self.results, "inputs", *names])

    def model(self, name, folder="models", trained=False):
        """The files of one model; `folder` is models, or inputs/models for a model as it was downloaded."""
        names = MODEL_FILES + (TRAINED_FILES if trained else ())
        return [f"{self.results}/{folder}/{name}/{file}" for file in names]

    def corpus(self, file, task=None):
        """A file of the study's corpus, or of a task's."""
        return f"{self.results}/tasks/{task}/corpus/{file}" if task else self.inputs("corpus", file)

    def tokens(self, split, task=None):
        """The files of one split's tokens (datasets' save_to_disk, one shard), or of a task's."""
        return self._token_set(f"{self.token_home(task)}/{split}")

    def token_home(self, task=None):
        """The folder of the study's tokens, or of a task's."""
        return f"{self.results}/tasks/{task}/tokens" if task else f"{self.results}/tokens"

    @staticmethod
    def _token_set(folder):
        return [f"{folder}/{name}" for name in ("data-00000-of-00001.arrow", "dataset_info.json", "state.json")]

    def text(self, text):
        """The rows, their accounts and those of their tokens of a text that a model writes: `recipe/author`."""
        return [f"{self.results}/recipes/{text}/{name}" for name in ("text.jsonl", "text.json", "tokens.json")]

    def train_tokens(self, text):
        """The files of the tokens of a text by its name; of the corpus where that is None."""
        return self._token_set(f"{self.results}/recipes/{text}/tokens") if text else self.tokens("train")

    def stored_tokens(self, name):
        """The files of the training tokens of which states are stored, by the name of the states."""
        return self.train_tokens(self.text_of_states(name))

    def states(self, name):
        """The files of stored states: of a teacher by its name over the corpus, of a text by its name."""
        return [f"{self.results}/teacher_states/{name}/{file}" for file in STATES_FILES]

    def completed(self, recipe, author):
        """The {prompts, samples, protocols: files} that a recipe's text is made of; graded samples where tests tell."""
        own = recipe == TEACHER
        names, folder = ([CORPUS_PROMPTS], "samples") if own else (self.study.tested, "verdicts")
        return {
            "prompts": [self.inputs("benchmarks", f"{name}.jsonl") for name in names],
            "samples": [f"{self.results}/{folder}/{name}/{author}.jsonl" for name in names],
            "protocols": [f"{self.results}/samples/{name}/{author}.protocol.json" for name in names],
        }

    def scores(self, benchmarks, models):
        """The scores of `models` on `benchmarks`, where the study judges them there."""
        judged = {benchmark: set(self.judged(benchmark)) for benchmark in benchmarks}
        return [
            f"{self.results}/scores/{benchmark}/{model}.json"
            for benchmark in benchmarks
            for model in models
            if model in judged[benchmark]
        ]

    @property
    def drawn_whole(self):
        """The benchmarks whose samples of a model are drawn by one job."""
        return [name for name, jobs in self.sampling_jobs.items() if jobs == 1]

    @property
    def drawn_in_parts(self):
        """The benchmarks whose samples of a model are drawn by several jobs and gathered."""
        return [name for name, jobs in self.sampling_jobs.items() if jobs > 1]

    def parts(self, wildcards, file):
        """`file` (samples.jsonl or protocol.json) of every part of a model's samples on a benchmark."""
        jobs = self.sampling_jobs[wildcards.benchmark]
        home = f"{self.results}/work/generate/{wildcards.benchmark}/{wildcards.model}"
        return [f"{home}/{shard}/{file}" for shard in shard_names(jobs)]

    def efficiency(self):
        """What the models of each architecture cost, timed side by side by one job."""
        return [f"{self.results}/efficiency/{model}.json" for model in self.timed]

    def language(self, models):
        """The language measures of `models`."""
        return [f"{self.results}/language/{model}.json" for model in models]

    @staticmethod
    def one_of(names):
        """A wildcard constraint that matches one of `names`, and nothing where there is none."""
        return "|".join(map(re.escape, names)) or "(?!)"

    @property
    def manifests(self):
        """The manifest of everything that is brought from elsewhere."""
        names = [*self.named_models]
        names += [f"source-{name}" for name in self.study.sources]
        names += [f"benchmark-{name}" for name in self.study.benchmarks]
        return [self.inputs("manifests", f"{name}.json") for name in names]

    def files_of(self, trained):
        """The files of trained models, by name."""
        return [path for name in trained for path in self.model(name, trained=True)]

    def measures_of(self, trained):
        """The file of each of those models that holds the measure by which one is chosen; none where it is a loss."""
        by, benchmark = self.study.chosen_by
        if by == LOSS:
            return []
        folder = f"scores/{benchmark}" if by == PASS else "validation"
        return [f"{self.results}/{folder}/{name}.json" for name in trained]

    def shortlist(self, chosen):
        """The file of the best candidates of a side; none where all have all seeds, or no finalists are asked for."""
        return [f"{self.results}/shortlist/{chosen}.json"] if chosen in self.shortlisted else []

    def axes_of(self, later):
        """The file that the axes of a finalist or fresh model stand in."""
        one = self.graph.later[later]
        return self.shortlist(one.chosen) if one.rank else [f"{self.results}/models/{one.chosen}/chosen.json"]

    def teachers_of(self, later):
        """(files of all that may teach a finalist or fresh model, their audits); none where alpha is 1."""
        names = dict.fromkeys(self.graph.later[later].teachers.values())
        return [path for name in names for path in self.model(name)], [self.audit(name) for name in names]

    def texts_of(self, later):
        """The files of tokens of the texts, written by models, that a finalist or fresh model may learn from."""
        names = dict.fromkeys(self.graph.later[later].texts.values())
        return [path for name in names for path in self.train_tokens(name)]

    def teacher_of(self, cell):
        """The files of the cell's teacher, and its audit; none where alpha is 1."""
        teacher = self.graph.teacher_of(cell)
        return [*self.model(teacher), self.audit(teacher)] if teacher else []

    def audit(self, teacher):
        """The audit under which a model teaches: its own where it was brought or built, else the study's teacher's."""
        own = teacher in self.further_teachers
        return self.inputs("audits", f"{teacher}.json") if own else self.inputs("audit.json")

    def cards(self):
        """The model cards of the models that a reader may take away."""
        bases = [one for one in self.graph.bases if one != "student"]  # which is as it came, but for its vocabulary
        return [f"{self.results}/models/{one}/README.md" for one in [*bases, *self.chosen, *self.graph.derived]]

    def measured(self):
        """Everything that the whole study's report reads."""
        scores = [path for name in self.study.reported for path in self.scores([name], self.judged(name))]
        folder = f"{self.results}/scores"
        scores += [f"{folder}/{name}/{one}.json" for name in self.study.reported for one in self.without_model]
        choices = [f"{self.results}/models/{name}/chosen.json" for name in self.chosen]
        told = [self.text(text)[1] for text in self.texts]
        return [*scores, *self.language(self.models), *self.efficiency(), *choices, *told, self.inputs("audit.json")]

    def curves(self):
        """{cell: the figure of its losses}."""
        return {name: f"{self.results}/report/cells/{name}/curves.svg" for name in self.grid.cells}

    def figures(self):
        """Every figure of the report, in every format: {name: files}."""
        folder = f"{self.results}/report/figures"
        return {name: [f"{folder}/{name}.{kind}" for kind in FIGURE_FORMATS] for name in FIGURES}

    def comparison(self, cells):
        """What an experiment or sweep needs: its cells and the baselines on every benchmark, and their language."""
        models = list(dict.fromkeys([*self.grid.baselines, *cells]))
        return self.scores(self.study.reported, models) + self.language(models)

    @staticmethod
    def local(path):
        """`path` as a list of inputs where it is a file of this machine, so that an edit of it reruns the rule."""
        return [path] if path and Path(path).is_file() else []

    def functions_of(self, benchmark):
        """The split of the corpus that a benchmark is made of, by its use: test for a reported one; [] for others."""
        one = self.study.drawn[benchmark]
        if one.path or not benchmark_kinds()[one.kind].get("corpus"):
            return []
        split = {"reported": "test", "development": "validation", "training": "train"}[one.use]
        return [self.corpus(f"{split}.jsonl")]

    def held_out(self, task=None):
        """The benchmarks that a corpus is kept free of, in order: the study's, or a task's.

        Where the config names none, those that the corpus was made with, as its accounting tells, so that a benchmark
        that comes, goes or is renamed remakes no corpus and trains no model; at first all of the study's.
        """
        named = self.study.corpora[task].hold_out
        if named is not None:
            return named
        accounting = Path(self.corpus("accounting.json", task))
        found = read_json(accounting).get("held_out") if accounting.is_file() else None
        known = [name for name in found or () if Path(self.inputs("benchmarks", f"{name}.jsonl")).is_file()]
        judging = [name for name, one in self.study.benchmarks.items() if one.use != "training"]
        foreign = [name for name in judging if not self.functions_of(name)]
        return known if found is not None and len(known) == len(found) else foreign

    @property
    def tokenizer(self):
        """The files of the model whose tokenizer is the study's: the student's, once its vocabulary is matched.

        A student that is made of the taught teacher's layers has the teacher's, which is there before it.
        """
        layered = self.study.student.every_layer_of_teacher
        return self.model("teacher", "inputs/models") if layered else self.model("student")

    @property
    def matched(self):
        """What tells how the vocabularies were matched: its report, and the models; nothing where they are one."""
        if self.study.student.every_layer_of_teacher:
            return []
        bases = [path for base in ("teacher", "student") for path in self.model(base, "inputs/models")]
        return [self.inputs("vocabulary.json"), *bases]

    def build_needs(self, base):
        """The files that building the model `base` reads; layers are those of a model that is finished."""
        if base == "teacher":
            return [self.corpus("train.jsonl")]
        node = self.graph.bases[base]
        return self.model(node.needs[0]) if node.needs else self.model("teacher", "inputs/models")

    def brought(self, base):
        """The files of a base as it was brought or built; a download serves all its seeds."""
        home = base if base in self.built_models else self.graph.bases[base].section
        return self.model(home, "inputs/models")

    def before_teaching(self, base):
        """The files of a base before it is fine-tuned: as it came, and a further model with the study's vocabulary."""
        return self.model(base, "inputs/matched") if base in self.matched_bases else self.brought(base)

    def student_of(self, cell):
        """The files of the model that a cell starts from."""
        return self.model(self.graph.student_of(cell))
