"""Whether a study's teacher runs once, its states stored for every cell, or within each training: by arithmetic.

Decided over the whole grid from the config alone (and the user's own files that it names), never from what a run has
brought meanwhile, so that it cannot change between two calls. It is a matter of cost: the states are of one type,
`distillation.cache_dtype`, either way.
"""

from functools import cached_property

from codestill.plan.amounts import Assumed
from codestill.plan.architecture import architectures

GIB = 2**30
ITEM = {"float16": 2, "bfloat16": 2, "float32": 4}  # bytes of a number of a state, by distillation.cache_dtype


def seen_tokens(amounts, training, text=None):
    """Tokens that one training runs through its teacher: its epochs, its validations and the one before it."""
    checked = amounts.trained_tokens("validation", training.max_eval_samples) * (training.evaluations + 1)
    return amounts.trained_tokens("train", training.max_train_samples, text) * training.epochs + checked


class TeacherPass:
    """The decision for one study: `stored`, `reason`, and whose states which cell reads."""

    def __init__(self, study, layout):
        self.study, self.layout, self.asked = study, layout, study.distillation

    @cached_property
    def readers(self):
        """The cells that could read stored states: those with a teacher, but for those that ask for its layers."""
        cells = [self.layout.grid.cells[name] for name in self.layout.taught]
        return [cell for cell in cells if not cell.hidden_weight]

    def reads(self, cell):
        """Whether a cell reads stored states."""
        return self.stored and not cell.hidden_weight

    @cached_property
    def limit(self):
        """{name of states: training rows that they are of, None for all}: what the largest of their cells takes."""
        found = {}
        for cell in self.readers:
            found.setdefault(self.layout.states_name(cell), []).append(cell.max_train_samples)
        return {name: None if None in limits else max(limits) for name, limits in found.items()}

    def stored_tokens(self, amounts):
        """{name of states: tokens that they are of}."""
        checked = amounts.trained_tokens("validation", self.study.training.max_eval_samples)
        found = {}
        for name, limit in self.limit.items():
            found[name] = amounts.trained_tokens("train", limit, self.layout.text_of_states(name)) + checked
        return found

    def online_tokens(self, amounts):
        """{name of states: tokens that the cells of the grid would run through their teacher without them}."""
        found = {}
        for cell in self.readers:
            text, states = self.layout.graph.text_of(cell), self.layout.states_name(cell)
            found[states] = found.get(states, 0) + seen_tokens(amounts, self.layout.training_of(cell), text)
        return found

    def bytes(self, amounts, architecture_of):
        """{name: bytes of these states}; `architecture_of` gives the Architecture of a model by its name."""
        item, stored = ITEM[self.asked.cache_dtype], self.stored_tokens(amounts)
        widths = {name: architecture_of(self.layout.model_of(name)).width for name in stored}
        return {name: count * widths[name] * item for name, count in stored.items()}

    @cached_property
    def _reckoned(self):
        """(passes over the stored tokens that the cells would make online, GiB of the states), by the config alone."""
        amounts, sizes = Assumed(self.study, self.layout), architectures(self.study, self.layout.graph)
        online, stored = self.online_tokens(amounts), self.stored_tokens(amounts)
        size = sum(self.bytes(amounts, sizes.__getitem__).values())
        return sum(online.values()) / sum(stored.values()), size / GIB

    @cached_property
    def stored(self):
        """Whether the states are stored: as asked, else where that saves a pass and they have room."""
        if not self.limit or self.asked.teacher_pass != "auto":
            return bool(self.limit) and self.asked.teacher_pass == "cache"
        passes, size = self._reckoned
        return passes >= 2 and size <= self.asked.max_states_gib

    @property
    def reason(self):
        """Why, in words."""
        if not self.limit:
            return "each cell asks for the teacher's layers" if self.layout.taught else "no cell has a teacher"
        passes, size = self._reckoned
        asked = "auto" if self.asked.teacher_pass == "auto" else f"{self.asked.teacher_pass}, as asked"
        layers = len(self.layout.taught) - len(self.readers)
        also = f"; {layers} cells with hidden_weight run it, for its layers" if layers else ""
        return (
            f"{asked}: online the cells would make {passes:.1f} passes over the corpus, stored one; the states take "
            f"{size:.3g} GiB by the config, at most {self.asked.max_states_gib:g}{also}"
        )

    def states_of(self, cell):
        """The files of states that a cell reads: none where it has no teacher, runs it, or takes more than is stored.

        A cell of the grid never takes more; one that is asked for by its name alone may.
        """
        if not cell.taught or not self.reads(cell):
            return []
        name = self.layout.states_name(cell)
        if name not in self.limit:
            return []
        limit = self.limit[name]
        fits = limit is None or (cell.max_train_samples is not None and cell.max_train_samples <= limit)
        return self.layout.states(name) if fits else []

    def states_of_later(self, name):
        """The files of states that a finalist or fresh model may read, by the settings of which it is one."""
        cells = self.layout.graph.later[name].cells
        return list(dict.fromkeys(path for cell in cells for path in self.states_of(cell)))
