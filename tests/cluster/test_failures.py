"""The summary of a run that failed: causes by witness, the log's end, the way back, the hours lost."""

import json

import pytest

from codestill.cluster import failures
from codestill.cluster.failures import Failure, SlurmJob, cause, gpu_hours_lost, slurm_jobs, submissions, summary
from codestill.kit import attempts

COMMAND = "python /w/scripts/distill.py --alpha 0.5 --seed 1 > log 2>&1"


def failure(**changes):
    values = {
        "rule": "distill", "name": "T-2.0", "log": None, "target": "results/x/config.json",
        "command": COMMAND, "attempts": 1, "slurm_id": None,
    }  # fmt: skip
    return Failure(**{**values, **changes})


def record(folder, *ends, job=None, gpus=1, words=("--alpha", "0.5", "--seed", "1")):
    folder.mkdir(exist_ok=True)
    start = {"event": "start", "command": ["distill.py", *words], "job": job, "gpus": gpus}
    lines = [one for end in ends for one in (start, *([{"event": "end", "seconds": 3600, **end}] if end else []))]
    (folder / f"{abs(hash((job, words)))}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_program_is_heard_first(tmp_path):
    record(tmp_path / "a", {"cause": attempts.BAD_INPUT, "reason": "corpus: empty"}, job="7")
    assert cause(failure(slurm_id="7"), [SlurmJob("7", "FAILED", 5, 1)], tmp_path / "a") == (
        "bad input", "corpus: empty",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("TIMEOUT", "out of time"),
        ("OUT_OF_MEMORY", "out of memory"),
        ("NODE_FAIL", "node lost"),
        ("CANCELLED", "cancelled"),
    ],
)
def test_slurm_is_heard_where_the_program_could_not_speak(tmp_path, state, kind):
    record(tmp_path / "a", None, job="7")
    assert cause(failure(slurm_id="7"), [SlurmJob("7", state, 5, 1)], tmp_path / "a")[0] == kind


@pytest.mark.parametrize(
    ("states", "found"),
    [
        (("PREEMPTED", "NODE_FAIL", "TIMEOUT"), ("out of time", "SLURM job 7: TIMEOUT")),
        (("TIMEOUT", "OUT_OF_MEMORY"), ("out of memory", "SLURM job 7: OUT_OF_MEMORY")),
        (("FAILED", "NODE_FAIL"), ("node lost", "SLURM job 7: NODE_FAIL")),
        (("NODE_FAIL", "FAILED"), (failures.SILENT, "")),
    ],
)
def test_of_a_job_that_was_requeued_the_last_run_is_heard(tmp_path, states, found):
    record(tmp_path / "a", None, job="7")
    jobs = [SlurmJob("7", state, 5, 1) for state in states] + [SlurmJob("8", "DEADLINE", 5, 1)]
    assert cause(failure(slurm_id="7"), jobs, tmp_path / "a") == found


def test_a_silent_end_and_a_program_that_never_began(tmp_path):
    record(tmp_path / "a", None)
    assert cause(failure(), [], tmp_path / "a") == (failures.SILENT, "")
    assert cause(failure(command="other"), [], tmp_path / "a") == ("the command failed", "")


def test_the_summary_names_cell_log_and_way_back(tmp_path):
    log = tmp_path / "cell.log"
    log.write_text("first\n" + "\n".join(f"line {n}" for n in range(20)) + "\n 10%|#\r 90%|###\nerror: NaN\n")
    record(tmp_path / "a", {"cause": attempts.BAD_INPUT, "reason": "NaN"})
    lines = summary([failure(log=str(log), attempts=4)], [], tmp_path / "a", "snakemake --profile slurm")
    text = "\n".join(lines)
    assert lines[0].startswith("1 job failed")
    assert "distill T-2.0: bad input, 4 attempts\n  why:   NaN\n" in text
    assert f"  log:   {log}\n" in text and "| error: NaN" in text and "line 1\n" not in text and "10%" not in text
    assert "  rerun: snakemake --profile slurm -- results/x/config.json" in text
    assert lines[-1] == "GPU-hours lost in attempts that failed: 1.00"
    assert summary([], [], tmp_path, "") == []


def test_hours_lost_are_those_of_jobs_that_did_not_complete(tmp_path):
    jobs = [SlurmJob("1", "TIMEOUT", 3600, 2), SlurmJob("2", "COMPLETED", 3600, 1), SlurmJob("3", "FAILED", 1800, 1)]
    assert gpu_hours_lost(jobs, tmp_path) == 2.5


def fake(folder, name, text, code=0):
    program = folder / name
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n")
    program.chmod(0o755)


def test_jobs_by_accounting_and_by_the_queue(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    fake(
        tmp_path,
        "sacct",
        "7|FAILED|30|billing=1,gres/gpu=2,mem=1G\n7.batch|FAILED|30|\n7.0|OUT_OF_MEMORY|28|\n8|CANCELLED by 0|5|cpu=1",
    )
    expected = [SlurmJob("7", "OUT_OF_MEMORY", 30, 2), SlurmJob("8", "CANCELLED", 5, 0)]
    assert slurm_jobs("run") == expected
    fake(tmp_path, "sacct", "7|PREEMPTED|30|gres/gpu=1\n7.0|CANCELLED|28|\n7|FAILED|9|gres/gpu=1\n7.0|OUT_OF_MEMORY|8|")
    assert slurm_jobs("run") == [SlurmJob("7", "PREEMPTED", 30, 1), SlurmJob("7", "OUT_OF_MEMORY", 9, 1)]
    fake(tmp_path, "sacct", "", code=1)
    fake(tmp_path, "squeue", "7|TIMEOUT|1-00:01:05|cpu=1,gres/gpu:h100=1|")
    assert slurm_jobs("run") == [SlurmJob("7", "TIMEOUT", 86465, 1)]


def test_a_call_names_its_jobs(tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "SLURM run ID: codestill_12-ab\nJob 3 has been submitted with SLURM jobid 17 (log: x).\n"
        "Job 4 has been submitted with SLURM jobid 18 (log: x).\n"
        "Job 3 has been submitted with SLURM jobid 19 (log: x).\n"
    )
    assert submissions([log]) == ("codestill_12-ab", {3: "19", 4: "18"})
