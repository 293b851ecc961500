"""The objective that a cell was trained on, in words and in LaTeX: a card or a caption names the one that ran."""

WORDS = {
    "forward_kl": ("KL(teacher ‖ student)", r"\mathrm{KL}(p_T \,\|\, q_T)"),
    "reverse_kl": ("KL(student ‖ teacher)", r"\mathrm{KL}(q_T \,\|\, p_T)"),
    "jsd": ("JSD(teacher, student; beta {beta})", r"\mathrm{JSD}_{beta}(p_T, q_T)"),
    "skew_kl": (
        "KL(teacher ‖ mixture, {beta} of it the teacher)",
        r"\mathrm{KL}(p_T \,\|\, {beta}\,p_T + (1 - {beta})\,q_T)",
    ),
    "skew_reverse_kl": (
        "KL(student ‖ mixture, {beta} of it the teacher)",
        r"\mathrm{KL}(q_T \,\|\, {beta}\,p_T + (1 - {beta})\,q_T)",
    ),
}

TEXTS = {
    "teacher": "the teacher's completions of training prompts",
    "verified": "those of the teacher's completions that pass their tests",
    "unverified": "as many of the teacher's completions as pass, drawn at random",
}


def objective_of(axes):
    """(words, LaTeX) of the objective of a cell's axes; of a student without a teacher, cross-entropy alone.

    The words name the text where that is not the corpus.
    """
    words, latex = _objective(axes)
    text = TEXTS.get(axes.get("recipe"))
    return f"{words}, on {text}" if text else words, latex


def _objective(axes):
    if axes.get("alpha") == 1:
        return "CE, the cross-entropy of the labels alone", r"\mathrm{CE}"
    name = axes.get("objective") or "forward_kl"
    plain, latex = WORDS.get(name, (f"{name}(teacher, student)", rf"\mathrm{{{name.replace('_', ' ')}}}(p_T, q_T)"))
    beta = str(axes.get("beta"))
    words = f"alpha CE + (1 - alpha) T² {plain.replace('{beta}', beta)}"
    formula = rf"\alpha\,\mathrm{{CE}} + (1-\alpha)\,T^2\,{latex.replace('{beta}', '{' + beta + '}')}"
    weight, own = axes.get("hidden_weight"), axes.get("on_policy")
    if weight:
        words += f" + {weight:g} H({axes['hidden_loss']} of hidden states)"
        formula += rf" + {weight:g}\,H_{{\mathrm{{{axes['hidden_loss']}}}}}"
    if own:
        words += f", on the student's own text in {100 * own:g} % of the batches"
        formula += rf"\quad(\lambda = {own:g})"
    return words, formula


def objectives_that_ran(results):
    """[(words, LaTeX)] of the distilled cells of a study, each once."""
    return list(dict.fromkeys(objective_of(m.axes) for m in results.models if m.role == "cell" and not m.alone))
