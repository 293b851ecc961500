"""What a cluster takes away: jobs, nodes, the driver. Every time the cell ends with the weights of an untouched run."""

import os
import re
import signal
import subprocess

from cluster import alive, until
from conftest import LONG

PROCESSES = r"\d\d:\d\d:\d\d training: "


def test_a_requeued_job_resumes_under_its_number(cluster, fresh, reference, rows):
    """A preempted job takes the same way: SLURM asks it to end and puts it back into the queue."""
    call = fresh.call("--", fresh.model(LONG))
    job = call.submitted()
    fresh.until_training(LONG)
    cluster.ask("scontrol", "requeue", job)
    assert call.wait() == 0, call.text[-3000:]
    assert call.jobs == [job]
    states = [row["State"] for row in rows([job]) if row["JobIDRaw"] == job]
    assert states == ["REQUEUED", "COMPLETED"]
    assert "resuming from" in fresh.log(LONG)
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


def test_an_interrupted_call_cancels_its_jobs_and_the_next_goes_on(cluster, fresh, reference):
    call = fresh.call("--", fresh.model(LONG))
    job = call.submitted()
    fresh.until_training(LONG)
    call.process.send_signal(signal.SIGINT)
    assert call.wait(60) != 0
    until(
        lambda: not cluster.ask("squeue", "--noheader", "--states=RUNNING,PENDING").strip(), 20, f"{job} is cancelled"
    )
    again = fresh.call("--", fresh.model(LONG))
    assert again.wait() == 0, again.text[-3000:]
    assert "resuming from" in fresh.log(LONG)
    assert fresh.weights(LONG) == reference


def test_after_a_hard_end_of_the_driver_no_cell_is_trained_twice_at_once(cluster, fresh, reference):
    call = fresh.call("--", fresh.model(LONG))
    job = call.submitted()
    fresh.until_training(LONG)
    call.kill()
    assert cluster.ask("squeue", "--noheader", f"--jobs={job}", "--format=%T").strip() == "RUNNING"
    unlock = fresh.call("--unlock")
    assert unlock.wait(60) == 0
    again = fresh.call("--", fresh.model(LONG))
    until(lambda: "is held by" in fresh.log(LONG), 60, "the second copy waits for the first")
    held = re.search(rf"is held by \S+ pid (\d+), job {job}\b", fresh.log(LONG))
    assert held and alive(int(held[1]))
    assert again.wait() == 0, again.text[-3000:]
    assert "was finished by the same command meanwhile" in fresh.log(LONG)
    assert not re.search(PROCESSES, fresh.log(LONG))
    assert fresh.weights(LONG) == reference


def test_a_driver_within_a_job_goes_on_after_its_time(cluster, fresh, reference, rows):
    (fresh.root / ".venv/bin").mkdir(parents=True, exist_ok=True)
    link = fresh.root / ".venv/bin/snakemake"
    if not link.exists():
        link.symlink_to(os.path.join(os.path.dirname(os.sys.executable), "snakemake"))
    command = ["sbatch", "--parsable", "--mem=1500", "--time=10", "profiles/slurm/driver.sh"]
    command += ["--slurm-init-seconds-before-status-checks", "1", "--", fresh.model(LONG)]
    driver = subprocess.run(command, cwd=fresh.root, env=fresh.environment, check=True, capture_output=True, text=True)
    driver = driver.stdout.strip()
    fresh.until_training(LONG)
    # What SLURM does by itself five minutes before the limit.
    cluster.ask("scancel", "--batch", "--signal=USR1", driver)
    until(lambda: (fresh.root / fresh.model(LONG)).exists(), 150, "the cell is trained")
    until(lambda: not cluster.ask("squeue", "--noheader", "--states=RUNNING,PENDING").strip(), 90, "all is over")
    states = [row["State"] for row in rows([driver]) if row["JobIDRaw"] == driver]
    assert states == ["REQUEUED", "COMPLETED"], (fresh.root / f"driver-{driver}.log").read_text()[-3000:]
    assert fresh.weights(LONG) == reference
