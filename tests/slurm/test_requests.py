"""How GPUs are asked for: in each way that a site may know them, and several of one node."""

import signal

from conftest import FIRST, LONG

from cluster import HYPHENS, NODES, SLICE, until

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


def test_a_gpu_whose_type_has_hyphens_and_a_slice_of_one_are_got(fresh, rows):
    """The two ways of docs/cluster.md: the executor refuses a hyphen in `gres` and in `gpu_model`."""
    targets = [f"results/tiny/language/{FIRST}.json", "results/tiny/efficiency/student.json"]
    places = [f"measure_{measure}:slurm_partition=odd" for measure in ("language", "efficiency")]
    asked = ["measure_language:gpu=0", f"measure_language:slurm_extra='--gpus-per-node={HYPHENS}:1'"]
    asked += ["measure_efficiency:gpu=0", f"measure_efficiency:gres=gpu:{SLICE}:1"]
    call = fresh.call("--set-resources", *places, *asked, "--forcerun", *targets, "--", *targets)
    assert call.wait() == 0, call.text[-3000:]
    got = {(row["Comment"], row["JobIDRaw"]): row["AllocTRES"] for row in rows(call.jobs, "Comment", "AllocTRES")}
    for measure, name in (("language", HYPHENS), ("efficiency", SLICE)):
        job = next(job for comment, job in got if comment.startswith(f"rule_measure_{measure}"))
        held = [tres for (_, one), tres in got.items() if one in (job, f"{job}.0")]
        assert len(held) == 2 and all(f"gres/gpu:{name}=1" in tres for tres in held), got


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
