"""Finalists and fresh seeds in the whole chain: trained once, killed and resumed, chosen among, and told of."""

import json

import pandas as pd
import pytest
import yaml
from tiny_study import TINY, jobs, kill_when, run

# Two settings a side, of which one has both seeds already.
CONFIG = TINY | {
    "seeds": [1, 2],
    "experiments": {"default": {}, "experiment_1": {**TINY["experiments"]["experiment_1"], "seeds": [1]}},
    "sweeps": {"alone": {"grid": {"alpha": 1, "learning_rate": [5e-3, 1e-2]}, "seeds": [1]}},
    "selection": {"by": "eval_loss", "finalists": 2, "fresh_seeds": [7]},
}
FINALISTS = [f"finalist-{rank}_{side}_seed-2" for side in ("distilled", "finetuned") for rank in (1, 2)]
FRESH = ["best_distilled_seed-7", "best_finetuned_seed-7"]


def read(home, path):
    return json.loads((home / "results/tiny" / path).read_text())


@pytest.fixture
def study(edited):
    (edited / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    counts, _ = jobs(edited)
    assert (counts["shortlist"], counts["distill_later"], counts["choose"]) == (2, 6, 2)
    assert counts["distill"] == 3 and "teach" not in counts  # the cells of before stay
    kill_when(edited, "results/tiny/work/distill_later/finalist-*/lease.json", "results/tiny/report/index.html")
    run(edited, "--cores", 2, "--nolock", "--rerun-incomplete")
    return edited


def test_the_best_are_trained_on_all_seeds_then_chosen_then_judged_by_fresh_ones(study):
    for side, alias in (("distilled", "best_distilled"), ("finetuned", "best_finetuned")):
        short, choice = read(study, f"shortlist/{alias}.json"), read(study, f"models/{alias}/chosen.json")
        for rank, setting in enumerate(short["candidates"], 1):
            cell = read(study, f"models/finalist-{rank}_{side}_seed-2/provenance.json")["cell"]
            assert cell == setting["axes"] | {"seed": 2}
        assert choice["finalists"] == 2 and len(choice["candidates"]) == 2
        assert all([one["seed"] for one in record["cells"]] == [1, 2] for record in choice["candidates"])
        means = [record["eval_loss"] for record in choice["candidates"]]
        assert means == sorted(means)
        fresh = read(study, f"models/{alias}_seed-7/provenance.json")
        assert fresh["cell"] == choice["candidates"][0]["axes"] | {"seed": 7}
        weights = study / f"results/tiny/models/{alias}/model.safetensors"
        assert weights.read_bytes() == (weights.parent.parent / choice["cell"] / "model.safetensors").read_bytes()
    # Of each side one finalist was a cell already: the same bytes, and no training.
    logs = [(study / f"logs/tiny/distill_later/{name}.log").read_text() for name in FINALISTS]
    assert sum("copied, not trained again" in log for log in logs) == 2
    assert sum("optimiser steps" in log for log in logs) == 2
    again = run(study, "--cores", 1)
    assert "Nothing to be done" in again.stdout + again.stderr

    scores = pd.read_csv(study / "results/tiny/report/scores.csv")
    passed = scores[scores["measure"] == "pass@1"]
    assert set(FRESH) < set(passed["model"]) and not passed["model"].str.startswith("finalist").any()
    gaps = pd.read_csv(study / "results/tiny/report/comparisons.csv", dtype={"seeds": str, "seeds_against": str})
    head = gaps[(gaps["label"] == "headline") & (gaps["measure"] == "pass@1")]
    assert len(head) == 1 and head["seeds"].item() == head["seeds_against"].item() == "7"
    table = (study / "results/tiny/report/table.md").read_text()
    assert "the best 2 of them trained on all seeds first" in table and "with seed 7, which did not choose" in table
    assert "Not finished" not in table
    passport = read(study, "report/passport.json")
    assert passport["models"][FRESH[0]]["axes"] == read(study, f"models/{FRESH[0]}/provenance.json")["cell"]
    assert sorted(passport["copies"].values()) == ["T-2.0_alpha-0.5_seed-2", "alpha-1.0_seed-2"]
    run(study, "--cores", 1, "--", f"results/tiny/models/{FRESH[1]}/README.md")
    assert (
        "this training has a seed that did not choose"
        in (study / f"results/tiny/models/{FRESH[1]}/README.md").read_text()
    )
