"""Loss by part and by source: shares and values that are reckoned by hand from two functions of two sources."""

import pytest

from codestill.kit.files import write_json
from codestill.measure.language_measures import summary
from codestill.report.language_parts import rows
from codestill.report.results import Results
from codestill.report.settings import evidence_of, setting_frame
from codestill.report.table import problem_frame, score_frame

# Of the first function's 40 bytes the head has 10, of the second's 60 it has 20.
SIZES = {"head_bytes": [10, 20], "body_bytes": [30, 40], "head_tokens": [2, 4], "body_tokens": [10, 20]}
COUNTS = {f"{part}_{name}": [1, 1] for part in ("head", "body") for name in ("right", "lines", "exact", "agree")}


def document(kl=None, **nats):
    functions = {"source": ["mine", "theirs"], **SIZES, **COUNTS, **nats, "body_right": [1, 2]}
    if kl:
        functions |= {"head_kl": kl, "body_kl": [0.0, 0.0]}
    return summary(functions) | {"ece": 0.1}


@pytest.fixture
def results(tmp_path):
    write_json(tmp_path / "language/teacher.json", document(head_nats=[30, 30], body_nats=[20, 20]))
    write_json(tmp_path / "language/student.json", document([6.0, 6.0], head_nats=[40, 50], body_nats=[30, 40]))
    models = {name: {"role": name, "cell": None} for name in ("teacher", "student")}
    return Results({"study": "s", "config": {}, "models": models, "benchmarks": {}}, tmp_path)


def told(results):
    scores = score_frame(results)
    evidence = evidence_of(results, scores, problem_frame(results))
    return rows(results, {"settings": setting_frame(results, evidence, scores)})


def test_each_part_and_source_has_its_share_of_text_and_of_each_model_s_loss(results):
    found = {(row["place"], row["measure"]): row for row in told(results)}
    head = found["signature and docstring", "share of the loss"]
    assert head["bytes"] == "30 %"
    assert head["cells"]["teacher"] == "60 %" and head["cells"]["student before"] == "56 %"
    assert found["source mine", "share of the loss"]["bytes"] == "40 %"
    assert found["source mine", "share of the loss"]["cells"]["student before"] == "44 %"
    assert found["source theirs", "share of the loss"]["cells"]["student before"] == "56 %"
    ce = found["signature and docstring", "test CE (nats/token)"]["cells"]
    assert ce["teacher"].startswith("10.00 [") and ce["student before"].startswith("15.00 [")
    kl = found["signature and docstring", "KL to the teacher, T = 1 (nats/token)"]["cells"]
    assert kl["teacher"] == "–" and kl["student before"].startswith("2.000")
    assert found["body", "share of the loss"]["cells"]["best distilled"] == "missing"


def test_each_cell_of_a_trained_student_names_its_seeds(results, tmp_path):
    """Values are means over them; the share of the loss is of the first alone."""
    axes = {"temperature": None, "alpha": 1.0}
    cells = {f"alone-{seed}": {"role": "cell", "cell": axes | {"seed": seed}} for seed in (3, 4)}
    for name in cells:
        write_json(tmp_path / f"language/{name}.json", document([6.0, 6.0], head_nats=[40, 50], body_nats=[30, 40]))
    study = results.study | {"models": results.study["models"] | cells}
    found = {(row["place"], row["measure"]): row["cells"] for row in told(Results(study, tmp_path))}
    assert found["body", "test CE (nats/token)"]["fine-tuned alone"].endswith("], seeds 3 4")
    assert found["body", "share of the loss"]["fine-tuned alone"] == "44 %, seed 3"
    assert "seed" not in found["body", "test CE (nats/token)"]["teacher"]


def test_without_sums_over_functions_nothing_is_told(results, tmp_path):
    for name in ("teacher", "student"):
        write_json(tmp_path / f"language/{name}.json", {"bits_per_byte": 2.0})
    assert told(Results(results.study, tmp_path)) == []
