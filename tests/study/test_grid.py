"""Cells are canonical: one training has one name, however it is spelled."""

import itertools
from pathlib import Path

import pytest
import yaml

from codestill.kit.program import UserError
from codestill.models import narrowing
from codestill.study.config import load_study
from codestill.study.grid import build_grid, cell_name, cells_of, default_cell, parse_cell
from codestill.study.remarks import AT_ONCE, remarks
from codestill.study.sections.experiments import Query

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture(scope="module")
def study():
    return load_study(yaml.safe_load((CONFIG / "config.yaml").read_text()))


def names(study, **query):
    defaults = default_cell(study)
    return [cell_name(cell, defaults) for cell in cells_of(Query(**query), study, "test")]


def test_what_acts_on_own_text_or_hidden_states_alone_is_no_part_of_a_cell_without(study):
    grid = {"on_policy": [0, 0.5], "on_policy_tokens": [64, 32]}
    grid |= {"hidden_weight": [0, 1], "hidden_loss": ["cosine", "mse"]}
    found = names(study, grid=grid, seeds=[42])
    assert len(found) == 3 * 3 and "T-2.0_alpha-0.5_seed-42" in found
    assert "T-2.0_alpha-0.5_on_policy-0.5_own_tokens-32_hidden-1.0_hidden_loss-mse_seed-42" in found
    assert names(study, grid={**grid, "alpha": 1}, seeds=[42]) == ["alpha-1.0_seed-42"]


def test_spellings_of_one_value_are_one_cell(study):
    spelled = names(study, grid={"temperature": [3, 3.0, "3"], "learning_rate": ["2e-5", 2e-5]}, seeds=[42])
    assert spelled == ["T-3.0_alpha-0.5_lr-2e-05_seed-42"]


def test_minus_zero_is_zero(study):
    assert names(study, grid={"alpha": [0, -0.0, "-0"]}, seeds=[42]) == ["T-2.0_alpha-0.0_seed-42"]


def test_minus_zero_alone_is_zero_too(study):
    assert names(study, grid={"alpha": [-0.0]}, seeds=[42]) == ["T-2.0_alpha-0.0_seed-42"]
    assert names(study, grid={"alpha": -0.0}, seeds=[42]) == ["T-2.0_alpha-0.0_seed-42"]


def test_alpha_one_has_no_temperature(study):
    assert names(study, grid={"alpha": 1, "temperature": [1, 2, 3]}, seeds=[42]) == ["alpha-1.0_seed-42"]


def test_beta_acts_on_the_generalised_jensen_shannon_divergence_only(study):
    found = names(study, grid={"objective": ["forward_kl", "jsd"], "beta": [0.1, 0.5]}, seeds=[42])
    assert found == [
        "T-2.0_alpha-0.5_seed-42",
        "T-2.0_alpha-0.5_objective-jsd_beta-0.1_seed-42",
        "T-2.0_alpha-0.5_objective-jsd_seed-42",
    ]


def test_products_zips_and_exclusions(study):
    product = names(study, grid={"temperature": [1, 2], "alpha": [0, 0.5]}, seeds=[42, 43])
    assert len(product) == 8
    zipped = names(study, grid={"epochs": [1, 5]}, zip={"temperature": [1, 2], "alpha": [0, 0.5]}, seeds=[42])
    assert zipped == [
        f"T-{t}_alpha-{a}_epochs-{e}_seed-42" for e, (t, a) in itertools.product((1.0, 5.0), ((1.0, 0.0), (2.0, 0.5)))
    ]
    kept = names(
        study, grid={"temperature": [1, 2], "alpha": [0, 0.5]}, exclude=[{"alpha": 0, "temperature": 1}], seeds=[42]
    )
    assert kept == ["T-1.0_alpha-0.5_seed-42", "T-2.0_alpha-0.0_seed-42", "T-2.0_alpha-0.5_seed-42"]


def test_the_home_grid_holds_every_cell_once(study):
    grid = build_grid(study)
    # By hand: 7 alphas by 4 temperatures, where alpha 1 is one cell; experiment 3 and the default stand in the sweep.
    assert len(grid.sweeps["temperature_alpha"]) == 6 * 4 + 1
    assert "T-4.0_alpha-0.3_seed-42" in grid.sweeps["temperature_alpha"]
    assert grid.experiments["experiment_3"][0] == "T-4.0_alpha-0.3_seed-42"
    assert grid.controls == ["alpha-1.0_seed-42", "alpha-1.0_seed-43", "alpha-1.0_seed-44"]
    # Sweep 25; learning rate +2; epochs +2; weight decay +1; dropout +2; the three other controls' and experiments'
    # seeds: controls +2, default +2, experiment 1 +2 (T 3 alpha 0 stands in the sweep), 2 +3 (T 2.5), 3 +2.
    # The control's own tuning: 3 by 3 by 2 by 2 settings, less the 5 that are excluded.
    assert len(grid.cells) == 25 + 2 + 2 + 1 + 2 + 2 + 2 + 2 + 3 + 2 + 36 - 5


@pytest.mark.parametrize("name", ["config", "adapted", "codegen", "qwen", "pilot", "demo", "demo-study"])
def test_both_sides_are_chosen_among_as_many_settings(name):
    grid = build_grid(load_study(yaml.safe_load((CONFIG / f"{name}.yaml").read_text())))
    cells = [grid.cells[one] for found in grid.graph.candidates.values() for one in found]
    settings = {(cell.alpha == 1, *(pair for pair in cell.axes().items() if pair[0] != "seed")) for cell in cells}
    distilled = [alone for alone, *_ in settings].count(False)
    assert distilled == len(settings) - distilled


def test_every_name_parses_back_to_its_cell(study):
    grid = build_grid(study)
    for name, cell in grid.cells.items():
        assert parse_cell(name, grid.defaults) == cell
    strange = "T-1.5_alpha-0.25_objective-jsd_beta-0.1_lr-3e-05_dropout-0.3_batch-4_samples-100_seed-7"
    assert cell_name(parse_cell(strange, grid.defaults), grid.defaults) == strange


@pytest.mark.parametrize("name", ["T-2_alpha-0.5_seed-42", "T-2.0_alpha-1.0_seed-42", "alpha-0.5_T-2.0_seed-42"])
def test_a_name_that_is_not_canonical_is_refused_with_the_canonical_one(study, name):
    with pytest.raises(UserError, match="canonical name is"):
        parse_cell(name, default_cell(study))


def test_a_name_past_200_bytes_is_an_error(study):
    values = {"objective": "jsd", "beta": 0.123456789012345, "learning_rate": 1.2345678901234567e-05}
    values |= {"epochs": 1.23456789012345, "weight_decay": 0.0123456789012345, "dropout": 0.123456789012345}
    values |= {"batch_size": 7, "gradient_accumulation_steps": 3, "warmup_steps": 11, "max_train_samples": 123456789}
    with pytest.raises(UserError, match="200 bytes"):
        names(study, grid={**values, "temperature": 1.23456789012345, "alpha": 0.123456789012345}, seeds=[42])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"sweeps": {"t": {"grid": {"alpha": 1, "temperature": [1, 2]}}}}, "sweeps.t: its 2 settings are one: alpha"),
        ({"sweeps": {"t": {"grid": {"alpha": [0, 1], "temperature": [1, 2]}}}}, None),
        (
            {"experiments": {"e": {"grid": {"alpha": [0, 0.5]}, "exclude": [{"alpha": 0.7}, {"alpha": "0"}]}}},
            "experiments.e.exclude: {'alpha': 0.7} excludes nothing",
        ),
        (
            {"models": {"tiny": {"name": "gpt2"}}, "distillation": {"student": "tiny"}},
            "distillation.student: tiny, and only cells of `student` are candidates: the report's headline has no "
            "best_distilled and no best_finetuned; give `student` the section of tiny, or add an experiment",
        ),
        (
            {
                "models": {"tiny": {"name": "gpt2"}},
                "distillation": {"student": "tiny"},
                "experiments": {"x": {"grid": {"student": ["student", "tiny"]}}},
            },
            "distillation.student: tiny, and only cells of `student` are candidates: the report's headline has no "
            "best_finetuned; give",
        ),
        (
            {
                "models": {"tiny": {"name": "gpt2"}},
                "distillation": {"student": "tiny"},
                "experiments": {"x": {"grid": {"student": "student", "alpha": [0.5, 1]}}},
            },
            None,
        ),
        (
            {"variants": {"x": {"prune": {"mlp": 0.7, "heads": 0.7, "depth": 0.7}, "of": "teacher"}}},
            "variants.x.prune: leaves 0.49 of the MLPs' neurons, more than a third at once; healing",
        ),
        ({"variants": {"x": {"prune": {"depth": 0.6}, "of": "teacher"}}}, "variants.x.prune: leaves 0.6 of the layers"),
        (
            {"variants": {"x": {"prune": {"heads": 0.8, "depth": 0.8}, "of": "teacher"}}},
            "variants.x.prune: leaves 0.64 of the heads",
        ),
        ({"variants": {"x": {"prune": {"mlp": 0.7, "heads": 0.7}, "of": "teacher"}}}, None),
        ({"variants": {"x": {"prune": 0.9, "of": "teacher"}}}, None),
        ({"generation": {"temperature": 0}}, "benchmarks.humaneval.n: greedy decoding"),
        ({"generation": {"temperature": 0}, "benchmarks": {"h": {"kind": "humaneval", "n": 1, "k": [1]}}}, None),
    ],
)
def test_what_does_not_do_what_it_says_is_told(changes, said):
    raw = yaml.safe_load((CONFIG / "config.yaml").read_text())
    plain = {"sweeps": {}, "experiments": {}, "selection": {}}
    study = load_study(raw | plain | changes)
    found = remarks(study, build_grid(study))
    assert len(found) == bool(said)
    assert not said or found[0].startswith(said)


def test_a_plan_and_the_pruning_itself_mean_the_same_by_at_once():
    assert AT_ONCE == narrowing.AT_ONCE


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.name)
def test_the_ready_studies_ask_for_nothing_idle(path):
    study = load_study(yaml.safe_load(path.read_text()))
    assert remarks(study, build_grid(study)) == []


def test_a_students_start_is_an_axis_and_a_shape_starts_from_random_weights():
    raw = yaml.safe_load((CONFIG / "demo.yaml").read_text())
    shaped = load_study(raw | {"student": {"shape": raw["teacher"]["shape"]}})
    layered = load_study(raw)
    query = {"grid": {"alpha": 1, "init": ["weights", "random"]}, "seeds": [42]}
    assert names(shaped, **query) == ["alpha-1.0_init-weights_seed-42", "alpha-1.0_seed-42"]
    assert names(layered, **query) == ["alpha-1.0_seed-42", "alpha-1.0_init-random_seed-42"]
