"""What one job takes: seconds, memory and disk, from the floating-point operations and bytes of its models.

A job takes a start-up and its work; the work is the larger of operations over the device's rate and bytes over its
memory's (Williams, Waterman & Patterson 2009, the roofline model). The rates are the config's, as sustained.
"""

import copy
from dataclasses import asdict
from functools import cache

from codestill.plan.amounts import Amounts, Recorded
from codestill.plan.architecture import Architecture, architectures, from_folder
from codestill.plan.judging_costs import JudgingCosts
from codestill.plan.making_costs import MakingCosts
from codestill.plan.teacher_pass import TeacherPass
from codestill.plan.training_costs import TrainingCosts
from codestill.plan.work import PLAIN_START, Work

# The rules that use a GPU.
HEAVY = (
    "teach",
    "learn_task",
    "audit",
    "audit_teacher",
    "cache_teacher",
    "distill",
    "distill_later",
    "generate",
    "generate_part",
    "measure_language",
    "measure_validation",
    "measure_efficiency",
)


class Costs(TrainingCosts, JudgingCosts, MakingCosts):
    """The cost model of one study: `of(rule, wildcards)` gives a job's `Work`, by the method of that rule's name."""

    def __init__(self, study, layout):
        self.study, self.layout, self.plan = study, layout, study.plan
        self.amounts = Amounts(study, layout)
        self.teacher_pass = TeacherPass(study, layout)
        self.models = architectures(study, layout.graph, self._brought)

    def _brought(self, base):
        """The architecture of a base model that was downloaded or built; None before."""
        return from_folder(self.layout.inputs("models", base))

    def facts(self):
        """What the reckoning rests on beside the config, as plain data; some of it is assumed until a run counts it."""
        bases = {name: asdict(self.models[name]) for name in self.layout.graph.bases}
        return {"bases": bases, **self.amounts.counts()}

    def resting_on(self, facts):
        """The same cost model on other `facts`."""
        other = copy.copy(self)
        known = {name: Architecture(**one) for name, one in facts["bases"].items()}
        other.models = architectures(self.study, self.layout.graph, known.get)
        other.amounts = Recorded(self.study, self.layout, facts)
        return other

    @property
    def notes(self):
        """In words: where each figure comes from."""
        _ = self.amounts.tokens, self.amounts.functions
        sizes = [(name, self.models[name]) for name in self.layout.graph.bases]
        shapes = [f"{name}: {one.parameters / 1e6:,.1f} M parameters ({one.source})" for name, one in sizes]
        return [*shapes, *dict.fromkeys(self.amounts.notes)]

    def on_gpu(self, device):
        """Whether a rule with this `device` field is planned on a GPU."""
        return device == "cuda" or (device == "auto" and self.plan.gpus > 0)

    def seconds(self, operations, moved, device, precision, threads):
        """Seconds of `operations` and of `moved` bytes, whichever takes longer, on the device of that field."""
        speed, count = (self.plan.gpu, 1) if self.on_gpu(device) else (self.plan.core, threads)
        rate = speed.float32 if precision == "float32" else speed.half
        return max(operations / (rate * count), moved / speed.memory)

    def of(self, rule, wildcards):
        """The `Work` of one job. A rule unknown to the model takes half a minute and says so by its variant."""
        return self._of(rule, tuple(sorted(wildcards.items())))

    @cache  # noqa: B019 - one Costs lives as long as its process
    def _of(self, rule, wildcards):
        names = dict(wildcards)
        method = getattr(self, f"_{rule}", None)
        return method(**names) if method else Work(rule, "unknown", PLAIN_START, 28.0)

    def architecture_of(self, model):
        """The architecture of a model by its name, of a cell outside the grid by what it starts from."""
        graph = self.layout.graph
        return self.models.get(model) or self.models[graph.student_of(self.layout.cell(model))]

    def _kind_of(self, model):
        """What a model's jobs are measured with: those of a base, of the cells of one student, or of models in as few
        bits.
        """
        nodes, start = self.layout.graph.nodes, model
        while start in nodes and nodes[start].kind != "base":
            start = nodes[start].needs[0]
        if start == model and model in nodes:
            return model
        kind = "cell" if start in ("student", model) else f"cell of {start}"
        few = model in nodes and self.models[model].matrix_item < 2
        return f"{kind} in {nodes[model].part.value}" if few else kind

    def _model_bytes(self, model):
        return self.architecture_of(model).bytes + 4e6
