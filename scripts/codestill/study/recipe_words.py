"""The text that a cell learns from, in words: by which recipe it was made, and how much of it the student writes."""

from codestill.study.recipe_names import CORPUS

# The axes that the words tell of.
TOLD = ("recipe", "on_policy", "on_policy_refresh")


def recipe_words(axes):
    """`corpus, half own text, refresh 8` of a cell's axes; `corpus` of a cell that learns from its functions alone.

    At alpha 1 nothing is learnt by the divergence, and so nothing from own text.
    """
    words, share = [axes.get("recipe") or CORPUS], axes.get("on_policy")
    if share and axes.get("alpha") != 1:
        words.append({0.5: "half own text", 1.0: "own text alone"}.get(share, f"{100 * share:g} % own text"))
        if axes.get("on_policy_refresh") not in (None, 1):
            words.append(f"refresh {axes['on_policy_refresh']:g}")
    return ", ".join(words)
