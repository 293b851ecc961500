"""The models of a study as a graph: every model by its name, and the models that it is made from.

A base is brought or built, and may be fine-tuned before it teaches; a cell is distilled from a teacher into a student;
a chosen model is a copy of one of its candidates; a variant is another model made smaller; a task's is another model
fine-tuned for that task; a finalist and a fresh model are cells whose axes are known once others were measured
(later_models.py).
"""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from codestill.kit.program import UserError
from codestill.study.cell import AXES, seeded
from codestill.study.entries import compressions
from codestill.study.later_models import faults, later_models
from codestill.study.recipe_names import CORPUS, TEACHER
from codestill.study.section import MAX_NAME

CHOSEN = ("best_distilled", "best_finetuned")
HEALED = ".healed"  # behind a variant's name: the cell in which it learnt from its parent
CELL_PATTERN = r"(?:T-[^/_]+_)?alpha-[^/]+_seed-\d+"
_NO_TESTS = "no benchmark with tests has use: training; add one, for example of kind mbpp or file"
# What would make a cell's name that holds it end too early.
_KEYED = re.compile(rf"_(?:{'|'.join(AXES.values())})-")


@dataclass(frozen=True)
class Node:
    """One model: its name, what kind it is, the names of those that it is made from; of a base, a variant and a task's
    its section, the seed that it is drawn or trained with, and the name that the section has.
    """

    name: str
    kind: str  # base, cell, chosen, variant, task, finalist or fresh
    needs: tuple = ()
    part: object = None
    seed: int | None = None
    section: str | None = None


class ModelGraph:
    """The models of one study. `cells` are those of its grid, `experiments` and `sweeps` lists of their names.

    healing: {variant: its cells}, in which it learns from its parent.
    """

    def __init__(self, study, cells, experiments, sweeps, healing=None):
        self.study, self.cells, self.experiments, self.sweeps = study, cells, experiments, sweeps
        self.healing = healing or {}

    # -- names -------------------------------------------------------------------------------------------------

    @cached_property
    def bases(self):
        """{name: Node} of the models that are brought or built, those of teachers with other seeds among them."""
        found = {}
        for name, part in self.study.bases.items():
            source = "teacher" if getattr(part, "every_layer_of_teacher", None) else getattr(part, "layers_of", None)
            source = self.healed.get(source, [source])[0]
            found[name] = Node(name, "base", (source,) if source else (), part, part.seed, name)
        for cell in self.cells.values():
            if cell.teacher_seed is not None and cell.teacher in self.study.bases:
                name, base = seeded(cell.teacher, cell.teacher_seed), found[cell.teacher]
                found[name] = replace(base, name=name, seed=cell.teacher_seed)
        return found

    def model_of(self, value, seed):
        """The model that an axis' value means in a cell of `seed`: an experiment's or a healed variant's cell of that
        seed, else itself.
        """
        several = {**self.experiments, **self.healed}
        if value not in several:
            if value not in self.named:
                known = ", ".join([*self.named, *several])
                raise UserError(f"{value!r} is no model of the study; it has {known}")
            return value
        cells = [name for name in several[value] if self.cells[name].seed == seed]
        if len(cells) != 1:
            raise UserError(f"{value} has {len(cells)} cells of seed {seed}, where one is needed")
        return cells[0]

    def teacher_of(self, cell):
        """The name of the model that teaches `cell`; None without one."""
        return self._teaching(cell) if cell.taught else None

    def text_of(self, cell):
        """`recipe/author` of the text that a cell learns from, where a model writes it; None for the corpus."""
        return f"{cell.recipe}/{self._teaching(cell)}" if cell.recipe != CORPUS else None

    def _teaching(self, cell):
        """The name of the model that the axes teacher and teacher_seed of a cell mean."""
        if cell.teacher_seed is None:
            return self.model_of(cell.teacher, cell.seed)
        part = self.study.bases.get(cell.teacher)
        training = getattr(part, "training", None)
        if cell.teacher == "student" or part is None or not ((training and training.epochs) or part.shape is not None):
            raise UserError(f"teacher_seed: {cell.teacher} is neither trained nor drawn here; leave the axis out")
        return seeded(cell.teacher, cell.teacher_seed)

    def student_of(self, cell):
        """The name of the model that `cell` starts from."""
        return self.model_of(cell.student, cell.seed)

    def needs_of(self, cell):
        """The models that a cell is made from."""
        return (self.student_of(cell), *([self._teaching(cell)] if cell.distilled else []))

    @cached_property
    def healed(self):
        """{a variant's name and `.healed`: the cells in which it learnt from its parent, one a seed}."""
        return {f"{name}{HEALED}": cells for name, cells in self.healing.items()}

    @cached_property
    def named(self):
        """The names that an axis may hold beside those of experiments."""
        return [*self.study.bases, *CHOSEN, *self.derived]

    @cached_property
    def derived(self):
        """{name: Node} of the models made of finished ones: `parent.name`, for each parent of each variant and task."""
        found = {}
        waiting = {**self.study.variants, **self.study.tasks}
        while waiting:
            needs = {name: [of.removesuffix(HEALED) for of in self._of(name)] for name in waiting}
            ready = [name for name in waiting if not waiting.keys() & set(needs[name])]
            for name in ready:
                part = waiting.pop(name)
                for parent in self._parents(name, found):
                    made, seed = f"{parent}.{name}", getattr(part, "seed", None)
                    model = self.healed[parent][0] if parent in self.healed else parent
                    found[made] = Node(made, self._kind(name), (model,), part, seed, name)
            if not ready:  # they wait for each other: the circle is told as one of the whole graph
                found |= {name: Node(name, self._kind(name), tuple(needs[name]), one) for name, one in waiting.items()}
                break
        return found

    def _parents(self, section, found):
        """The models among those `found` so far that a variant or a task is made of."""
        return [one for of in self._of(section) for one in self._meant_by(of, found)]

    def _meant_by(self, of, found):
        """The models that `of` means among those `found` so far: of a variant or a task each that came of it; of one
        that heals none while its cells are not known.
        """
        section, ending = (of.removesuffix(HEALED), HEALED) if of.endswith(HEALED) else (of, "")
        made = [name for name, node in found.items() if node.section == section]
        own = section in self.study.variants or section in self.study.tasks
        parents = [f"{name}{ending}" for name in (made if own else [section])]
        return [name for name in parents if not ending or name in self.healed]

    def _kind(self, section):
        return "task" if section in self.study.tasks else "variant"

    def _of(self, section):
        """What a variant or a task is made of, as the config or its silence says."""
        if section in self.study.tasks:
            part, usual = self.study.tasks[section], ["best_distilled"]
        else:
            learns = any(cell.distilled and cell.student == "student" for cell in self.cells.values())
            part, usual = self.study.variants[section], ["teacher", *(["best_distilled"] if learns else [])]
        of = usual if part.of is None else part.of
        return [of] if isinstance(of, str) else of

    @cached_property
    def variants(self):
        """{name: Node} of the models made smaller."""
        return {name: node for name, node in self.derived.items() if node.kind == "variant"}

    @cached_property
    def tasks(self):
        """{name: Node} of the models fine-tuned for a task."""
        return {name: node for name, node in self.derived.items() if node.kind == "task"}

    def heals(self):
        """{name of a variant: (parent, axes)} of the variants that learn from their parent once more."""
        heals = {name: node for name, node in self.variants.items() if node.part.heal is not None and node.section}
        return {name: (name.removesuffix(f".{node.section}"), node.part.heal) for name, node in heals.items()}

    # -- candidates --------------------------------------------------------------------------------------------

    @cached_property
    def taught(self):
        """The cells that have a teacher."""
        return [name for name, cell in self.cells.items() if cell.taught]

    @cached_property
    def candidates(self):
        """{chosen: its candidates}: cells of the study's student, none made from a chosen or a derived model."""
        ours = [name for name, cell in self.cells.items() if cell.student == "student"]
        first = [name for name in ours if not self._later(name, set())]
        found = zip(CHOSEN, (True, False), strict=True)
        return {chosen: [name for name in first if self.cells[name].distilled is taught] for chosen, taught in found}

    def _later(self, name, seen):
        """Whether a model is made, over however many steps, from a chosen one."""
        if name in CHOSEN or name in seen:
            return name in CHOSEN
        if name not in self.cells and name not in self.bases:  # a variant, or a task's
            return True
        seen.add(name)
        return any(self._later(need, seen) for need in self._plain_needs(name))

    def _plain_needs(self, name):
        return self.needs_of(self.cells[name]) if name in self.cells else self.bases[name].needs

    @cached_property
    def later(self):
        """{name: LaterModel} of the finalists, then of the fresh models."""
        return later_models(self)

    # -- the whole ---------------------------------------------------------------------------------------------

    @cached_property
    def nodes(self):
        """{name: Node} of every model, bases first."""
        cells = {name: Node(name, "cell", self.needs_of(cell), cell) for name, cell in self.cells.items()}
        chosen = {name: Node(name, "chosen", tuple(of)) for name, of in self.candidates.items() if of}
        later = {name: Node(name, one.kind, ("student", *one.needs), one, one.seed) for name, one in self.later.items()}
        return {**self.bases, **cells, **chosen, **self.derived, **later}

    def faults(self):
        """Yield (location in the config, what is wrong there and what to do) for each fault of the graph."""
        yield from self._faulty_names()
        for axis in ("teacher", "student"):
            try:
                self.model_of(getattr(self.study.distillation, axis), self.study.seeds[0])
            except UserError as error:
                yield ("distillation", axis), str(error)
        healing = {(*self._section(self.variants[name].section), "heal"): cells for name, cells in self.healing.items()}
        asked = {("experiments", name): cells for name, cells in self.experiments.items()}
        asked |= {("sweeps", name): cells for name, cells in self.sweeps.items()}
        for location, cells in {**asked, **healing}.items():
            yield from self._faults_of(location, cells)
        for name, part in self.study.models.items():
            known = [*self.named, *self.healed]
            if part.layers_of is not None and part.layers_of not in known:
                yield ("models", name, "layers_of"), f"{part.layers_of!r} is no model; it has {', '.join(known)}"
                return
            if part.layers_of in self.variants and self._is_last(part.layers_of):
                yield ("models", name, "layers_of"), f"{part.layers_of} is quantised; take layers of what it came of"
        sections = {**self.study.variants, **self.study.tasks}
        healed = [f"{name}{HEALED}" for name, one in self.study.variants.items() if one.heal is not None]
        for section in sections:
            for of in self._of(section):
                if of not in [*self.named, *self.healed, *sections, *healed]:
                    known = [*self.study.bases, *CHOSEN, *sections, *healed]
                    yield (*self._section(section), "of"), f"{of!r} is no model; it has {', '.join(known)}"
                    return
        yield from faults(self)
        yield from self._faulty_graph()
        yield from self._faulty_parents()

    def _section(self, name):
        return (f"{self._kind(name)}s", name)

    def _faulty_parents(self):
        for node in self.derived.values():
            parent = self.variants.get(node.needs[0])
            if parent and self._is_last(parent.name):
                how = f"{parent.section} is {parent.part.operation}d, and nothing can follow that"
                yield (*self._section(node.section), "of"), f"{how}; make {parent.section} of {node.section}"

    def _faults_of(self, location, cells):
        for cell in cells:
            try:
                if self.cells[cell].recipe not in (CORPUS, TEACHER) and not self.study.tested:
                    raise UserError(f"recipe {self.cells[cell].recipe}: {_NO_TESTS}")
                self._check_start(self.cells[cell])
            except UserError as error:
                yield location, str(error)

    def _check_start(self, cell):
        """Raise UserError where a cell's student cannot learn as the cell has it."""
        name = self.needs_of(cell)[0]
        if self.adapter_of(name) is not None:
            if cell.init == "random":
                raise UserError(f"{name} has an adapter, which fits no weights drawn at random; let init be weights")
        elif name in self.variants and self._is_last(name):
            how = "let another model learn, or give a variant in nf4 an adapter"
            raise UserError(f"{name} is quantised, which is not trained here; {how}")
        elif self.bits_of(name):
            raise UserError(f"{name} has load_in, of which only an adapter learns; give it an adapter, or no load_in")

    def adapter_of(self, name):
        """The adapter that is trained of a model in its place, or None."""
        node = self.bases.get(name) or self.variants.get(name)
        return getattr(node.part, "adapter", None) if node else None

    def bits_of(self, name):
        """What a base model's weights are loaded in while it teaches or its adapter learns; None for its own type."""
        return self.bases[name].part.load_in if name in self.bases else None

    def _faulty_names(self):
        parts = {"models": self.study.models, "variants": self.study.variants, "tasks": self.study.tasks}
        first, taken = {}, ("teacher", "student", *CHOSEN, *self.study.measures.baselines)
        for where in [(part, name) for part, named in parts.items() for name in named]:
            name = where[1]
            if first.setdefault(name, where) != where:
                yield where, f"{'.'.join(first[name])} has that name, too; rename one"
            given = name in taken or f".{name}".endswith(HEALED) or "seed-" in name
            if given or re.fullmatch(CELL_PATTERN, name):
                yield where, f"{name} is a name that the study gives itself; rename it"
            elif name in self.experiments:
                yield where, f"{name} is an experiment, too; rename one"
            elif _KEYED.search(f"_{name}"):
                yield where, f"{name} reads as an axis of a cell's name; rename it"
        named = {one for cell in self.cells.values() for one in (cell.teacher, cell.student)}
        for name in self.experiments:
            if name in self.named or name in self.healed:
                yield ("experiments", name), f"{name} is a model's name, too; rename the experiment"
            elif name in named and _KEYED.search(f"_{name}"):
                yield ("experiments", name), f"{name} reads as an axis of a cell's name; rename it"
        yield from self._faulty_made()

    def _faulty_made(self):
        """Names that the study makes, parent and section, of which two are one, or that no folder can have."""
        first = {**dict.fromkeys(self.bases, "a model"), **dict.fromkeys(self.healed, "a healed variant")}
        for section in {**self.study.variants, **self.study.tasks}:
            for name in [f"{parent}.{section}" for parent in self._parents(section, self.derived)]:
                if first.setdefault(name, made := f"what {section} makes") != made:
                    yield self._section(section), f"{name} names {first[name]}, too; rename {section}"
                if len(name.encode()) > MAX_NAME:
                    yield self._section(section), f"{name[:60]}...: its name passes {MAX_NAME} bytes; shorten the names"

    def _is_last(self, variant):
        """Whether a variant cannot be trained, or made smaller still."""
        return bool(compressions()[self.variants[variant].part.operation].get("last"))

    def _faulty_graph(self):
        try:
            TopologicalSorter({name: node.needs for name, node in self.nodes.items()}).prepare()
        except CycleError as error:
            circle = error.args[1]
            named = {**self.study.models, **self.study.variants, **self.study.tasks}
            place = next((self._place(name) for name in circle if name in named), self._place(circle[0]))
            yield place, f"{' -> '.join(circle)}: a model cannot be made from itself; break the circle"
        missing = {need for node in self.nodes.values() for need in node.needs} - self.nodes.keys()
        for node in self.nodes.values():
            for need in missing & set(node.needs):
                yield self._place(node.name), f"{need}: the study has no candidate for it; add a cell of its student"
        used = {need for node in self.nodes.values() for need in node.needs}
        for name, part in self.study.models.items():
            if name not in used and not part.reference and not any(one.startswith(f"{name}.seed-") for one in used):
                yield (
                    ("models", name),
                    "no cell and no other model uses it; use it, let it be a reference, or remove it",
                )

    def _place(self, name):
        if name in self.study.models:
            return ("models", name)
        if name in self.derived:
            return self._section(self.derived[name].section or name)
        for part, queries in (("experiments", self.experiments), ("sweeps", self.sweeps)):
            for query, cells in queries.items():
                if name in cells:
                    return (part, query)
        return ("distillation", "teacher")
