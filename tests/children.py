"""Programs run in forked children: a process of their own each, without importing torch again."""

import multiprocessing
import os
import signal
import sys
import traceback

import torch
import transformers

import codestill.distill.finish
import codestill.distill.preflight

# What a program imports late is imported here once, before the children are forked.
import codestill.distill.teacher_cache
import codestill.distill.teacher_pass
import codestill.distill.trainer
from codestill.kit.program import UserError

assert transformers.Trainer and codestill.distill.teacher_cache
torch.set_num_threads(1)  # a pool of threads would not survive the fork


def _child(program, flags, log):
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.dup2(1, 2)
    sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1, closefd=False)  # in place of pytest's capture
    _die_when_told()
    sys.argv = [program, *map(str, flags)]
    module = __import__(program)
    try:
        code = module.main()
    except UserError as error:
        print(f"error: {error}", flush=True)
        code = 2
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    os._exit(code or 0)


def _die_when_told():
    """Kill this process where it begins to seal the checkpoint that $DIE_AT names."""
    sealed = codestill.distill.trainer.seal

    def seal(folder, **facts):
        if str(folder) == os.environ.get("DIE_AT"):
            os.kill(os.getpid(), signal.SIGKILL)
        sealed(folder, **facts)

    codestill.distill.trainer.seal = seal


def start(program, flags, log, environment=None):
    """Start `program` (a module of scripts/) with flags, its output appended to `log`."""
    process = multiprocessing.get_context("fork").Process(target=_with, args=(environment, program, flags, str(log)))
    process.start()
    return process


def _with(environment, *arguments):
    os.environ.update(environment or {})
    _child(*arguments)


def run(program, flags, log, environment=None):
    """Exit code of `program`."""
    process = start(program, flags, log, environment)
    process.join()
    return process.exitcode
