"""The config's section `recipes`: how the text of the recipes that a model writes is drawn."""

from codestill.study.section import Positive, Section, field


class Recipes(Section):
    """How completions are drawn that are trained on; everything else of it is `generation`'s."""

    n: Positive = field(
        1, "teacher: completions of each prompt; a benchmark of use training has an n of its own", flag=False
    )
    max_prompts: Positive | None = field(
        None, "teacher: so many of the corpus' training prompts, spread evenly over all; null: all", flag=False
    )
    temperature: float = field(1.0, "of the draws; 1 with top_p 1 is the teacher's own distribution", ge=0)
    top_p: float = field(1.0, "nucleus of the draws", gt=0, le=1)
    seed: int = field(0, "of the draws, and of the order and the choice of verified and unverified text", ge=0)
