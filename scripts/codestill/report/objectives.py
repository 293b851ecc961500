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

    Both name the text where that is not the corpus alone.
    """
    words, latex = _objective(axes)
    texts = [text for text in (TEXTS.get(axes.get("recipe")), _own_text(axes)) if text]
    if texts:
        words += ", on " + " and on ".join(texts)
        latex += "".join(_boxed(f"{joint} {text}") for joint, text in zip((", on", " and on"), texts, strict=False))
    return words, latex


def _boxed(text):
    """Words within a formula of plain LaTeX, before which a line may end."""
    return rf"\allowbreak\mbox{{{text}}}".replace("%", r"\%")


def _own_text(axes):
    """The part of the batches that the student writes, in words; None without one."""
    share, steps = axes.get("on_policy"), axes.get("on_policy_refresh") or 1
    if not share or axes.get("alpha") == 1:
        return None
    at_once = f", written for {steps} steps at once" if steps > 1 else ""
    return f"the student's own text in {100 * share:g} % of the batches{at_once}"


def _objective(axes):
    smoothing = axes.get("label_smoothing")
    smoothed = f" (label smoothing {smoothing:g})" if smoothing else ""
    if axes.get("alpha") == 1:
        return f"CE, the cross-entropy of the labels alone{smoothed}", _ce(smoothing)
    name = axes.get("objective") or "forward_kl"
    plain, latex = WORDS.get(name, (f"{name}(teacher, student)", rf"\mathrm{{{name.replace('_', ' ')}}}(p_T, q_T)"))
    beta = str(axes.get("beta"))
    words = f"alpha CE{smoothed} + (1 - alpha) T² {plain.replace('{beta}', beta)}"
    formula = rf"\alpha\,{_ce(smoothing)} + (1-\alpha)\,T^2\,{latex.replace('{beta}', '{' + beta + '}')}"
    weight = axes.get("hidden_weight")
    if weight:
        words += f" + {weight:g} H({axes['hidden_loss']} of hidden states)"
        formula += rf" + {weight:g}\,H_{{\mathrm{{{axes['hidden_loss']}}}}}"
    return words, formula


def _ce(smoothing):
    """The cross-entropy in LaTeX, and by how much its labels are smoothed: CE_s of docs/objective.md."""
    return rf"\mathrm{{CE}}_{{s = {smoothing:g}}}" if smoothing else r"\mathrm{CE}"


def objectives_that_ran(results):
    """[(words, LaTeX)] of the distilled cells of a study, each once."""
    return list(dict.fromkeys(objective_of(m.axes) for m in results.models if m.role == "cell" and not m.alone))
