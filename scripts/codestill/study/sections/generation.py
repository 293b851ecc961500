"""The config's section `generation`: how samples are drawn. The flags of generate.py are made from it."""

from typing import Annotated, Literal

from pydantic import Field

from codestill.study.section import Device, Positive, Precision, Section, field


class Generation(Section):
    """How samples are drawn: the protocol stored beside them."""

    temperature: float = field(0.8, "0 is greedy decoding", ge=0)
    top_p: float = field(0.95, "nucleus: the smallest set of tokens with this mass", gt=0, le=1)
    max_new_tokens: Positive = field(256, "at most so many tokens a sample")
    format: Literal["auto", "plain", "chat"] = field(
        "auto",
        "plain: the prompt is continued; chat: it is asked for by the tokenizer's chat template, and no stop string "
        "ends an answer; auto: in a study chat where a source of the corpus is of format instruct, else plain",
    )
    strip_prompt: Literal["newline", "whitespace", "none"] = field(
        "newline", "what is taken off a prompt's end: left there, it tokenises unlike the text that models learnt from"
    )
    # Where a function ends: the next statement at the left margin (BigCode's list for HumanEval).
    stop: list[Annotated[str, Field(min_length=1)]] = field(
        ["\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif", "\n```"],
        "a sample ends before any of these",
        escaped=True,
    )
    seed: int = field(0, "run seed: each sample's seed derives from it, the task and its index", ge=0)
    precision: Precision = field("float32", "weights and activations while sampling")
    engine: Literal["auto", "lanes", "transformers", "vllm"] = field(
        "auto", "what runs the model; auto: lanes, or transformers where lanes cannot hold the model"
    )
    threads: Positive = field(4, "CPU threads of torch")
    memory: float = field(4.0, "GiB for weights, caches and logits; sets the batch size", machine=True, gt=0)
    device: Device = field("auto", "auto takes CUDA where there is a device", machine=True)
    samples_per_job: Positive | None = field(
        None, "about so many samples a job: a model's are drawn by several and gathered; null: by one job", flag=False
    )
