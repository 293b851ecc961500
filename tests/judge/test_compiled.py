"""Steps through torch.compile: the same samples, and none lost where the compiler fails or errs.

The compiler's last stage, which writes kernels, is left out here: it needs a C++ compiler and a minute.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_models import KINDS, make_benchmark, make_folder, make_model

from codestill.judge import engines, lanes
from codestill.judge.sampling import Model, Settings, sample

TRACED = {"backend": "aot_eager"}


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_a_compiled_step_has_the_logits_of_a_plain_one(kind):
    """Lanes of unlike length, one of them idle, while the attended length grows over two shapes."""
    model = make_model(kind, 300).requires_grad_(False)
    plain, compiled = lanes.Lanes(model, 300), lanes.Lanes(model, 300, compiled=TRACED)
    for one in (plain, compiled):
        one.allocate(4, 90)
        for lane, length in enumerate((3, 7, 55)):
            one.admit(lane, one.prefill(list(range(5, 5 + length))))
    tokens, positions = np.array([9, 8, 7]), np.array([3, 7, 55])
    for _ in range(12):
        wanted, found = plain.step(tokens, positions), compiled.step(tokens, positions)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
        tokens, positions = wanted.argmax(-1).numpy(), positions + 1
    assert compiled.compiled is not None and compiled.place.reach == 90


def _fails(graph, inputs):
    raise RuntimeError("no compiler here")


def _errs(graph, inputs):
    def run(*arguments):
        return tuple(part * 1.5 if part.is_floating_point() else part for part in graph(*arguments))

    return run


def _fails_later(graph, inputs):
    """A compiler that manages the first shape only."""
    _fails_later.shapes += 1
    return graph if _fails_later.shapes == 1 else _fails(graph, inputs)


@pytest.mark.parametrize(
    ("backend", "kept"), [("aot_eager", True), (_fails, False), (_fails_later, False), (_errs, False)]
)
def test_samples_do_not_depend_on_the_compiler(backend, kept, tmp_path, monkeypatch, capfd):
    torch.compiler.reset()
    _fails_later.shapes = 0
    monkeypatch.setattr(lanes, "SHORTEST", 16)
    settings = Settings(str(make_folder(tmp_path / "model")), n=7, max_new_tokens=24, stops=("q",), device="cpu")
    benchmark = make_benchmark(tmp_path / "bench.jsonl")
    monkeypatch.setattr(
        engines, "compiler_options", lambda model, settings: {"backend": backend} if settings.compile else None
    )

    def drawn(settings, name):
        files = [tmp_path / f"{name}.jsonl", tmp_path / f"{name}.json"]
        sample(Model(settings), settings, str(benchmark), *files, tmp_path / "work")
        return files[0].read_bytes(), json.loads(files[1].read_text())

    plain, _ = drawn(settings, "plain")
    compiled, facts = drawn(replace(settings, compile=True, batch_size=4), "compiled")
    assert compiled == plain and facts["compiled"] == kept and facts["exactness"]["exceeded"] == 0
    assert ("sampling without torch.compile" in capfd.readouterr().out) != kept
