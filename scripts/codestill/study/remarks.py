"""What a study asks for that does not do what it says: no mistake that stops a run, but told before one."""

from dataclasses import replace
from pathlib import Path

from codestill.kit.files import read_json
from codestill.kit.program import UserError
from codestill.study.grid import query_points
from codestill.study.recipe_names import CORPUS_PROMPTS

AT_ONCE = 2 / 3  # as in models/narrowing.py, which a workflow that only plans does not import: it needs torch
_NO_DROPOUT = ("classifier", "summary", "layerdrop")  # fields named after dropout that act on no language model


def remarks(study, grid, student=None, here=False):
    """Lines, each with the config's field: queries that collapse, exclusions without effect, copies of one sample, a
    headline without candidates, more pruned at once than heals.

    student: the folder of the student, where it is there already; here: jobs run on this machine.
    """
    found = [*_one_dropout(grid, student), *(_no_device(study) if here else [])]
    found += [*_no_candidate(study, grid), *_pruned_at_once(study)]
    for part, queries in (("experiments", study.experiments), ("sweeps", study.sweeps)):
        cells = getattr(grid, part)
        for name, query in queries.items():
            where = f"{part}.{name}"
            points, idle = query_points(query, study, where)
            seeds = 1 if "seed" in {**query.grid, **query.zip} else len(query.seeds or study.seeds)
            if len(cells[name]) == seeds < points:
                axes = ", ".join({**query.grid, **query.zip})
                found.append(f"{where}: its {points // seeds} settings are one: {axes} do not act there")
            for number in idle:
                found.append(f"{where}.exclude: {query.exclude[number]} excludes nothing; correct or remove it")
    for name, benchmark in study.drawn.items():
        section = "recipes" if benchmark.use == "training" else "generation"
        if benchmark.n > 1 and getattr(study, section).temperature == 0:
            field = "recipes.n" if name == CORPUS_PROMPTS else f"benchmarks.{name}.n"
            found.append(
                f"{field}: greedy decoding ({section}.temperature 0) gives {benchmark.n} times the "
                "same sample; set n: 1 and k: [1], or a temperature above 0"
            )
    return found


def _one_dropout(grid, student):
    """Cells that differ in nothing: dropout null is the model's own, which another asks for by its number."""
    path = Path(student or "", "config.json")
    if not student or not path.is_file():
        return
    try:
        fields = read_json(path)
    except UserError:
        return  # whoever loads the model says so
    own = {
        value
        for name, value in fields.items()
        if ("dropout" in name or name.endswith("pdrop")) and not any(word in name for word in _NO_DROPOUT)
    }
    cells = {cell: name for name, cell in grid.cells.items()}
    for cell, name in cells.items():
        same = cells.get(replace(cell, dropout=None))
        if cell.dropout is not None and own == {cell.dropout} and same:
            yield f"dropout {cell.dropout} is the student's own: {name} and {same} are one training; drop one"


def _no_candidate(study, grid):
    """Sides of the headline that are empty because all cells by default are of another student than the study's."""
    default = study.distillation.student
    empty = [chosen for chosen, cells in grid.graph.candidates.items() if not cells]
    if default != "student" and empty:
        yield (
            f"distillation.student: {default}, and only cells of `student` are candidates: the report's headline has "
            f"no {' and no '.join(empty)}; give `student` the section of {default}, or add an experiment with grid: "
            "{student: student, alpha: [0.5, 1]}"
        )


def _pruned_at_once(study):
    """Variants that lose more in one step than healing wins back; of neurons and heads, depth takes its share, too."""
    for name, variant in study.variants.items():
        kept = dict(variant.value) if variant.operation == "prune" and isinstance(variant.value, dict) else {}
        depth = kept.pop("depth", 1)
        part = min(kept, key=kept.get, default=None)
        left = kept.get(part, 1) * depth
        if left < AT_ONCE:
            what = {"mlp": "the MLPs' neurons", "heads": "the heads", None: "the layers"}[part]
            found = f"variants.{name}.prune: leaves {left:.3g} of {what}, more than a third at once"
            yield f"{found}; healing wins back more in smaller steps (a variant of {name}.healed)"


def _no_device(study):
    """Devices that the config asks for and this machine lacks."""
    if any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists():
        return
    for where, section in (
        ("training", study.training),
        ("teacher.training", study.teacher.training),
        ("generation", study.generation),
    ):
        if section.device == "cuda":
            yield f"{where}.device: cuda, but this machine shows no GPU; take auto or cpu, or a machine with one"
