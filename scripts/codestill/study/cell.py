"""One point of the hyperparameter space, apart from the grid: a training then runs no code of the config."""

from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class Cell:
    """One point of the space. None stands where an axis does not act on the cell (alpha 1 has no temperature)."""

    temperature: float | None
    alpha: float
    objective: str | None
    beta: float | None
    teacher: str | None
    learning_rate: float
    epochs: float
    weight_decay: float
    dropout: float | None
    batch_size: int
    gradient_accumulation_steps: int
    warmup_steps: int
    max_train_samples: int | None
    seed: int

    def canonical(self):
        """The same training with what does not act on it removed: two spellings of one cell become equal."""
        if self.alpha == 1:
            return replace(self, temperature=None, objective=None, beta=None, teacher=None)
        return self if self.objective == "jsd" else replace(self, beta=None)

    def axes(self):
        """{axis: value}, None where it does not act."""
        return asdict(self)
