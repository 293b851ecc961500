"""Two teachers, three students, a second generation, five variants and a task, from an empty folder to the report."""

import json

import pandas as pd
import pytest
from running import ROOT, snakemake
from tiny_study import functions
from walkthrough import blocks

from codestill.plan.costs import Costs
from codestill.study.reading import open_study

CONFIG = ROOT / "tests/workflow/graph.yaml"
SECOND = "T-2.0_alpha-0.5_teacher-best_distilled_student-tiny_seed-1"
HEALED = "T-2.0_alpha-0.5_student-teacher.narrow_init-weights_epochs-1.0_seed-1"
NARROWER = "teacher.narrow.healed.narrower"
AGAIN = f"T-2.0_alpha-0.5_teacher-teacher.narrow.healed_student-{NARROWER}_init-weights_epochs-1.0_seed-1"
TASK = "best_distilled.farewell"
VARIANTS = ["teacher.int8", "best_distilled.int8", "best_distilled.nf4", "teacher.p20", "teacher.narrow"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph")
    (folder / "functions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in functions(120)))
    farewells = [{**row, "body": row["body"].replace("scale", "leave")} for row in functions(60)]
    (folder / "farewells.jsonl").write_text("".join(json.dumps(row) + "\n" for row in farewells))
    (folder / "greetings.jsonl").write_text(blocks("json")[0])
    snakemake(folder, "--configfile", CONFIG, "--cores", 2, "--nolock")
    again = snakemake(folder, "--configfile", CONFIG, "--cores", 1)
    assert "Nothing to be done" in again.stdout + again.stderr
    return folder / "results/graph"


def test_every_model_is_a_folder_that_is_judged_and_measured(results):
    for name in ["teacher", "student", "big", "assistant", "tiny", SECOND, HEALED, NARROWER, AGAIN, *VARIANTS, TASK]:
        assert (results / f"models/{name}/model.safetensors").is_file(), name
        assert json.loads((results / f"language/{name}.json").read_text())["bits_per_byte"] > 0
        assert "pass@1" in json.loads((results / f"scores/greetings/{name}.json").read_text())
    for name in VARIANTS:
        assert (results / f"models/{name}/README.md").is_file() and (results / f"efficiency/{name}.json").is_file()


def test_a_plan_knows_each_model_s_bytes(results, monkeypatch):
    monkeypatch.chdir(results.parents[1])  # the config's files are named from there
    study, _, layout = open_study([str(CONFIG)])
    costs = Costs(study, layout)
    for name in layout.graph.nodes:
        real = (results / f"models/{name}/model.safetensors").stat().st_size
        assert costs.architecture_of(name).bytes == pytest.approx(real, rel=0.05), name


def test_each_teacher_is_audited(results):
    assert json.loads((results / "inputs/audits/big.json").read_text()) != json.loads(
        (results / "inputs/audit.json").read_text()
    )


def test_each_learns_from_the_model_that_it_names(results):
    from codestill.models.weights import model_identity

    def taught_by(cell):
        found = json.loads((results / f"models/{cell}/provenance.json").read_text())
        return found["cell"]["teacher"], found

    assert taught_by(SECOND)[0] == "best_distilled"
    assert taught_by("T-2.0_alpha-0.5_teacher-big_seed-1")[0] == "big"
    states = json.loads((results / "teacher_states/best_distilled/manifest.json").read_text())
    assert model_identity(results / "models/best_distilled") in json.dumps(states)


def ladder_of_generations(results):
    ladder = pd.read_csv(results / "report/ladder.csv")
    return ladder[(ladder["measure"] == "bits_per_byte") & (ladder["kind"] == "generation")].set_index("model")


def test_the_ladder_tells_each_variant_beside_its_parent(results):
    ladder = pd.read_csv(results / "report/ladder.csv")
    ladder = ladder[ladder["measure"] == "bits_per_byte"].set_index("model")
    for name in [*VARIANTS, TASK]:
        assert ladder.loc[name, "parent"] == name.rsplit(".", 1)[0]
        assert ladder.loc[name, "low"] <= ladder.loc[name, "difference"] <= ladder.loc[name, "high"]
    assert ladder.loc[HEALED, "kind"] == ladder.loc[AGAIN, "kind"] == "healed"
    # What is made of a healed model is set beside that, and so is what it healed to.
    assert ladder.loc[NARROWER, "parent"] == ladder.loc[AGAIN, "parent"] == HEALED
    assert 0 < ladder.loc[NARROWER, "share_of_bytes"] < 1
    direct = ladder_of_generations(results).loc[SECOND]
    assert direct["parent"] == "T-2.0_alpha-0.5_student-tiny_seed-1" and direct["low"] <= direct["high"]
    assert "the direct way in as many steps" in (results / "report/table.md").read_text()
    assert "Made smaller, and later generations" in (results / "report/table.md").read_text()
    assert (results / "report/figures/ladder.svg").is_file()


def test_a_task_is_learnt_from_its_own_text(results):
    texts = (results / "tasks/farewell/corpus/train.jsonl").read_text()
    assert "leave_" in texts and "leave_" not in (results / "inputs/corpus/train.jsonl").read_text()
    said = (results / "report/table.md").read_text()
    assert f"{TASK} (fine-tuned for farewell, CE on its text" in said and "which judges the task" in said
    assert "Fine-tuned from its parent" in (results / f"models/{TASK}/README.md").read_text()
