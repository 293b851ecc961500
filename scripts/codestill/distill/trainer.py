"""The Trainer of transformers with the chunked objective as its loss and an evaluation that is exact per token."""

import math
import time
import types
from dataclasses import replace
from pathlib import Path

import torch
from transformers import Trainer

from codestill.data.batches import FILLER, Filled, batches
from codestill.distill.checkpoints import SEAL, prune, seal
from codestill.distill.evaluation import batch_sums
from codestill.distill.hidden_states import detach
from codestill.distill.objective import distillation_loss
from codestill.kit import attempts
from codestill.kit.files import read_json, write_json
from codestill.kit.program import UserError
from codestill.models import adapters
from codestill.models.heads import split, target_rows

OWN_TEXT = "own_text_{}.json"  # in a checkpoint, by process: what the student wrote and has not learnt yet


def student_forward(model, batch, count, objective, teacher, dtype, layers=None):
    """Losses of `batch` (see `codestill.distill.objective`) for a student split into body and head.

    A batch that the student wrote (`own`, see `codestill.distill.on_policy`) has no labels: of the objective's terms
    only the teacher's acts on it, at its weight, and its CE is 0. `layers` (HiddenStates) draws its layers to the
    teacher's. Returns (loss, and the sums CE, T^2 D and H).
    """
    body, head = split(model, check=False)
    inputs = {"input_ids": batch["input_ids"], "position_ids": batch["position_ids"], "use_cache": False}
    found = body(**inputs, **({"output_hidden_states": True} if layers else {}))
    hidden = found.last_hidden_state
    rows = target_rows(batch["labels"])
    taught, apart = {}, torch.zeros((), device=hidden.device)
    if layers:
        states, wanted = teacher.states_and_layers(batch, layers.taught)
        apart = layers.total(model, [one[:, :-1][rows] for one in found.hidden_states], wanted)
    elif objective.needs_teacher:
        states = teacher.hidden(batch, training=model.training)
    if objective.needs_teacher:
        taught = {"teacher_hidden": states, "teacher_head": teacher.head_on(hidden.device)}
    targets = batch["labels"][:, 1:][rows]
    own = batch.get("own", False)
    asked = replace(objective, alpha=0.0) if own else objective
    losses = distillation_loss(hidden[:, :-1][rows], targets, head, asked, count, dtype=dtype, **taught)
    loss, ce = losses.loss, losses.ce
    if own:
        loss, ce = loss * (1 - objective.alpha), torch.zeros_like(ce)
    if layers:
        loss = loss + layers.weight / count * apart
    return loss, ce, losses.soft, apart.detach()


class DistillationTrainer(Trainer):
    """Trains a student by an Objective.

    `teacher` gives hidden states of a batch's targets (see `codestill.distill.teacher`), None where alpha is 1.
    `dtype` is the type of the head's matrix products. The student's forward is replaced while the trainer lives
    (`restore` undoes it), so that wrappers for several processes and mixed precision see one ordinary forward pass.
    `own_text` (see `codestill.distill.on_policy`) has the student write a share of the batches itself; `layers` (see
    `codestill.distill.hidden_states`) draws its layers to the teacher's.
    """

    def __init__(
        self, model, args, train_dataset, validation, objective, teacher, dtype, own_text=None, layers=None, **options
    ):
        self.own_text, self.layers = own_text, layers
        self.objective, self.teacher, self.dtype, self.validation = objective, teacher, dtype, validation
        model.forward = types.MethodType(_forward(self), model)
        super().__init__(model=model, args=args, train_dataset=train_dataset, eval_dataset=validation, **options)
        # The loss is divided by the targets of the whole step, and labels are shifted here.
        self.model_accepts_loss_kwargs = self._loss_shifts_labels = True
        self._parts, self._steps_at_log, self._last_examples = None, 0, None
        self._labelled, self._labelled_steps = None, 0
        self.attempts, self._spent_before, self._started = 1, (0.0, 0.0), _clocks()

    def restore(self):
        """Give the model its own forward back."""
        for name in ("forward", "_original_forward"):
            self.model.__dict__.pop(name, None)
        detach(self.model)

    def get_train_dataloader(self):
        """As Trainer's, but several processes fill the last batches up with empty rows, where accelerate repeats rows.

        So a step has the same targets however many processes share it.
        """
        loader = super().get_train_dataloader()
        if self.accelerator.num_processes > 1:
            batches_of_all = loader.batch_sampler.batch_sampler
            block = batches_of_all.batch_size * self.accelerator.num_processes
            batches_of_all.sampler = Filled(batches_of_all.sampler, block)
        return loader

    def get_batch_samples(self, epoch_iterator, num_batches, device):
        """As Trainer's: the batches of a step, some of them in the student's own text, and their targets in all."""
        if self.own_text is None:
            return super().get_batch_samples(epoch_iterator, num_batches, device)
        done, steps = self.state.global_step, self.state.max_steps
        found = self.own_text.batches(epoch_iterator, num_batches, done, steps)
        corpus = [target_rows(batch["labels"]).sum() for batch in found if "own" not in batch]
        corpus = torch.stack([*corpus, torch.zeros((), dtype=torch.int64, device=device)]).sum()
        self._labelled = int(self.accelerator.reduce(corpus, "sum"))
        self._labelled_steps += self._labelled > 0
        count = self._get_num_items_in_batch(found, device)
        self.own_text.count(self._labelled, int(count))
        return found, count

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The batch's share of the step's loss; scaled by the processes, whose gradients are averaged later."""
        if num_items_in_batch is None:
            raise ValueError("the number of targets of the step is unknown")
        self._last_examples = inputs["example"]
        loss, ce, soft, apart = model(batch=inputs, count=num_items_in_batch)
        if not math.isfinite(loss.item()):
            raise UserError(self._where(f"the loss is {loss.item()}"), attempts.DIVERGED)
        labelled = num_items_in_batch if self._labelled is None else max(self._labelled, 1)
        parts = torch.stack((ce.detach() / labelled, soft.detach() / num_items_in_batch, apart / num_items_in_batch))
        self._parts = parts if self._parts is None else self._parts + parts
        return loss * self.accelerator.num_processes

    def _where(self, what):
        rows = ", ".join(str(int(row)) for row in self._last_examples if row != FILLER)
        return (
            f"training stopped at step {self.state.global_step + 1}, epoch {self.state.epoch or 0:.2f}, rows {rows} of "
            f"{self.train_dataset.source}: {what}; lower --learning_rate, or use --precision float32"
        )

    def _save_checkpoint(self, model, trial):
        """As Trainer's, then sealed (see `codestill.distill.checkpoints`) with the seconds of training so far."""
        super()._save_checkpoint(model, trial)
        folder = f"{self.args.output_dir}/checkpoint-{self.state.global_step}"
        if self.own_text:
            write_json(Path(folder) / OWN_TEXT.format(self.args.process_index), self.own_text.state())
        if self.accelerator.num_processes > 1:
            self.accelerator.wait_for_everyone()
        if self.args.should_save:
            seconds, cpu_seconds = self.spent()
            seal(folder, seconds=seconds, cpu_seconds=cpu_seconds, attempts=self.attempts)
            prune(self.args.output_dir, self.state.best_global_step)

    def _save(self, output_dir=None, state_dict=None):
        """As Trainer's; of a model with an adapter its adapter alone: the base is known by its identity."""
        if not adapters.is_adapted(self.model):
            super()._save(output_dir, state_dict)
        elif self.args.should_save:
            adapters.save_adapter(self.model, output_dir)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        if adapters.is_adapted(self.model):
            adapters.restore_adapter(self.model, resume_from_checkpoint)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self):
        if adapters.is_adapted(self.model):
            adapters.restore_adapter(self.model, self.state.best_model_checkpoint)
        else:
            super()._load_best_model()

    def spent(self):
        """Wall-clock and CPU seconds of training in this process, those of interrupted attempts included."""
        return [
            before + now - then for before, now, then in zip(self._spent_before, _clocks(), self._started, strict=True)
        ]

    def _clip_grad_norm(self, model):
        norm = super()._clip_grad_norm(model)
        # With fp16 the scaler meets infinite gradients while it looks for its scale, and skips those steps.
        if not self.args.fp16 and norm is not None and not math.isfinite(float(norm)):
            raise UserError(self._where(f"the gradient's norm is {float(norm)}"), attempts.DIVERGED)
        return norm

    def log(self, logs, start_time=None):
        """Add loss_ce, loss_kl (T^2 times the divergence) and loss_total, averaged over steps since the last log.

        loss_ce is per label: over the steps that have some, none where the student wrote all. Where layers are drawn to
        the teacher's, loss_hidden is H; `evaluate` knows nothing of it.
        """
        if "loss" in logs and self._parts is not None:
            steps = self.state.global_step - self._steps_at_log
            labelled = steps if self.own_text is None else self._labelled_steps
            ce, soft, apart = self.accelerator.reduce(self._parts, "sum").tolist()
            logs["loss_total"] = logs["loss"]
            if labelled or self.own_text is None:
                logs["loss_ce"] = ce / max(labelled, 1)
            if self.objective.needs_teacher:
                logs["loss_kl"] = soft / max(steps, 1)
            if self.layers:
                logs["loss_hidden"] = apart / max(steps, 1)
            self._parts, self._steps_at_log, self._labelled_steps = None, self.state.global_step, 0
        super().log(logs, start_time)

    def train(self, resume_from_checkpoint=None, **options):
        """As Trainer.train; averages of losses restart with it."""
        self._started = _clocks()
        if resume_from_checkpoint:
            facts = read_json(f"{resume_from_checkpoint}/{SEAL}")
            self._spent_before, self.attempts = (facts["seconds"], facts.get("cpu_seconds", 0.0)), facts["attempts"] + 1
            self._steps_at_log = int(str(resume_from_checkpoint).rsplit("-", 1)[1])
            if self.own_text:
                kept = Path(resume_from_checkpoint) / OWN_TEXT.format(self.args.process_index)
                self.own_text.restore(read_json(kept))
        return super().train(resume_from_checkpoint=resume_from_checkpoint, **options)

    @torch.no_grad()
    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """Exact means per target token over the whole validation set, in nats.

        `eval_loss` and `eval_loss_ce` are the CE at T = 1, comparable between all cells; `eval_loss_kl` is KL(teacher
        || student) at T = 1; `eval_loss_total` is alpha CE + (1 - alpha) T^2 D, the objective without label
        smoothing, own text and hidden states. Rows are dealt out to the processes.
        """
        dataset = eval_dataset if eval_dataset is not None else self.validation
        model = self.model
        training = model.training
        model.eval()
        mine = range(self.accelerator.process_index, len(dataset), self.accelerator.num_processes)
        sums = torch.zeros(4, dtype=torch.float64)
        with self.accelerator.autocast():
            for batch in batches(dataset, self.args.per_device_eval_batch_size, mine, self.args.device):
                sums += batch_sums(model, batch, self.objective, self.teacher, self.dtype)
        if self.accelerator.num_processes > 1:
            sums = self.accelerator.reduce(sums.to(self.args.device), "sum").cpu()
        model.train(training)
        metrics = self._metrics(sums.tolist(), metric_key_prefix)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _metrics(self, sums, prefix):
        ce, kl, soft, count = sums
        if not count:
            raise UserError(f"{self.validation.source}: no target tokens to evaluate on")
        alpha, taught = self.objective.alpha, self.objective.needs_teacher
        metrics = {f"{prefix}_loss": ce / count, f"{prefix}_loss_ce": ce / count}
        if taught:
            metrics[f"{prefix}_loss_kl"] = kl / count
        metrics[f"{prefix}_loss_total"] = alpha * ce / count + (1 - alpha) * soft / count
        return metrics


def _clocks():
    return time.monotonic(), time.process_time()


def _forward(trainer):
    """The student's forward pass while it is trained."""

    def forward(self, batch, count):
        return student_forward(self, batch, count, trainer.objective, trainer.teacher, trainer.dtype, trainer.layers)

    return forward
