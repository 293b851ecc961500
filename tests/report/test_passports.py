"""Passports, redrawing, archives and verification: where each number came from, and whether it still stands."""

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from codestill.kit.files import read_json, sha256, write_json
from codestill.kit.program import UserError
from codestill.report.archive import pack
from codestill.report.build import build, redraw
from codestill.report.figures import FIGURES
from codestill.report.model_card import write
from codestill.report.passports import files_read
from codestill.report.results import Results
from codestill.report.table import read_csv
from codestill.report.verify import drift

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def mine(whole, tmp_path):
    """A copy of the whole study that a test may change."""
    return Path(shutil.copytree(whole, tmp_path / "mine"))


def test_every_figure_has_a_passport_that_holds(whole):
    for name in FIGURES:
        passport = read_json(whole / "report/figures" / f"{name}.passport.json")
        assert passport["revisions"]["student"]["revision"] == "abc"
        assert passport["packages"]["matplotlib"] and passport["config_sha256"]
        assert passport["tables"]["scores.csv"] == sha256(whole / "report/scores.csv")
        for path, digest in passport["sources"].items():
            assert sha256(whole / path) == digest
    curves = read_json(whole / "report/figures/curves.passport.json")
    assert "T-2.0_alpha-0.5_seed-0" in curves["models"] and "student" not in curves["models"]


def test_the_passport_is_inside_the_figures_too(whole):
    digest = sha256(whole / "report/scores.csv")[:16].encode()
    for kind in ("png", "svg", "pdf"):
        assert digest in (whole / "report/figures" / f"heat_map.{kind}").read_bytes()


def test_an_archive_redraws_the_same_bytes_elsewhere(whole, tmp_path):
    count = pack(whole, tmp_path / "made.tar.gz")
    pack(whole, tmp_path / "again.tar.gz")
    assert sha256(tmp_path / "made.tar.gz") == sha256(tmp_path / "again.tar.gz")
    with tarfile.open(tmp_path / "made.tar.gz") as archive:
        assert len(archive.getnames()) == count
        assert not [name for name in archive.getnames() if name.startswith(("models", "samples", "verdicts"))]
        archive.extractall(tmp_path / "else", filter="data")
    drawn = redraw(tmp_path / "else/report", tmp_path / "drawn")
    cells = sorted(path.parent.name for path in (whole / "report").glob("cells/*/curves.svg"))
    assert len(drawn) == 3 * len(FIGURES) + len(cells) and "T-2.0_alpha-0.5_seed-0" in cells
    for path in drawn:
        there = whole / "report" / path.relative_to(tmp_path / "drawn")
        assert path.read_bytes() == there.read_bytes(), path.name


def test_one_cell_is_drawn_alone(whole, tmp_path):
    paths = redraw(whole / "report", tmp_path, cells=["alpha-1.0_seed-0"])
    assert paths == [tmp_path / "cells/alpha-1.0_seed-0/curves.svg"]
    assert paths[0].read_bytes() == (whole / "report/cells/alpha-1.0_seed-0/curves.svg").read_bytes()
    with pytest.raises(UserError, match="--cell teacher: no cell of study made"):
        redraw(whole / "report", tmp_path, cells=["teacher"])


def test_nothing_drifts_in_an_untouched_study(mine):
    assert list(drift(mine)) == []


def test_what_drifted_is_named_with_what_depends_on_it(mine):
    scores = read_json(mine / "scores/pocket/teacher.json")
    write_json(mine / "scores/pocket/teacher.json", scores | {"pass@1": 0.99})
    (mine / "language/student.json").unlink()
    (mine / "verdicts/pocket/student.jsonl").write_text("torn")
    page = mine / "report/numbers.tex"
    page.write_text(page.read_text().replace("0.", "1.", 1))
    with open(mine / "report/scores.csv", "a") as handle:
        handle.write("forged\n")
    study = read_json(mine / "study.json")
    study["config"]["seeds"] = [1]
    write_json(mine / "study.json", study)
    found = {path: (what, behind) for path, what, _, behind in drift(mine)}
    assert found["scores/pocket/teacher.json"][0] == "changed" and "pass_at_k" in found["scores/pocket/teacher.json"][1]
    assert found["language/student.json"][0] == "gone"
    assert found["report/scores.csv"][0] == "changed"
    assert "study.json: config" in found
    assert found["report/numbers.tex"][0] == found["verdicts/pocket/student.jsonl"][0] == "changed"
    assert len(found) == 7
    done = subprocess.run([sys.executable, SCRIPTS / "verify.py", "--results", mine], capture_output=True, text=True)
    assert done.returncode == 1
    assert "scores/pocket/teacher.json: changed since 20" in done.stdout


def test_weights_are_checked_against_their_training(mine):
    weights = mine / "models/teacher/model.safetensors"
    weights.write_bytes(b"trained")
    passport = read_json(mine / "report/passport.json")
    passport["models"]["teacher"]["weights"] = sha256(weights)
    write_json(mine / "report/passport.json", passport)
    assert list(drift(mine)) == []
    weights.write_bytes(b"other")
    assert [row[0] for row in drift(mine)] == ["models/teacher/model.safetensors"]


def test_a_card_that_is_being_written_is_no_part_of_the_report(mine):
    """The two jobs may run at once, and a card's draft is gone in a moment."""
    folder = mine / "models/student"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "README.md", ".README.md.0a1b.part"):
        (folder / name).write_text("{}")
    read = files_read(Results.load(mine / "study.json", mine))["models"]
    assert [path for path in read if path.startswith("models/student/")] == ["models/student/config.json"]


def test_a_chosen_copy_must_be_the_model_that_was_chosen(mine):
    cell = "T-2.0_alpha-0.5_seed-0"
    for name in (cell, "best_distilled"):
        (mine / "models" / name / "model.safetensors").write_bytes(b"trained")
    passport = read_json(mine / "report/passport.json")
    passport["models"][cell]["weights"] = sha256(mine / "models" / cell / "model.safetensors")
    write_json(mine / "report/passport.json", passport)
    assert list(drift(mine)) == []
    (mine / "models/best_distilled/model.safetensors").write_bytes(b"other")
    assert [row[0] for row in drift(mine)] == ["models/best_distilled/model.safetensors"]


def test_a_kept_adapter_is_checked_where_its_model_lies(mine):
    """Of the cell and of what was chosen from it."""
    cell, name = "T-2.0_alpha-0.5_seed-0", "adapter/adapter_model.safetensors"
    for one in (cell, "best_distilled"):
        (mine / "models" / one / "adapter").mkdir()
        (mine / "models" / one / name).write_bytes(b"learned")
    path = mine / "models" / cell / "provenance.json"
    files = {"adapter_model.safetensors": sha256(mine / "models" / cell / name)}
    write_json(path, read_json(path) | {"adapter": {"base": "models/student", "base_in": "nf4", "files": files}})
    build(mine / "study.json", mine, mine / "report", None)
    assert list(drift(mine)) == []
    (mine / "models" / cell / name).write_bytes(b"other")
    shutil.rmtree(mine / "models/best_distilled/adapter")
    assert [row[:2] for row in drift(mine)] == [
        (f"models/{cell}/{name}", "changed"), (f"models/best_distilled/{name}", "gone"),
    ]  # fmt: skip
    text = write(Results.load(mine / "study.json", mine), cell, mine / "card.md")
    assert "`adapter/` holds" in text and "On `models/student`, held in nf4" in text


def test_downloads_are_checked_against_their_manifest(mine):
    (mine / "inputs/models/student/model.safetensors").write_bytes(b"other")
    assert [row[:2] for row in drift(mine)] == [("inputs/models/student/model.safetensors", "changed")]


def test_an_archive_needs_a_report(tmp_path):
    with pytest.raises(UserError, match=r"passport\.json: no such file"):
        pack(tmp_path, tmp_path / "x.tar.gz")


def test_headline_numbers_say_which_models_they_are_of(whole):
    numbers = json.loads((whole / "report/numbers.json").read_text())
    best = numbers["csBestDistilledPocketPassAtOne"]
    assert best["models"] == [f"T-2.0_alpha-0.5_seed-{seed}" for seed in (0, 1, 2)]
    text = (whole / "report/numbers.tex").read_text()
    assert f"\\newcommand{{\\csBestDistilledPocketPassAtOne}}{{{best['text']}}}" in text
    gain = read_csv(whole / "report/comparisons.csv").query("label == 'headline' and benchmark == 'pocket'").iloc[0]
    assert numbers["csGainPocketPassAtOne"]["value"] == gain["difference"]
    assert numbers["csGainPocketPassAtOneInterval"]["text"] == f"[{gain['low']:+.3f}, {gain['high']:+.3f}]"
    names = [line.split("}")[0] for line in text.splitlines()]
    assert len(names) == len(set(names))
    for name in ("table.tex", "experiments.tex", "hyperparameters.tex", "compute.tex", "data.tex"):
        table = (whole / "report" / name).read_text()
        assert table.count(r"\begin{tabular}") == table.count(r"\end{tabular}") == 1
    cited = set((whole / "report/methods.tex").read_text().split(r"\cite{")[1:])
    for key in (one.split("}")[0] for one in cited):
        assert f"{{{key}," in (whole / "report/references.bib").read_text()
