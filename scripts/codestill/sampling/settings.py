"""How a benchmark is sampled: the config's `generation`, for one model and number of samples."""

import torch

from codestill.models.loading import device_of
from codestill.models.quantisation import bits_of
from codestill.study.flags import names_of
from codestill.study.section import Positive, field
from codestill.study.sections.generation import Generation


class Settings(Generation):
    """The settings of one run of the sampler, checked as the config's are."""

    model_dir: str = field("", "the model's folder", flag=False)
    n: Positive = field(20, "samples a problem")
    batch_size: int = field(0, "samples at once; 0 lets --memory decide", machine=True, ge=0)
    memory: float = field(4.0, "GiB for weights, caches and logits; 0: half of all there is", machine=True, ge=0)
    threads: int = field(0, "CPU threads of torch; 0 leaves torch's own choice", ge=0)

    @property
    def stops(self):
        """The stop strings; a chat model's answer ends by itself."""
        return [] if self.format == "chat" else self.stop

    @property
    def exact(self):
        """Whether samples are made independent of their batch: float32 logits are close enough for that.

        Those of int8 weights are not: each activation is rounded to one of 255 steps, and what differs in its last bit
        may come out a step apart.
        """
        return self.precision == "float32" and not (self.model_dir and bits_of(self.model_dir) == "int8")

    @property
    def memory_bytes(self):
        """The bound on weights, keys, values and logits, in bytes."""
        if self.memory:
            return int(self.memory * 2**30)
        if device_of(self.device).type == "cuda":
            return torch.cuda.get_device_properties(0).total_memory // 2
        import psutil

        return psutil.virtual_memory().total // 2

    def science(self):
        """The settings that samples depend on, for the fingerprint and the protocol, which tell the engine apart."""
        names = [name for name in names_of(Settings, machine=False) if name not in ("engine", "threads")]
        return {name: getattr(self, name) for name in names}
