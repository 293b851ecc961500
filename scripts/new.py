"""From a folder of your own source and two models to a config that runs, and what that run would cost.

    python scripts/new.py src/                              # or `codestill new src/`; asks for the rest on a terminal
    codestill new src/ --teacher 4M --minutes 60            # from scratch, on a CPU
    codestill new src/ --teacher Qwen/Qwen2.5-Coder-1.5B --student Qwen/Qwen2.5-Coder-0.5B --study ours
    codestill new owner/dataset --teacher microsoft/CodeGPT-small-py --student distilbert/distilgpt2

Where most functions have no docstring, all of the code is taken, with names and comments as prompts (`format: code`).
A model is a name on the hub, a folder, a GGUF file, or a size (1M, 4M, 12M, 34M, 88M) to start from random weights;
without a student, the student is half of the teacher's layers. Nothing is downloaded and nothing runs: the config is
written, with the reason beside each number, and the plan of it is printed.
"""

import re
import sys
from pathlib import Path

from codestill.kit.files import atomic
from codestill.kit.program import UserError, parser, run

ROOT = Path(__file__).resolve().parents[1]
ATTEMPTS = 3  # to bring a plan below the minutes that are given
LONGEST = 525_600  # minutes that may be asked for: a year
MARGIN = 1.05  # what a plan may take above the minutes before it is said: less than it is sure of
FEWEST = 50  # records: of fewer, none would be left to test on


def arguments():
    cli = parser(__doc__)
    cli.add_argument("source", help="a folder or file of Python source, a file of JSON lines, or a data set of the hub")
    cli.add_argument(
        "--teacher", help="a model's name or a size; asked for on a terminal, else from scratch by the minutes"
    )
    cli.add_argument("--student", help="the same; left out: every second layer of the teacher")
    cli.add_argument("--study", help="its name; left out: the source's")
    cli.add_argument("--minutes", type=float, default=10.0, help="without a GPU: how long the whole study may take")
    cli.add_argument("--output", help="the config to write; left out: config/STUDY.yaml")
    args = cli.parse_args()
    if not 0 < args.minutes <= LONGEST:  # no comparison holds of nan
        raise UserError(f"--minutes {args.minutes:g}: give minutes above 0, at most {LONGEST:,} (a year)")
    return args


def asked(value, question, otherwise):
    """A flag's value, else the answer on a terminal, else the default; None is shown, and read, as none.

    Raises UserError where the terminal's input ends at the question.
    """
    if value is None and sys.stdin.isatty():
        try:
            value = input(f"{question} [{otherwise or 'none'}]: ").strip()
        except EOFError:
            print()  # the cursor stands behind the question
            raise UserError("the input ended at a question; answer it, or give --teacher, --student, --study") from None
    return otherwise if not value or (otherwise is None and value == "none") else value


def look_at(word):
    """(lines of the config's source, the Code found there). A data set of the hub is not looked at."""
    from codestill.data.sources import python_files
    from codestill.plan.proposal import columns_of, look_at_files, look_at_rows, not_looked_at

    path = Path(word)
    if path.is_dir() or path.suffix == ".py":
        files = list(python_files(path)) if path.is_dir() else [path]
        if not files:
            raise UserError(f"{word}: holds no .py file; give a folder of Python source")
        code, lines = look_at_files(files), ["kind: python", f"path: {path.resolve()}"]
    elif path.is_file():
        columns = columns_of(path)
        mapped = ", ".join(f"{ours}: {theirs}" for ours, theirs in columns.items() if ours != theirs)
        lines = ["kind: files", f"path: {path.resolve()}", *([f"columns: {{{mapped}}}"] if mapped else [])]
        code = look_at_rows(path, columns)
    elif re.fullmatch(r"[\w.-]+/[\w.-]+", word):
        return ["kind: hub", f"name: {word}"], not_looked_at(word)
    else:
        raise UserError(f"{word}: no folder or file here, and no name of a data set on the hub (OWNER/NAME)")
    if len(code.lengths) < FEWEST:
        what = "functions, classes and scripts" if code.form == "code" else "functions with a docstring"
        unread = f"; {code.unreadable:,} of {len(files):,} files are no Python 3" if code.unreadable else ""
        raise UserError(f"{word}: {len(code.lengths)} {what}, and {FEWEST} are the least to learn from{unread}")
    return lines, code


def say_price(plan, cores, minutes):
    """Print what a plan comes to, in one line, and where a CPU needs more than the minutes that were asked for."""
    from codestill.plan.plan_text import duration, size

    total, times = plan.total(), plan.times(cores)
    on, seconds = min(times.items())
    held = f"{total.gpu_hours:.1f} GPU-hours" if on else f"{total.cpu_hours:.2f} core-hours"
    where = f"{on} GPU" if on else f"{cores} cores"
    over = "" if on or seconds <= MARGIN * 60 * minutes else f": more than the {minutes:g} min asked for"
    print(f"price: {total.jobs} jobs, {held}, {size(total.disk)} of disk, about {duration(seconds)} on {where}{over}")


def plan_of(output, text, cores):
    """Write the config and return its plan. One that has no plan is removed: it would be in the next try's way."""
    from codestill.cluster.planned import planned

    with atomic(output) as handle:
        handle.write(text)
    try:
        return planned(ROOT / "Snakefile", [str(output)], cores=cores)[0]
    except BaseException:  # an interruption too
        output.unlink()
        raise


def main():
    args = arguments()
    lines, code = look_at(args.source)
    import yaml

    from codestill.plan.proposal import config_text, fitting_size, is_size, not_smaller, propose, row_of, this_machine
    from codestill.study.config import load_study

    machine = this_machine()
    unread = f", {code.unreadable:,} files unreadable" if code.unreadable else ""
    cut = code.cut(row_of(code, machine))
    print(f"code: {code.told}{unread}{f'; {cut}' if cut else ''}")
    gpus = f"{machine.gpus} GPUs of {machine.memory:.0f} GiB" if machine.gpus else "no GPU"
    print(f"machine: {machine.cores} cores, {gpus}")
    size = fitting_size(machine, args.minutes)
    teacher = asked(args.teacher, "teacher (a model's name, or a size to start from scratch)", size)
    student = asked(args.student, "student (none: every second layer of the teacher)", None)
    if student is not None and is_size(teacher) != is_size(student):
        raise UserError("--student: a teacher from scratch needs a student from scratch, and a name a name")
    if student is not None and (told := not_smaller(teacher, student)):
        print(f"remark: {told}")
    study = asked(args.study, "name of the study", re.sub(r"\W+", "-", Path(args.source).resolve().stem).strip("-_"))
    output = Path(args.output or f"config/{study}.yaml")
    if output.exists():
        raise UserError(f"{output}: is there already; give --output or --study, or remove it")
    minutes, limit = args.minutes, 60 * args.minutes
    for _ in range(ATTEMPTS):
        numbers = propose(code, machine, teacher, student or "", minutes)
        text = config_text(study, lines, code, machine, teacher, student, numbers)
        load_study(yaml.safe_load(text), str(output))  # a name that the config refuses is said before a file is there
        plan = plan_of(output, text, machine.cores)
        seconds = max(plan.times(machine.cores).values())
        if machine.gpus or seconds <= limit:
            break
        minutes *= 0.9 * limit / seconds  # what the trainings leave to the other jobs
    print(f"written: {output}")
    say_price(plan, machine.cores, args.minutes)
    print(f"next:  codestill plan --configfile {output}\n       snakemake --cores all --configfile {output}")


if __name__ == "__main__":
    run(main)
