"""The student's layers drawn to the teacher's: the map, the term and its gradient, and what is kept of it where."""

from pathlib import Path

import pytest
import torch
import yaml
from safetensors import safe_open
from trainings import distill, flags, killed_and_resumed, losses, together, weights

import children
import tiny_models as tiny
from codestill.data.batches import IGNORE, collate
from codestill.distill.hidden_states import PROJECTIONS, HiddenStates, layer_pairs
from codestill.distill.objective import Objective
from codestill.distill.teacher import OnlineTeacher
from codestill.distill.trainer import student_forward
from codestill.kit.files import read_json
from codestill.kit.program import UserError
from codestill.study.commands import Commands
from codestill.study.config import load_study
from codestill.study.grid import build_grid
from codestill.study.layout import Layout
from shared_data import ROOT


@pytest.mark.parametrize(
    ("student", "teacher", "expected"),
    [
        (6, 12, [2, 4, 6, 8, 10, 12]),
        (1, 2, [2]),
        (3, 12, [4, 8, 12]),
        (2, 2, [1, 2]),
        (4, 6, [2, 3, 5, 6]),
        (4, 2, [1, 1, 2, 2]),
    ],
)
def test_without_a_map_the_students_layers_are_spaced_evenly_on_the_teachers(student, teacher, expected):
    assert layer_pairs(None, student, teacher) == list(enumerate(expected, 1))


def test_layers_that_do_not_exist_are_named():
    assert layer_pairs(["0:0", "2:7"], 2, 7) == [(0, 0), (2, 7)]
    for asked, said in (("3:1", "3:1: the student has 2 layers"), ("1:8", "1:8: the teacher has 7 layers")):
        with pytest.raises(UserError, match=said):
            layer_pairs(["1:1", asked], 2, 7)


@pytest.mark.parametrize("name", ["cosine", "mse"])
@pytest.mark.parametrize("width", [16, 24])
@pytest.mark.parametrize("asked", [None, ["1:2", "0:0"]])
def test_the_term_and_its_gradient_equal_a_float64_reference(name, width, asked):
    """Against each function run alone in float64, by the formulas and autograd; the learnt maps' gradients too."""
    student, teacher = tiny.model("llama", seed=4), tiny.model("gpt2", width=width, seed=6)
    layers = HiddenStates(student, teacher, 0.7, name, asked, seed=3)
    assert hasattr(student, PROJECTIONS) == (width != 16)
    rows = tiny.rows(3, seed=1)
    batch = collate([{**row, "example": number} for number, row in enumerate(rows)])
    objective, count = Objective(2.0, 0.3), 41
    loss, _, _, apart = student_forward(
        student, batch, count, objective, OnlineTeacher(teacher, tiny.VOCABULARY), torch.float32, layers
    )
    loss.backward()
    found = {name: parameter.grad.double() for name, parameter in student.named_parameters()}
    student.zero_grad()
    student.double(), teacher.double()
    pairs, total, hidden = [(1, 1), (2, 2)] if asked is None else [(1, 2), (0, 0)], 0.0, 0.0
    for row in rows:
        starts = [place for place, position in enumerate(row["position_ids"]) if position == 0]
        for start, stop in zip(starts, [*starts[1:], len(row["input_ids"])], strict=True):
            ids, labels = (torch.tensor(row[key][start:stop]) for key in ("input_ids", "labels"))
            assert (labels[1:] != IGNORE).all()
            own = student(input_ids=ids[None], output_hidden_states=True)
            with torch.no_grad():
                other = teacher(input_ids=ids[None], output_hidden_states=True)
            q, p = ((one.logits[0, :-1] / 2.0).log_softmax(-1) for one in (own, other))
            total = total + 0.3 * torch.nn.functional.cross_entropy(own.logits[0, :-1], ids[1:], reduction="sum")
            total = total + 0.7 * 4.0 * (p.exp() * (p - q)).sum()
            for number, (mine, theirs) in enumerate(pairs):
                s, t = own.hidden_states[mine][0, :-1], other.hidden_states[theirs][0, :-1]
                if width != 16:
                    s = s @ getattr(student, PROJECTIONS)[number].weight.T
                if name == "cosine":
                    each = 1 - (s * t).sum(-1) / ((s * s).sum(-1) * (t * t).sum(-1)).sqrt()
                else:
                    each = ((s - t) ** 2).sum(-1) / width
                hidden = hidden + each.sum() / 2
    ((total + 0.7 * hidden) / count).backward()
    assert apart.item() == pytest.approx(hidden.item(), rel=1e-5)
    assert loss.item() == pytest.approx((total + 0.7 * hidden).item() / count, rel=1e-5)
    assert set(found) == {key for key, _ in student.named_parameters()}
    for key, parameter in student.named_parameters():
        assert (found[key] - parameter.grad).norm() <= 2e-5 * parameter.grad.norm(), key


@pytest.fixture(scope="module")
def drawn(home):
    return distill(home, home / "drawn", **DRAWN)


# The teacher is twice as wide as the student: the maps are learnt.
DRAWN = {"hidden_weight": 2.0, "hidden_loss": "mse", "teacher_pass": "cache"}


def test_the_layers_come_nearer_and_the_maps_are_not_written(home, drawn):
    history = read_json(drawn / "trainer_state.json")["log_history"]
    apart = [row["loss_hidden"] for row in history if "loss_hidden" in row]
    assert apart[-1] < 0.7 * apart[0]
    first = next(row for row in history if "loss_hidden" in row)
    parts = 0.5 * first["loss_ce"] + 0.5 * first["loss_kl"] + 2.0 * first["loss_hidden"]
    assert first["loss_total"] == pytest.approx(parts, rel=1e-4)
    with (
        safe_open(drawn / "model.safetensors", "pt") as tensors,
        safe_open(home / "student/model.safetensors", "pt") as before,
    ):
        assert set(tensors.keys()) == set(before.keys())
    assert "online, its states in float16, since its layers are asked for" in Path(f"{drawn}.log").read_text()


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_random_points_the_maps_go_on_where_they_were(home, drawn, tmp_path, seed):
    killed_and_resumed(flags(home, tmp_path / "cell", save_steps=3, **DRAWN), tmp_path / "cell", seed)
    assert weights(tmp_path / "cell") == weights(drawn)


def test_two_processes_learn_the_same_maps(home, tmp_path):
    uneven = {"dropout": 0.0, "max_train_samples": 111, "hidden_weight": 0.5}
    one = distill(home, home / "one", **uneven)
    together(flags(home, tmp_path / "two", **uneven), tmp_path)
    assert losses(tmp_path / "two")[-1] == pytest.approx(losses(one)[-1], rel=1e-4)


def test_a_study_gives_pairs_of_layers_to_the_cells_alone_that_are_drawn_to_them():
    raw = yaml.safe_load((ROOT / "config/demo.yaml").read_text()) | {"seeds": [1], "sweeps": {}}
    raw |= {"distillation": {"hidden_layers": ["1:2"]}, "experiments": {"drawn": {"grid": {"hidden_weight": [0, 1]}}}}
    study = load_study(raw)
    layout = Layout(study, build_grid(study, study.study))
    told = {cell: Commands(study, layout).cell(cell) for cell in layout.grid.cells.values()}
    for cell, words in told.items():
        assert ("--hidden_layers 1:2" in words) is bool(cell.hidden_weight), words
    assert {cell.hidden_weight for cell in told} >= {0.0, 1.0}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_weight": 1, "hidden_layers": "2:5"}, "--hidden_layers 2:5: the teacher has 2 layers"),
        ({"hidden_weight": 1, "hidden_layers": "last"}, "--hidden_layers"),
        ({"hidden_layers": "9:9"}, "--hidden_layers 9:9: no layers are drawn at --hidden_weight 0; give a weight"),
        ({"hidden_weight": -1}, "--hidden_weight: must be greater than or equal to 0"),
        ({"hidden_weight": 1, "alpha": 1}, "--hidden_weight 1.0: needs a teacher"),
        ({"hidden_weight": 1, "teacher_cache": "states", "teacher_pass": None}, "--teacher_cache: holds no layers"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(home, tmp_path, changes, said):
    assert children.run("distill", flags(home, tmp_path / "cell", **changes), tmp_path / "log") == 2
    errors = [line for line in (tmp_path / "log").read_text().splitlines() if "error: " in line]
    assert len(errors) == 1 and said in errors[0], errors
