"""All that a page tells, as plain data: gathered once, written as HTML, as Markdown and to the terminal."""

from codestill.report import completions, study_facts, summary, sweeps
from codestill.report.figures import FIGURES

CAPTIONS = {
    "pass_at_k": "pass@k of the baselines, the chosen settings and the experiments, with 95 % intervals over problems "
    "(and seeds, where there are several). Where nothing passed, the bar ends at the rule of three's upper bound.",
    "paired_differences": "pass@1 less that of the student fine-tuned alone, on the same problems, with 95 % paired "
    "bootstrap intervals. Filled: the setting chosen on validation. Hollow: exploratory.",
    "heat_map": "Means over seeds at each temperature T and alpha, ± the deviation over seeds; brighter is better. "
    "Framed: the setting chosen on validation. Alpha 1 has no teacher and so no T: its one number stands in every row. "
    "A dash is a setting that was not run.",
    "curves": "Cross-entropy, KL to the teacher and the objective in training (lines) and on validation (dots), "
    "means over seeds. Objectives of different T and alpha are different quantities: compare CE and KL.",
    "quality_cost": "Quality (means over seeds, with 95 % intervals of the main models) against parameters and speed; "
    "the dashed line joins models that no other beats in both. Students share one architecture, so that one of them "
    "is timed for all.",
    "funnel": "Share of samples that reach each stage on the way to passing, each stage within the one before.",
    "time_line": "When each rule's jobs ran, how many there were and their seconds together.",
}


def tell(results, tables):
    """The whole story of a study, complete or not, as a dict of plain data for the templates."""
    missing, headline = results.missing(), summary.headline(results, tables)
    return {
        "study": results.name,
        "missing": missing,
        "columns": summary.COLUMNS,
        "headline": headline,
        "main": summary.main_settings(results),
        "verdicts": summary.verdicts(results, tables),
        "costs": summary.costs(headline),
        "unequal_tuning": study_facts.unequal_tuning(results),
        "selection": study_facts.selection(results),
        "experiments": summary.experiments(results, tables),
        "measures": ["eval_loss", "bits_per_byte", "kl", *[f"{name} pass@1" for name in results.benchmarks]],
        "benchmarks": list(results.benchmarks),
        "sweeps": sweeps.sentences(results),
        "discrimination": summary.discrimination(results, tables),
        "claims": study_facts.claims(results, tables),
        "hyperparameters": study_facts.hyperparameters(results),
        "data": study_facts.data(results),
        "compute": study_facts.compute(results, tables),
        "diagnoses": study_facts.diagnoses(results),
        "comparisons": tables["comparisons"].to_dict("records"),
        "problems": {name: completions.problems(results, name) for name in results.benchmarks},
        "figures": [{"name": name, "title": title, "caption": CAPTIONS[name]} for name, (_, title) in FIGURES.items()],
        # Last: by now everything was read.
        "damaged": sorted(results.damaged.values()),
        "contamination": "Published models may have seen the corpus or a benchmark in pretraining (CodeGPT was "
        "pretrained on CodeSearchNet's Python functions): scores on them may be flattered.",
    }
