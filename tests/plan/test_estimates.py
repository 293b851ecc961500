"""Estimates from shapes, and how finished jobs calibrate them."""

import os
import re
from pathlib import Path

import pytest
import yaml

from codestill.kit.files import write_json
from codestill.plan.costs import Costs
from codestill.plan.estimates import MEASURED, MODEL, Estimator, Requests
from codestill.plan.history import RECORD, WILDCARDS
from codestill.study.config import load_study
from codestill.study.grid import build_grid
from codestill.study.layout import Layout

CONFIG = Path(__file__).resolve().parents[2] / "config"
HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
TAUGHT, OTHER, ALONE = "T-2.0_alpha-0.5_seed-42", "T-4.0_alpha-0.3_seed-42", "alpha-1.0_seed-42"
LONG = "T-2.0_alpha-0.5_epochs-5.0_seed-42"


def study_of(name="config.yaml", **changes):
    study = load_study(yaml.safe_load((CONFIG / name).read_text()) | changes)
    return study, Layout(study, build_grid(study))


def measured(layout, rule, name, seconds, mebibytes=1000.0, study=None):
    path = Path("benchmarks", study or layout.study.study, rule, f"{name}.tsv")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HEAD}{seconds}\t0:00:00\t{mebibytes}\t1\t1\t1\t0\t0\t0\t0\n")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_work_follows_epochs_teacher_and_device():
    costs = Costs(*study_of(plan={"gpus": 1}))
    taught, alone, long = (costs.of("distill", {"cell": cell}) for cell in (TAUGHT, ALONE, LONG))
    assert taught.work > 1.1 * alone.work  # the teacher's pass
    assert 1.5 < long.work / taught.work < 5 / 3
    online = Costs(*study_of(plan={"gpus": 1}, distillation={"teacher_pass": "online"}))
    assert online.of("distill", {"cell": TAUGHT}).work > 1.2 * taught.work
    assert online.states_bytes() == {}
    assert sum(costs.states_bytes().values()) == pytest.approx((251_820 + 13_914) * 270 * 768 * 2)
    once = costs.of("cache_teacher", {"teacher": "teacher"})
    assert once.disk == costs.states_bytes()["teacher"] and once.gpus == 1
    body = (251_820 + 13_914) * 270 * 2 * (124_243_200 - 50_001 * 768 + 2 * 12 * 768 * 135)
    assert once.work == pytest.approx(body / 1.2e13)
    assert taught.gpus == 1
    on_cores = Costs(*study_of(plan={"gpus": 0})).of("distill", {"cell": TAUGHT})
    assert on_cores.gpus == 0
    assert on_cores.work > 20 * taught.work


def test_own_text_costs_its_writing_and_the_teachers_passes_over_it():
    costs = Costs(*study_of(plan={"gpus": 1}))
    few, more, ahead, alone = (
        costs.of("distill", {"cell": f"T-2.0_alpha-0.5{own}_seed-42"})
        for own in ("_on_policy-0.25", "_on_policy-0.5", "_on_policy-0.5_refresh-8", "")
    )
    assert alone.work < ahead.work < more.work
    assert more.work - alone.work == pytest.approx(2 * (few.work - alone.work))
    functions, body = 0.5 * 3 * 251_820, 124_243_200 - 50_001 * 768 + 2 * 12 * 768 * 135
    teacher = functions * (135 + 64) * 2 * body / 1.2e13
    assert more.work - alone.work > teacher
    assert few.variant == "taught, own text"  # measured apart from cells that write none


@pytest.mark.parametrize("mean", [62, 200])
def test_own_text_is_reckoned_by_the_functions_own_length(mean):
    """By hand: prompts of half a function and 64 new tokens each are written, read by the teacher, and learnt in place
    of the functions, in three passes."""
    costs = Costs(*study_of(plan={"gpus": 1}))
    functions = dict.fromkeys(("train", "validation", "test"), 100_000)
    costs.amounts.functions, costs.amounts.tokens = functions, dict.fromkeys(functions, mean * 100_000)
    both, turns, alone = (
        costs.of("distill", {"cell": f"T-2.0_alpha-0.5{own}_seed-42"}).work
        for own in ("_on_policy-0.5_refresh-1000000", "_on_policy-0.5", "")
    )
    learner, teacher = costs.architecture_of("student"), costs.architecture_of("teacher")
    count, half = 0.5 * 3 * 100_000, mean / 2
    body = (half + 64) * teacher.forward(half, head=False)
    operations = count * (body + (half + 64 + 3 * (half + 64 - mean)) * learner.forward(half))
    how = costs.study.training
    expected = costs.seconds(operations, 0, how.device, how.precision, how.threads)
    assert both - alone == pytest.approx(expected, rel=1e-4)
    assert turns > both


def test_processes_share_a_training_and_hold_as_many_gpus():
    training = yaml.safe_load((CONFIG / "config.yaml").read_text())["training"]
    alone = Costs(*study_of()).of("distill", {"cell": TAUGHT})
    shared = Costs(*study_of(training=training | {"processes": 2})).of("distill", {"cell": TAUGHT})
    assert (alone.gpus, shared.gpus) == (1, 2)
    assert shared.threads == 2 * alone.threads
    assert shared.work == pytest.approx(alone.work / 2)


def test_a_part_of_a_benchmark_is_counted_as_such():
    raw = yaml.safe_load((CONFIG / "config.yaml").read_text())
    few = {"humaneval": raw["benchmarks"]["humaneval"] | {"problems": 20}}
    whole, part = (
        Costs(*study_of(**one)).of("grade", {"benchmark": "humaneval", "model": "student"})
        for one in ({}, {"benchmarks": few})
    )
    assert part.work == pytest.approx(whole.work * 20 / 164)


def test_a_text_that_a_teacher_writes_is_reckoned_by_its_completions_until_it_is_counted():
    """By hand: n completions a prompt, as long as the corpus' functions are; of graded ones half, until counted."""
    own = {"kind": "pocket_training", "seed": 1, "problems": 40, "use": "training", "n": 5, "k": [1]}
    raw = yaml.safe_load((CONFIG / "demo.yaml").read_text())
    changes = {"benchmarks": {**raw["benchmarks"], "own": own}, "recipes": {"n": 2, "max_prompts": 30}, "sweeps": {}}
    recipes = ["corpus", "teacher", "verified"]
    changes["experiments"] = {"texts": {"grid": {"recipe": recipes, "max_train_samples": None}, "seeds": [42]}}
    study, layout = study_of("demo.yaml", **changes)
    costs = Costs(study, layout)
    mean = costs.amounts.tokens["train"] / costs.amounts.functions["train"]
    assert costs.amounts.text_tokens("teacher/teacher") == pytest.approx(2 * 30 * mean)
    assert costs.amounts.text_tokens("verified/teacher") == pytest.approx(5 * 40 / 2 * mean)
    cells = {cell.recipe: name for name, cell in layout.grid.cells.items() if cell.taught}
    work = {recipe: costs.of("distill", {"cell": name}).work for recipe, name in cells.items()}
    assert work["teacher"] < work["verified"] < work["corpus"] / 10
    states = {name: costs.of("cache_teacher", {"teacher": name}) for name in layout.stored}
    assert list(states) == ["teacher", "teacher/teacher", "verified/teacher"]
    assert states["teacher/teacher"].disk < states["verified/teacher"].disk < states["teacher"].disk / 10
    asked = {"benchmark": "corpus_prompts", "model": "teacher"}
    assert 0 < costs.of("generate", asked).disk == 2 * 30 * 500
    counted = {"splits": {"tokens": {"tokens": 10**6}}}
    write_json(f"{layout.results}/recipes/verified/teacher/tokens.json", counted)
    found = Costs(study, layout)
    assert found.amounts.text_tokens("verified/teacher") == 10**6
    assert found.resting_on(costs.facts()).amounts.text_tokens("verified/teacher") == pytest.approx(100 * mean)
    assert found.teacher_pass.reason == costs.teacher_pass.reason  # decided by the config alone


def test_the_home_study_is_reckoned_from_its_pair_and_corpus():
    """By hand: 251,820 functions of 270 tokens, 3 epochs, 486 MFLOP a token and attention, at 60 TFLOP/s in bf16."""
    costs = Costs(*study_of())
    assert costs.models["teacher"].parameters == 124_243_200
    assert costs.models["student"].parameters == 81_912_576 - 256 * 768
    alone = costs.of("distill", {"cell": ALONE}).work
    assert alone == pytest.approx(3 * 251_820 * 270 * 492e6 / 6e13, rel=0.05)


def test_counts_replace_assumptions():
    study, layout = study_of("demo.yaml")
    before = Costs(study, layout)
    assert any("assumed" in note for note in before.notes)
    counts = {split: {"tokens": 1000 * n} for split, n in (("train", 50), ("validation", 2), ("test", 3))}
    write_json(f"{layout.results}/tokens/accounting.json", {"splits": counts})
    write_json(layout.inputs("corpus", "accounting.json"), {"kept": {"train": 400, "validation": 9, "test": 9}})
    after = Costs(study, layout)
    assert after.amounts.tokens["train"] == 50_000
    assert after.amounts.functions["train"] == 400
    assert not any("assumed" in note for note in after.notes)
    assert after.of("distill", {"cell": TAUGHT}).work < before.of("distill", {"cell": TAUGHT}).work


def test_files_of_this_machine_are_counted_before_they_are_read():
    for name, rows in (("mine.jsonl", 2000), ("tasks.jsonl", 7)):
        Path(name).write_text("{}\n" * rows)
    sources = {"mine": {"kind": "files", "path": "mine.jsonl"}}
    tasks = {"tasks": {"kind": "file", "path": "tasks.jsonl", "n": 2, "k": [1]}}
    amounts = Costs(*study_of("demo.yaml", corpus={"sources": sources}, benchmarks=tasks)).amounts
    assert amounts.functions == {"train": 1800, "validation": 100, "test": 100}
    assert amounts.problems("tasks") == 7
    os.remove("mine.jsonl")
    assert Costs(*study_of("demo.yaml", corpus={"sources": sources})).amounts.functions["train"] == 90_000


def test_a_model_that_was_downloaded_is_read_rather_than_known():
    study, layout = study_of()
    shape = {"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "vocab_size": 50001}
    write_json(layout.inputs("models", "teacher", "config.json"), shape)
    costs = Costs(study, layout)
    assert costs.models["teacher"].layers == 2
    assert costs.models["teacher"].source.endswith("inputs/models/teacher/config.json")


def test_finished_jobs_replace_the_model_and_narrow_the_range():
    study, layout = study_of("demo.yaml")
    assert Estimator(study, layout).of("distill", {"cell": TAUGHT}).source == MODEL
    for cell, seconds in ((TAUGHT, 40.0), (OTHER, 50.0), ("T-2.0_alpha-0.5_seed-43", 42.0)):
        measured(layout, "distill", cell, seconds)
    found = Estimator(study, layout).of("distill", {"cell": "T-3.0_alpha-0.0_seed-42"})
    assert (found.source, found.count) == (MEASURED, 3)
    assert found.seconds == pytest.approx(42)
    assert (found.low, found.high) == (pytest.approx(40), pytest.approx(50))
    # A kind that was not measured takes the ratio of its rule's others.
    alone = Estimator(study, layout).of("distill", {"cell": ALONE})
    assert alone.source == MEASURED
    assert 3.6 < alone.seconds < found.seconds


def test_what_was_measured_scales_with_the_work():
    study, layout = study_of(plan={"gpus": 1})
    measured(layout, "distill", TAUGHT, 7200.0)
    found = Estimator(study, layout)
    short, long = (found.of("distill", {"cell": cell}) for cell in (TAUGHT, LONG))
    assert short.seconds == pytest.approx(7200)
    assert 1.5 < long.seconds / short.seconds < 5 / 3
    assert short.low < short.seconds < short.high  # one job is no distribution


def test_a_pilot_calibrates_another_study():
    study, layout = study_of(plan={"gpus": 1, "calibrate_from": ["pilot"]})
    reckoned = Estimator(study, layout).of("distill", {"cell": TAUGHT})
    planned = {"gpus": 1, "threads": 4, "variant": "taught", "startup": 12.0, "work": 100.0, "memory": 1e9, "made": 0}
    write_json(f"results/pilot/{RECORD}", {"jobs": {f"distill/{TAUGHT}": planned}})
    measured(layout, "distill", TAUGHT, 12.0 + 300.0, study="pilot")
    found = Estimator(study, layout).of("distill", {"cell": TAUGHT})
    assert found.source == MEASURED
    assert found.seconds == pytest.approx(12 + 3 * reckoned.work)  # the pilot's work took thrice what was reckoned


def count_corpus(results, share, facts):
    """Write the accounts of a corpus of so large a share of what was assumed."""
    kept = {split: round(count * share) for split, count in facts["functions"].items()}
    write_json(f"{results}/inputs/corpus/accounting.json", {"kept": kept})
    splits = {split: {"tokens": count * share} for split, count in facts["tokens"].items()}
    write_json(f"{results}/tokens/accounting.json", {"splits": splits})


@pytest.mark.parametrize("share", [0.25, 3.0])
def test_what_a_run_assumed_before_it_counted_does_not_mislead_the_next_plan(share):
    """The same job once more takes as long as before, however wrong the first plan was about its amount."""
    study, layout = study_of("demo.yaml")
    costs = Costs(study, layout)
    work = costs.of("teach", {"base": "teacher"})
    record = {"gpus": 0, "threads": 1, "variant": "teacher", "startup": work.startup, "work": work.work, "memory": 1e9}
    write_json(
        f"{layout.results}/{RECORD}",
        {"jobs": {"teach/teacher": record | {"made": 7.5}}, "facts": {"7.5": costs.facts()}},
    )
    measured(layout, "teach", "teacher", 90.0)
    count_corpus(layout.results, share, costs.facts())
    found = Estimator(study, layout)
    assert found.costs.of("teach", {"base": "teacher"}).work == pytest.approx(share * work.work, rel=0.02)
    assert found.of("teach", {"base": "teacher"}).seconds == pytest.approx(90)


def test_a_pilot_that_assumed_wrongly_calibrates_by_what_it_counted():
    study, layout = study_of(plan={"gpus": 1, "calibrate_from": ["pilot"]})
    reckoned, facts = Estimator(study, layout).of("distill", {"cell": TAUGHT}), Costs(study, layout).facts()
    planned = {"gpus": 1, "threads": 4, "variant": "taught", "startup": 12.0, "work": 100.0, "memory": 1e9, "made": 0}
    write_json(f"results/pilot/{RECORD}", {"jobs": {f"distill/{TAUGHT}": planned}, "facts": {"0": facts}})
    measured(layout, "distill", TAUGHT, 12.0 + 150.0, study="pilot")
    count_corpus("results/pilot", 0.5, facts)
    found = Estimator(study, layout).of("distill", {"cell": TAUGHT})
    assert found.seconds == pytest.approx(12 + 3 * reckoned.work, rel=0.01)  # 50 s were due, and it took 150


def test_a_record_of_another_device_does_not_calibrate():
    study, layout = study_of(plan={"gpus": 1})
    planned = {"gpus": 0, "threads": 4, "variant": "taught", "startup": 12.0, "work": 100.0, "memory": 1e9, "made": 0}
    write_json(f"{layout.results}/{RECORD}", {"jobs": {f"distill/{TAUGHT}": planned}})
    measured(layout, "distill", TAUGHT, 5000.0)
    assert Estimator(study, layout).of("distill", {"cell": TAUGHT}).source == MODEL


def test_torn_benchmark_files_are_left_out():
    study, layout = study_of("demo.yaml")
    measured(layout, "choose", "best_distilled", "-")
    path = Path(layout.benchmarks, "choose", "best_finetuned.tsv")
    path.write_text("s\th:m:s\n")
    assert Estimator(study, layout).of("choose", {"chosen": "best_distilled"}).source == MODEL


def test_requests_grow_with_the_attempt_and_follow_what_was_measured():
    study, layout = study_of(plan={"gpus": 1})
    cell = {"cell": TAUGHT}
    asked = Requests(study, layout)
    first = asked.minutes("distill", cell), asked.megabytes("distill", cell)
    assert (asked.minutes("distill", cell, 3), asked.megabytes("distill", cell, 3)) == (4 * first[0], 4 * first[1])
    reckoned = asked.estimator.of("distill", cell)
    assert first[0] * 60 >= 1.5 * reckoned.high
    assert first[1] * 1e6 >= 2 * reckoned.memory
    measured(layout, "distill", TAUGHT, 3600.0, mebibytes=9000.0)
    asked = Requests(study, layout)
    assert asked.minutes("distill", cell) == pytest.approx(60 * 1.25 * 1.5, abs=1)
    assert asked.megabytes("distill", cell) == pytest.approx(9000 * 2**20 / 1e6 * 1.33, rel=0.01)


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIG.glob("*.yaml")))
def test_every_ready_study_can_be_reckoned_for_every_rule(name):
    task = {"of": "teacher", "corpus": {"sources": {"own": {"kind": "stdlib"}}}}
    own = yaml.safe_load((CONFIG / name).read_text()).get("variants", {})
    more = {"tasks": {"mine": task}, "selection": {"fresh_seeds": [4]}}
    study, layout = study_of(name, variants={**own, "int8": {"quantise": "int8", "of": "teacher"}}, **more)
    found = Estimator(study, layout)
    wildcards = {"cell": layout.taught[0], "model": "student", "benchmark": next(iter(study.benchmarks))}
    wildcards |= {"chosen": "best_distilled", "base": "student", "source": next(iter(study.corpus.sources))}
    wildcards |= {"part": "2-of-4", "teacher": "teacher", "variant": "teacher.int8", "task": "mine"}
    wildcards |= {"recipe": "teacher", "author": "teacher", "later": "best_distilled_seed-4"}
    texts = "".join(path.read_text() for path in (CONFIG.parent / "rules").glob("*.smk"))
    rules = re.findall(r'benchmark_of\("(\w+)"', texts)
    rules.remove("report_now"), rules.remove("figures")  # these two have no files that a plan could ask for
    assert len(rules) > 15 and set(WILDCARDS) <= set(rules)
    for rule in rules:
        given = wildcards | {"teach": {"base": "teacher"}, "learn_task": {"base": "teacher.mine"}}.get(rule, {})
        one = found.of(rule, {key: given[key] for key in WILDCARDS.get(rule, ())})
        assert 0 < one.low < one.seconds < one.high
        assert one.variant != "unknown"
        assert one.memory > 0
    assert found.of("a_rule_of_the_user", {}).variant == "unknown"
    assert not os.listdir()  # an estimate writes nothing
