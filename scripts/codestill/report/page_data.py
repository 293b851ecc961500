"""All that a page tells, as plain data: gathered once, written as HTML, as Markdown and to the terminal."""

from codestill.report import advice, comparisons, completions, ladder, language_parts, study_facts, summary
from codestill.report.figures import FIGURES

CAPTIONS = {
    "family": "Every model of the study. Solid: what it starts from, is a part of, or was chosen among; dashed: who "
    "teaches it. Cells with the same of both share a box, which says how many settings and seeds they are.",
    "pass_at_k": "pass@k of the baselines, the chosen settings and the experiments, with 95 % intervals over "
    "problems and, where there are several, seeds (Korn and Graubard). Where nothing passed, the bar ends at the upper "
    "bound of the exact interval.",
    "paired_differences": "pass@1 less that of the student fine-tuned alone, on the same problems, with 95 % "
    "intervals over problems and seeds (min F'); of one seed, over problems alone. Filled: the chosen setting. Hollow: "
    "exploratory, not corrected here.",
    "heat_map": "Means over seeds at each temperature T and alpha, ± the deviation over seeds; brighter is better. "
    "Framed: the setting chosen on validation. Alpha 1 has no teacher and so no T: its one number stands in every row. "
    "A dash is a setting that was not run.",
    "curves": "Cross-entropy in training (lines) and on validation (dots), KL to the teacher at T = 1 on validation, "
    "and the objective that each cell was trained on, means over seeds. Objectives of different T, alpha or divergence "
    "are different quantities: compare CE and KL.",
    "quality_cost": "Quality (means over seeds, with 95 % intervals of the main models) against parameters and speed; "
    "the dashed line joins models that no other beats in both. Models of one architecture are timed once.",
    "ladder": "Each model's weights on disk against its quality, on a logarithmic axis; the dashed line joins models "
    "that no other beats in both. Variants, healed students and later generations stand beside what they came of; "
    "of plain cells only the chosen ones.",
    "funnel": "Share of samples that reach each stage on the way to passing, each stage within the one before.",
    "time_line": "When each rule's jobs ran, how many there were, their seconds together, and the GPU-hours or "
    "core-hours that they held.",
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
        "next_steps": advice.steps(results, tables),
        "costs": summary.costs(headline),
        "doubts": study_facts.doubts(results, headline),
        "selection": [
            *study_facts.selection(results),
            *study_facts.texts(results),
            *study_facts.few_bits_told(results),
        ],
        "experiments": summary.experiments(results, tables),
        "measures": ["eval_loss", "bits_per_byte", "kl", *[f"{name} pass@1" for name in results.benchmarks]],
        "benchmarks": list(results.benchmarks),
        "sweeps": comparisons.axis_sentences(tables["comparisons"]),
        "discrimination": [*summary.discrimination(results, tables), *summary.given_away(results)],
        "ladder": ladder.sentences(tables["ladder"]),
        "ladder_table": ladder.table(tables["ladder"]),
        "parts": language_parts.rows(results, tables),
        "claims": study_facts.claims(results, tables),
        "hyperparameters": study_facts.hyperparameters(results),
        "data": study_facts.data(results),
        "compute": study_facts.compute(results, tables),
        "diagnoses": study_facts.diagnoses(results),
        "comparisons": [row for row in tables["comparisons"].to_dict("records") if row["label"] != comparisons.AXIS],
        "problems": {name: completions.problems(results, name) for name in results.benchmarks},
        "figures": [{"name": name, "title": title, "caption": CAPTIONS[name]} for name, (_, title) in FIGURES.items()],
        # Last: by now everything was read.
        "damaged": sorted(results.damaged.values()),
        "partial": [f"{model}: {what}" for model, what in sorted(results.partial.items())],
        "contamination": "Published models may have seen the corpus or a benchmark in pretraining (CodeGPT was "
        "pretrained on CodeSearchNet's Python functions): scores on them may be flattered.",
    }
