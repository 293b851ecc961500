"""The report as a program: on a whole study, on half of one, and on none."""

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pandas
import pytest

from codestill.kit.files import read_json, write_json
from codestill.kit.program import UserError
from codestill.report import draw_runs, latex, load_cell, load_scores, style
from codestill.report.build import build
from codestill.report.figures import FIGURES
from codestill.report.model_card import write
from codestill.report.results import Results
from codestill.report.study_facts import compute, few_bits_doubt, few_bits_told, hyperparameters, unequal_tuning
from codestill.report.table import read_csv
from codestill.report.timeline import held_hours, timeline_frame

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def half(whole, tmp_path):
    """The same before the cells were chosen, with some of its scores and models gone."""
    folder = tmp_path / "half"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("report", "best_*", "humaneval", "teacher.json"))
    return folder


def program(*flags):
    return subprocess.run([sys.executable, SCRIPTS / "report.py", *flags], capture_output=True, text=True)


def test_everything_is_written(whole):
    for name in FIGURES:
        for kind in ("png", "pdf", "svg"):
            assert (whole / "report/figures" / f"{name}.{kind}").stat().st_size > 1000
    assert not list((whole / "report").rglob("*.part"))
    scores = read_csv(whole / "report/scores.csv")
    teacher = scores[(scores["model"] == "teacher") & (scores["benchmark"] == "pocket")]
    on_disk = read_json(whole / "scores/pocket/teacher.json")
    row = teacher[teacher["measure"] == "pass@1"].iloc[0]
    assert [row["value"], row["low"], row["high"]] == [on_disk["pass@1"], *on_disk["intervals"]["pass@1"]]
    assert (row["n"], row["unit"]) == (on_disk["n_problems"], "share")
    assert not scores.duplicated(["model", "benchmark", "measure"]).any()


def test_a_half_finished_study_says_so(half):
    done = program("--study", half / "study.json", "--results", half, "--output", half / "report")
    text, missing = done.stdout, Results.load(half / "study.json", half).missing()
    assert done.returncode == 0 and "| measure | teacher | student before |" in text
    assert "models/best_distilled/chosen.json" in missing
    assert "scores/pocket/teacher.json" in missing
    assert text.splitlines()[2].startswith(f"**Not finished: {len(missing)} ")
    page = (half / "report/index.html").read_text()
    assert "This study is not finished" in page
    row = next(line for line in text.splitlines() if line.startswith("| teacher | teacher"))
    assert "missing" in row and "0.000" not in row
    assert [cell.strip() for cell in row.split("|")][6] == "–"  # KL of the teacher to itself


def test_an_empty_study_is_told_too(whole, tmp_path):
    shutil.copy(whole / "study.json", tmp_path)
    text, missing, damaged = build(tmp_path / "study.json", tmp_path, tmp_path / "report")
    assert len(missing) > 30 and not damaged
    assert "nothing can be said yet" in text


def test_files_that_cannot_be_read_count_as_missing_and_are_named(whole, tmp_path):
    folder = tmp_path / "torn"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("report"))
    torn = {
        "scores/pocket/student.json": b"",
        "language/teacher.json": b"[]",
        "models/best_finetuned/chosen.json": b'{"cell": "T-9.0_alpha-0.5_seed-0"}',
        "models/T-3.0_alpha-0.0_seed-1/eval_results.json": b'{"eval_loss": 1.2',
        "models/T-2.0_alpha-0.5_seed-0/trainer_state.json": b"\xff\xfe\x00",
        "verdicts/pocket/teacher.jsonl": (folder / "verdicts/pocket/teacher.jsonl").read_bytes()[:-20],
        "inputs/benchmarks/humaneval.jsonl": b'{"task_id": ',
        "inputs/manifest.json": b"null and void",
        "tokens/accounting.json": b"{",
    }
    for path, content in torn.items():
        (folder / path).write_bytes(content)
    (tmp_path / "jobs/distill").mkdir(parents=True)
    (tmp_path / "jobs/distill/one.tsv").write_text("s\th:m:s\n12.\x00")
    done = program(
        *("--study", folder / "study.json", "--results", folder),
        *("--output", folder / "report-now", "--benchmarks", tmp_path / "jobs"),
    )
    assert done.returncode == 0, done.stderr
    assert f"**{len(torn)} of its files cannot be read**" in done.stdout
    page = (folder / "report-now/index.html").read_text()
    warning = page.split('id="damaged"')[1].split("</section>")[0]
    for path in torn:
        assert path in warning, path
    rows = [line for line in done.stdout.splitlines() if line.startswith("| pocket pass@1")]
    assert rows[0].split("|")[3].strip() == "missing"
    with pytest.warns(UserWarning, match="left out: .*scores/pocket/student.json"):
        frame = load_scores(folder)
    assert frame[(frame["model"] == "student") & (frame["benchmark"] == "pocket")].empty


def test_each_number_names_its_seeds_wherever_its_table_is_pasted(whole, tmp_path):
    """HumanEval is of one seed here and Pocket of three; a column of which all rests on the same says so once."""
    lines = (whole / "report/table.md").read_text().splitlines()
    (pocket,) = (line.split("|")[4] for line in lines if line.startswith("| pocket pass@1 |"))
    (human,) = (line.split("|")[4] for line in lines if line.startswith("| humaneval pass@1 |"))
    assert pocket.endswith(", seeds 0 1 2 ") and human.endswith(", seed 0 ")
    tex = (whole / "report/table.tex").read_text().splitlines()
    (pocket,) = (line.split(" & ")[4] for line in tex if line.startswith(r"pocket pass@1 &"))
    (human,) = (line.split(" & ")[4] for line in tex if line.startswith(r"humaneval pass@1 &"))
    assert pocket.endswith(r"], seeds 0 1 2 \\") and human.endswith(r"], seed 0 \\")
    card = write(Results.load(whole / "study.json", whole), "best_distilled", tmp_path / "card.md")
    (row,) = (line.split("|") for line in card.splitlines() if line.startswith("| The student, distilled"))
    assert row[2].endswith(", seeds 0 1 2 ") and row[3].endswith(", seed 0 ")
    folder = tmp_path / "one"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("report"))
    study = read_json(folder / "study.json")
    study["benchmarks"].pop("humaneval")
    write_json(folder / "study.json", study)
    text, *_ = build(folder / "study.json", folder, folder / "report")
    assert "| teacher | student before | fine-tuned alone (seeds 0 1 2) | best distilled (seeds 0 1 2) |" in text
    assert "best distilled (seeds 0 1 2)" in (folder / "report/table.tex").read_text()
    (row,) = (line for line in text.splitlines() if line.startswith("| pocket pass@1 |"))
    assert "seeds" not in row


def test_zero_passes_are_reported_with_their_bound(whole):
    text = (whole / "report/table.md").read_text()
    assert "0 of 164 problems (one sample a problem): a rate below 2.2 %" in text
    scores = read_csv(whole / "report/scores.csv")
    zero = scores[
        (scores["benchmark"] == "humaneval") & (scores["role"] == "student") & (scores["measure"] == "pass@1")
    ]
    assert zero["high"].iloc[0] == pytest.approx(1 - 0.025 ** (1 / 164))


def test_unequal_tuning_is_held_against_a_gain(whole, tmp_path):
    assert (
        "**Unequal tuning.** The distilled student was chosen among 8 settings"
        in (whole / "report/table.md").read_text()
    )
    folder = tmp_path / "fair"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("report"))
    choice = read_json(folder / "models/best_finetuned/chosen.json")
    write_json(folder / "models/best_finetuned/chosen.json", choice | {"candidates": choice["candidates"] * 8})
    assert unequal_tuning(Results.load(folder / "study.json", folder)) == ""


def test_what_few_bits_cost_a_teacher_is_told_and_where_it_is_much_held_against_the_figures(whole, tmp_path):
    folder = tmp_path / "bits"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("report"))
    results = Results.load(folder / "study.json", folder)
    taught = [model.name for model in results.models if model.role == "cell" and not model.alone]
    rows = [{"label": "KL to the teacher, T = 1", "cells": {"best distilled": {"value": 0.3}}}]
    assert few_bits_told(results) == [] and few_bits_doubt(results, rows) == ""
    for name, mean in zip(taught, (0.02, 0.04, 0.02), strict=False):
        path = folder / "models" / name / "provenance.json"
        cost = {"bits": "nf4", "mean": mean, "largest": 0.5, "positions": 1234}
        write_json(path, read_json(path) | {"teacher": {"path": "t", "load_in": cost}})
    results = Results.load(folder / "study.json", folder)
    said = "The model teacher taught with its weights in nf4: the KL from full precision to that is 0.04 nats a token"
    (sentence,) = few_bits_told(results)
    assert sentence.startswith(f"{said} (the largest 0.5) on 1,234 validation positions")
    assert few_bits_doubt(results, [{**rows[0], "cells": {"best distilled": {"value": 0.41}}}]) == ""
    build(folder / "study.json", folder, folder / "report")
    kl = read_json(folder / "language" / f"{results.choices['best_distilled']['cell']}.json")["kl"]
    for name in ("table.md", "index.html", "methods.tex"):
        text = (folder / "report" / name).read_text()
        assert "is 0.04 nats a token" in text, name
        assert ("it was taught by another model than" in text) == (kl <= 0.4), name
    assert kl <= 0.4


def test_methods_say_how_many_rows_were_learnt_from_and_whether_states_were_stored(whole, tmp_path):
    """What hyperparameters.tex says of each training: of 400 rows the student learns from 50."""
    folder = tmp_path / "few"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("report"))
    study = read_json(folder / "study.json")
    study["config"] |= {"training": {"epochs": 8}, "teacher": {"name": "t", "training": {"epochs": 1}}}
    results = Results(study, folder)
    story = {"headline": [], "study": "made", "selection": [], "doubts": []}
    text = latex.methods(story, results)
    assert "rows" not in text and "states" not in text  # of trainings that did not record it
    for model in results.models:
        for what, more in (("train_results", {"rows": 400 if model.role == "teacher" else 50}), ("provenance", {})):
            path = folder / "models" / model.name / f"{what}.json"
            if model.role in ("teacher", "cell"):
                taught = what == "provenance" and model.role == "cell" and not model.alone
                more |= {"teacher": {"path": "t", "pass": "cache", "states": "float16"}} if taught else {}
                write_json(path, read_json(path) | more)
    results = Results(study, folder)
    text = latex.methods(story, results)
    assert "The teacher was trained by AdamW with linear warm-up and decay (epochs 1; 400 rows of 400)." in text
    assert "Students were trained by AdamW with linear warm-up and decay (epochs 8; 50 rows of 400)" in text
    assert "The teacher's states were stored once and read." in text
    told = {name: value for part, name, value in hyperparameters(results) if part == "trained"}
    assert told["T-2.0_alpha-0.5_seed-0"] == "100 steps, 50 rows of 400, teacher's states: cache"


def test_licences_stand_in_the_data_table_and_on_cards(whole, tmp_path):
    folder = tmp_path / "named"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("report"))
    source = {"what": "corpus", "kind": "package", "name": "networkx", "revision": "v3", "license": "BSD-3-Clause"}
    manifest = read_json(folder / "inputs/manifest.json") | {"source-n": source}
    write_json(folder / "inputs/manifest.json", manifest)
    build(folder / "study.json", folder, folder / "report")
    assert "licence & training text networkx & BSD-3-Clause" in (folder / "report/data.tex").read_text()
    page = (folder / "report/index.html").read_text()
    assert re.search(r"licence.*training text networkx.*BSD-3-Clause", page) and "model s" in page
    card = write(Results.load(folder / "study.json", folder), "teacher", tmp_path / "card.md")
    assert "- training text: networkx (licence: BSD-3-Clause)" in card


def test_what_was_never_planned_is_not_called_missing(whole):
    rows = [line for line in (whole / "report/table.md").read_text().splitlines() if line.startswith("| experiment 1 ")]
    assert rows and "not judged" in rows[0] and "missing" not in rows[0]


def test_the_same_results_give_the_same_bytes(whole, tmp_path, monkeypatch):
    # The commit is part of every passport, and may have moved on while the tests run.
    recorded = read_json(whole / "report/passport.json")["commit"]
    monkeypatch.setattr("codestill.report.passports.commit", lambda: recorded)
    build(whole / "study.json", whole, tmp_path / "again")
    for path in sorted(path for path in (whole / "report").rglob("*.*") if path.is_file()):
        assert (tmp_path / "again" / path.relative_to(whole / "report")).read_bytes() == path.read_bytes(), path.name


def test_program_names_bad_input_in_one_line(whole, tmp_path):
    write_json(tmp_path / "bad.json", {"study": "made"})
    bad = program("--study", tmp_path / "bad.json", "--results", whole, "--output", tmp_path / "out")
    assert bad.returncode == 2 and "bad.json" in bad.stderr and len(bad.stderr.splitlines()) == 1


def test_what_is_judged_by_its_text_stands_in_the_headline_with_all_its_measures(whole, tmp_path):
    """Own code is seldom written exactly as it stands: how near it came is what tells models apart."""
    folder = tmp_path / "own"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("report"))
    for number, name in enumerate(("teacher", "student")):
        path = folder / f"scores/humaneval/{name}.json"
        scores = read_json(path)
        scores["measures"] = {"edit_similarity": 0.6 - number / 10, "compiles": 0.5, "calls": 0.25}
        scores["intervals"] |= {"edit_similarity": [0.4, 0.7]}
        write_json(path, scores)
    build(folder / "study.json", folder, folder / "report")
    lines = (folder / "report/table.md").read_text().splitlines()
    (first,) = (number for number, line in enumerate(lines) if line.startswith("| humaneval pass@1 |"))
    assert lines[first + 1].startswith("| humaneval edit similarity | 0.600 [0.400, 0.700] | 0.500")
    assert [line.split(" | ")[:2] for line in lines[first + 2 : first + 4]] == [
        ["| humaneval compiles", "0.500"],
        ["| humaneval calls", "0.250"],
    ]
    assert "| humaneval compiles" not in (whole / "report/table.md").read_text()


def test_the_time_line_says_what_jobs_held(whole, tmp_path):
    """As planned: GPUs, else threads, from start to end; of a job that no plan knows, nothing."""
    seconds = {"distill/a": 7200, "distill/b": 3600, "grade/c": 1800, "report": 60}
    for job, value in seconds.items():
        path = tmp_path / f"{job}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\tcpu_time\n{value}\t0\t1.0\t2.0\n")
    jobs = {"distill/a": (2, 8), "distill/b": (1, 8), "grade/c": (0, 4)}
    results = Results.load(whole / "study.json", whole)
    results._read["work/plan/estimates.json"] = {
        "jobs": {job: {"gpus": gpus, "threads": threads} for job, (gpus, threads) in jobs.items()}
    }
    frame = timeline_frame(tmp_path, results)
    told = {rule: held_hours(part) for rule, part in frame.groupby("rule")}
    assert told == {"distill": "5 GPU-hours", "grade": "2 core-hours", "report": ""}
    assert held_hours(frame) == "5 GPU-hours, 2 core-hours"
    assert compute(results, {"scores": read_csv(whole / "report/scores.csv"), "timeline": frame})[-1] == (
        *("all rules", "4", "12,660", "5 GPU-hours, 2 core-hours"),
    )
    results.study["config"]["plan"] = {"price_per_gpu_hour": 2.5, "currency": "EUR"}
    assert compute(results, {"scores": read_csv(whole / "report/scores.csv"), "timeline": frame})[-1][-1] == (
        "5 GPU-hours (12.50 EUR), 2 core-hours"
    )


def test_no_text_of_the_time_line_is_cut():
    jobs = {"rule": "complete_without_model", "start": 0.0, "end": 9e4, "seconds": 9e4, "gpus": 0, "threads": 1.5}
    figure = draw_runs.time_line(style.start(), {"timeline": pandas.DataFrame([jobs] * 888)})
    figure.canvas.draw()
    (text,) = figure.axes[0].texts
    assert text.get_text() == "888 x, 79,920,000 s, 3.3e+04 core-h"
    box, whole = text.get_window_extent(), figure.get_window_extent()
    assert whole.x0 <= box.x0 and box.x1 <= whole.x1


def test_notebooks_find_a_cell_by_its_axes(whole, monkeypatch):
    monkeypatch.chdir(whole.parents[1])
    scores = load_scores()
    assert set(scores["model"]) >= {"teacher", "student"}
    cell = load_cell(temperature=2, alpha=0.5)
    assert cell.name == "T-2.0_alpha-0.5_seed-0" and cell.folder.is_dir()
    assert set(cell.scores["model"]) == {cell.name} and not cell.curves.empty
    assert cell.provenance["cell"]["temperature"] == 2.0
    assert load_cell(T=2, alpha=0.5, seed=1).axes["seed"] == 1
    assert load_cell(model="best_finetuned").axes["alpha"] == 1
    with pytest.raises(UserError, match="no cell of study made has temperature=9"):
        load_cell(temperature=9)
    with pytest.raises(UserError, match="no axis heat"):
        load_cell(heat=1)
    with pytest.raises(UserError, match="fits 4 cells"):
        load_cell(alpha=0.5, seed=0)


def test_make_install_makes_the_library_importable_anywhere(tmp_path):
    if not list(metadata.distributions(name="codestill")):
        pytest.skip("this environment was not set up by `make install`, which installs the package")
    code = "from codestill.report import load_scores, load_cell; print(load_cell.__name__)"
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=plain, capture_output=True, text=True)
    assert done.stdout == "load_cell\n", done.stderr


def test_a_time_taken_on_a_busy_machine_says_so(whole, tmp_path):
    """Of the batch size that was not stable, and of no other."""
    folder = tmp_path / "busy"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("report"))
    found = read_json(folder / "efficiency/teacher.json")
    write_json(folder / "efficiency/teacher.json", found | {"busy": {"1": True, "8": False}})
    build(folder / "study.json", folder, folder / "report")
    rows = [line.split("|") for line in (folder / "report/table.md").read_text().splitlines() if line.startswith("| ")]
    latency = next(row for row in rows if "latency" in row[1])
    assert "machine busy" in latency[2] and not any("machine busy" in cell for cell in latency[3:])
    assert not any("busy" in "".join(row) for row in rows if "weights on disk" in row[1])
    assert "machine busy" not in (whole / "report/table.md").read_text()
