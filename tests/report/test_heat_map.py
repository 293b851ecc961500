"""The map of T and alpha says which plane of a study with further axes it shows."""

import pandas
import pytest

from codestill.report import draw_grid, style

RECIPE = {"recipe": "corpus", "on_policy": 0.0, "on_policy_refresh": None}


def table(cells):
    """A table of settings with validation losses: a row for each of these cells' axes."""
    rows = [
        {"setting": str(number), "role": "distilled", "of": "", **RECIPE, **axes}
        | {"benchmark": "", "measure": "eval_loss", "value": 1 + number / 10, "sd": 0.01}
        for number, axes in enumerate(cells)
    ]
    order = ["setting", "role", "of", *[name for name in rows[0] if name not in DRAWN], *DRAWN[3:]]
    return pandas.DataFrame(rows)[order]


DRAWN = ["setting", "role", "of", "benchmark", "measure", "value", "sd"]
PLANE = [{"T": t, "alpha": alpha} for t in (1.0, 2.0) for alpha in (0.0, 0.5)] + [{"T": None, "alpha": 1.0}]
HALF = {"on_policy": 0.5, "on_policy_refresh": 8}


def planes(*others):
    """The plane of T and alpha under each of these values of the other axes."""
    idle = {"on_policy": None, "on_policy_refresh": None}
    return table([{**one, **axes, **(idle if one["alpha"] == 1 else {})} for axes in others for one in PLANE])


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (planes({}), []),
        (planes({}, HALF), ["recipe corpus"]),
        (planes(HALF), ["recipe corpus, half own text, refresh 8"]),
        (planes({"recipe": "verified"}), ["recipe verified"]),
        (
            planes(*[{"learning_rate": 1e-3, "init": start} for start in ("random", "random", "weights")]),
            ["init random"],
        ),
        (
            planes(*[{"learning_rate": rate, "recipe": "teacher", **HALF} for rate in (1e-3, 1e-3, 2e-3)]),
            ["recipe teacher, half own text, refresh 8, lr 0.001"],
        ),
    ],
)
def test_a_panel_names_the_recipe_and_the_other_axes_that_vary(frame, told):
    figure = draw_grid.heat_map(style.start(), {"settings": frame})
    (panel,) = figure.axes
    assert panel.get_title(loc="left").split("\n") == ["validation CE (nats/token)", *told]
