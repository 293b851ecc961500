"""The config's section `measures`: what is measured without running a model's programs."""

from codestill.study.section import Positive, Precision, Section, field


class Measures(Section):
    """What is measured without running a model's programs."""

    precision: Precision = field("float32", "weights and activations while measuring language and speed")
    max_rows: Positive | None = field(None, "rows of the test split to measure on; null means all")
