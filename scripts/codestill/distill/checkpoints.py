"""Checkpoints that are known to be whole, and when to write them.

A checkpoint is intact where `checkpoint.json`, written last, names each of its files with size and checksum and all
agree. Whatever else lies in the work folder is torn: it is removed, said, and the one before it is used.
"""

import json
import shutil
import signal
import time
from pathlib import Path

import torch
from transformers import TrainerCallback

from codestill.kit.files import read_json, sha256, write_json
from codestill.kit.program import UserError, log
from codestill.kit.signals import END_SIGNALS

SEAL = "checkpoint.json"
RUN = "run.json"
KEPT = 2  # checkpoints beside the best one's


class Interrupted(Exception):
    """Asked to end by a signal; a checkpoint has been written."""


def seal(folder, **facts):
    """Mark a checkpoint as whole: sizes and checksums of its files, and facts to carry to the next attempt."""
    files = {
        path.name: [path.stat().st_size, sha256(path)] for path in sorted(Path(folder).iterdir()) if path.is_file()
    }
    files.pop(SEAL, None)
    write_json(Path(folder) / SEAL, {"files": files, **facts})


def fault(folder):
    """None where a checkpoint is intact, else what is wrong with it."""
    try:
        files = read_json(Path(folder) / SEAL)["files"]
    except (UserError, KeyError, TypeError):
        return "it was not finished"
    for name, (size, digest) in files.items():
        path = Path(folder) / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes in place of {size}"
        if sha256(path) != digest:
            return f"{name} fails its checksum"
    return None


def claim(work_dir, facts):
    """Begin or go on with a run in `work_dir`: checkpoints of a run with other settings or inputs are removed.

    `facts` is all that shapes the weights.
    """
    path = Path(work_dir) / RUN
    known = read_json(path) if path.is_file() else {}
    if known.get("facts") == json.loads(json.dumps(facts)):
        return
    old = list(Path(work_dir).glob("checkpoint-*"))
    if old:
        changed = [name for name in facts if known.get("facts", {}).get(name) != facts[name]]
        log(f"{work_dir}: checkpoints of another run ({', '.join(changed) or 'unknown'} differs) are removed")
    for folder in old:
        shutil.rmtree(folder)
    write_json(path, {"facts": facts})


def newest_intact(work_dir):
    """The checkpoint to resume from, or None. Removes torn ones, and ones whose best model is lost, and says so."""
    folders = sorted(Path(work_dir).glob("checkpoint-*"), key=_step)
    intact = []
    for folder in folders:
        problem = fault(folder)
        if problem:
            log(f"checkpoint {folder} is not intact ({problem}); it is removed and not used")
            shutil.rmtree(folder)
        else:
            intact.append(folder)
    while intact:
        state = read_json(intact[-1] / "trainer_state.json")
        best = state.get("best_global_step")
        if best is None or Path(work_dir, f"checkpoint-{best}") in intact:
            _point_to_best(intact[-1], state, best)
            return intact[-1]
        log(f"checkpoint {intact[-1]} refers to the best model so far, checkpoint-{best}, which is lost; not used")
        shutil.rmtree(intact.pop())
    if folders:
        log("no intact checkpoint is left: training starts from the beginning")
    return None


def prune(work_dir, best):
    """Remove all checkpoints but the two newest and that of the best step, once the newest is sealed.

    Never before: a run that is killed in between must find the one before, and so must one whose newest is damaged.
    """
    folders = sorted(Path(work_dir).glob("checkpoint-*"), key=_step)
    for folder in folders[:-KEPT]:
        if _step(folder) != best:
            shutil.rmtree(folder)


def _step(folder):
    return int(folder.name.rsplit("-", 1)[1])


def _point_to_best(folder, state, best):
    """Make the recorded path of the best checkpoint agree with where the work folder lies now."""
    path = str(folder.parent / f"checkpoint-{best}") if best is not None else None
    if state.get("best_model_checkpoint") != path:
        facts = read_json(folder / SEAL)
        write_json(folder / "trainer_state.json", state | {"best_model_checkpoint": path})
        facts.pop("files")
        seal(folder, **facts)


class Schedule(TrainerCallback):
    """Evaluates at given steps; saves there, every so many steps or seconds, and on SIGTERM or SIGUSR1.

    Losses are logged with each save, so that no average spans an interruption.
    """

    def __init__(self, evaluations, save_steps=None, save_seconds=600.0):
        self.evaluations, self.save_steps, self.save_seconds = evaluations, save_steps, save_seconds
        self.signal, self._steps, self._saved = None, (), time.monotonic()

    def install(self):
        """Catch SIGTERM and SIGUSR1 (SLURM's warning before the time limit)."""
        for number in END_SIGNALS:
            signal.signal(number, self._caught)

    def _caught(self, number, _frame):
        self.signal = signal.Signals(number).name
        log(f"{self.signal}: a checkpoint follows the present step")

    def on_train_begin(self, args, state, control, **_):
        """Spread the evaluations evenly; the last one is at the last step."""
        count = min(self.evaluations, state.max_steps)
        self._steps = {round(state.max_steps * (index + 1) / count) for index in range(count)}
        self._saved = time.monotonic()

    def on_step_end(self, args, state, control, **_):
        """Decide what follows this step."""
        control.should_evaluate = state.global_step in self._steps
        due = self.save_steps and state.global_step % self.save_steps == 0
        late = self._agreed(time.monotonic() - self._saved > self.save_seconds, args)
        last = state.global_step >= state.max_steps
        control.should_save = bool(control.should_evaluate or due or late or last)
        control.should_log = control.should_log or control.should_save
        return control

    def _agreed(self, late, args):
        """Whether to save for the clock or a signal: all processes do what any of them must."""
        if args.world_size > 1:
            flags = torch.tensor([int(late), int(bool(self.signal))], device=args.device)
            torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
            late = bool(flags[0])
            self.signal = self.signal or ("a signal to another process" if flags[1] else None)
        return late or bool(self.signal)

    def on_save(self, args, state, control, **_):
        """A signal ends the run once its checkpoint is written."""
        self._saved = time.monotonic()
        if self.signal:
            raise Interrupted(f"{self.signal}: stopped after step {state.global_step} of {state.max_steps}")
