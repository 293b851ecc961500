"""The whole chain on a cluster: `snakemake --profile slurm`, and what SLURM's accounts say of it."""

from collections import Counter

GPU_RULES = {"teach", "audit", "distill", "generate"}
GPU_RULES |= {"measure_language", "measure_validation", "measure_efficiency"}
LOGIN_RULES = {"download_corpus", "download_benchmark", "manifest", "resolve_study", "report"}


def jobs_of(chain, rows):
    """{job: its row} of the chain's jobs, with the rule that ran in each."""
    fields = ("Partition", "AllocTRES", "ReqMem", "TimelimitRaw", "Comment")
    found = [row for row in rows(chain.jobs, *fields) if "." not in row["JobIDRaw"]]
    for row in found:
        row["rule"] = row["Comment"].removeprefix("rule_").split("_wildcards_")[0]
    return found


def test_one_command_goes_from_download_to_report(chain, study):
    assert chain.code == 0, chain.text[-3000:]
    scores = (study.results / "report/scores.csv").read_text()
    cells = [folder.name for folder in (study.results / "models").glob("*alpha-*")]
    assert len(cells) == 9 and all(cell in scores for cell in cells)
    assert (study.results / "report/index.html").exists()
    assert not (study.results / "work/attempts").exists()


def test_gpu_jobs_run_on_the_gpu_partition_and_the_others_do_not(chain, rows):
    jobs = jobs_of(chain, rows)
    assert {row["State"] for row in jobs} == {"COMPLETED"}
    assert Counter(row["rule"] for row in jobs)["distill"] == 9
    for row in jobs:
        held = "gres/gpu=1" in row["AllocTRES"]
        assert (row["Partition"], held) == (("gpu", True) if row["rule"] in GPU_RULES else ("cpu", False)), row
    assert {row["rule"] for row in jobs} >= GPU_RULES | {"grade", "tokenize_corpus", "choose"}


def test_downloads_and_the_report_run_on_the_login_node(chain, rows):
    assert not {row["rule"] for row in jobs_of(chain, rows)} & LOGIN_RULES
    assert all(f"localrule {rule}:" in chain.text for rule in LOGIN_RULES)


def test_each_job_asked_for_memory_and_time(chain, rows):
    for row in jobs_of(chain, rows):
        assert 2000 <= int(row["ReqMem"].removesuffix("M")) < 4000, row
        assert 10 <= int(row["TimelimitRaw"]) <= 30, row


def test_no_two_jobs_hold_one_gpu(chain):
    assert max(len(held) for held in chain.moments) >= 2, "jobs ran side by side"
    assert all(len(held) == len(set(held)) for held in chain.moments)


def test_a_second_call_has_nothing_to_do(chain, study):
    again = study.call()
    assert again.wait() == 0
    assert "Nothing to be done" in again.text and not again.jobs
