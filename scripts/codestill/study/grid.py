"""Cells of the hyperparameter space, their canonical names, and the experiments that are queries over them."""

import itertools
import re
from collections import namedtuple
from dataclasses import dataclass, replace

from pydantic import ValidationError

from codestill.kit.program import UserError
from codestill.study.cell import AXES, HOMES, NULLABLE, Cell
from codestill.study.config_files import named
from codestill.study.mistakes import remedy
from codestill.study.model_graph import CHOSEN, ModelGraph
from codestill.study.recipe_names import CORPUS
from codestill.study.section import MAX_NAME
from codestill.study.sections.experiments import Query

ALWAYS_NAMED = ("temperature", "alpha", "seed")


def default_cell(study):
    """The cell of the study's defaults, not canonical yet: it holds a value for every axis."""
    source = {**study.training.model_dump(), **study.distillation.model_dump(), "seed": study.seeds[0]}
    return Cell(**{axis: source[axis] for axis in AXES})


def coerce(axis, value, where):
    """`value` as the config's field of that axis would take it (so that 3, 3.0 and "3" are one cell)."""
    if axis not in AXES:
        raise UserError(f"{where}.{axis}: no such axis; known axes: {', '.join(AXES)}")
    home = next((section for section in HOMES if axis in section.model_fields), None)
    try:
        if home is None:  # the seed
            return Query.model_validate({"seeds": [value]}).seeds[0]
        settled = getattr(home.model_validate({axis: value}), axis)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UserError(f"{where}.{axis}: {remedy(first, home)}") from None
    return settled + 0.0 if isinstance(settled, float) else settled  # of -0.0, which is 0.0


def cell_name(cell, defaults):
    """The canonical name of `cell` among a study's `defaults`. Raises UserError past 200 bytes."""
    cell = cell.canonical()
    parts = []
    for axis, key in AXES.items():
        value = getattr(cell, axis)
        if value is not None and (axis in ALWAYS_NAMED or value != getattr(defaults, axis)):
            parts.append(f"{key}-{value if isinstance(value, str) else repr(value)}")
        elif value is None and axis in NULLABLE and getattr(defaults, axis) is not None:
            parts.append(f"{key}-none")
    name = "_".join(parts)
    if len(name.encode()) > MAX_NAME:
        raise UserError(f"cell {name[:60]}...: its name passes {MAX_NAME} bytes; vary fewer axes at once")
    return name


_KEYS = {key: axis for axis, key in AXES.items()}
_PART = re.compile(rf"(?:^|_)({'|'.join(_KEYS)})-")


def parse_cell(name, defaults):
    """The cell that `name` names, in a grid or not. Raises UserError where it is not a canonical name."""
    pieces = _PART.split(name)
    values = {}
    for key, text in zip(pieces[1::2], pieces[2::2], strict=True):
        values[_KEYS[key]] = coerce(_KEYS[key], None if text == "none" else text, f"cell {name}")
    cell = replace(defaults, **values).canonical()
    if pieces[0] or (canonical := cell_name(cell, defaults)) != name:
        hint = f"; its canonical name is {canonical}" if not pieces[0] else ""
        raise UserError(f"cell {name}: not a canonical name{hint}")
    return cell


_Point = namedtuple("_Point", "cell teacher_seed")  # the seed as the query has it: the teacher's own is none of a cell


def cells_of(query, study, where, at=None):
    """The cells that a query selects, canonical, each once, in the order of its lists.

    at: where the axes of its grid stand in the config, if that is not `where`.grid.
    """
    found, excluded = {}, _excluded(query, where)
    for point in _points(query, study, where, at or f"{where}.grid"):
        if not any(_fits(point, one) for one in excluded):
            found.setdefault(point.cell.canonical())
    _check_steps(found, study.training.processes, where)
    if not found:
        raise UserError(f"{where}: selects no cell; relax exclude or give every axis a value")
    return list(found)


def query_points(query, study, where):
    """(points of a query before they become canonical, numbers of the entries of `exclude` that leave none out)."""
    points, excluded = list(_points(query, study, where, f"{where}.grid")), _excluded(query, where)
    kept = sum(1 for point in points if not any(_fits(point, one) for one in excluded))
    return kept, [number for number, one in enumerate(excluded) if not any(_fits(point, one) for point in points)]


def _excluded(query, where):
    return [{a: coerce(a, v, f"{where}.exclude") for a, v in one.items()} for one in query.exclude]


def _fits(point, values):
    return all(
        getattr(point.cell, axis) == value or (axis == "teacher_seed" and value == point.teacher_seed)
        for axis, value in values.items()
    )


def _points(query, study, where, at):
    """The points of a query's product, not canonical, whatever it excludes."""
    defaults = default_cell(study)
    lists = {axis: values if isinstance(values, list) else [values] for axis, values in query.grid.items()}
    grid = {axis: [coerce(axis, value, at) for value in values] for axis, values in lists.items()}
    zipped = {axis: [coerce(axis, value, f"{where}.zip") for value in values] for axis, values in query.zip.items()}
    _check_query(query, grid, zipped, where)
    rows = list(zip(*zipped.values(), strict=True)) or [()]
    seeds = query.seeds if query.seeds is not None else study.seeds
    for point in itertools.product(*grid.values(), rows):
        values = dict(zip(grid, point[:-1], strict=True)) | dict(zip(zipped, point[-1], strict=True))
        for seed in seeds if "seed" not in values else [values["seed"]]:
            asked = replace(defaults, **{**values, "seed": seed})
            yield _Point(_settled(asked, values, study), asked.teacher_seed)


def _settled(cell, given, study):
    """`cell` with what follows from its models: how another student starts, and no seed where it is the teacher's own.

    The study's `init` is of its own student; another starts as it was made, a shape drawn anew from the cell's seed.
    """
    if cell.student != "student" and "init" not in given:
        drawn = cell.student in study.models and study.models[cell.student].shape is not None
        cell = replace(cell, init="random" if drawn else "weights")
    own = study.bases.get(cell.teacher)
    return replace(cell, teacher_seed=None) if own and own.seed == cell.teacher_seed else cell


def _check_query(query, grid, zipped, where):
    both = set(grid) & set(zipped)
    if both:
        raise UserError(f"{where}.zip.{sorted(both)[0]}: stands in grid and in zip; keep one")
    if len({len(values) for values in zipped.values()}) > 1:
        raise UserError(f"{where}.zip: its lists differ in length; walked in step, they must be equal")
    for part, axes in (("grid", grid), ("zip", zipped)):
        for axis, values in axes.items():
            if not values:
                raise UserError(f"{where}.{part}.{axis}: an empty list selects nothing; give it a value")
    if query.seeds is not None and "seed" in {**grid, **zipped}:
        raise UserError(f"{where}.seeds: seed is an axis of this query already; keep one")


def _check_steps(cells, processes, where):
    for steps in {cell.gradient_accumulation_steps for cell in cells}:
        if steps % processes:
            raise UserError(
                f"{where}: gradient_accumulation_steps = {steps} is no multiple of training.processes = {processes}, "
                "which share it out; change one of the two"
            )


@dataclass(frozen=True)
class Grid:
    """The whole study's cells: `cells` {name: Cell}; experiments, sweeps and baselines as lists of names.

    direct: {cell of a later generation: the cell of the same student and training that the study's teacher teaches}.
    """

    defaults: Cell
    cells: dict
    experiments: dict
    sweeps: dict
    controls: list
    direct: dict
    graph: ModelGraph

    @property
    def baselines(self):
        """The models without which no gain can be claimed: teacher, untouched student, student fine-tuned alone."""
        return ["teacher", "student", *self.controls]


def build_grid(study, origin="config"):
    """All cells of `study`: experiments, sweeps, the controls (alpha = 1 at the defaults, for each seed), and beside
    each later generation the direct way.
    """
    defaults, cells = default_cell(study), {}

    def names(query, *location):
        where = f"{named(origin, location)}: {'.'.join(location)}"
        asked = cells_of(query, study, where, where if location[0] == "variants" else None)
        try:
            found = {cell_name(cell, defaults): cell for cell in asked}
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        cells.update(found)
        return list(found)

    controls = names(Query(grid={"alpha": 1.0, "recipe": CORPUS}), "seeds")
    experiments = {name: names(query, "experiments", name) for name, query in study.experiments.items()}
    sweeps = {name: names(query, "sweeps", name) for name, query in study.sweeps.items()}
    direct = {}
    for name, cell in [*cells.items()]:
        if cell.distilled and (cell.teacher in CHOSEN or cell.teacher in experiments):
            taught = replace(cell, teacher=defaults.teacher, teacher_seed=defaults.teacher_seed)
            twin = _settled(taught, {"init": cell.init}, study)
            direct[name] = cell_name(twin, defaults)
            cells.setdefault(direct[name], twin)
    # A variant heals in cells of its own; none of them is a candidate, so the graph without them knows the variants,
    # but for those that are made of a healed one.
    healing, known = {}, None
    while known != len(healing):
        known = len(healing)
        graph = ModelGraph(study, dict(cells), experiments, sweeps, dict(healing))
        for variant, (parent, axes) in graph.heals().items():
            learnt = {**axes, "teacher": parent, "teacher_seed": None, "student": variant, "init": "weights"}
            healing[variant] = names(Query(grid=learnt), "variants", graph.variants[variant].section, "heal")
    graph = ModelGraph(study, cells, experiments, sweeps, healing)
    for location, fault in graph.faults():
        raise UserError(f"{named(origin, location)}: {'.'.join(location)}: {fault}")
    return Grid(defaults, cells, experiments, sweeps, controls, direct, graph)
