"""The plan of a real graph: after edits, against a budget, beside what Snakemake then does."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import CONFIG, ROOT, job_counts, snakemake, write_config
from stand_ins import CONFIG as MADE
from stand_ins import change_config, made_workflow

CELLS = ["alpha-1.0_seed-1", "T-2.0_alpha-0.0_seed-1", "T-4.0_alpha-0.5_seed-1"]


def plan(folder, *arguments, check=True):
    """Run the plan of the workflow in `folder`, as a user would; returns the finished process."""
    command = [sys.executable, str(folder / "scripts/plan.py"), "--configfile", "made.yaml", *map(str, arguments)]
    environment = {**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # few users set it
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    if check and done.returncode:
        raise AssertionError(f"plan {arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def planned(folder, *arguments):
    """The plan as data."""
    return json.loads(plan(folder, "--json", "-", *arguments).stdout)


def run(folder, *arguments, check=True):
    options = ["--configfile", folder / "made.yaml", "--cores", 2]
    return snakemake(folder, *options, *arguments, snakefile=folder / "Snakefile", check=check)


def causes(found):
    """{(kind, detail): [rule/name]} of a plan's jobs, without those that only follow others."""
    said = {}
    for job in found["jobs"]:
        for cause in job["causes"]:
            if cause["kind"] != "upstream":
                said.setdefault((cause["kind"], cause["detail"]), []).append(f"{job['rule']}/{job['name']}")
    return said


def tree(folder):
    """Every file and folder, with its time and size: a folder's time tells what was there for a moment only."""
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in [Path(folder), *Path(folder).rglob("*")]}


def edit(path, old, new):
    """Change a file's text; its time is then later than every result's."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of the made study, and the plan that stood before it."""
    folder = tmp_path_factory.mktemp("finished")
    made_workflow(folder)
    empty = tree(folder)
    before = planned(folder)
    assert tree(folder) == empty
    return folder, before, run(folder)


@pytest.fixture
def home(finished, tmp_path):
    """The finished run and its workflow at another path, for a test to change."""
    return shutil.copytree(finished[0], tmp_path / "home", symlinks=True)


def test_the_plan_agrees_with_what_snakemake_would_and_did_run(finished):
    _, before, done = finished
    counted = {rule: found["jobs"] for rule, found in before["rules"].items()}
    ran = job_counts(done.stdout + done.stderr)
    assert counted == {rule: count for rule, count in ran.items() if rule not in ("all", "total")}
    assert before["cells"] == {"new": 3, "shared": 0, "done": 0}
    assert set(causes(before)) == {("missing", "")}
    assert all(job["source"] == "model" for job in before["jobs"])


def test_a_finished_study_has_nothing_to_plan_and_its_estimates_beside_the_actual(finished):
    text = plan(finished[0]).stdout
    assert "Nothing to be done" in text
    assert "Estimate against actual" in text
    assert "Stranded" not in text
    found = planned(finished[0])
    assert found["cells"] == {"new": 0, "shared": 0, "done": 3}
    rows = {row["rule"]: row for row in found["estimate_against_actual"]}
    assert rows["distill"]["jobs"] == 3
    assert "Estimate against actual" in finished[2].stderr  # at the end of the run, too


def test_a_plan_writes_only_what_it_is_asked_to(home):
    before = tree(home)
    plan(home, "--forceall")
    assert tree(home) == before
    plan(home, "--forceall", "--markdown", "plan.md", "--json", "plan.json")
    assert set(tree(home)) - set(before) == {str(home / "plan.md"), str(home / "plan.json")}
    assert (home / "plan.md").read_text().startswith("# Plan of the study made")


def test_the_second_plan_rests_on_what_was_measured(finished):
    found = planned(finished[0], "--forceall")
    assert {job["source"] for job in found["jobs"]} == {"measured"}
    actual = sum(row["actual"] for row in found["estimate_against_actual"])
    estimated = sum(found["total"][kind][1] for kind in ("gpu_hours", "core_hours"))
    assert abs(estimated - actual) < 0.5 * actual  # programs of half a second on a busy machine


def test_edited_code_is_named_and_can_be_accepted_as_it_is(home):
    edit(home / "scripts/codestill/made/grade.py", "1", "1 + 1")
    found = planned(home)
    assert ("code", "scripts/codestill/made/grade.py edited") in causes(found)
    graded = {job for (kind, _), jobs in causes(found).items() for job in jobs if kind == "code"}
    assert len(graded) == 8  # three cells, teacher and student, and three baselines without a model
    assert all(job["only_code"] for job in found["jobs"])
    text = plan(home).stdout
    assert "snakemake --configfile made.yaml --cores 1 --touch" in text
    run(home, "--touch")
    assert "Nothing to be done" in plan(home).stdout
    assert "Nothing to be done" in run(home, "--dry-run").stdout


def test_what_changes_no_result_reruns_nothing(home):
    for path in home.glob("scripts/**/*.py"):
        path.write_text(f"# {path.name}, said better\n" + path.read_text().replace("= 1", "=  1"))
    assert planned(home)["jobs"] == []


def test_the_same_workflow_elsewhere_reruns_nothing_of_a_finished_study(finished, home, tmp_path):
    """From inside a clone at another path, and from outside of one: the study's files in a folder of their own."""
    assert "Nothing to be done" in run(home, "--dry-run").stdout
    study = tmp_path / "study"
    for part in (".snakemake", "results", "benchmarks", "logs"):
        shutil.copytree(home / part, study / part, symlinks=True)

    def outside(clone, *arguments):
        options = ["--configfile", home / "made.yaml", "--cores", 1, *arguments]
        return snakemake(study, *options, snakefile=clone / "Snakefile").stdout

    assert "Nothing to be done" in outside(home, "--dry-run")
    (study / "results/made/report/scores.csv").unlink()
    outside(home)
    assert (study / "results/made/report/scores.csv").exists()
    assert "Nothing to be done" in outside(finished[0], "--dry-run")


def test_other_causes_are_told_apart_from_code_and_not_accepted_with_it(home):
    """The teacher's code was edited, and a setting of the cells changed: what follows the cells is no case of code."""
    edit(home / "scripts/teach.py", "json.dumps(", "json.dumps(obj=")
    change_config(home, training={"epochs": 5, "threads": 1}, teacher={**MADE["teacher"], "training": {"epochs": 2}})
    found = planned(home)
    said = causes(found)
    assert said[("code", "scripts/teach.py edited")] == ["teach/teacher"]
    assert sorted(said[("parameter", "num_train_epochs 2.0 -> 5.0")]) == sorted(f"distill/{cell}" for cell in CELLS)
    assert next(job for job in found["jobs"] if job["only_code"])["rule"] == "teach"
    assert not any(job["only_code"] for job in found["jobs"] if job["rule"] in ("distill", "report", "choose"))
    command = next(line for line in plan(home).stdout.splitlines() if "--touch" in line)
    assert "--acceptable" in command
    accepted = plan(home, "--acceptable").stdout.split()
    assert any("language/teacher.json" in path for path in accepted)
    assert not any(cell in path for cell in CELLS for path in accepted)
    run(home, "--touch", *accepted)
    left = planned(home)
    assert not any(job["only_code"] for job in left["jobs"])
    assert {job["name"] for job in left["jobs"] if job["rule"] == "distill"} == set(CELLS)


def test_a_changed_input_and_a_changed_setting_of_the_study_are_named(home):
    tasks = home / "results/made/inputs/benchmarks/pocket.jsonl"
    edit(tasks, "1", "2")
    said = causes(planned(home))
    assert ("input", "results/made/inputs/benchmarks/pocket.jsonl changed") in said
    change_config(home, generation={"threads": 1, "top_p": 0.5})
    said = causes(planned(home))
    assert len(said[("parameter", "top_p 0.95 -> 0.5")]) == 5
    assert ("parameter", "generation.top_p 0.95 -> 0.5") in said  # of the resolved study
    change_config(home, plan={"price_per_gpu_hour": 5.0})
    assert not any(kind == "parameter" for kind, _ in causes(planned(home)))


def test_what_an_edit_would_cost(finished):
    found = planned(finished[0], "--edited", "scripts/codestill/made/distill.py", "scripts/report.py", "README.md")
    cells, report, nothing = found["edits"].values()
    assert report["jobs"] == 1
    assert nothing["jobs"] == 0
    # By hand: 3 cells and 2 choices; 3 generated, graded, their language twice; the report, 3 cards.
    assert cells["jobs"] == 3 + 2 + 3 + 3 + 3 + 3 + 1 + 3


def test_outputs_of_a_dropped_experiment_are_stranded(home):
    change_config(home, experiments={"first": {"grid": {"alpha": 0.0}}})
    found = planned(home)["stranded"]
    assert all("T-4.0_alpha-0.5_seed-1" in path for path in found)
    tops = {path.split("/")[2] for path in found}
    assert tops == {"models", "samples", "verdicts", "scores", "language", "validation"}
    assert found["results/made/models/T-4.0_alpha-0.5_seed-1"] > 0


def test_a_run_above_the_budget_is_refused_before_any_job(tmp_path):
    config = made_workflow(tmp_path, plan={"max_gpu_hours": 0.01})
    done = run(tmp_path, check=False)
    assert done.returncode != 0
    assert "plan.max_gpu_hours: this run is planned at" in done.stderr
    assert not (tmp_path / "results").exists()
    assert "a run would refuse to start" in plan(tmp_path).stdout
    config.write_text(config.read_text().replace("0.01", "50"))
    baseline = "results/made/inputs/corpus/accounting.json"
    run(tmp_path, "--", baseline)
    assert (tmp_path / baseline).exists()
    assert (tmp_path / "results/made/work/plan/estimates.json").exists()


def test_bad_input_ends_in_one_line(tmp_path):
    made_workflow(tmp_path, seeds=[])
    for arguments in ((), ("--configfile", "absent.yaml")):
        done = plan(tmp_path, *arguments, check=False)
        assert done.returncode == 2
        (line,) = done.stderr.strip().splitlines()
        assert line.startswith("error: ")
        assert "seeds" in line or "absent.yaml: no such file" in line


def test_an_unknown_target_ends_in_one_line(finished):
    done = plan(finished[0], "experiment_9", check=False)
    (line,) = done.stderr.strip().splitlines()
    assert (done.returncode, line[:42]) == (2, "error: No rule to produce experiment_9 (if")


@pytest.mark.parametrize(("cells", "seconds"), [(74, 10), (1003, 30)])
def test_large_grids_are_planned_in_seconds(tmp_path, cells, seconds):
    """Processor seconds: other work on the machine must not fail it."""
    config = CONFIG / "config.yaml"
    if cells > 74:
        grid = {"temperature": [1, 2, 3, 4, 5], "alpha": [i / 20 for i in range(20)], "epochs": list(range(1, 11))}
        big = {"big": {"grid": grid, "seeds": [42]}}
        config = write_config(tmp_path / "big.yaml", "config.yaml", sweeps=big, experiments={})
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [sys.executable, ROOT / "scripts/plan.py", "--configfile", config, "--json", "-"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert sum(json.loads(done.stdout)["cells"].values()) == cells
    assert spent < seconds
