"""Axes that are read from a file train what the same flags would, and a finished cell of them is taken as it is."""

import argparse
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import distill
from codestill.distill.axes_file import take_axes, taken_over
from codestill.distill.training_job import cell_axes
from codestill.kit.program import UserError

COMMON = ["--student_model_path", "models/student", "--seed", "43", "--num_train_epochs", "9", "--threads", "1"]


def parsed(*flags):
    parser = argparse.ArgumentParser()
    distill.add_arguments(parser)
    options = parser.parse_args([*COMMON, *map(str, flags)])
    take_axes(options)
    return options


CELLS = [
    ["--alpha", "0.25", "--temperature", "3", "--learning_rate", "1e-3", "--num_train_epochs", "2"],
    ["--alpha", "0", "--objective", "jsd", "--beta", "0.3", "--student_init", "random", "--max_train_samples", "7"],
    ["--alpha", "1", "--label_smoothing", "0.1", "--dropout", "0.2", "--train_batch_size", "3"],
]


@pytest.fixture
def shortlist(tmp_path):
    """A file as choose.py writes it, of the cells that the flags in CELLS describe, with another seed."""
    teach = ["--teacher_model_path", "models/teacher"]
    axes = [{k: v for k, v in cell_axes(parsed(*teach, *flags)).items() if k != "seed"} for flags in CELLS]
    (tmp_path / "short.json").write_text(json.dumps({"candidates": [{"axes": one} for one in axes]}))
    return tmp_path / "short.json"


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_setting_of_the_file_is_what_its_flags_say(shortlist, rank):
    read = parsed("--axes_from", shortlist, "--rank", rank, "--teachers", "teacher=models/teacher")
    told = parsed("--teacher_model_path", "models/teacher", *CELLS[rank - 1])
    assert cell_axes(read) == cell_axes(told) and cell_axes(read)["seed"] == 43
    apart = {name for name in vars(told) if vars(told)[name] != vars(read)[name]}
    if rank == 3:  # nobody teaches
        assert read.teacher_model_path is None
        apart.remove("teacher_model_path")
    assert apart == {"axes", "axes_from", "teachers"} | ({"rank"} if rank > 1 else set())


def test_the_teacher_is_the_one_that_the_axes_name(shortlist):
    found = json.loads(shortlist.read_text())
    found["candidates"][0]["axes"] |= {"teacher": "big", "teacher_seed": 9}
    shortlist.write_text(json.dumps(found))
    flags = ["--axes_from", shortlist, "--teachers", "teacher=models/teacher", "big=models/big"]
    with pytest.raises(UserError, match=r"--teachers: big.seed-9 is missing"):
        parsed(*flags)
    options = parsed(*flags, "big.seed-9=models/big9", "--states", "big.seed-9=states/big9", "teacher=states/teacher")
    assert (options.teacher_model_path, options.teacher_cache) == ("models/big9", "states/big9")
    assert cell_axes(options)["teacher"] == "big" and cell_axes(options)["teacher_seed"] == 9


def test_a_finished_cell_is_copied_only_where_axes_and_seed_are_its_own(shortlist, tmp_path):
    flags = ["--axes_from", shortlist, "--teachers", "teacher=models/teacher", "--output_dir", tmp_path / "out"]
    options = parsed(*flags)
    cell = cell_axes(options)
    for name, more in (("other", {"learning_rate": 2e-3}), ("seed", {"seed": 42}), ("same", {})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "provenance.json").write_text(json.dumps({"cell": cell | more}))
        (tmp_path / name / "curves.txt").write_bytes(name.encode())
        (tmp_path / name / "README.md").write_text("its card")
    assert not taken_over(options)
    assert not taken_over(parsed(*flags, "--same_seed", tmp_path / "other", tmp_path / "seed"))
    assert not (tmp_path / "out").exists()
    assert taken_over(parsed(*flags, "--same_seed", tmp_path / "other", tmp_path / "seed", tmp_path / "same"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["curves.txt", "provenance.json"]
    assert (tmp_path / "out/curves.txt").read_bytes() == b"same"


@pytest.mark.parametrize(
    "more, said",
    [
        (["--rank", "4"], "--rank 4: .* has 3 settings"),
        (["--rank", "0"], "--rank 0: .* has 3 settings"),
        (["--teachers", "models/teacher"], "--teachers models/teacher: write NAME=DIR"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_one_line(shortlist, more, said):
    with pytest.raises(UserError, match=said):
        parsed("--axes_from", shortlist, *more)


def test_a_recipe_brings_its_text_and_the_states_of_it(shortlist):
    found = json.loads(shortlist.read_text())
    found["candidates"][0]["axes"] |= {"recipe": "verified"}
    shortlist.write_text(json.dumps(found))
    flags = ["--axes_from", shortlist, "--train_data", "tokens/train", "--teachers", "teacher=models/teacher"]
    with pytest.raises(UserError, match=r"--texts: verified/teacher is missing"):
        parsed(*flags)
    states = ["--states", "teacher=states/teacher", "verified/teacher=states/verified/teacher"]
    options = parsed(*flags, *states, "--texts", "verified/teacher=recipes/verified/teacher/tokens")
    assert options.train_data == "recipes/verified/teacher/tokens"
    assert options.teacher_cache == "states/verified/teacher" and cell_axes(options)["recipe"] == "verified"


def test_an_axis_that_the_file_does_not_know_has_its_default(shortlist):
    found = json.loads(shortlist.read_text())
    del found["candidates"][0]["axes"]["on_policy"]  # as a file of before there was that axis
    shortlist.write_text(json.dumps(found))
    read = parsed("--axes_from", shortlist, "--teachers", "teacher=models/teacher")
    assert cell_axes(read) == cell_axes(parsed("--teacher_model_path", "models/teacher", *CELLS[0]))
