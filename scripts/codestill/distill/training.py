"""One training from its flags to its model folder: the part that teach.py and distill.py share."""

import contextlib
import importlib
import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from codestill.distill import arguments
from codestill.distill.objective import PLAIN, Objective
from codestill.kit import attempts
from codestill.kit.disk_space import room_on_disk
from codestill.kit.lease import lease
from codestill.kit.program import UserError, log
from codestill.study.flags import names_of
from codestill.study.sections.distillation import Distillation
from codestill.study.sections.training import Training


@dataclass
class TrainingJob:
    """What to train and by what: `options` are parsed flags; teacher_path is None where nobody teaches."""

    options: object
    model_path: str
    tokenizer_path: str
    objective: Objective = PLAIN
    teacher_path: str | None = None
    init: str = "weights"
    cell: dict = field(default_factory=dict)


def run_job(job):
    """Train, evaluate and write the model folder; returns the exit code, 75 where a signal asked to end.

    Only process 0 holds the lease on the work folder; the others work for it.
    """
    options = arguments.settle(job.options)
    from codestill.distill.checkpoints import Interrupted
    from codestill.models import folders

    guard = lease(options.work_dir) if int(os.environ.get("RANK", "0")) == 0 else contextlib.nullcontext()
    try:
        with guard as held:
            if held and held["waited"] and folders.made_since(options.output_dir, held["started"]):
                log(f"{options.output_dir} was finished by the same command meanwhile: nothing is left to do")
            else:
                _Training(job).run()
    except Interrupted as interruption:
        log(f"{interruption}; the same command goes on from there")
        return attempts.INTERRUPTED
    return 0


class _Training:
    """The steps of a run, in order; each leaves what it made as an attribute."""

    def __init__(self, job):
        self.job, self.options = job, job.options
        self.processes = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self.main = self.rank == 0
        self._exits = contextlib.ExitStack()

    def run(self):
        """All steps; returns eval_results."""
        with self._exits, room_on_disk(self.options.work_dir):
            return self._run()

    def _run(self):
        import torch

        torch.set_num_threads(self.options.threads)
        self._quiet()
        self._prepare()
        self._load()
        resume = self._checkpoint()
        self._teacher()
        if self.options.epochs > 0 and resume is None:
            self._preflight()
        self._build_trainer()
        self._measure_untrained(resume)
        self._train(resume)
        return self._finish()

    def _quiet(self):
        import transformers

        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()

    def _prepare(self):
        """Data and device."""
        from codestill.distill.sources import locate, open_examples
        from codestill.models.loading import device_of, dtype_of

        options = self.options
        self.device = device_of(options.device)
        if options.precision == "fp16" and self.device.type == "cpu":
            raise UserError("--precision fp16: needs a CUDA device; use bf16 or float32")
        self.dtype = dtype_of(options.precision)
        paths = self.agree(lambda: locate(options, self.job.tokenizer_path))
        self.train_data, self.validation_data = open_examples(options, paths)

    def _load(self):
        """The student, on its device."""
        from codestill.models.heads import router_fault, row_fault, split
        from codestill.models.loading import load_model, place

        options, job = self.options, self.job
        if options.adapter is None:
            self.model = load_model(job.model_path, dropout=options.dropout, init=job.init, seed=options.seed)
        else:
            self.model = self._adapted()
        place(self.model, self.device)
        _, self.head = split(self.model)
        fault = router_fault(self.model) or row_fault(self.model, self.train_data.packed or self.validation_data.packed)
        if fault:
            raise UserError(fault)
        count = sum(parameter.numel() for parameter in self.model.parameters())
        log(f"model {job.model_path} ({job.init}): {count:,} parameters on {self.device}, {options.precision}")
        if options.adapter:
            learning = sum(one.numel() for one in self.model.parameters() if one.requires_grad)
            log(f"an adapter of rank {options.adapter.rank} learns: {learning:,} parameters; it is merged at the end")
        log(f"training rows {len(self.train_data):,}, validation rows {len(self.validation_data):,}")

    def _adapted(self):
        """The student under an adapter."""
        from codestill.models.adapters import load_adapted
        from codestill.models.loading import PRECISIONS

        options, job = self.options, self.job
        if job.init == "random":
            raise UserError("--adapter: fits weights that have learned; leave --student_init random out")
        return load_adapted(
            job.model_path, options.adapter, options.load_in, self.device, options.dropout, options.seed,
            PRECISIONS[options.precision],
        )  # fmt: skip

    def _facts(self):
        """All that shapes the weights: a checkpoint of a run with other facts is never resumed."""
        from codestill.models.weights import model_identity

        options, job = self.options, self.job
        names = [*names_of(Training, machine=False), "seed", "max_seq_length"]
        facts = {name: getattr(options, name) for name in names}
        facts |= {"objective": vars(job.objective), "init": job.init, "device": self.device.type}
        facts |= {"processes": self.processes, "model": model_identity(job.model_path)}
        facts |= {"train_tokens": self.train_data.checksum(), "validation_tokens": self.validation_data.checksum()}
        if options.adapter:
            facts |= {"adapter": options.adapter.model_dump(exclude={"keep"}), "load_in": options.load_in}
        facts["teacher"] = None
        if job.teacher_path:
            from codestill.distill.teacher_pass import identity_of, pass_of

            facts |= {name: getattr(options, name) for name in names_of(Distillation, machine=False, taught=True)}
            teacher = identity_of(job.teacher_path, options.teacher_load_in)
            facts |= {"teacher": teacher, "teacher_pass": pass_of(options)}
        return facts

    def _checkpoint(self):
        """The checkpoint to go on from, or None."""
        self.facts = self._facts()
        return self.agree(self._resumable)

    def _resumable(self):
        from codestill.distill import checkpoints

        checkpoints.claim(self.options.work_dir, self.facts)
        resume = checkpoints.newest_intact(self.options.work_dir)
        if resume:
            log(f"resuming from {resume}")
        return resume

    def agree(self, action):
        """What `action()` returns in process 0, told to all processes; the others wait for it."""
        if self.processes == 1:
            return action()
        import torch
        from accelerate import PartialState

        PartialState(cpu=self.device.type == "cpu")
        told = [action() if self.main else None]
        torch.distributed.broadcast_object_list(told)
        return told[0]

    def on_exit(self, action):
        """Call `action()` when the run ends, however it ends."""
        self._exits.callback(action)

    def _teacher(self):
        """Whoever teaches: nobody, the model itself, or its stored states."""
        self.teacher, self.teacher_facts = None, None
        if self.job.objective.needs_teacher:
            from codestill.distill.teacher_pass import choose_teacher

            self.teacher, self.teacher_facts = choose_teacher(self)

    def _own_text(self, per_step):
        """The student's own text, where it writes a share of what it learns (`--on_policy`)."""
        if self.job.objective.needs_teacher and self.options.on_policy and self.steps:
            # Named by a string: the sampler is no part of the code by which other cells would be trained anew.
            return importlib.import_module("codestill.distill.on_policy").own_text_of(self, per_step)
        return None

    def _layers(self):
        """The term that draws the student's layers to the teacher's, where `--hidden_weight` asks for it."""
        from codestill.distill.hidden_states import HiddenStates

        if not self.job.objective.needs_teacher or not self.options.hidden_weight:
            return None
        asked = self.options
        how = (asked.hidden_weight, asked.hidden_loss, asked.hidden_layers, asked.seed)
        return HiddenStates(self.model, self.teacher.model, *how)

    def _preflight(self):
        from codestill.distill.preflight import preflight

        preflight(self)

    def _steps(self):
        """(optimiser steps in all, accumulated passes per process)."""
        options = self.options
        accumulation, left = divmod(options.gradient_accumulation_steps, self.processes)
        if left:
            raise UserError(
                f"--gradient_accumulation_steps {options.gradient_accumulation_steps}: not a multiple of the "
                f"{self.processes} processes among which it is shared; change one of the two"
            )
        batches = math.ceil(math.ceil(len(self.train_data) / options.batch_size) / self.processes)
        return math.ceil(options.epochs * math.ceil(batches / accumulation)), accumulation

    def _build_trainer(self):
        from transformers import TrainingArguments

        from codestill.data.batches import collate
        from codestill.distill.checkpoints import Schedule
        from codestill.distill.trainer import DistillationTrainer

        options = self.options
        self.steps, accumulation = self._steps()
        warmup = min(options.warmup_steps, math.ceil(self.steps / 10))
        if warmup < options.warmup_steps:
            log(f"warm-up cut from {options.warmup_steps} to {warmup} steps: a tenth of the {self.steps} steps")
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(Path(options.work_dir) / "tensorboard")
        training = TrainingArguments(
            output_dir=options.work_dir,
            num_train_epochs=options.epochs,
            per_device_train_batch_size=options.batch_size,
            per_device_eval_batch_size=options.eval_batch_size,
            gradient_accumulation_steps=accumulation,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            warmup_steps=warmup,
            lr_scheduler_type="linear",
            seed=options.seed,
            bf16=options.precision == "bf16",
            fp16=options.precision == "fp16",
            **self._thrift(),
            use_cpu=self.device.type == "cpu",
            logging_steps=options.logging_steps or max(1, self.steps // 100),
            logging_nan_inf_filter=False,
            # Evaluations and checkpoints are scheduled by Schedule; these only arm the choice of the best model.
            eval_strategy="steps",
            save_strategy="steps",
            eval_steps=10**9,
            save_steps=10**9,
            save_total_limit=None,  # the trainer removes old ones itself, once a new one is sealed
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
            report_to=["tensorboard"] if self.main else [],
            remove_unused_columns=False,
            label_names=["labels"],
            # Training never uses one, but the setting is written into the config of the model that others will use.
            use_cache=getattr(self.model.config, "use_cache", True),
            dataloader_num_workers=0,
            dataloader_pin_memory=False,
            ddp_find_unused_parameters=False,
            ddp_backend="gloo" if self.processes > 1 and self.device.type == "cpu" else None,
            disable_tqdm=not os.isatty(2),
        )
        training._n_gpu = min(training.n_gpu, 1)  # several GPUs are used by several processes, never by threads
        self.schedule = Schedule(options.evaluations, options.save_steps, options.save_seconds)
        self.trainer = DistillationTrainer(
            self.model,
            training,
            self.train_data,
            self.validation_data,
            self.job.objective,
            self.teacher,
            self.dtype,
            self._own_text(accumulation),
            self._layers(),
            data_collator=collate,
            callbacks=[self.schedule, *self._tellers()],
        )
        from transformers.trainer_callback import PrinterCallback

        self.trainer.remove_callback(PrinterCallback)

    def _thrift(self):
        """What TrainingArguments is told of memory: how activations are kept, and by what the weights are moved."""
        from codestill.models.loading import check_bitsandbytes

        found, options = {}, self.options
        if options.gradient_checkpointing:
            # Not the reentrant form, through which no gradient reaches an adapter.
            found |= {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": False}}
        if options.optimizer:
            if "8bit" in options.optimizer:
                check_bitsandbytes(f"--optimizer {options.optimizer}")
            found["optim"] = options.optimizer
        return found

    def _tellers(self):
        """What tells how it goes: a bar on a terminal, else lines in the log."""
        from codestill.distill.progress import ProgressLines

        if os.isatty(2):
            return []
        few = range(min(200, len(self.train_data)))  # enough to know how many target tokens a step has, about
        a_row = sum(self.train_data.targets(row) for row in few) / len(few)
        return [ProgressLines(a_row * self.options.batch_size * self.options.gradient_accumulation_steps)]

    def _measure_untrained(self, resume):
        from codestill.distill.diverged import RECORD, measure_untrained

        if resume is None and self.main:
            (Path(self.options.work_dir) / RECORD).unlink(missing_ok=True)
        self.untrained = measure_untrained(self) if self.steps else None

    def _train(self, resume):
        if self.steps == 0:
            log("0 epochs: the model is left as it is")
            self.metrics = self.trainer.evaluate()
            return
        self.schedule.install()
        log(f"training: {self.steps} optimiser steps on {self.job.objective}")
        self.trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        history = self.trainer.state.log_history
        best = self.trainer.state.best_global_step
        self.metrics = next(row for row in reversed(history) if row.get("step") == best and "eval_loss" in row)

    def dropouts(self):
        """The dropout probabilities that the model was trained with."""
        from codestill.models.loading import dropouts

        return dropouts(self.model.config)

    def _finish(self):
        from codestill.distill.finish import finish

        self.trainer.restore()
        return finish(self)
