"""One job's cost, and the figures of this machine's software that all costs share."""

from dataclasses import dataclass

GIB = 2**30
TORCH_START = 6.0  # seconds to import torch and transformers and load a small model
PLAIN_START = 0.5
TORCH_BYTES = 1.0e9  # resident memory of torch and transformers with nothing loaded


@dataclass(frozen=True)
class Work:
    """One job's cost before anything was measured. Jobs of one (rule, variant) differ in amount, not in kind."""

    rule: str
    variant: str
    startup: float  # seconds that do not grow with the work
    work: float  # seconds that do
    gpus: int = 0
    threads: int = 1
    memory: float = 0.5e9  # bytes resident on the host at the peak
    disk: float = 1e4  # bytes that stay
    scratch: float = 0.0  # bytes of checkpoints and caches in the work folder

    @property
    def seconds(self):
        return self.startup + self.work
