"""What one job takes: seconds, memory and disk, from the floating-point operations and bytes of its models.

A job takes a start-up and its work; the work is the larger of operations over the device's rate and bytes over its
memory's (Williams, Waterman & Patterson 2009, the roofline model). The rates are the config's, as sustained.
"""

import copy
import math
from dataclasses import asdict, dataclass, replace
from functools import cache

from codestill.kit.shards import read_shard
from codestill.plan.amounts import Amounts, Recorded
from codestill.plan.architecture import Architecture, architectures, from_folder
from codestill.plan.teacher_pass import TeacherPass, seen_tokens
from codestill.plan.training_memory import MOMENTS, activation_bytes, held_bytes, passes, trained_parameters

GIB = 2**30
TORCH_START = 6.0  # seconds to import torch and transformers and load a small model
PLAIN_START = 0.5
# The rules that use a GPU.
HEAVY = (
    "teach",
    "learn_task",
    "audit",
    "audit_teacher",
    "cache_teacher",
    "distill",
    "distill_later",
    "generate",
    "generate_part",
    "measure_language",
    "measure_validation",
    "measure_efficiency",
)
TORCH_BYTES = 1.0e9  # resident memory of torch and transformers with nothing loaded
CHECKPOINTS = 4  # of a training on disk at once: the two newest, the best one, and the next while it is written
RANKING_ROWS, COMPARED_ROWS = 64, 4  # of a model made smaller: what ranks its units, and on what it is compared
FLOAT_BYTES = {"float32": 4, "bf16": 2, "fp16": 2}


@dataclass(frozen=True)
class Work:
    """One job's cost before anything was measured. Jobs of one (rule, variant) differ in amount, not in kind."""

    rule: str
    variant: str
    startup: float  # seconds that do not grow with the work
    work: float  # seconds that do
    gpus: int = 0
    threads: int = 1
    memory: float = 0.5e9  # bytes resident on the host at the peak
    disk: float = 1e4  # bytes that stay
    scratch: float = 0.0  # bytes of checkpoints and caches in the work folder

    @property
    def seconds(self):
        return self.startup + self.work


class Costs:
    """The cost model of one study: `of(rule, wildcards)` gives a job's `Work`."""

    def __init__(self, study, layout):
        self.study, self.layout, self.plan = study, layout, study.plan
        self.amounts = Amounts(study, layout)
        self.teacher_pass = TeacherPass(study, layout)
        self.models = architectures(study, layout.graph, self._brought)

    def _brought(self, base):
        """The architecture of a base model that was downloaded or built; None before."""
        return from_folder(self.layout.inputs("models", base))

    def facts(self):
        """What the reckoning rests on beside the config, as plain data; some of it is assumed until a run counts it."""
        bases = {name: asdict(self.models[name]) for name in self.layout.graph.bases}
        return {"bases": bases, **self.amounts.counts()}

    def resting_on(self, facts):
        """The same cost model on other `facts`."""
        other = copy.copy(self)
        known = {name: Architecture(**one) for name, one in facts["bases"].items()}
        other.models = architectures(self.study, self.layout.graph, known.get)
        other.amounts = Recorded(self.study, self.layout, facts)
        return other

    @property
    def notes(self):
        """In words: where each figure comes from."""
        _ = self.amounts.tokens, self.amounts.functions
        sizes = [(name, self.models[name]) for name in self.layout.graph.bases]
        shapes = [f"{name}: {one.parameters / 1e6:,.1f} M parameters ({one.source})" for name, one in sizes]
        return [*shapes, *dict.fromkeys(self.amounts.notes)]

    # -- devices -----------------------------------------------------------------------------------------------

    def on_gpu(self, device):
        """Whether a rule with this `device` field is planned on a GPU."""
        return device == "cuda" or (device == "auto" and self.plan.gpus > 0)

    def seconds(self, operations, moved, device, precision, threads):
        """Seconds of `operations` and of `moved` bytes, whichever takes longer, on the device of that field."""
        speed, count = (self.plan.gpu, 1) if self.on_gpu(device) else (self.plan.core, threads)
        rate = speed.float32 if precision == "float32" else speed.half
        return max(operations / (rate * count), moved / speed.memory)

    # -- rules -------------------------------------------------------------------------------------------------

    def of(self, rule, wildcards):
        """The `Work` of one job. A rule unknown to the model takes half a minute and says so by its variant."""
        return self._of(rule, tuple(sorted(wildcards.items())))

    @cache  # noqa: B019 - one Costs lives as long as its process
    def _of(self, rule, wildcards):
        names = dict(wildcards)
        method = getattr(self, f"_{rule}", None)
        return method(**names) if method else Work(rule, "unknown", PLAIN_START, 28.0)

    def architecture_of(self, model):
        """The architecture of a model by its name, of a cell outside the grid by what it starts from."""
        graph = self.layout.graph
        return self.models.get(model) or self.models[graph.student_of(self.layout.cell(model))]

    def _kind_of(self, model):
        """What a model's jobs are measured with: those of a base, of the cells of one student, or of models in as few
        bits.
        """
        nodes, start = self.layout.graph.nodes, model
        while start in nodes and nodes[start].kind != "base":
            start = nodes[start].needs[0]
        if start == model and model in nodes:
            return model
        kind = "cell" if start in ("student", model) else f"cell of {start}"
        few = model in nodes and self.models[model].matrix_item < 2
        return f"{kind} in {nodes[model].part.value}" if few else kind

    def _model_bytes(self, model):
        return self.architecture_of(model).bytes + 4e6

    def _training(self, rule, variant, learner, training, teacher=None, amounts=None, text=None, held=(), stored=False):
        """A training of `learner` (an Architecture), taught by `teacher` (whose states are `stored`, or not) or alone,
        on the study's amounts or on others, or on a text by its name.

        Forward and backward pass are three forward passes; a teacher's pass is one, of its head alone where its
        states are stored. held: (adapter, load_in) of the learner.
        """
        amounts, epochs = amounts or self.amounts, training.epochs
        tokens = amounts.trained_tokens("train", training.max_train_samples, text)
        checked = amounts.trained_tokens("validation", training.max_eval_samples) * (training.evaluations + 1)
        context = min(self.plan.tokens_per_function, self.study.tokens.max_seq_length) / 2
        adapter = held[0] if held else None
        forwards = passes(training, adapter) * tokens * epochs + checked
        operations = forwards * learner.forward(context)
        trained = trained_parameters(learner, adapter)
        scratch = CHECKPOINTS * (4.0 + MOMENTS[training.optimizer]) * trained  # weights and their moments
        if teacher and epochs:
            run = teacher.forward() - teacher.forward(head=False)
            run += 0 if stored else teacher.forward(context, head=False)
            operations += seen_tokens(amounts, training, text) * run
        block = training.batch_size * self.study.tokens.max_seq_length
        steps = tokens * epochs / block
        moved = steps * learner.parameters * 4 * 12
        seconds = self.seconds(operations, moved, training.device, training.precision, training.threads)
        gpu, processes = self.on_gpu(training.device), training.processes
        # However small the models, the kernels of each layer of each pass must be started.
        starts = 3 * learner.layers + (teacher.layers if teacher else 0)
        seconds = max(seconds, steps * starts * (self.plan.gpu if gpu else self.plan.core).layer_ms / 1e3) / processes
        alive = held_bytes(learner, training, *held) + (teacher.held() if teacher else 0)
        activations = activation_bytes(learner, training, self.study.tokens.max_seq_length)
        memory = processes * (TORCH_BYTES + (8 * learner.parameters if gpu else alive + activations)) + tokens * 16
        return Work(
            rule,
            variant,
            TORCH_START,
            seconds,
            processes * gpu,
            processes * training.threads,
            memory,
            4 * learner.parameters + 4e6,
            scratch,
        )

    def states_bytes(self):
        """{name: bytes of these stored states}; {} where they are not stored."""
        return self.teacher_pass.bytes(self.amounts, self.architecture_of) if self.teacher_pass.stored else {}

    def states_seconds(self, tokens):
        """Seconds that the bodies of teachers take for {name of states: tokens}."""
        context = min(self.plan.tokens_per_function, self.study.tokens.max_seq_length) / 2
        model_of = self.layout.model_of
        passes = {name: self.architecture_of(model_of(name)).forward(context, head=False) for name in tokens}
        operations = sum(count * passes[name] for name, count in tokens.items())
        return self.seconds(operations, 0, self.layout.states_device, "float32", self.study.training.threads)

    def _cache_teacher(self, teacher):
        """One pass of a teacher, by the name of its states; what it leaves is reckoned apart (`states_bytes`)."""
        seconds = self.states_seconds({teacher: self.teacher_pass.stored_tokens(self.amounts).get(teacher, 0)})
        kept = self.states_bytes().get(teacher, 0.0)
        disk, scratch = (kept, 0.0) if self.study.distillation.stored_states == "kept" else (0.0, kept)
        return Work(
            "cache_teacher",
            teacher,
            TORCH_START,
            seconds,
            int(self.on_gpu(self.layout.states_device)),
            self.study.training.threads,
            TORCH_BYTES + 2 * self.architecture_of(self.layout.model_of(teacher)).held(),
            disk,
            scratch,
        )

    def _teach(self, base="teacher", rule="teach"):
        """The own training of a teacher, or of a model for a task."""
        tasks = self.layout.graph.tasks
        amounts = self.amounts.tasks[tasks[base].section] if base in tasks else None
        how = {"amounts": amounts, "held": self._held(base)}
        return self._training(rule, base, self.models[base], self.layout.teaching_of(base), **how)

    def _held(self, model):
        """(adapter, load_in) of a model that learns."""
        graph = self.layout.graph
        adapter = graph.adapter_of(model)
        return adapter, graph.bits_of(model) if adapter else None

    def _learn_task(self, base):
        return self._teach(base, "learn_task")

    def _audit_teacher(self, base):
        return self._audit(base, "audit_teacher")

    def _audit(self, base="teacher", rule="audit"):
        """200 validation functions, or as many as rows are measured, in three layouts, and 32 greedy completions of 96
        tokens, side by side."""
        settings, one = self.study.generation, self.models[base]
        functions = min(self.study.measures.max_rows or 200, self.amounts.functions["validation"])
        tokens = 3 * functions * self.study.plan.tokens_per_function
        gpu = self.on_gpu(settings.device)
        least = 96 * one.layers * (self.plan.gpu if gpu else self.plan.core).layer_ms / 1e3
        operations = (tokens + 32 * 96) * one.forward(150)
        seconds = least + self.seconds(operations, 0, settings.device, "float32", settings.threads)
        return Work(rule, base, TORCH_START, seconds, int(gpu), settings.threads, TORCH_BYTES + 2 * one.held())

    def _distill_later(self, later):
        """As the dearest setting that it may be; measured by the cells, which are trained likewise."""
        works = [self._of_cell(cell) for cell in self.layout.graph.later[later].cells]
        return max(works, key=lambda work: work.seconds)

    def _distill(self, cell):
        return self._of_cell(self.layout.cell(cell))

    def _of_cell(self, chosen):
        training = self.layout.training_of(chosen)
        graph = self.layout.graph
        student, teacher = graph.student_of(chosen), graph.teacher_of(chosen)
        usual = student == "student" and teacher in ("teacher", None)
        variant = ("taught" if teacher else "alone") if usual else f"{student} by {teacher}"
        learner, taught = self.architecture_of(student), teacher and self.architecture_of(teacher)
        if teacher and chosen.on_policy:
            variant += ", own text"
        how = {"text": graph.text_of(chosen), "stored": self.teacher_pass.reads(chosen), "held": self._held(student)}
        work = self._training("distill", variant, learner, training, taught, **how)
        if not teacher or not chosen.on_policy:
            return work
        return replace(work, work=work.work + self._own_text_seconds(chosen, learner, taught, training, how["text"]))

    def _own_text_seconds(self, cell, learner, teacher, training, text):
        """What a cell's own text takes beside a training on the corpus: the writing, and the teacher's passes over it.

        Each function of the student's share is completed once an epoch. A pass over the weights writes a token of each
        lane: of the functions of as many steps as are written at once, whose prompts take one pass more.
        """
        usual = self.plan.tokens_per_function
        seen = self.amounts.trained_tokens("train", training.max_train_samples, text) * training.epochs
        functions, new = cell.on_policy * seen / usual, cell.on_policy_tokens
        context = min(usual, self.study.tokens.max_seq_length) / 2
        written = functions * (context + new)
        operations = written * (learner.forward(context) + teacher.forward(context, head=False))
        steps = cell.on_policy * seen / (training.batch_size * self.study.tokens.max_seq_length)
        turns = steps / cell.on_policy_refresh * (new + 1) * learner.layers
        speed = self.plan.gpu if self.on_gpu(training.device) else self.plan.core
        seconds = self.seconds(operations, 0, training.device, training.precision, training.threads)
        return (seconds + turns * speed.layer_ms / 1e3) / training.processes

    def _generate(self, benchmark, model, jobs=1):
        """Samples are drawn in lanes side by side: one pass over the weights serves a token of every lane."""
        settings, one = self.study.generation, self.architecture_of(model)
        problems = self.amounts.problems(benchmark) / jobs
        samples = problems * self.study.drawn[benchmark].n
        item = FLOAT_BYTES[settings.precision]
        lane = one.cache_bytes(settings.max_new_tokens + 200, item) + 12 * one.vocabulary
        lanes = min(samples, max(1, min(256, settings.memory * GIB // 2 / lane)))
        steps = math.ceil(samples / lanes) * settings.max_new_tokens * self.plan.written
        gpu = self.on_gpu(settings.device)
        least = one.layers * (self.plan.gpu if gpu else self.plan.core).layer_ms / 1e3
        operations, moved = lanes * one.forward(context=300), one.held(item)
        step = least + self.seconds(operations, moved, settings.device, settings.precision, settings.threads)
        prompts = problems * 150 * one.forward(75)
        prefill = self.seconds(prompts, 0, settings.device, settings.precision, settings.threads)
        memory = TORCH_BYTES + 2 * one.held() + (0 if gpu else min(2 * lanes * lane, settings.memory * GIB))
        variant = f"{benchmark}/{self._kind_of(model)}"
        return Work(
            "generate" if jobs == 1 else "generate_part",
            variant,
            TORCH_START,
            steps * step + prefill,
            int(gpu),
            settings.threads,
            memory,
            samples * 500.0,
            0.0,
        )

    def _generate_part(self, benchmark, model, part):
        return self._generate(benchmark, model, read_shard(part)[1])

    def _gather_samples(self, benchmark, model):
        samples = self.amounts.problems(benchmark) * self.study.drawn[benchmark].n
        return Work("gather_samples", "all", PLAIN_START, 0.1 + samples * 1e-5, disk=samples * 500.0)

    def _write_text(self, recipe, author):
        """Each completion is read, parsed and searched for problems."""
        count = self.amounts.completions(f"{recipe}/{author}")
        return Work("write_text", recipe, PLAIN_START, count * 5e-4, disk=count * 600)

    def _tokenize_text(self, recipe, author):
        tokens = self.amounts.text_tokens(f"{recipe}/{author}")
        return self._tokenised("tokenize_text", "all", tokens, self.study.corpus.workers)

    def _check_benchmark(self, benchmark):
        grading = self.study.grading
        seconds = self.amounts.problems(benchmark) * 0.01 / grading.workers
        memory = 0.5e9 + 0.2e9 * grading.workers
        return Work("check_benchmark", benchmark, 2.0, seconds, 0, grading.workers, memory, 1e4)

    def _grade(self, benchmark, model):
        grading = self.study.grading
        samples = self.amounts.problems(benchmark) * self.study.benchmarks[benchmark].n
        role = self._kind_of(model)
        seconds = samples * (0.004 + 0.001 * grading.timeout) / grading.workers
        return Work(
            "grade",
            f"{benchmark}/{role}",
            2.0,
            seconds,
            0,
            grading.workers,
            0.5e9 + 0.2e9 * grading.workers,
            samples * 600,
        )

    def _measure_language(self, model):
        settings, one = self.study.generation, self.architecture_of(model)
        alone, teacher = model == "teacher", self.models["teacher"]
        rows = self.study.measures.max_rows or math.inf
        tokens = min(self.amounts.tokens["test"], rows * self.study.tokens.max_seq_length)
        operations = tokens * (one.forward(100) + (0 if alone else teacher.forward(100)))
        seconds = self.seconds(operations, 0, settings.device, settings.precision, settings.threads)
        gpu = self.on_gpu(settings.device)
        memory = TORCH_BYTES + (one.held() + teacher.held()) * 1.5 + (0 if gpu else 2e9)
        return Work(
            "measure_language",
            "teacher" if alone else self._kind_of(model),
            TORCH_START,
            seconds,
            int(gpu),
            settings.threads,
            memory,
        )

    def _measure_validation(self, model):
        return replace(self._measure_language("teacher"), rule="measure_validation", variant="cell")

    def _measure_efficiency(self):
        settings, models = self.study.generation, [self.architecture_of(model) for model in self.layout.timed]
        operations = 20_000 * sum(one.forward(100) for one in models)
        seconds = self.seconds(operations, 0, settings.device, settings.precision, settings.threads)
        memory = TORCH_BYTES + 2 * sum(one.held() for one in models)
        gpu = self.on_gpu(settings.device)
        return Work("measure_efficiency", "", TORCH_START, 4 + seconds, int(gpu), settings.threads, memory)

    def _shortlist(self, chosen):
        return Work("shortlist", "all", PLAIN_START, 0.1)

    def _choose(self, chosen):
        return Work("choose", "all", PLAIN_START, self._model_bytes("student") / 3e8, disk=self._model_bytes("student"))

    def _compress(self, variant):
        """On the CPU the parent is read and what is left of it written; the rows that rank pass through the parent, and
        a few more through both.
        """
        node, threads = self.layout.graph.variants[variant], self.study.generation.threads
        length = self.study.tokens.max_seq_length
        parent, one, size = self.architecture_of(node.needs[0]), self.models[variant], self._model_bytes(variant)
        rows = RANKING_ROWS if node.part.ranked_by == "activation" else 0
        operations = length * ((rows + COMPARED_ROWS) * parent.forward(100) + COMPARED_ROWS * one.forward(100))
        seconds = (parent.bytes + size) / 3e8 + self.seconds(operations, 0, "cpu", "float32", threads)
        memory = TORCH_BYTES + 2 * parent.held() + one.held() + 3 * 4 * length * one.vocabulary
        return Work("compress", node.part.operation, TORCH_START, seconds, 0, threads, memory, size)

    def _download_model(self, base):
        size = self._model_bytes(base)
        return Work("download_model", base, 10.0, size / 3e7, memory=TORCH_BYTES + 2 * size, disk=size)

    def _download_corpus(self, source):
        amounts = [self.amounts, *self.amounts.tasks.values()]
        mine = next(one for one in amounts if source in one.corpus.sources)
        count = sum(mine.functions.values()) / len(mine.corpus.sources)
        start = 10.0 if self.study.sources[source].kind == "hub" else PLAIN_START
        return Work("download_corpus", source, start, count * 2e-4, memory=1e9 + count * 2e3, disk=count * 600)

    def _download_benchmark(self, benchmark):
        tested = self.study.drawn[benchmark].kind == "pocket_training"  # their tests are made here
        return Work("download_benchmark", benchmark, PLAIN_START, 30.0 if tested else 0.5, disk=2e5)

    def _near_copies(self, benchmark):
        count = self.amounts.functions["train"]
        return Work("near_copies", benchmark, PLAIN_START, count * 5e-4, disk=1e4)

    def _complete_without_model(self, benchmark, model):
        count = self.amounts.functions["train"]
        return Work("complete_without_model", model, PLAIN_START, count * 2e-3, memory=0.3e9 + count * 2e4, disk=2e5)

    def _prepare_corpus(self, task=None, rule="prepare_corpus"):
        count = sum((self.amounts.tasks[task] if task else self.amounts).functions.values())
        workers = self.study.corpora[task].workers
        memory, lines = 0.1e9 * (1 + workers) + count * 120, count * 1800
        return Work(rule, task or "all", PLAIN_START, count * 8e-4 / workers, 0, workers, memory, lines, lines)

    def _prepare_task(self, task):
        return self._prepare_corpus(task, "prepare_task")

    def _build_model(self, base):
        trains = base == "teacher"
        work = min(self.amounts.functions["train"], 1e5) * 2e-4 if trains else 1.0
        size = self._model_bytes(base)
        return Work("build_model", base, TORCH_START, work, memory=TORCH_BYTES + 2 * size, disk=size)

    def _match_vocabulary(self, base="student", rule="match_vocabulary"):
        size = self._model_bytes(base)
        memory = TORCH_BYTES + 2 * size + self._model_bytes("teacher")
        work = self.architecture_of(base).vocabulary * 2e-4
        return Work(rule, "all" if base == "student" else base, TORCH_START, work, memory=memory, disk=size)

    def _match_student(self, base):
        return self._match_vocabulary(base, "match_student")

    def _match_teacher(self, base):
        return self._match_vocabulary(base, "match_teacher")

    def _tokenize_corpus(self, task=None, rule="tokenize_corpus"):
        tokens = sum((self.amounts.tasks[task] if task else self.amounts).tokens.values())
        return self._tokenised(rule, task or "all", tokens, self.study.corpora[task].workers)

    @staticmethod
    def _tokenised(rule, variant, tokens, workers):
        """Memory does not grow with the tokens: what waits to be packed lies on disk."""
        memory, seconds = 0.7e9 + 0.15e9 * workers, tokens * 3e-6 / workers
        return Work(rule, variant, TORCH_START, seconds, 0, workers, memory, tokens * 12, tokens * 4)

    def _tokenize_task(self, task):
        return self._tokenize_corpus(task, "tokenize_task")

    def _manifest(self):
        return Work("manifest", "all", PLAIN_START, 0.5)

    def _resolve_study(self):
        return Work("resolve_study", "all", PLAIN_START, 0.1, memory=0.2e9)

    def _report(self):
        models = len(self.layout.models)
        return Work("report", "all", 3.0, 5 + 0.3 * models, memory=1e9, disk=5e6 + 2e5 * models)

    def _model_card(self, model):
        return Work("model_card", "all", PLAIN_START, 0.5)
