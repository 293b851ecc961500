"""The config's section `measures`: what is measured without running a model's programs."""

from typing import Literal

from codestill.study.section import Positive, Precision, Section, field

Baseline = Literal["phrase_table", "nearest_neighbour", "minimal_pairs", "ngram"]


class Measures(Section):
    """What is measured without running a model's programs."""

    precision: Precision = field("float32", "weights and activations while measuring language and speed")
    baselines: list[Baseline] = field(
        ["phrase_table", "nearest_neighbour", "ngram"],
        "what completes the reported benchmarks without a model, by looking into the training functions",
        flag=False,
    )
    max_rows: Positive | None = field(
        None,
        "rows of the test split to measure on (null: all) and functions to audit a teacher on (null: 200)",
    )
