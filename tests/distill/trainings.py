"""Small trainings as tests run them: their flags, their weights and losses, kills, and several processes."""

import os
import random
import signal
import socket
from pathlib import Path

import pytest

import children
import tiny_models as tiny
from codestill.kit.files import read_json, sha256

STEPS = 30  # 120 rows, batches of 6, two of them a step, three epochs


def made_home(root, teacher_width, rows, **student):
    """The folder `root` with a trained teacher of that width, a student and rows of tokens: (train, validation)."""
    tiny.model_folder(root / "raw_teacher", width=teacher_width, seed=1, resid_pdrop=0.0)
    tiny.model_folder(root / "student", seed=2, **student)
    for seed, (split, count) in enumerate(zip(("train", "validation"), rows, strict=True), 1):
        tiny.token_set(root / "tokens" / split, count, seed=seed)
    words = ["--model_path", root / "raw_teacher", "--train_data", root / "tokens/train", "--threads", 1]
    words += ["--output_dir", root / "teacher", "--num_train_epochs", 4, "--learning_rate", 0.01]
    assert children.run("teach", words, root / "teach.log") == 0, (root / "teach.log").read_text()
    return root


def flags(home, output, **changes):
    """The flags of a small cell whose results land in `output`."""
    values = {
        "teacher_model_path": home / "teacher",
        "student_model_path": home / "student",
        "train_data": home / "tokens/train",
        "output_dir": output,
        "num_train_epochs": 3,
        "learning_rate": 0.01,
        "threads": 1,
        "teacher_pass": "online",
        "device": "cpu",
    } | changes
    words = []
    for name, value in values.items():
        words += [] if value is None else [f"--{name}"] if value is True else [f"--{name}", value]
    return words


def distill(home, output, expect=0, environment=None, **changes):
    """Run a cell to its end; returns its output folder."""
    log = Path(f"{output}.log")
    assert children.run("distill", flags(home, output, **changes), log, environment) == expect, log.read_text()
    return Path(output)


def weights(folder):
    return sha256(folder / "model.safetensors")


def newest_step(work):
    """The step of the newest checkpoint in a work folder, 0 without one."""
    return max((int(path.name.rsplit("-", 1)[1]) for path in work.glob("checkpoint-*")), default=0)


def killed_and_resumed(command, output, seed):
    """Run a cell that is killed some moments after random steps, until it ends in `output`."""
    draw, log, work = random.Random(seed), f"{output}.killed.log", Path(f"{output}.work")
    # Each kill comes a moment after some step: soon after the start, then ever later.
    kills = [0, *sorted(draw.sample(range(3, 25), 4))]
    for attempts in range(1, 30):
        process = children.start("distill", command, log)
        step = kills[attempts - 1] if attempts <= len(kills) else STEPS + 1
        while process.exitcode is None and newest_step(work) < step:
            process.join(0.002)
        process.join(draw.uniform(0, 0.1))
        if process.exitcode is None:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        elif process.exitcode == 0:
            break
    assert process.exitcode == 0, Path(log).read_text()
    assert attempts > 1


def together(command, folder):
    """Run a cell by two processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        children.start("distill", command, folder / f"log{rank}", {**world, "RANK": rank, "LOCAL_RANK": rank})
        for rank in ("0", "1")
    ]
    for process in processes:
        process.join(120)
    text = (folder / "log0").read_text() + (folder / "log1").read_text()
    assert [process.exitcode for process in processes] == [0, 0], text


def losses(folder):
    """[(step, total, CE, KL, evaluation)] of a training."""
    names = ("step", "loss_total", "loss_ce", "loss_kl", "eval_loss", "eval_loss_kl")
    history = read_json(folder / "trainer_state.json")["log_history"]
    return [[row.get(name, 0.0) for name in names] for row in history if "loss_total" in row or "eval_loss" in row]


def alike(one, other, tolerance=2e-3):
    """The same losses at every step, but for the order of float32 sums."""
    assert len(losses(one)) == len(losses(other)) == STEPS + 3
    for found, expected in zip(losses(one), losses(other), strict=True):
        assert found == pytest.approx(expected, rel=tolerance)
    assert losses(one)[0] == pytest.approx(losses(other)[0], rel=1e-5)
