"""What a cluster takes away: jobs, nodes, the driver. Every time the cell ends with the weights of an untouched run."""

import re
import signal
import subprocess
import sys
from pathlib import Path

from conftest import LONG, SOON

from cluster import alive, until

PROCESSES = r"\d\d:\d\d:\d\d training: "


def no_job_left(cluster):
    return not cluster.ask("squeue", "--noheader", "--states=RUNNING,PENDING,COMPLETING").strip()


def test_a_preempted_and_a_requeued_job_resume_under_their_number(cluster, fresh, reference, rows):
    call = fresh.call("--", fresh.model(LONG))
    job = call.submitted()
    fresh.until_training(LONG)
    node = cluster.ask("squeue", "--noheader", f"--jobs={job}", "--format=%N").strip()
    cluster.ask("sbatch", "--partition=urgent", f"--nodelist={node}", "--exclusive", "--output=none", "--wrap=sleep 1")
    until(lambda: fresh.resumed(LONG), "it goes on after the urgent job")
    fresh.until_training(LONG)
    once = fresh.resumed(LONG)
    cluster.ask("scontrol", "requeue", job)
    assert call.wait() == 0, call.text[-3000:]
    assert call.jobs == [job]
    states = [row["State"] for row in rows([job]) if row["JobIDRaw"] == job]
    assert states == ["PREEMPTED", "REQUEUED", "COMPLETED"]
    assert fresh.resumed(LONG) > once
    assert fresh.weights(LONG) == reference


def test_a_node_that_dies_costs_one_start_elsewhere(cluster, fresh, reference, rows):
    call = fresh.call("--", fresh.model(LONG))
    job = call.submitted()
    fresh.until_training(LONG)
    first = cluster.ask("squeue", "--noheader", f"--jobs={job}", "--format=%N").strip()
    cluster.crash_node(first)
    assert call.wait() == 0, call.text[-3000:]
    runs = [row for row in rows(call.jobs, "NodeList") if row["JobIDRaw"] == job]
    assert [(row["State"], row["NodeList"] == first) for row in runs] == [("NODE_FAIL", True), ("COMPLETED", False)]
    assert call.jobs == [job]
    assert fresh.weights(LONG) == reference


def test_an_interrupted_call_cancels_its_jobs_and_the_next_goes_on(cluster, fresh, reference, rows):
    call = fresh.call("--", fresh.model(LONG))
    job = call.submitted()
    fresh.until_training(LONG)
    call.process.send_signal(signal.SIGINT)
    assert call.wait() != 0
    until(lambda: no_job_left(cluster), f"{job} ends")
    assert [row["State"][:9] for row in rows([job]) if row["JobIDRaw"] == job] == ["CANCELLED"]
    again = fresh.call("--", fresh.model(LONG))
    assert again.wait() == 0, again.text[-3000:]
    assert fresh.resumed(LONG)
    assert fresh.weights(LONG) == reference


def test_after_a_hard_end_of_the_driver_no_cell_is_trained_twice_at_once(cluster, fresh, reference):
    call = fresh.call("--", fresh.model(LONG))
    job = call.submitted()
    fresh.until_training(LONG)
    call.kill()
    assert cluster.ask("squeue", "--noheader", f"--jobs={job}", "--format=%T").strip() == "RUNNING"
    unlock = fresh.call("--unlock")
    assert unlock.wait() == 0
    again = fresh.call("--", fresh.model(LONG))
    until(lambda: "is held by" in fresh.log(LONG), "the second copy waits for the first")
    held = re.search(rf"is held by \S+ pid (\d+), job {job}\b", fresh.log(LONG))
    assert held and alive(int(held[1]))
    assert again.wait() == 0, again.text[-3000:]
    assert "was finished by the same command meanwhile" in fresh.log(LONG)
    assert not re.search(PROCESSES, fresh.log(LONG))
    assert fresh.weights(LONG) == reference


def submit_driver(study):
    """Snakemake in a job, for the cell LONG; the job's number."""
    (study.root / ".venv/bin").mkdir(parents=True, exist_ok=True)
    link = study.root / ".venv/bin/snakemake"
    if not link.exists():
        link.symlink_to(Path(sys.executable).parent / "snakemake")
    command = ["sbatch", "--parsable", "--mem=1500", "--time=10", "profiles/slurm/driver.sh", *SOON]
    command += ["--", study.model(LONG)]
    done = subprocess.run(command, cwd=study.root, env=study.environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_driver_within_a_job_goes_on_after_its_time(cluster, fresh, reference, rows):
    driver = submit_driver(fresh)
    fresh.until_training(LONG)
    # What SLURM does by itself five minutes before the limit.
    cluster.ask("scancel", "--batch", "--signal=USR1", driver)
    until(lambda: (fresh.root / fresh.model(LONG)).exists(), "the cell is trained")
    until(lambda: no_job_left(cluster), "all is over")
    states = [row["State"] for row in rows([driver]) if row["JobIDRaw"] == driver]
    assert states == ["REQUEUED", "COMPLETED"], (fresh.root / f"driver-{driver}.log").read_text()[-3000:]
    assert fresh.weights(LONG) == reference


def test_a_cancelled_driver_cancels_its_jobs(cluster, fresh, rows):
    driver = submit_driver(fresh)
    fresh.until_training(LONG)
    cluster.ask("scancel", driver)
    until(lambda: no_job_left(cluster), "its jobs end with it")
    job = re.search(r"submitted with SLURM jobid (\d+)", (fresh.root / f"driver-{driver}.log").read_text())[1]
    states = {row["JobIDRaw"]: row["State"][:9] for row in rows([driver, job])}
    assert (states[driver], states[job]) == ("CANCELLED", "CANCELLED")
