"""How GPUs are asked for: in each way that a site may know them, and several of one node."""

import signal

from conftest import FIRST, LONG

from cluster import NODES, until

ASKED = ("measure_language:gpu=0", "measure_language:gres=gpu:h100:1", "measure_efficiency:gpu_model=h100")
# Two processes share the cells' trainings, not the teacher's.
SHARED = (
    "training={processes: 2, gradient_accumulation_steps: 2}",
    "teacher={training: {processes: 1, gradient_accumulation_steps: 1}}",
)


def test_a_gpu_is_got_by_gres_and_by_model(fresh, rows):
    targets = [f"results/tiny/language/{FIRST}.json", "results/tiny/efficiency/student.json"]
    places = [f"measure_{measure}:slurm_partition=gpu" for measure in ("language", "efficiency")]
    call = fresh.call("--set-resources", *places, *ASKED, "--forcerun", *targets, "--", *targets)
    assert call.wait() == 0, call.text[-3000:]
    assert len(call.jobs) == 2
    held = {row["JobIDRaw"]: row["AllocTRES"] for row in rows(call.jobs, "AllocTRES")}
    for job in call.jobs:
        assert "gres/gpu=1" in held[job] and "gres/gpu=1" in held[f"{job}.0"], held


def test_several_gpus_are_those_of_one_node(cluster, fresh):
    """A training on two GPUs waits while each node has one left, though these are two."""
    take = ("sbatch", "--parsable", "--partition=gpu", "--gpus=1", "--output=none", "--wrap=sleep 200")
    taken = [cluster.ask(*take, f"--nodelist={node}").strip() for node in NODES]
    call = fresh.call("--config", *SHARED, "--", fresh.model(LONG))
    job = call.submitted()

    def told(fields):
        return cluster.ask("squeue", "--noheader", f"--jobs={job}", f"--format={fields}").strip()

    until(lambda: told("%T %r") == "PENDING Resources", "the job waits")
    cluster.ask("scancel", taken[0])
    until(lambda: told("%T") == "RUNNING", "the job runs")
    assert told("%D %N") == f"1 {NODES[0]}"
    call.process.send_signal(signal.SIGINT)
    call.wait()
