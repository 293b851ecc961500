"""The workflow as a module of another, under its names and prefixes, with the limit and the summary of its own."""

import re

import pytest
from running import CONFIG, snakemake, write_config

HOOKS = "\nonstart:\n    {0}.onstart()\n\n\nonsuccess:\n    {0}.onsuccess()\n\n\nonerror:\n    {0}.onerror()\n"


def module(name, *more):
    """The lines of a Snakefile that use the workflow under `name`; more: further lines of the module."""
    lines = [
        f"module {name}:",
        "    snakefile:",
        f'        "{CONFIG.parent / "Snakefile"}"',
        "    config:",
        "        config",
    ]
    return "\n".join([*lines, *(f"    {line}" for line in more), "", f"use rule * from {name} as {name}_*", "", ""])


def written(folder, config, *parts):
    """The path of a Snakefile of these parts in `folder`."""
    (folder / "Snakefile").write_text(f'configfile: "{config}"\n\n' + "\n".join(parts))
    return folder / "Snakefile"


def test_the_workflow_serves_as_a_module_and_says_which_of_its_hooks_do_not_act(tmp_path):
    plain = written(tmp_path, CONFIG / "demo.yaml", module("codestill"))
    told = "plan.max_gpu_hours and the summary at the end act where the Snakefile has `onstart: codestill.onstart()`"
    done = snakemake(tmp_path, "--dry-run", "--quiet", "rules", "--", "codestill_all", snakefile=plain)
    assert "codestill_distill" in done.stdout + done.stderr
    assert told in done.stderr
    hooked = written(tmp_path, CONFIG / "demo.yaml", module("codestill"), HOOKS.format("codestill"))
    done = snakemake(tmp_path, "--dry-run", "--quiet", "rules", "--", "codestill_all", snakefile=hooked)
    assert told not in done.stderr


def test_a_modules_prefix_moves_every_path(tmp_path):
    """Two studies in one Snakefile: with a path that is not moved, one would train on the other's corpus."""
    parts = [module(name, f'prefix: "{prefix}/"') for name, prefix in (("one", "first"), ("two", "second"))]
    snakefile = written(tmp_path, CONFIG / "demo.yaml", *parts)
    done = snakemake(tmp_path, "--dry-run", "--printshellcmds", "--", "one_all", "two_all", snakefile=snakefile)
    commands = [line for line in (done.stdout + done.stderr).splitlines() if "Shell command: python" in line]
    assert len(commands) > 150
    for line in commands:
        paths = re.findall(r"(?:^|[ =])(\S*(?:results|logs|benchmarks)/demo\S*)", line)
        assert paths and all(path.startswith(("first/", "second/")) for path in paths), line
        assert len({path.split("/")[0] for path in paths}) == 1, line


def test_a_prefix_that_moves_some_paths_alone_is_refused(tmp_path):
    snakefile = written(tmp_path, CONFIG / "demo.yaml", module("codestill", 'replace_prefix: {"results/": "moved/"}'))
    done = snakemake(tmp_path, "--dry-run", "--", "codestill_all", snakefile=snakefile, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert (
        done.stderr
        == "error: module: replace_prefix moves some paths and leaves others; use prefix, which moves them all\n"
    )


@pytest.mark.parametrize("prefix", ["", "first/"])
def test_a_module_s_limit_of_gpu_hours_holds_its_own_jobs_back(tmp_path, prefix):
    config = write_config(tmp_path / "limited.yaml", "config.yaml", plan={"max_gpu_hours": 2})
    more = [f'prefix: "{prefix}"'] if prefix else []
    own = 'rule mine:\n    output: "mine.txt"\n    shell: "echo done > {output}"\n\n'
    snakefile = written(tmp_path, config, own, module("codestill", *more), HOOKS.format("codestill"))
    done = snakemake(tmp_path, "--cores", 1, "--", "codestill_all", "mine", snakefile=snakefile, check=False)
    assert done.returncode == 1 and "plan.max_gpu_hours: this run is planned at " in done.stderr, done.stderr
    assert not (tmp_path / "mine.txt").exists() and not list(tmp_path.glob("**/inputs"))
    snakemake(tmp_path, "--cores", 1, "--", "mine", snakefile=snakefile)
    assert (tmp_path / "mine.txt").exists()


def test_a_module_sums_up_what_it_did_and_what_failed_under_its_prefix(tmp_path):
    parts = [module("one", 'prefix: "first/"'), HOOKS.format("one")]
    snakefile = written(tmp_path, CONFIG / "demo.yaml", *parts)
    target = "first/results/demo/inputs/benchmarks/pocket.jsonl"
    done = snakemake(tmp_path, "--cores", 1, "--", target, snakefile=snakefile)
    assert re.search(r"Estimate against actual.*\n.*\n +download_benchmark +1 ", done.stderr), done.stderr
    assert (tmp_path / "first/results/demo/work/plan").is_dir() and not (tmp_path / "results").exists()
    (tmp_path / target).write_text("{\n")
    check = target.replace(".jsonl", ".check.json")
    done = snakemake(tmp_path, "--cores", 1, "--", check, snakefile=snakefile, check=False)
    assert done.returncode == 1
    assert "1 job failed" in done.stderr and "one_check_benchmark pocket: bad input" in done.stderr, done.stderr
