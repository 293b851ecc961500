"""The config's section `tasks`: finished models, fine-tuned for a task with text and benchmarks of its own."""

from pydantic import Field, model_validator

from codestill.study.section import Name, References, Section, Seed, field, wrong
from codestill.study.sections.corpus import Corpus
from codestill.study.sections.training import Training


class FineTuning(Section):
    """A task that finished models are fine-tuned for, each a further model `MODEL.TASK`, judged as all others are."""

    of: References | None = field(None, "models, variants or other tasks; null: best_distilled", flag=False)
    corpus: Corpus = field(words="the task's own text, apart from the study's", flag=False)
    training: Training = Field(default_factory=Training, description="overrides of `training` for the task")
    benchmarks: list[Name] = field(
        [], "benchmarks that judge the task; what the others lose is what the task cost in general", flag=False
    )
    seed: Seed = field(42, "of the training", flag=False)

    @model_validator(mode="after")
    def _learns(self):
        if not self.training.epochs:
            raise wrong("training.epochs", "0 would leave the model as it is; give a number above 0")
        return self
