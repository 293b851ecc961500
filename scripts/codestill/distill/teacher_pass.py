"""The teacher of a training: run on each batch, or read from its stored states; and the pass that stores them."""

import shutil
import tempfile
from pathlib import Path

import torch

from codestill.distill import teacher_cache
from codestill.distill.teacher import MixedTeacher, load_teacher
from codestill.kit.program import UserError, log
from codestill.models.weights import model_identity
from codestill.study.teacher_states import SPLITS

OWN = "teacher_states"  # within the work folder: the states of a training that makes them itself


def pass_of(options):
    """`cache` where the flags name stored states or ask for them, else `online`; layers are never stored."""
    if options.hidden_weight and options.teacher_cache:
        raise UserError("--teacher_cache: holds no layers, which --hidden_weight needs; leave it out")
    if options.hidden_weight:
        return "online"
    if options.teacher_cache and options.teacher_pass == "online":
        raise UserError("--teacher_pass online: runs the teacher; leave --teacher_cache out, or read it with cache")
    return "cache" if options.teacher_cache or options.teacher_pass == "cache" else "online"


def identity_of(teacher_path, load_in=None):
    """What a teacher's states depend on: its model, and the bits that its weights are loaded in."""
    found = model_identity(teacher_path)
    return f"{found} in {load_in}" if load_in else found


def choose_teacher(run):
    """(teacher, facts for the provenance) of a `codestill.distill.training` run whose objective needs one."""
    options, way = run.options, pass_of(run.options)
    device = torch.device("cpu") if options.teacher_device == "cpu" else run.device
    facts = {"path": run.job.teacher_path, "pass": way, "states": options.cache_dtype, "device": str(device)}
    also = ", run on what the student writes" if way == "cache" and options.on_policy else ""
    also = ", since its layers are asked for" if options.hidden_weight else also
    log(f"teacher: {way}, its states in {options.cache_dtype}{also}")
    online = None
    if way == "online" or options.on_policy:
        packed = run.train_data.packed or run.validation_data.packed
        how = {"states": options.cache_dtype, "load_in": options.teacher_load_in}
        online = load_teacher(run.job.teacher_path, run.head.columns, device, run.dtype, packed, **how)
    teacher = online
    if way == "online" and options.teacher_load_in:
        facts["load_in"] = bits_error(run.job.teacher_path, teacher, options.teacher_load_in, run.validation_data)
    if way == "cache":
        data = dict(zip(SPLITS, (run.train_data, run.validation_data), strict=True))
        folder = run.agree(lambda: _stored(run, data, device))
        teacher = teacher_cache.CachedTeacher(_staged(run, folder), data, run.head.columns, run.dtype)
        facts["cache"] = {key: teacher.manifest[key] for key in ("dtype", "model", "splits", "kl_error")}
        facts |= {key: teacher.manifest[key] for key in ("load_in",) if key in teacher.manifest}
        teacher = MixedTeacher(teacher, online) if online else teacher
    return teacher, facts | {"columns": teacher.head.columns}


def _stored(run, data, device):
    """The folder of the states: the one that is named, else the work folder's own, made where it is not there yet."""
    options, sha = run.options, run.facts["teacher"]
    folder = options.teacher_cache or str(Path(options.work_dir) / OWN)
    fault = teacher_cache.fault(folder, data, sha, options.cache_dtype)
    if fault and options.teacher_cache:
        raise UserError(f"--teacher_cache {folder}: {fault}; make them with scripts/cache_teacher.py")
    if fault:
        work = Path(options.work_dir) / f"{OWN}.work"
        how = options.cache_dtype, options.eval_batch_size, options.teacher_load_in
        store(run.job.teacher_path, data, folder, work, device, *how)
        shutil.rmtree(work)
    return folder


def _staged(run, folder):
    """The folder of the states, copied first to a node-local folder where one is named."""
    if not run.options.stage_cache_in:
        return folder
    stage = tempfile.TemporaryDirectory(dir=run.options.stage_cache_in, prefix="teacher-states-")
    run.on_exit(stage.cleanup)
    log(f"copying the teacher's states to {stage.name}")
    return shutil.copytree(folder, stage.name, dirs_exist_ok=True)


def store(teacher_path, data, folder, work_dir, device, dtype, batch_size, load_in=None):
    """Store the states of the teacher in `teacher_path` on `data` {split: Examples} in `folder`; the manifest."""
    packed = any(one.packed for one in data.values())
    teacher = load_teacher(teacher_path, 2**62, device, torch.float32, packed, load_in=load_in)
    told = {"load_in": bits_error(teacher_path, teacher, load_in, data[SPLITS[1]])} if load_in else {}
    sha = identity_of(teacher_path, load_in)
    return teacher_cache.store_states(folder, work_dir, teacher, data, sha, dtype, batch_size, told=told)


def bits_error(teacher_path, teacher, load_in, validation):
    """{bits, mean, largest, positions}: what few bits cost a teacher (an OnlineTeacher), in nats a position.

    KL(full precision || few bits) at T = 1, on the first validation rows. The teacher in full precision runs on the
    CPU: it may fit no other device.
    """
    full = load_teacher(teacher_path, teacher.head.columns, torch.device("cpu"), torch.float32, validation.packed)
    found = {"bits": load_in, **teacher_cache.states_error(full, teacher, validation)}
    log(f"teacher in {load_in}: KL {found['mean']:.1e} a token from full precision, on {found['positions']} positions")
    return found
