"""The config's section `plan`: what a plan reckons with. Nothing here changes a result."""

from pydantic import Field

from codestill.study.section import Name, Positive, Section


class Speed(Section):
    """What a device sustains, not its data sheet's peak."""

    float32: float = Field(gt=0, description="floating-point operations a second in float32")
    half: float = Field(gt=0, description="floating-point operations a second in bf16 and fp16")
    memory: float = Field(gt=0, description="bytes a second from its memory")
    layer_ms: float = Field(ge=0, description="milliseconds that one layer of one decoding step takes at least")


class Guess(Section):
    """The shape of a model of the hub that is not downloaded yet."""

    layers: Positive = Field(description="transformer blocks")
    width: Positive = Field(description="hidden size")
    vocabulary: Positive = Field(description="rows of the embedding")
    parameters: Positive = Field(description="all parameters")


class PlanSettings(Section):
    """What `make plan` reckons with; no result depends on it."""

    gpus: int = Field(1, ge=0, description="GPUs that work side by side; 0 where the study runs on CPU cores")
    price_per_gpu_hour: float | None = Field(None, ge=0, description="of one GPU; null prints no cost")
    currency: str = Field("USD", description="of the price")
    max_gpu_hours: float | None = Field(
        None, ge=0, description="refuse to start a run planned above it; null: no limit"
    )
    gpu: Speed = Field(
        Speed(float32=1.2e13, half=6e13, memory=1e12, layer_ms=0.8), description="one GPU (default: an A100, sustained)"
    )
    core: Speed = Field(Speed(float32=4e10, half=2e10, memory=1e10, layer_ms=2.0), description="one CPU core")
    models: dict[str, Guess] = Field(default_factory=dict, description="hub models by name, until they are downloaded")
    functions: Positive | None = Field(
        None, description="functions of the training split until counted; null: known for CodeSearchNet, else guessed"
    )
    tokens_per_function: float = Field(270, gt=0, description="mean, until the corpus is tokenised")
    problems: dict[Name, Positive] = Field(default_factory=dict, description="problems of a benchmark, until brought")
    written: float = Field(0.5, gt=0, le=1, description="share of max_new_tokens that a sample takes on average")
    calibrate_from: list[Name] = Field(
        default_factory=list, description="other studies (a pilot) whose finished jobs also calibrate the plan"
    )
    uncertainty: float = Field(2.0, ge=1, description="factor of the range, both ways, while nothing was measured")
