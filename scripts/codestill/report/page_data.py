"""All that a page tells, as plain data: gathered once, written as HTML, as Markdown and to the terminal."""

from codestill.report import advice, comparisons, completions, ladder, language_parts, study_facts, summary
from codestill.report.figures import FIGURES
from codestill.report.objectives import objectives_that_ran


def tell(results, tables):
    """The whole story of a study, complete or not, as a dict of plain data for the templates."""
    missing, headline = results.missing(), summary.headline(results, tables)
    return {
        "study": results.name,
        "missing": missing,
        "columns": summary.COLUMNS,
        "headline": headline,
        "shared_seeds": summary.shared_seeds(headline),
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
        "figures": [_figure(name, one, results) for name, one in FIGURES.items()],
        # Last: by now everything was read.
        "damaged": sorted(results.damaged.values()),
        "partial": [f"{model}: {what}" for model, what in sorted(results.partial.items())],
        "contamination": "Published models may have seen the corpus or a benchmark in pretraining (CodeGPT was "
        "pretrained on CodeSearchNet's Python functions): scores on them may be flattered.",
    }


def _figure(name, figure, results):
    """What a page says of a figure: of the losses also which objectives they are of."""
    caption, ran = figure.caption, [words for words, _ in objectives_that_ran(results)]
    if name == "curves" and ran:
        caption += f" Objectives that ran: {'; '.join(ran)}."
    return {"name": name, "title": figure.title, "caption": caption}
