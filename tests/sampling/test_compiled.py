"""Steps through torch.compile: the same samples, and none lost where the compiler fails or errs.

The compiler's last stage, which writes kernels, is left out here: it needs a C++ compiler and a minute.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from codestill.sampling import engines, kv_cache
from drawing import draw, settings_for
from small_models import KINDS, make_model

TRACED = {"backend": "aot_eager"}


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_a_compiled_step_has_the_logits_of_a_plain_one(kind):
    """Lanes of unlike length, one of them idle, while the attended length grows over two shapes."""
    model = make_model(kind, 300).requires_grad_(False)
    plain, compiled = kv_cache.Lanes(model, 300), kv_cache.Lanes(model, 300, compiled=TRACED)
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
def test_samples_do_not_depend_on_the_compiler(backend, kept, folder, benchmark, tmp_path, monkeypatch, capfd):
    torch.compiler.reset()
    _fails_later.shapes = 0
    monkeypatch.setattr(kv_cache, "SHORTEST", 16)
    settings = settings_for(folder, stops=("q",))
    monkeypatch.setattr(
        engines, "compiler_options", lambda model, settings: {"backend": backend} if settings.compile else None
    )

    plain, _ = draw(settings, benchmark, tmp_path, "plain")
    compiled, facts = draw(replace(settings, compile=True, batch_size=4), benchmark, tmp_path, "compiled")
    assert compiled == plain and facts["compiled"] == kept and facts["exactness"]["exceeded"] == 0
    assert ("sampling without torch.compile" in capfd.readouterr().out) != kept
