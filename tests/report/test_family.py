"""The picture of which model is made from which: nobody is lost, arrows are the study's own, and it is small."""

import hashlib

import pytest
import yaml

from codestill.report import family, style
from codestill.report.results import Results
from codestill.study.config import load_study
from codestill.study.grid import build_grid
from codestill.study.layout import Layout
from shared_data import ROOT


def planned(path):
    """The results of a study of which nothing has run."""
    study = load_study(yaml.safe_load((ROOT / path).read_text()))
    return Results(Layout(study, build_grid(study, study.study)).resolved(), "nowhere")


@pytest.mark.parametrize("path", ["config/config.yaml", "config/demo.yaml", "tests/workflow/graph.yaml"])
def test_every_model_stands_in_one_box_after_those_that_it_is_made_from(path):
    results = planned(path)
    rows = list(family.family_rows(results))
    boxes = [row["box"] for row in rows]
    extra = sum(row["models"] for row in rows if row["kind"] in ("chosen", "finalist", "fresh"))  # not known yet
    assert sum(row["models"] for row in rows) == len(results.models) + extra and len(set(boxes)) == len(boxes)
    places = family.layers(rows)
    for row in rows:
        assert row["words"].strip("|")
        for parent in filter(None, (row["starts_from"], row["taught_by"])):
            assert boxes.index(parent) < boxes.index(row["box"]) and places[parent][0] < places[row["box"]][0]
    assert len(set(places.values())) == len(boxes)  # no box lies on another


def test_arrows_are_those_of_the_study():
    """Of generations, assistants, variants and a chosen model that teaches, by hand."""
    rows = {row["box"]: row for row in family.family_rows(planned("tests/workflow/graph.yaml"))}
    found = {box: (row["starts_from"], row["taught_by"]) for box, row in rows.items()}
    assert found["assistant"] == ("teacher", "") and found["teacher.narrow"] == ("teacher", "")
    assert found["alpha-1.0_seed-1"] == ("student", "")
    assert found["T-2.0_alpha-0.5_teacher-big_seed-1"] == ("student", "big")
    assert found["T-2.0_alpha-0.5_teacher-best_distilled_student-tiny_seed-1"] == ("tiny", "best_distilled")
    assert found["best_distilled"] == ("T-2.0_alpha-0.5_seed-1", "") and rows["best_distilled"]["kind"] == "chosen"
    assert found["best_distilled.int8"] == ("best_distilled", "")


def test_a_grid_is_one_box_that_says_what_it_varies():
    rows = {row["kind"] + row["taught_by"]: row for row in family.family_rows(planned("config/config.yaml"))}
    later = {"finalist", "finalistteacher", "fresh", "freshteacher"}
    assert set(rows) == {"teacher", "student", "cell", "cellteacher"} | later
    assert rows["finalistteacher"]["words"] == "finalists, distilled|6 trainings"
    assert rows["fresh"]["words"] == "chosen, fresh seeds, fine-tuned alone|3 trainings"
    words = rows["cellteacher"]["words"].split("|")
    assert words[0] == "distilled: 32 settings, 40 models" and words[1] == "T 1 to 4 (5 values)"
    assert "T" not in [line.split()[0] for line in rows["cell"]["words"].split("|")[1:]]


def test_the_picture_in_the_docs_is_of_the_home_study(tmp_path):
    """Its metadata hold the checksum of the table that it was drawn from."""
    frame = family.family_frame(planned("config/config.yaml"))
    told = f"table sha256 {hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()}"
    plt = style.start()
    style.save(family.draw(plt, {"family": frame}), tmp_path, "home_family", told, formats=("svg",))
    picture = ROOT / "docs/home_family.svg"
    assert picture.is_file() and told in picture.read_text(), f"cp {tmp_path / 'home_family.svg'} {picture}"


def test_the_drawing_has_an_arrow_for_each_and_no_text_outside():
    plt = style.start()
    frame = family.family_frame(planned("tests/workflow/graph.yaml"))
    figure = family.draw(plt, {"family": frame})
    figure.canvas.draw()
    (axes,) = figure.axes
    arrows = [one for one in axes.texts if hasattr(one, "arrow_patch")]
    assert len(arrows) == (frame["starts_from"] != "").sum() + (frame["taught_by"] != "").sum()
    whole = figure.get_window_extent()
    for text in (one for one in axes.texts if not hasattr(one, "arrow_patch")):
        box = text.get_bbox_patch().get_window_extent()
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1, text.get_text()
