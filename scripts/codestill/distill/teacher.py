"""Who teaches: the teacher run anew on every batch, its stored hidden states, or nobody (alpha = 1)."""

import torch

from codestill.distill.heads import split, target_rows


class OnlineTeacher:
    """The frozen teacher in evaluation mode, run without gradients on each batch.

    `columns` cuts its head to the student's vocabulary. It may live on another device than the student.
    """

    kind = "online"

    def __init__(self, model, columns, device="cpu", dtype=torch.float32):
        model.requires_grad_(False).eval().to(device=device, dtype=dtype)
        self.model, self.device = model, torch.device(device)
        self._body, head = split(model)
        self.head = head.cut(min(columns, head.columns)).to()
        self._head_by_device = {}

    def head_on(self, device):
        """The teacher's head where the student's loss is computed."""
        if device not in self._head_by_device:
            self._head_by_device[device] = self.head.to(device)
        return self._head_by_device[device]

    @torch.no_grad()
    def hidden(self, batch, training=True):
        """States [targets, width] at the positions of `batch` that predict a target, in order."""
        device = batch["input_ids"].device
        with torch.autocast(device.type, enabled=False), torch.autocast(self.device.type, enabled=False):
            states = self._body(
                input_ids=batch["input_ids"].to(self.device),
                position_ids=batch["position_ids"].to(self.device),
                use_cache=False,
            ).last_hidden_state
        return states[:, :-1][target_rows(batch["labels"]).to(self.device)].to(device)


def choose_teacher(run):
    """(teacher, facts for the provenance) of a `codestill.distill.training` run whose objective needs one."""
    from codestill.distill.models import load_model

    options = run.options
    device = torch.device("cpu") if options.teacher_device == "cpu" else run.device
    # On a GPU the teacher's body runs in the training's precision: it has no master weights to keep.
    dtype = run.dtype if device.type == "cuda" else torch.float32
    teacher = OnlineTeacher(load_model(run.job.teacher_path), run.head.columns, device, dtype)
    return teacher, {
        "path": run.job.teacher_path,
        "pass": "online",
        "device": str(device),
        "columns": teacher.head.columns,
    }
