"""What trainings take, and the one pass of a teacher that serves several."""

from dataclasses import replace

from codestill.plan.teacher_pass import seen_tokens
from codestill.plan.training_memory import MOMENTS, activation_bytes, held_bytes, passes, trained_parameters
from codestill.plan.work import TORCH_BYTES, TORCH_START, Work

CHECKPOINTS = 4  # of a training on disk at once: the two newest, the best one, and the next while it is written


class TrainingCosts:
    """The part of `codestill.plan.costs.Costs` for rules that train."""

    def _teach(self, base="teacher", rule="teach"):
        """The own training of a teacher, or of a model for a task."""
        tasks = self.layout.graph.tasks
        amounts = self.amounts.tasks[tasks[base].section] if base in tasks else None
        how = {"amounts": amounts, "held": self._held(base)}
        return self._training(rule, base, self.models[base], self.layout.teaching_of(base), **how)

    def _learn_task(self, base):
        return self._teach(base, "learn_task")

    def _held(self, model):
        """(adapter, load_in) of a model that learns."""
        graph = self.layout.graph
        adapter = graph.adapter_of(model)
        return adapter, graph.bits_of(model) if adapter else None

    def _distill(self, cell):
        return self._of_cell(self.layout.cell(cell))

    def _distill_later(self, later):
        """As the dearest setting that it may be; measured by the cells, which are trained likewise."""
        works = [self._of_cell(cell) for cell in self.layout.graph.later[later].cells]
        return max(works, key=lambda work: work.seconds)

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
        return replace(work, work=work.work + self._own_text_seconds(chosen, learner, taught, training, **how))

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

    def _own_text_seconds(self, cell, learner, teacher, training, text, held, **_):
        """What a cell's own text takes beside a training on the corpus: the writing, the teacher's passes over it, and
        learning from prompts and new tokens in place of whole functions.

        Each function of the student's share is completed once an epoch, from its first half. A pass over the weights
        writes a token of each lane: of the functions of as many steps as are written at once, whose prompts take one
        pass more.
        """
        seen = self.amounts.trained_tokens("train", training.max_train_samples, text) * training.epochs
        usual = self.amounts.tokens["train"] / self.amounts.functions["train"]
        functions, new = cell.on_policy * seen / usual, cell.on_policy_tokens
        context = usual / 2
        written = functions * (context + new)
        operations = written * (learner.forward(context) + teacher.forward(context, head=False))
        operations += passes(training, held[0]) * (written - functions * usual) * learner.forward(context)
        steps = cell.on_policy * seen / (training.batch_size * self.study.tokens.max_seq_length)
        turns = steps / cell.on_policy_refresh * (new + 1) * learner.layers
        speed = self.plan.gpu if self.on_gpu(training.device) else self.plan.core
        seconds = self.seconds(operations, 0, training.device, training.precision, training.threads)
        return (seconds + turns * speed.layer_ms / 1e3) / training.processes

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

    def states_seconds(self, tokens):
        """Seconds that the bodies of teachers take for {name of states: tokens}."""
        context = min(self.plan.tokens_per_function, self.study.tokens.max_seq_length) / 2
        model_of = self.layout.model_of
        passes = {name: self.architecture_of(model_of(name)).forward(context, head=False) for name in tokens}
        operations = sum(count * passes[name] for name, count in tokens.items())
        return self.seconds(operations, 0, self.layout.states_device, "float32", self.study.training.threads)

    def states_bytes(self):
        """{name: bytes of these stored states}; {} where they are not stored."""
        return self.teacher_pass.bytes(self.amounts, self.architecture_of) if self.teacher_pass.stored else {}
