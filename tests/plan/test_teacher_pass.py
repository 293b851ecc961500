"""Whether the teacher's states are stored: arithmetic over the grid, from the config alone."""

from pathlib import Path

import pytest
import yaml

from codestill.kit.files import write_json
from codestill.plan.teacher_pass import GIB, TeacherPass
from codestill.study.config import load_study
from codestill.study.grid import build_grid
from codestill.study.layout import Layout

CONFIG = Path(__file__).resolve().parents[2] / "config"
ROWS = 251_820 * 270 / 512  # packed rows of the training split, by the config
ONE = {"experiments": {"one": {"seeds": [1]}}, "sweeps": {}, "selection": {}}


def decided(distillation=None, **changes):
    raw = yaml.safe_load((CONFIG / "config.yaml").read_text()) | changes
    raw["distillation"] = raw["distillation"] | (distillation or {})
    study = load_study(raw)
    return TeacherPass(study, Layout(study, build_grid(study)))


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_auto_counts_the_passes_that_the_cells_would_make():
    """One cell of E epochs and three validations beside the first: by hand."""
    train, checked = 251_820, 13_914
    for epochs, expected in ((1, False), (2, True)):
        found = decided(**ONE, training={"epochs": epochs})
        passes = (epochs * train + 4 * checked) / (train + checked)
        assert found._reckoned[0] == pytest.approx(passes)
        assert found.stored is (passes >= 2) is expected
    assert decided(training={"epochs": 1}).stored  # many cells of one epoch each


def test_auto_stores_no_more_than_its_limit_and_exact_states_are_twice_as_large():
    size = (251_820 + 13_914) * 270 * 768 * 2 / GIB
    assert decided({"max_states_gib": size * 1.01}).stored
    assert not decided({"max_states_gib": size * 0.99}).stored
    assert not decided({"max_states_gib": size * 1.01, "cache_dtype": "float32"}).stored
    assert decided({"max_states_gib": size * 2.01, "cache_dtype": "float32"}).stored
    assert decided({"max_states_gib": 0, "teacher_pass": "cache"}).stored
    assert not decided({"teacher_pass": "online"}).stored


def test_what_a_run_has_brought_changes_no_decision():
    size = (251_820 + 13_914) * 270 * 768 * 2 / GIB
    found = decided({"max_states_gib": size * 1.01})
    before = found.reason
    layout = found.layout
    counts = {split: {"tokens": 10**9} for split in ("train", "validation", "test")}
    write_json(f"{layout.results}/tokens/accounting.json", {"splits": counts})
    write_json(layout.inputs("corpus", "accounting.json"), {"kept": dict.fromkeys(counts, 10**8)})
    shape = {"model_type": "gpt2", "n_layer": 2, "n_embd": 8192, "vocab_size": 50001}
    write_json(layout.inputs("models", "teacher", "config.json"), shape)
    after = decided({"max_states_gib": size * 1.01})
    assert (after.stored, after.reason) == (True, before)


def test_a_cell_that_asks_for_layers_runs_the_teacher_and_is_told():
    sweep = {"layers": {"grid": {"hidden_weight": [0, 1]}, "seeds": [1]}}
    one = {"experiments": {}, "selection": {"finalists": 1}}
    both = decided({"teacher_pass": "cache"}, **one, sweeps=sweep)
    assert len(both.states_of(both.layout.cell("T-2.0_alpha-0.5_seed-1"))) == 6
    assert both.states_of(both.layout.cell("T-2.0_alpha-0.5_hidden-1.0_seed-1")) == []
    assert both.reason.endswith("1 cells with hidden_weight run it, for its layers")
    alone = decided({"teacher_pass": "cache"}, **one, sweeps={"layers": {"grid": {"hidden_weight": 1}}})
    assert not alone.stored and alone.reason == "each cell asks for the teacher's layers"


def test_as_many_rows_are_stored_as_the_largest_cell_takes():
    def limited(*rows):
        sweep = {"rows": {"grid": {"max_train_samples": list(rows)}, "seeds": [1]}}
        return decided({"teacher_pass": "cache"}, experiments={}, sweeps=sweep, selection={})

    assert limited(100, 300).limit == {"teacher": 300}
    assert limited(100, None).limit == {"teacher": None}
    few = limited(100, 300)
    assert len(few.states_of(few.layout.cell("T-2.0_alpha-0.5_samples-300_seed-7"))) == 6
    assert few.states_of(few.layout.cell("T-2.0_alpha-0.5_samples-301_seed-7")) == []  # runs the teacher itself
    assert few.states_of(few.layout.cell("T-2.0_alpha-0.5_seed-7")) == []
    assert few.states_of(few.layout.cell("alpha-1.0_seed-42")) == []
    share = 400 / ROWS  # 100 rows and 300 rows, three epochs each
    online = 3 * share * 251_820 + 2 * 4 * 13_914
    assert few._reckoned[0] == pytest.approx(online / (300 / ROWS * 251_820 + 13_914))


def test_without_a_taught_cell_nothing_is_stored():
    alone = decided({"teacher_pass": "cache"}, experiments={}, sweeps={}, selection={})
    assert not alone.stored and alone.layout.teachers == [] and "no cell has a teacher" in alone.reason
