"""The flags that a study's rules pass to their programs: of science as params, of the machine apart.

What can change a result stands among a rule's params, so that a change of it reruns the rule. What cannot (a device,
workers, memory) stands in `machine`, which a command takes in without being remembered.
"""

import json
import os
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

from codestill.study.cell import AXES
from codestill.study.flags import flags, flags_of, names_of
from codestill.study.recipe_names import CORPUS
from codestill.study.sections.models import layers_step


class Commands:
    """The flags of one study."""

    def __init__(self, study, layout):
        self.study, self.layout = study, layout

    def build(self, base):
        """How build_model.py makes the model `base`: from a shape, or from layers of another."""
        node = self.layout.graph.bases[base]
        part = node.part
        if part.shape is None:
            return flags(every=layers_step(part))
        size = self.study.vocabulary.size if base == "teacher" else None
        return flags(shape=json.dumps(part.shape, sort_keys=True), seed=node.seed, vocab_size=size)

    def build_needs(self, base, files):
        """The flag that names what it is made from, where the `files` of Layout.build_needs lie for this job."""
        if base == "teacher":
            return flags(train=files[0])
        folder = os.path.dirname(files[0])
        return flags(tokenizer=folder) if self.layout.graph.bases[base].part.shape else flags(layers_of=folder)

    def compress(self, variant):
        """How compress.py makes a variant."""
        part = self.layout.graph.variants[variant].part
        value = part.value if isinstance(part.value, str) else json.dumps(part.value, sort_keys=True)
        threads = self.study.generation.threads
        return flags(operation=part.operation, value=value, by=part.ranked_by, threads=threads)

    def source(self, name):
        """How download.py reads one source of the corpus."""
        return flags_of(self.study.sources[name])

    def model(self, base):
        """How download.py brings the model `base`."""
        part = self.study.bases[base]
        return flags(name=part.name, revision=part.revision)

    def benchmark(self, name):
        """How download.py reads one benchmark."""
        part = self.study.drawn[name]
        split = flags(split="training") if part.use == "training" and part.kind == "mbpp" else ""
        return f"{flags_of(part)} {split}".strip()

    def corpus(self, task=None):
        """How prepare_corpus.py splits the functions, those of a task where one is named."""
        return flags_of(self.study.corpora[task], machine=False)

    def tokens(self):
        """How tokenize_corpus.py makes rows of tokens."""
        return flags_of(self.study.tokens, leave_out=("start",))

    @staticmethod
    def matched(files):
        """The flags of tokenize_corpus.py that name the files of Layout.matched, where they lie for this job."""
        if not files:
            return ""
        return flags(vocabulary=files[0], compared_with=sorted({os.path.dirname(path) for path in files[1:]}))

    def vocabulary(self):
        """How match_vocabulary.py makes teacher and student share token ids."""
        return f"{flags_of(self.study.vocabulary, leave_out=('size',))} {flags(start=self.study.tokens.start)}"

    def audit(self):
        """How audit.py judges the teacher, and what it does where the teacher fails."""
        study = self.study
        read = {"max_functions": study.measures.max_rows, "max_seq_length": study.tokens.max_seq_length}
        return flags(audit=study.teacher.audit, **read, threads=study.generation.threads)

    def language(self):
        """How measure.py measures language."""
        return f"{flags_of(self.study.measures)} {flags(threads=self.study.generation.threads)}"

    def selection(self):
        """How choose.py chooses: the measure, and the development benchmark it is taken on."""
        by, benchmark = self.study.chosen_by
        return flags(by=by, on=benchmark)

    def shortlist(self):
        """How choose.py ranks candidates: the measure, and how many become finalists."""
        return f"{self.selection()} {flags(shortlist=self.study.selection.finalists)}"

    def among(self, files):
        """The flags of choose.py for `files` of Layout.shortlist, where they lie for this job; nothing without."""
        return flags(among=files[0], seeds=self.study.seeds) if files else ""

    @staticmethod
    def measures(files):
        """The files of Layout.measures_of, where they lie for this job; nothing where there is none."""
        return flags(measures=list(files) or None)

    def efficiency(self):
        """How measure.py measures speed and size."""
        return flags(precision=self.study.measures.precision, threads=self.study.generation.threads)

    def generation(self, benchmark):
        """How generate.py draws the samples of one benchmark."""
        part, asked = self.study.drawn[benchmark], self.study.recipes
        drawn = {name: getattr(asked, name) for name in names_of(type(asked))} if part.use == "training" else {}
        own = flags_of(self.study.generation, machine=False, **self._format(), **drawn)
        return f"{flags(n=part.n)} {own}"

    def _format(self):
        """The format of prompts, where it is not what the programs take by themselves."""
        return {"format": "chat" if self.study.generation_format == "chat" else None}

    def grading(self, benchmark):
        """How grade.py judges the samples of one benchmark."""
        part = self.study.benchmarks[benchmark]
        own = flags_of(self.study.grading, machine=False, rules=self.study.grading_rules)
        return f"{flags(k=part.k, trust=part.trust)} {own}"

    def checking(self, benchmark):
        """How check_benchmark.py judges a benchmark's own solutions."""
        own = flags_of(self.study.grading, machine=False, leave_out=("rules",))
        return f"{flags(trust=self.study.benchmarks[benchmark].trust)} {own}"

    def teaching(self, model):
        """How teach.py trains a base model, or another for a task."""
        node = self.layout.graph.nodes[model]
        training = f"{flags_of(node.part.training, machine=False)} {flags(seed=node.seed)}"
        return f"{training} {self._adapter(model)}".strip()

    def _adapter(self, model):
        """What is trained of a model in its place, if anything."""
        adapter = self.layout.graph.adapter_of(model)
        if adapter is None:
            return ""
        told = json.dumps(adapter.model_dump(exclude_defaults=True), sort_keys=True)
        return flags(adapter=told, load_in=self.layout.graph.bits_of(model))

    def teach_machine(self, model):
        """The flags of that training that change how it runs and no result."""
        return flags_of(self.layout.teaching_of(model), machine=True)

    def cell(self, cell):
        """How distill.py trains one cell: its objective, then its training."""
        asked = self.study.distillation
        idle = () if cell.taught else names_of(type(asked), taught=True)
        idle = [*idle, *([] if cell.hidden_weight else ["hidden_layers"])]
        objective = flags_of(asked, machine=False, leave_out=idle, **_known(cell, asked))
        graph = self.layout.graph
        bits = flags(teacher_load_in=graph.bits_of(graph.teacher_of(cell))) if cell.taught else ""
        parts = [objective, self._training(cell), flags(seed=cell.seed), self._names(cell)]
        return " ".join(filter(None, [*parts, self._adapter(graph.student_of(cell)), bits]))

    def text(self):
        """How write_text.py makes a text of completions."""
        return flags(seed=self.study.recipes.seed)

    def later(self, name):
        """How distill.py trains a finalist or fresh model: all that is no axis, and which setting's axes it takes."""
        one, asked, graph = self.layout.graph.later[name], self.study.distillation, self.layout.graph
        idle = () if one.teachers else names_of(type(asked), taught=True)
        objective = flags_of(asked, machine=False, leave_out={*idle, *AXES})
        training = flags_of(self.study.training, machine=False, leave_out=set(AXES))
        bits = {word: graph.bits_of(model) for word, model in one.teachers.items()}
        load_in = [f"{word}={one}" for word, one in bits.items() if one]
        own = flags(seed=one.seed, rank=one.rank or 1, teachers_load_in=load_in or None)
        return " ".join(filter(None, [objective, training, own, self._adapter("student")]))

    def later_sources(self, name, teachers, states, texts):
        """The flags that name all that may teach it, their stored states and texts, where these lie for this job."""
        one, stored = self.layout.graph.later[name], {}
        for cell in one.cells:
            if cell.taught:
                stored[cell.text_word] = self.layout.states_name(cell)
        wanted = (("teachers", "models/", one.teachers, teachers), ("states", "teacher_states/", stored, states))
        found = {}
        for flag, home, names, files in (*wanted, ("texts", "recipes/", one.texts, texts)):
            folders = dict.fromkeys(os.path.dirname(path) for path in files)
            by_name = {folder.rpartition(home)[2].removesuffix("/tokens"): folder for folder in folders}
            found[flag] = [f"{word}={by_name[model]}" for word, model in names.items() if model in by_name] or None
        return flags(**found)

    def _names(self, cell):
        """The cell's own words for its models, where they are not the names of the folders, and for its text."""
        graph = self.layout.graph
        words = {"student": graph.student_of(cell), "teacher": graph.teacher_of(cell), "teacher_seed": None}
        words |= {"recipe": CORPUS}
        told = [f"{axis}={getattr(cell, axis)}" for axis, name in words.items() if getattr(cell, axis) != name]
        return flags(named=told or None)

    def states(self, limit, teacher):
        """How cache_teacher.py stores a teacher's states, of `limit` training rows (None: all)."""
        training = self.study.training
        bits = self.layout.graph.bits_of(teacher)
        rows = flags(load_in=bits, max_train_samples=limit, max_eval_samples=training.max_eval_samples)
        return f"{rows} {flags(cache_dtype=self.study.distillation.cache_dtype, threads=training.threads)}".strip()

    @staticmethod
    def taught_by(teacher, states):
        """The flags that name a cell's teacher and its stored states, where their files lie for this job, if any."""
        folders = [Path(files[0]).parent if files else None for files in (teacher, states)]
        return flags(teacher_model_path=folders[0], teacher_cache=folders[1])

    def _training(self, cell):
        return flags_of(self.study.training, machine=False, **_known(cell, self.study.training))

    @staticmethod
    def launcher(training):
        """What starts a training's program: python, or accelerate where several GPUs of a node share it."""
        if training.processes == 1:
            return "python"
        # Port 0 is any free one: several trainings may share a node.
        return (
            f"accelerate launch --multi_gpu --num_processes {training.processes} --num_machines 1 "
            "--main_process_port 0 --mixed_precision no --dynamo_backend no"
        )

    @cached_property
    def machine(self):
        """By program, the flags that change how a job runs and no result."""
        study = self.study
        device = flags(device=study.generation.device)
        training = flags_of(study.training, machine=True)
        return SimpleNamespace(
            cache_teacher=flags(batch_size=study.training.eval_batch_size, device=self.layout.states_device),
            distill=f"{training} {flags_of(study.distillation, machine=True)}",
            generate=flags_of(study.generation, machine=True),
            grade=flags_of(study.grading, machine=True),
            check_benchmark=flags_of(study.grading, machine=True),
            audit=device,
            measure=device,
        )


def _known(cell, section):
    """The cell's values of the axes that a section declares."""
    return {axis: value for axis, value in cell.axes().items() if axis in type(section).model_fields}
