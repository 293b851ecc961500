"""What is retried, how, and what is not: memory, time, and what cannot succeed."""

import json
import os
import signal
import time

from conftest import LONG

from cluster import until

TRAINED = "T-2.0_alpha-0.5_seed-11"
ON_GPU = ("distill:slurm_partition=gpu", "distill:gpu=1", "distill:runtime=10")


def test_a_job_over_its_memory_is_retried_with_more(fresh, rows):
    """The first attempt has room for Snakemake and none for torch."""
    call = fresh.call("--set-resources", *ON_GPU, "distill:mem_mb=330 * 6 ** (attempt - 1)", "--", fresh.model(TRAINED))
    assert call.wait() == 0, call.text[-3000:]
    first, second = call.jobs
    states = {row["JobIDRaw"]: (row["State"], row["ReqMem"]) for row in rows(call.jobs, "ReqMem")}
    assert states[first][0] in ("FAILED", "OUT_OF_MEMORY") and states[first][1] == "330M"
    assert states[second] == ("COMPLETED", "1980M")
    assert (fresh.root / fresh.model(TRAINED)).exists()


def test_a_job_over_its_time_resumes_and_ends_with_the_same_weights(cluster, fresh, reference, rows):
    call = fresh.call("--", fresh.model(LONG))
    job = call.submitted()
    fresh.until_training(LONG)
    # SLURM looks at limits twice a minute, when the training would be over: it stands still until then.
    trainer = json.loads((fresh.results / f"work/distill/{LONG}/lease.json").read_text())["pid"]
    os.kill(trainer, signal.SIGSTOP)
    cluster.ask(
        "scontrol",
        "update",
        f"jobid={job}",
        time.strftime("EndTime=%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 2)),
    )
    until(
        lambda: cluster.ask("squeue", "--noheader", f"--jobs={job}", "--format=%T").strip() != "RUNNING",
        "the limit is noticed",
    )
    os.kill(trainer, signal.SIGCONT)
    assert call.wait() == 0, call.text[-3000:]
    states = {row["JobIDRaw"]: row for row in rows(call.jobs, "TimelimitRaw")}
    assert len(call.jobs) == 2
    assert states[job]["State"] == "TIMEOUT"
    assert int(states[call.jobs[1]]["TimelimitRaw"]) >= 20
    assert "resuming from" in fresh.log(LONG)
    assert fresh.weights(LONG) == reference


def test_what_cannot_succeed_is_not_computed_again_and_stops_nothing_else(fresh, rows):
    """A learning rate of 1e30 ends in NaN. Its neighbour is trained; the end names cell, log and the way back."""
    diverging, sound = "T-2.0_alpha-0.5_lr-1e+30_seed-1", "T-2.0_alpha-0.5_seed-12"
    call = fresh.call("--", fresh.model(diverging), fresh.model(sound))
    assert call.wait() == 1
    assert (fresh.root / fresh.model(sound)).exists()
    assert not (fresh.root / fresh.model(diverging)).exists()
    assert "not tried again" in fresh.log(diverging)
    attempts = [
        [json.loads(line) for line in path.read_text().splitlines()]
        for path in fresh.results.glob("work/attempts/*/*.jsonl")
    ]
    ends = next(
        [event for event in events if event["event"] == "end"]
        for events in attempts
        if any("1e+30" in " ".join(event.get("command", [])) for event in events)
    )
    assert len(ends) == 4 and all(end["seconds"] < 3 for end in ends[1:])
    summary = call.text[call.text.index("1 job failed") :]
    assert f"distill {diverging}: training diverged, 4 attempts" in summary
    assert f"logs/tiny/distill/{diverging}.log" in summary
    assert "  rerun: snakemake --profile slurm" in summary and fresh.model(diverging).rsplit("/", 1)[0] in summary
    assert "GPU-hours lost in attempts that failed: 0.0" in summary
