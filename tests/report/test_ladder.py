"""The ladder: what stands on it, each beside its parent, who is on the front, and what healing won back."""

import math
from dataclasses import replace

import numpy
import pandas
import pytest
from made_study import make

from codestill.kit.files import read_json, write_json
from codestill.report import style
from codestill.report.ladder import _worse, draw, ladder_frame, rungs, sentences, table
from codestill.report.ladder_chart import panels
from codestill.report.results import Results
from codestill.report.settings import evidence_of
from codestill.report.table import problem_frame, score_frame
from codestill.statistics.min_f_prime import Difference

HEALED = "T-2.0_alpha-0.5_student-teacher.narrow_init-weights_seed-0"


def language(bits):
    """A model's document of twelve functions, as easy and as hard ones, with these bits per byte in all."""
    sums = {"nats": [bits * math.log(2) * 200 * easy for easy in (0.8, 1.2) * 6], "bytes": [200] * 12}
    sums |= {name: [50] * 12 for name in ("tokens", "right", "lines", "exact")}
    functions = {f"{part}_{name}": values for part in ("head", "body") for name, values in sums.items()}
    functions |= {"source": ["own"] * 12, "body_right": [50] * 12, "body_tokens": [50] * 12}
    return {"bits_per_byte": bits, "accuracy": 1.0, "tokens": 1200, "bytes": 4800, "functions": functions}


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    """A made study to which a pruned teacher and its healed cell were added, by bits per byte .8, 1.0 and .9."""
    folder = make(tmp_path_factory.mktemp("ladder") / "results")
    study = read_json(folder / "study.json")
    axes = {"temperature": 2.0, "alpha": 0.5, "student": "teacher.narrow", "init": "weights", "seed": 0}
    study["models"]["teacher.narrow"] = {
        "role": "variant", "cell": None, "operation": "prune", "value": {"mlp": 0.75}, "by": "activation",
        "healed": [HEALED],
    }  # fmt: skip
    study["models"][HEALED] = {"role": "cell", "cell": axes}
    study["made_from"] = {"teacher.narrow": ["teacher"], HEALED: ["teacher.narrow", "teacher"]}
    study["timed"] = ["teacher", "student", "teacher.narrow"]
    write_json(folder / "study.json", study)
    bits = {"teacher": 0.8, "teacher.narrow": 1.0, HEALED: 0.9}
    for name, value in bits.items():
        write_json(folder / f"language/{name}.json", language(value))
    size = read_json(folder / "efficiency/teacher.json")["bytes_on_disk"]
    write_json(folder / "efficiency/teacher.narrow.json", {"bytes_on_disk": size / 2, "latency_ms": 1.0})
    write_json(folder / f"models/{HEALED}/train_results.json", {"train_runtime": 3600.0})
    for name in ("teacher.narrow", HEALED):
        scores = read_json(folder / "scores/pocket/teacher.json")
        # One problem in three that the teacher passed is lost.
        for number, counts in enumerate(scores["per_problem"].values()):
            counts["c"] = 0 if number % 3 == 0 else counts["c"]
        rates = [counts["c"] / counts["n"] for counts in scores["per_problem"].values()]
        scores["pass@1"] = sum(rates) / len(rates)
        write_json(folder / f"scores/pocket/{name}.json", scores)
    results = Results.load(folder / "study.json", folder)
    scores = score_frame(results)
    return ladder_frame(results, evidence_of(results, scores, problem_frame(results)))


def rows(frame, measure, **where):
    found = frame[frame["measure"] == measure]
    for column, value in where.items():
        found = found[found[column] == value]
    return found.to_dict("records")


def test_a_variant_stands_beside_its_parent_and_says_how_it_was_made(frame):
    (narrow,) = rows(frame, "bits_per_byte", model="teacher.narrow")
    assert (narrow["kind"], narrow["parent"]) == ("variant", "teacher")
    assert narrow["made"] == "prune mlp 0.75, by activation" and narrow["share_of_bytes"] == 0.5


def test_healing_won_back_half_and_has_the_variant_s_size_and_its_hour(frame):
    (healed,) = rows(frame, "bits_per_byte", model=HEALED)
    assert healed["kind"] == "healed" and healed["parent"] == "teacher"
    assert healed["healed"] == pytest.approx(0.5)
    assert healed["share_of_bytes"] == 0.5
    assert healed["hours"] == pytest.approx(1 + 20.5 / 3600)  # its own, and its teacher's


def test_what_was_won_back_of_a_loss_that_may_be_none_is_not_told(frame):
    """Of pass@1 the healed model has what the cut one has: nothing was won back. Accuracy never fell: no share."""
    (passed,) = rows(frame, "pass@1", model=HEALED, benchmark="pocket")
    (right,) = rows(frame, "accuracy", model=HEALED)
    assert passed["healed"] == 0 and numpy.isnan(right["healed"]) and right["difference"] == 0
    better = Difference(0.012, -0.005, 0.029, 0.17, 163, "models", 164, (42,))
    assert _worse(better, "more") is False and _worse(replace(better, low=0.005), "more") is False
    assert _worse(replace(better, low=0.005), "less") is True
    bits = frame[(frame["measure"] == "bits_per_byte") & (frame["model"] == HEALED)]
    same = bits.assign(difference=0.0, low=-0.02, high=0.02)
    assert "neither gains nor loses [-0.02" in sentences(same)[0]


def test_the_interval_is_paired_over_the_problems_that_both_were_given(frame):
    (narrow,) = rows(frame, "pass@1", model="teacher.narrow", benchmark="pocket")
    assert narrow["low"] < narrow["difference"] < narrow["high"] < 0
    (unpaired,) = rows(frame, "pass@1", model="teacher", benchmark="pocket")
    assert unpaired["value"] + narrow["difference"] == pytest.approx(narrow["value"])


def test_the_front_holds_what_none_beats_in_bytes_and_quality(frame):
    part = frame[(frame["measure"] == "bits_per_byte") & frame["bytes_on_disk"].notna()]
    for row in part.to_dict("records"):
        better = part[(part["bytes_on_disk"] <= row["bytes_on_disk"]) & (part["value"] <= row["value"])]
        strictly = better[(better["bytes_on_disk"] < row["bytes_on_disk"]) | (better["value"] < row["value"])]
        assert row["front"] == strictly.empty


def test_a_sentence_says_loss_interval_and_share_of_bytes(frame):
    said = [one for one in sentences(frame) if one.startswith("teacher.narrow (prune mlp 0.75, by activation) loses")]
    assert any("pass@1 on pocket at 50% of the bytes of teacher" in one and "[" in one for one in said)


def test_the_table_has_a_row_a_model_beside_its_parent(frame):
    head, *lines = table(frame)
    found = {line[0]: dict(zip(head, line, strict=True)) for line in lines}
    narrow, healed = found["teacher.narrow (prune mlp 0.75, by activation)"], found["teacher.narrow healed, seed 0"]
    bits = "bits per byte, held-out code"
    assert narrow["weights (of the parent's)"].endswith("(50%)")
    assert narrow[bits].startswith("1.000") and healed[bits].endswith("won back 50%")
    assert "[" in narrow["pass@1 on pocket"] and len(lines) == len(found)


def test_the_page_draws_each_model_with_its_interval_and_cost(frame):
    """Places by hand: the teacher stands at twice the bytes of its variant, and a better model lower or higher."""
    scores = pandas.DataFrame(
        [{"model": "teacher", "benchmark": "", "measure": "bits_per_byte", "low": 0.75, "high": 0.85}]
    )
    found = {panel["title"]: panel for panel in panels({"ladder": frame, "scores": scores})}
    panel = found["bits per byte, held-out code (less is better) against MB of weights on disk"]
    marks = {mark["name"]: mark for mark in panel["marks"]}
    teacher, narrow = marks["teacher"], marks["teacher.narrow"]
    assert teacher["words"].startswith(
        "teacher: bits per byte, held-out code 0.8000 [0.7500, 0.8500]; 4.0 MB of weights"
    )
    assert narrow["words"].startswith("teacher.narrow (prune mlp 0.75, by activation): ")
    assert "2.0 MB of weights, 50% of teacher's" in narrow["words"]
    assert "; 1.01 hours of training" in marks[HEALED]["words"] and marks[HEALED]["mark"] != narrow["mark"]
    assert narrow["x"] < teacher["x"] and narrow["y"] < teacher["y"] and narrow["ends"] == []
    low, high = teacher["ends"]
    assert low - teacher["y"] == pytest.approx(teacher["y"] - high, abs=0.2) and low > high
    ticks = {float(text): y for y, text in panel["y_ticks"]}
    assert len(ticks) > 2 and ticks[0.8] == teacher["y"] and ticks[1.0] == narrow["y"]
    assert {text: x for x, text in panel["x_ticks"]}["2"] == pytest.approx(narrow["x"], abs=0.5)


def test_the_figure_has_a_panel_a_quality_and_the_interval_of_each_step(frame):
    drawn = draw(style.start(), {"ladder": frame})
    shown = rungs(frame[frame["measure"] != "accuracy"])
    assert len(drawn.axes) == len(set(zip(shown["benchmark"], shown["measure"], strict=True))) > 1
    for axes in drawn.axes:
        named = axes.get_ylabel()
        benchmark = named.rpartition(" on ")[2] if " on " in named else ""
        measure = named.split()[0] if benchmark else "bits_per_byte"
        part = shown[(shown["benchmark"] == benchmark) & (shown["measure"] == measure)]
        steps = part[part["low"].notna()]
        (bars,) = (one for one in axes.collections if len(one.get_segments()) == len(steps))
        ends = sorted((segment[0][1], segment[1][1]) for segment in bars.get_segments())
        parents = steps["value"] - steps["difference"]
        expected = sorted(zip(parents + steps["low"], parents + steps["high"], strict=True))
        assert ends == [pytest.approx(pair) for pair in expected]


def test_a_step_beside_the_direct_way_is_drawn_once(frame):
    (healed,) = rows(frame, "bits_per_byte", model=HEALED)
    beside = pandas.concat([frame, pandas.DataFrame([healed | {"kind": "generation", "parent": "teacher"}])])
    scores = pandas.DataFrame(columns=["model", "benchmark", "measure", "low", "high"])
    once, twice = (panels({"ladder": one, "scores": scores}) for one in (frame, beside))
    assert twice == once and len(beside) == len(frame) + 1


def test_what_is_trained_of_a_small_folder_is_as_large_as_training_writes_it(tmp_path):
    """A million weights: 4 MB in float32, however few bytes they took where the training began."""
    models = {name: {"role": "variant", "cell": None, "operation": name} for name in ("quantise", "cast")}
    models["teacher"] = {"role": "teacher", "cell": None}
    needs = {"cast": ["teacher"], "quantise": ["cast"]}
    for start in ("cast", "quantise"):
        models |= {f"{start}.task": {"role": "task"}, f"{start}.cell": {"role": "cell", "cell": {"student": start}}}
        needs |= {f"{start}.task": [start], f"{start}.cell": [start, "teacher"]}
    results = Results({"study": "made", "models": models, "made_from": needs}, tmp_path)
    whole = {"parameters": 1_000_000, "bytes_on_disk": 4_001_000, "latency_ms": 10.0, "memory_bytes": 5_000_000}
    write_json(tmp_path / "efficiency/teacher.json", whole)
    write_json(tmp_path / "efficiency/cast.json", whole | {"bytes_on_disk": 2_001_000})
    few = {"bytes_on_disk": 600_000, "latency_ms": 90.0, "memory_bytes": 1_000_000}
    write_json(tmp_path / "efficiency/quantise.json", whole | few)
    for name in ("cast.task", "cast.cell", "quantise.task", "quantise.cell"):
        assert results.efficiency(results.by_name[name]) == whole | {"bytes_on_disk": 4_000_000}, name
    write_json(tmp_path / "models/cast.cell/train_results.json", {"steps": 0})  # its start, copied as it is
    copied = Results(results.study, tmp_path)
    assert copied.efficiency(copied.by_name["cast.cell"])["bytes_on_disk"] == 2_001_000
    assert results.efficiency(results.by_name["quantise"])["latency_ms"] == 90.0  # its own, as it is measured
