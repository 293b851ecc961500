"""The jobs that each study asks for, from dry runs of its whole grid."""

import pytest
import yaml
from running import CONFIG, dry_run, job_counts, snakemake, write_config

from codestill.study.config import load_study
from codestill.study.grid import build_grid

STUDIES = sorted(path.name for path in CONFIG.glob("*.yaml"))


@pytest.mark.parametrize("name", STUDIES)
def test_every_ready_study_plans_its_full_grid(tmp_path, name):
    study = load_study(yaml.safe_load((CONFIG / name).read_text()))
    grid = build_grid(study)
    counts = dry_run(tmp_path, CONFIG / name)
    models = len(grid.cells) + 2 + len(study.models) + len(grid.graph.derived)
    later = list(grid.graph.later.values())
    finalists = sum(one.rank > 0 for one in later)
    assert (counts["distill"], counts.get("distill_later", 0)) == (len(grid.cells), len(later))
    assert counts["measure_language"] == models + len(later)
    candidates = sum(map(len, grid.graph.candidates.values())) + finalists
    told = len(later) - finalists or finalists
    judged = sum(
        candidates if one.use == "development" else told + (4 if one.models == "headline" else models)
        for one in study.benchmarks.values()
        if one.use != "training"
    )  # what chooses is taken of the candidates and finalists alone
    written = {cell.recipe for cell in grid.cells.values()}
    judged += sum(one.use == "training" for one in study.benchmarks.values()) * ("verified" in written)
    drawn = judged + ("teacher" in written)  # the teacher completes the corpus' prompts, which have no tests
    looked_up = len(study.reported) * len(study.measures.baselines)
    assert (counts["generate"], counts.get("complete_without_model", 0)) == (drawn, looked_up)
    assert counts["grade"] == judged + looked_up and counts["near_copies"] == len(study.benchmarks)
    assert counts["teach"] == 1 + sum(one.training is not None for one in study.models.values())
    assert counts["tokenize_corpus"] == counts["prepare_corpus"] == counts["report"] == 1
    assert counts.get("download_model", 0) == 2 + len(study.models) - counts.get("build_model", 0)


def test_a_grid_of_a_thousand_cells(tmp_path):
    sweep = {
        "grid": {"temperature": [1, 2, 3, 4, 5], "alpha": [i / 20 for i in range(20)], "epochs": list(range(1, 11))}
    }
    config = write_config(tmp_path / "big.yaml", "config.yaml", sweeps={"big": {**sweep, "seeds": [42]}})
    assert dry_run(tmp_path, config, "sweep_big")["distill"] == 1000 + 3  # and the three controls


def test_experiments_sweeps_baselines_and_single_cells_are_targets(tmp_path):
    config = CONFIG / "config.yaml"
    baselines = dry_run(tmp_path, config, "baselines")
    assert (baselines["distill"], baselines["generate"]) == (3, 5)
    assert dry_run(tmp_path, config, "experiment_1")["distill"] == 6  # three seeds and three controls
    assert dry_run(tmp_path, config, "sweep_epochs")["distill"] == 6  # two new, the default, and three controls
    both = dry_run(tmp_path, config, "experiment_3", "sweep_temperature_alpha")
    assert both["distill"] == 25 + 2 + 2  # seed 42 of experiment 3 is a cell of the sweep; two more controls
    cell = "results/codegpt-distilgpt2/models/T-1.5_alpha-0.25_seed-7/model.safetensors"
    assert dry_run(tmp_path, config, cell)["distill"] == 1


def test_samples_per_job_scatters_and_gathers(tmp_path):
    config = write_config(tmp_path / "parts.yaml", "config.yaml", generation={"samples_per_job": 1000})
    counts = dry_run(tmp_path, config, "baselines")  # 5 models; 164 problems x 20 samples
    assert (counts["generate_part"], counts["gather_samples"], counts["grade"]) == (20, 5, 5)
    assert "generate" not in counts


def test_alpha_one_needs_no_teacher(tmp_path):
    cell = "results/codegpt-distilgpt2/models/alpha-1.0_seed-42/model.safetensors"
    assert "teach" not in dry_run(tmp_path, CONFIG / "config.yaml", cell)


def test_a_name_that_is_not_canonical_stops_with_the_canonical_one(tmp_path):
    cell = "results/codegpt-distilgpt2/models/T-2_alpha-0.5_seed-42/model.safetensors"
    done = snakemake(tmp_path, "--dry-run", "--configfile", CONFIG / "config.yaml", "--", cell, check=False)
    assert done.returncode != 0
    assert "its canonical name is T-2.0_alpha-0.5_seed-42" in done.stdout + done.stderr


def test_a_cell_of_a_model_that_is_none_of_the_study_s_is_one_line(tmp_path):
    cell = "T-2.0_alpha-0.5_teacher-other_seed-42"
    target = f"results/codegpt-distilgpt2/models/{cell}/model.safetensors"
    done = snakemake(tmp_path, "--dry-run", "--configfile", CONFIG / "config.yaml", "--", target, check=False)
    said = [line for line in done.stderr.splitlines() if line and not line.startswith("Building DAG")]
    assert done.returncode != 0 and len(said) == 1, done.stderr
    assert said[0].startswith(f"error: cell {cell}: 'other' is no model of the study; it has teacher, student")


def test_a_mistake_in_the_config_is_one_line_before_any_job(tmp_path):
    config = write_config(tmp_path / "mistake.yaml", "demo.yaml", distillation={"alpha": 1.5})
    done = snakemake(tmp_path, "--cores", 1, "--configfile", config, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "error: mistake.yaml: distillation.alpha: must be less than or equal to 1, not 1.5\n"
    assert not (tmp_path / "results").exists()


def test_of_two_config_files_the_one_at_fault_is_named(tmp_path):
    (tmp_path / "more.yaml").write_text("sweeps: {more: {grid: {alfa: 1}}}\n")
    files = ["--configfile", CONFIG / "demo.yaml", tmp_path / "more.yaml"]
    done = snakemake(tmp_path, "--dry-run", *files, check=False)
    assert (done.returncode, done.stderr[:51]) == (2, "error: more.yaml: sweeps.more.grid.alfa: no such ax")


def test_what_yaml_would_drop_or_another_config_fill_in_is_an_error(tmp_path):
    demo = (CONFIG / "demo.yaml").read_text()
    (tmp_path / "twice.yaml").write_text(f"{demo}\nseeds: [7]\n")
    (tmp_path / "nameless.yaml").write_text(demo.replace("study: demo\n", ""))
    for name, message in (("twice", "stands twice"), ("nameless", "nameless.yaml: study: missing")):
        done = snakemake(tmp_path, "--dry-run", "--configfile", tmp_path / f"{name}.yaml", check=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert message in done.stderr


def test_a_setting_on_the_command_line_is_laid_over_the_home_study(tmp_path):
    done = snakemake(tmp_path, "--dry-run", "--quiet", "rules", "--config", "seeds=[7, 8]", "--", "baselines")
    assert job_counts(done.stdout + done.stderr)["distill"] == 2


@pytest.mark.parametrize("setting", ["study=mine", "teacher={training: {epochs: 1}}"])
def test_any_section_may_be_laid_over_the_home_study(tmp_path, setting):
    done = snakemake(tmp_path, "--dry-run", "--quiet", "rules", "--config", setting)
    assert job_counts(done.stdout + done.stderr)["distill"] == dry_run(tmp_path, CONFIG / "config.yaml")["distill"]


def test_a_config_inherits_nothing_from_another(tmp_path):
    config = write_config(tmp_path / "alone.yaml", "demo.yaml", sweeps={}, experiments={}, variants={})
    assert dry_run(tmp_path, config)["distill"] == 3  # the control, once a seed


def test_a_student_of_layers_is_made_of_the_teacher_once_it_is_taught(tmp_path):
    counts = dry_run(tmp_path, CONFIG / "demo.yaml", "results/demo/models/student/model.safetensors")
    assert counts["teach"] == 1 and counts["build_model"] == 2
    shaped = write_config(
        tmp_path / "shaped.yaml",
        "demo.yaml",
        student={"shape": {"model_type": "gpt2", "n_layer": 1, "n_positions": 768}},
    )
    assert "teach" not in dry_run(tmp_path, shaped, "results/demo/models/student/model.safetensors")


def test_the_catalog_entry_point_is_the_same_workflow(tmp_path):
    done = snakemake(
        tmp_path, "--dry-run", "--configfile", CONFIG / "demo.yaml", snakefile=CONFIG.parent / "workflow/Snakefile"
    )
    assert "distill" in done.stdout
