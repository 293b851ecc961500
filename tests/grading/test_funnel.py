"""The funnel: how far each sample came, whatever came before it in the same worker."""

import os

import pytest
from test_grade import grade, written

from codestill.grading.funnel import FUNNEL, funnel
from codestill.grading.sandbox import wire
from codestill.grading.sandbox.isolation import named
from codestill.grading.sandbox.worker import Bench
from grading.attacks import PROBLEM

# HumanEval/53, add(x, y): completion, the kind of its verdict, the last step that it reaches.
SAMPLES = {
    "right": ("    return x + y\n", "passed", "passes"),
    "wrong": ("    return x - y\n", "assertion", "runs"),
    "raises": ("    return x + undefined\n", "exception", "defines"),
    "raises outside": ("    return x + y\n\nraise ValueError(3)\n", "exception", "defines"),
    "never ends": ("    while True: pass\n", "timeout", "defines"),
    "takes itself away": ("    return x + y\n\ndel add\n", "missing entry point", "compiles"),
    "dies early": ("    return x + y\n\nimport os\nos._exit(3)\n", "died", "compiles"),
    "only parses": ("    return x + y\n\nreturn 5\n", "syntax", "parses"),
    "no Python": ("    return (x +\n", "syntax", None),
}


def test_each_sample_reaches_its_step(tmp_path):
    """Right ones stand between the others, so that a step left over from them would show."""
    names = [name for other in SAMPLES for name in ("right", other)]
    rows = [
        {"task_id": "HumanEval/53", "completion": f"{SAMPLES[name][0]}# {place}\n", "finish": "stop"}
        for place, name in enumerate(names)
    ]
    rows[-1]["finish"] = "length"
    verdicts, scores, _ = grade(tmp_path, written(tmp_path, rows), "--k", 1, "--workers", 1, "--timeout", 1)
    for name, verdict in zip(names, verdicts, strict=True):
        _, kind, last = SAMPLES[name]
        reached = FUNNEL[1 : FUNNEL.index(last) + 1] if last else ()
        assert verdict["kind"] == kind, name
        assert {step: verdict[step] for step in FUNNEL[1:-1]} == {step: step in reached for step in FUNNEL[1:-1]}, name
    assert [verdict["finished"] for verdict in verdicts] == [True] * 17 + [False]
    counts = {"finished": 17, "parses": 17, "compiles": 16, "defines": 14, "runs": 11, "passes": 10}
    assert scores["funnel"] == {step: count / 18 for step, count in counts.items()}


@pytest.mark.parametrize(("finish", "finished"), [("end", True), ("stop", True), ("length", False), (None, None)])
def test_finished_is_the_samplers_word(finish, finished):
    assert funnel({"kind": "passed", "stage": "defines"}, finish)["finished"] is finished


def test_a_candidate_that_never_speaks_has_reached_nothing(tmp_path):
    bench = Bench([os.open(os.devnull, os.O_RDONLY)], 1 << 30, str(tmp_path / "missing"), named("landlock+seccomp"))
    bench.add("T", *(PROBLEM[field] for field in ("prompt", "test", "entry_point")))
    bench.ready("T")
    bench.progress.reach("defines")  # as a candidate before it did
    (from_candidate, its_end), (its_other_end, to_candidate) = os.pipe(), os.pipe()
    try:
        os.close(its_end)
        bench.examine([from_candidate, to_candidate], "T")
        assert wire.receive(bench.control.fileno()) == ["last", "died", ""]
        assert bench.progress.reached() == "starts"
    finally:
        bench.end()
        for end in (from_candidate, to_candidate, its_other_end):
            os.close(end)
