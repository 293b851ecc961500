"""Say what a study's run is doing: what is at work, done and failed, and hours of GPUs against the plan.

    python scripts/follow.py demo
    python scripts/follow.py demo | grep failed

Reads files alone (plan, attempts, logs), so that it works beside a run and on a login node. On a terminal it refreshes
until the run is over or Ctrl-C; into a pipe it prints once. Exit code 1 where a job has failed.
"""

import sys
import time

from codestill.kit.program import UserError, parser, run

EVERY = 2.0  # seconds between two looks


def clock(seconds):
    """`1:02:03` of seconds."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def lines(found):
    """What is told of one look, as lines of plain text."""
    from codestill.cluster.progress import QUIET

    if found.began is None:
        yield f"{found.study}: no run has been planned here yet"
    else:
        began = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.began))
        yield f"{found.study}: {found.done} of {found.planned} jobs done of the run that began {began}"
        yield f"{found.unit}: {found.hours:.2f} so far, {found.hours_planned:.2f} planned"
    parts = [f"{rule} {done}/{planned}" for rule, done, planned in found.finished if done < planned]
    if parts:
        yield "to do: " + ", ".join(parts)
    for job in found.running:
        where = job.host + (f" job {job.slurm}" if job.slurm else "") + (f", {job.gpus} GPU" if job.gpus else "")
        planned = f" of {clock(job.planned)} planned" if job.planned else ""
        yield f"running: {job.rule} {job.name} on {where}, {clock(job.seconds)}{planned}"
        if job.said:
            yield f"  {job.said}"
        if job.quiet > QUIET:
            yield f"  its log has been silent for {clock(job.quiet)}"
    for job in found.failed:
        yield f"failed: {job.rule} {job.name}: {job.cause}" + (f": {job.reason}" if job.reason else "")
        if job.log:
            yield f"  {job.log}"
    if not found.running:
        yield "nothing is at work" + (": all is done" if found.began and found.done == found.planned else "")


def main():
    """The program."""
    options = parser(__doc__)
    options.add_argument("study", help="the study's name, as in results/STUDY")
    options.add_argument("--directory", default=".", help="the folder in which the workflow runs")
    arguments = options.parse_args()
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from codestill.cluster.progress import look

    def view():
        found = look(arguments.study, arguments.directory)
        return found, "\n".join(lines(found))

    found, text = view()
    if not sys.stdout.isatty():
        print(text)
        return int(bool(found.failed))
    with Live(Text(text), console=Console(), refresh_per_second=1) as live:
        while found.running or (found.began is not None and found.done < found.planned and not found.failed):
            time.sleep(EVERY)
            try:
                found, text = view()
            except UserError:
                continue  # a file that is being replaced
            live.update(Text(text))
    return int(bool(found.failed))


if __name__ == "__main__":
    run(main)
