"""Changed params in words, stranded outputs, and the sums of a plan of made-up jobs."""

import json
import re
from pathlib import Path

import pytest
import yaml

from codestill.kit.imports import SCRIPTS
from codestill.kit.program import UserError
from codestill.plan.budget import check, compared, remember, summary
from codestill.plan.causes import CODE, INPUT, MISSING, PARAMETER, UPSTREAM, Cause
from codestill.plan.estimates import Estimator
from codestill.plan.history import RECORD, read_record
from codestill.plan.plan import Plan
from codestill.plan.plan_text import PlanText, acceptable, as_data, duration, size
from codestill.plan.planned_job import PlannedJob
from codestill.plan.stranded_outputs import stranded
from codestill.study.config import load_study
from codestill.study.grid import build_grid
from codestill.study.layout import Layout

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def job(number, rule, needs=(), causes=(), output=None, run=True, **wildcards):
    name = "/".join(wildcards.values()) or rule
    found = [output or f"results/demo/{rule}/{name}"]
    code = {f"{rule}.py": "0a1b2c3d"}
    causes = [Cause(*one) for one in causes]
    return PlannedJob(number, rule, name, wildcards, 1, 0, ["given.jsonl"], found, None, code, run, set(needs), causes)


def plan_of(jobs, **plan):
    raw = yaml.safe_load((CONFIG / "demo.yaml").read_text())
    experiments = {"experiment_3": {"grid": {"alpha": 0.3, "temperature": 4.0}}}
    study = load_study(raw | {"plan": plan, "experiments": experiments, "sweeps": {}})
    layout = Layout(study, build_grid(study))
    return Plan(study, layout, jobs, Estimator(study, layout))


CELL, OTHER = "T-4.0_alpha-0.3_seed-42", "alpha-1.0_seed-42"


@pytest.mark.parametrize("bits", ["int8", None])
def test_a_teacher_in_few_bits_is_no_teacher_in_full_precision(bits):
    """Said of teachers that teach, and of no other model."""
    raw = yaml.safe_load((CONFIG / "config.yaml").read_text())
    study = load_study(raw | {"teacher": raw["teacher"] | {"load_in": bits}})
    layout = Layout(study, build_grid(study))
    plan = Plan(study, layout, [job(0, "teach", base="teacher")], Estimator(study, layout))
    assert plan.teacher()["in_few_bits"] == ({"teacher": bits} if bits else {})
    told = "teacher teaches in int8 (load_in): not the model in full precision"
    assert (told in PlanText(plan, 2).write()) == bool(bits)


def test_bf16_is_reckoned_as_the_study_in_bf16_is():
    """The same jobs of the home study: asked for in float32, and planned in bf16 from the start."""
    raw = yaml.safe_load((CONFIG / "config.yaml").read_text())
    plans = {}
    for precision in ("float32", "bf16"):
        changed = {name: raw[name] | {"precision": precision} for name in ("training", "generation")}
        study = load_study(raw | changed)
        layout = Layout(study, build_grid(study))
        names = [name for name in layout.grid.cells if "seed-42" in name][:5]
        jobs = [job(0, "teach", base="teacher"), job(1, "cache_teacher", {0}, teacher="teacher")]
        jobs += [job(2 + number, "distill", {1}, cell=name) for number, name in enumerate(names)]
        jobs.append(job(len(jobs), "generate", {2}, benchmark="humaneval", model=names[0]))
        plans[precision] = Plan(study, layout, jobs, Estimator(study, layout))
    whole, half = (plans[name].total() for name in plans)
    told = plans["float32"].in_bf16()
    assert told.gpu_hours == pytest.approx(half.gpu_hours) and told.gpu_low == pytest.approx(half.gpu_low)
    assert half.gpu_hours < 0.4 * whole.gpu_hours
    assert plans["bf16"].in_bf16() is None
    text = PlanText(plans["float32"], 2).write()
    assert f"float32, as asked: {whole.gpu_hours:,.1f} GPU-hours ({2 * whole.gpu_hours:,.2f} USD)" in text
    assert f"bf16: {half.gpu_hours:,.1f} GPU-hours ({2 * half.gpu_hours:,.2f} USD)" in text
    assert "as asked" not in PlanText(plans["bf16"], 2).write()


def chain(*causes):
    """teach -> distill -> generate -> grade of one cell, and another cell; `causes` of each of the five."""
    first, second, third, fourth, fifth = causes
    follows = [(UPSTREAM, "distill")]
    return [
        job(0, "teach", causes=first),
        job(1, "distill", {0}, second, cell=CELL),
        job(2, "generate", {1}, third or follows, benchmark="pocket", model=CELL),
        job(3, "grade", {2}, fourth or follows, benchmark="pocket", model=CELL),
        job(4, "distill", (), fifth, cell=OTHER),
    ]


EDIT, MISS, FOLLOW = [(CODE, "scripts/teach.py edited")], [(MISSING, "")], [(UPSTREAM, "teach")]


def test_what_reruns_only_for_code_and_what_follows_it():
    plan = plan_of(chain(EDIT, FOLLOW, (), (), MISS))
    assert [one.number for one in plan.only_code()] == [0, 1, 2, 3]
    assert acceptable(plan) == ["results/demo/grade/pocket/" + CELL]


@pytest.mark.parametrize(
    ("second", "third", "left"),
    [
        ([(PARAMETER, "epochs 3 -> 5"), (CODE, "x edited")], (), [0]),  # its own parameter, and all that follow it
        (FOLLOW, [(MISSING, "")], [0, 1]),
        (FOLLOW, [(INPUT, "tasks changed"), (UPSTREAM, "distill")], [0, 1]),
    ],
)
def test_another_cause_beside_code_is_no_case_for_acceptance(second, third, left):
    plan = plan_of(chain(EDIT, second, third, (), MISS))
    assert [one.number for one in plan.only_code()] == left


def test_causes_are_counted_once_a_job_and_what_follows_is_left_out():
    plan = plan_of(chain(EDIT, FOLLOW, (), (), MISS))
    assert {key: len(jobs) for key, jobs in plan.causes().items()} == {
        (CODE, "scripts/teach.py edited"): 1,
        (MISSING, ""): 1,
    }


def test_a_hypothetical_edit_reruns_its_readers_and_their_followers():
    plan = plan_of(chain(MISS, MISS, (), (), MISS))
    assert [one.number for one in plan.edited("scripts/teach.py")] == [0, 1, 2, 3]
    assert [one.number for one in plan.edited("scripts/distill.py")] == [1, 2, 3, 4]
    assert plan.edited(SCRIPTS / "teach.py") == plan.edited("scripts/teach.py")
    assert plan.edited("scripts/other.py") == plan.edited("teach.py") == []
    assert [one.number for one in plan.edited("given.jsonl")] == [0, 1, 2, 3, 4]


def test_sums_cost_and_time():
    plan = plan_of(chain(MISS, MISS, (), (), MISS), gpus=2, price_per_gpu_hour=3.0)
    total = plan.total()
    assert total.jobs == 5
    seconds = [plan.estimates[number].seconds for number in range(5)]
    assert total.gpu_hours == pytest.approx((sum(seconds) - seconds[3]) / 3600)  # grading takes no GPU
    assert total.cpu_hours == pytest.approx(seconds[3] / 3600)
    assert total.gpu_low == pytest.approx(total.gpu_hours / 2)
    assert plan.cost(total) == pytest.approx(3 * total.gpu_hours)
    length, path = plan.path()
    assert [one.number for one in path] == [0, 1, 2, 3]
    times = plan.times(cores=2)
    assert times[2] == pytest.approx(length)
    assert times[1] >= max(length, total.gpu_hours * 3600)
    assert sum(found.jobs for found in plan.rules().values()) == 5


def test_cells_of_experiments_are_new_shared_or_done():
    jobs = [job(0, "distill", causes=MISS, cell=CELL), job(1, "distill", run=False, cell=OTHER)]
    rows = {row["name"]: row for row in plan_of(jobs).experiments()}
    assert (rows["experiment_3"]["new"], rows["experiment_3"]["done"]) == (1, 0)
    assert (rows["controls"]["new"], rows["controls"]["done"]) == (0, 1)
    assert rows["experiment_3"]["own"].jobs == 1
    assert rows["for all"]["all"].jobs == 0


def test_finalists_and_fresh_cells_are_counted_beside_the_cells_of_the_grid():
    raw = yaml.safe_load((CONFIG / "demo.yaml").read_text())
    study = load_study(raw | {"selection": {"fresh_seeds": [7, 8]}})
    layout = Layout(study, build_grid(study))
    later = [job(number, "distill_later", causes=MISS, later=name) for number, name in enumerate(layout.graph.later)]
    assert len(later) == 4  # two seeds of each side
    plan = Plan(study, layout, [*later[:3], job(3, "distill", causes=MISS, cell=CELL)], Estimator(study, layout))
    assert plan.cells()[0] == 1 and plan.later() == 3
    assert re.search(r"finalists and fresh cells to train +3\n", PlanText(plan, 2).write())


def test_a_budget_refuses_with_the_figures_and_the_remedy():
    jobs = chain(MISS, MISS, (), (), MISS)
    check(plan_of(jobs, gpus=1))
    check(plan_of(jobs, gpus=1, max_gpu_hours=100))
    check(plan_of(jobs, gpus=0, max_gpu_hours=0))  # no job of it takes a GPU
    with pytest.raises(UserError, match=r"plan\.max_gpu_hours: .* above the limit of 0\.001; nothing was started"):
        check(plan_of(jobs, gpus=1, max_gpu_hours=0.001))


def test_estimates_are_remembered_and_compared_with_what_was_measured():
    plan = plan_of(chain(MISS, MISS, (), (), MISS), gpus=0)
    remember(plan)
    assert set(read_record("results/demo")) == {one.key for one in plan.jobs}
    assert compared(plan.layout) == []
    assert summary(plan.layout) == []
    path = Path(f"benchmarks/demo/distill/{CELL}.tsv")
    path.parent.mkdir(parents=True)
    path.write_text("s\tmax_rss\n60.0\t500\n")
    (row,) = compared(plan.layout)
    assert (row["rule"], row["jobs"]) == ("distill", 1)
    assert row["actual"] == pytest.approx(60 / 3600)
    assert row["estimated"] == pytest.approx(plan.estimates[1].seconds / 3600)
    assert any("all core-hours" in line for line in summary(plan.layout))
    assert "Estimate against actual" in PlanText(plan, 2).write()
    record = json.loads(Path("results/demo", RECORD).read_text())
    record["jobs"][f"distill/{CELL}"]["made"] = 2e10  # planned anew after that file: it is no longer this run's
    Path("results/demo", RECORD).write_text(json.dumps(record))
    assert compared(plan.layout) == []


def test_texts_and_data_hold_the_same_figures():
    plan = plan_of(chain(EDIT, FOLLOW, (), (), MISS), gpus=1, price_per_gpu_hour=2.5, currency="EUR")
    shown = PlanText(plan, 2, {"results/demo/models/old": 5_000_000}, ["scripts/distill.py"], ["c.yaml"]).write()
    pull = PlanText(plan, 2, {"results/demo/models/old": 5_000_000}, configfiles=["c.yaml"], markdown=True).write()
    data = as_data(plan, 2, {"results/demo/models/old": 5_000_000}, ["scripts/distill.py"])
    for text in (shown, pull):
        assert "code: scripts/teach.py edited" in text
        assert "snakemake --configfile c.yaml --cores 1 --touch" in text
        assert "results/demo/models/old" in text
        assert "EUR" in text
    assert "An edit of scripts/distill.py would run" in shown
    assert "| experiment | cells |" in pull
    assert json.loads(json.dumps(data))["only_code"]["jobs"] == 4
    assert data["total"]["cost"] == pytest.approx(2.5 * plan.total().gpu_hours)
    assert [one["needs"] for one in data["jobs"][1:3]] == [["teach/teach"], [f"distill/{CELL}"]]
    assert data["jobs"][0]["causes"] == [{"kind": CODE, "detail": "scripts/teach.py edited"}]


def test_a_plan_of_nothing_says_so():
    assert "Nothing to be done" in PlanText(plan_of([job(0, "distill", run=False, cell=CELL)]), 2).write()


def test_durations_and_sizes():
    assert [duration(s) for s in (5, 600, 7200, 200_000)] == ["5 s", "10 min", "2.0 h", "2.3 d"]
    assert [size(b) for b in (10, 5e3, 2.5e9, 3e12)] == ["10 B", "5 kB", "2 GB", "3.0 TB"]


def test_stranded_outputs_are_those_of_no_job():
    def write(path, count):
        path = Path("results/demo", path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * count)

    kept = [f"results/demo/{name}" for name in ("models/a/model.safetensors", "scores/b/a.json", "tokens/train/x")]
    jobs = [job(n, "distill", output=path, cell=str(n)) for n, path in enumerate(kept)]
    jobs[0].work, jobs[1].work = "results/demo/work/distill/a", "results/demo/work/generate/b/a"
    for path in kept:
        write(path.removeprefix("results/demo/"), 10)
    write("models/a/README.md", 10)  # undeclared, but of a model that is asked for
    write("work/distill/a/checkpoint-1/x", 10)
    write("work/generate/b/a/x", 10)
    write("work/plan/estimates.json", 10)
    assert stranded("results/demo", jobs) == {}
    write("models/old/model.safetensors", 1000)
    write("models/old/config.json", 24)
    write("scores/b/old.json", 30)
    write("scores/gone/a.json", 31)
    write("work/distill/old/x", 500)
    write("work/generate/b/old/x", 400)
    write("work/generate/gone/a/x", 300)
    assert stranded("results/demo", jobs) == {
        "results/demo/models/old": 1024,
        "results/demo/work/distill/old": 500,
        "results/demo/work/generate/b/old": 400,
        "results/demo/work/generate/gone": 300,
        "results/demo/scores/gone/a.json": 31,
        "results/demo/scores/b/old.json": 30,
    }
