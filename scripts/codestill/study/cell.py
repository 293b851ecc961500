"""One point of the hyperparameter space: its axes, as the config's sections declare them, and its canonical form."""

from dataclasses import asdict, make_dataclass, replace

from codestill.study.entries import divergences
from codestill.study.recipe_names import CORPUS
from codestill.study.section import known_of, takes_null
from codestill.study.sections.distillation import Distillation
from codestill.study.sections.training import Training

HOMES = (Distillation, Training)
_FIELDS = {name: info for home in HOMES for name, info in home.model_fields.items() if "axis" in known_of(info)}
# axis: its key in names, in the one order that names follow: T and alpha lead and seed ends a name; the others appear
# only where they differ from the study's defaults, so a new axis renames nothing that exists.
AXES = {name: known_of(info)["axis"] for name, info in _FIELDS.items()} | {"seed": "seed"}
NULLABLE = {name for name, info in _FIELDS.items() if takes_null(info)}
TAUGHT = {name for name, info in _FIELDS.items() if known_of(info).get("taught")}


def seeded(name, seed):
    """The name of a base that is trained with another seed than its own."""
    return f"{name}.seed-{seed}"


class Cell(make_dataclass("Axes", list(AXES), frozen=True)):
    """One point of the space. None stands where an axis does not act on the cell (alpha 1 has no temperature)."""

    @property
    def taught(self):
        """Whether a teacher acts on the cell by its objective."""
        return self.alpha < 1

    @property
    def distilled(self):
        """Whether a teacher acts on the cell, by its objective or by a text that it wrote."""
        return self.taught or self.recipe != CORPUS

    @property
    def teacher_word(self):
        """What tells this cell's teacher from those of others: its name, and its seed where that is not its own."""
        return self.teacher if self.teacher_seed is None else seeded(self.teacher, self.teacher_seed)

    @property
    def text_word(self):
        """What tells its text and states from those of others: its teacher, behind the recipe that it wrote by."""
        return self.teacher_word if self.recipe == CORPUS else f"{self.recipe}/{self.teacher_word}"

    def canonical(self):
        """The same training with what does not act on it removed: two spellings of one cell become equal."""
        idle = set() if self.taught else set(TAUGHT)
        if self.recipe != CORPUS:  # the teacher is the author of the text
            idle -= {"teacher", "teacher_seed"}
        if self.taught and not divergences()[self.objective].get("uses_beta"):
            idle.add("beta")
        if not self.on_policy:
            idle |= {"on_policy_tokens", "on_policy_refresh"}
        if not self.hidden_weight:
            idle.add("hidden_loss")
        if self.alpha == 0:  # no label acts
            idle.add("label_smoothing")
        return replace(self, **dict.fromkeys(idle))

    def axes(self):
        """{axis: value}, None where it does not act."""
        return asdict(self)
