"""What a paper takes in: a macro per headline number, LaTeX tables, a methods paragraph and its bibliography."""

import re

from codestill.kit.files import atomic, write_json
from codestill.report.measures import show_p
from codestill.report.summary import COLUMNS

DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
SPECIAL |= {"<": r"\textless{}", ">": r"\textgreater{}", "`": r"\textasciigrave{}", "–": "--"}

BIBLIOGRAPHY = r"""@article{hinton2015distilling,
  title = {Distilling the Knowledge in a Neural Network},
  author = {Hinton, Geoffrey and Vinyals, Oriol and Dean, Jeff},
  journal = {arXiv:1503.02531}, year = {2015}
}
@article{sanh2019distilbert,
  title = {{DistilBERT}, a distilled version of {BERT}: smaller, faster, cheaper and lighter},
  author = {Sanh, Victor and Debut, Lysandre and Chaumond, Julien and Wolf, Thomas},
  journal = {arXiv:1910.01108}, year = {2019}
}
@article{lu2021codexglue,
  title = {{CodeXGLUE}: A Machine Learning Benchmark Dataset for Code Understanding and Generation},
  author = {Lu, Shuai and Guo, Daya and Ren, Shuo and others},
  journal = {arXiv:2102.04664}, year = {2021}
}
@article{chen2021evaluating,
  title = {Evaluating Large Language Models Trained on Code},
  author = {Chen, Mark and Tworek, Jerry and Jun, Heewoo and others},
  journal = {arXiv:2107.03374}, year = {2021}
}
@article{miller2024adding,
  title = {Adding Error Bars to Evals: A Statistical Approach to Language Model Evaluations},
  author = {Miller, Evan},
  journal = {arXiv:2411.00640}, year = {2024}
}
@article{holm1979simple,
  title = {A Simple Sequentially Rejective Multiple Test Procedure},
  author = {Holm, Sture},
  journal = {Scandinavian Journal of Statistics}, volume = {6}, number = {2}, pages = {65--70}, year = {1979}
}
"""


def escape(text):
    """Plain text for LaTeX."""
    return "".join(SPECIAL.get(sign, "\\" + sign if sign in "&%$#_{}" else sign) for sign in str(text))


def macro(*words):
    """A LaTeX command name from words: letters only, digits spelt out."""
    letters = re.findall(r"[A-Za-z]+|\d", " ".join(words).replace("@", " at "))
    return "cs" + "".join(DIGITS[int(one)] if one.isdigit() else one[0].upper() + one[1:] for one in letters)


def numbers(story):
    """{macro: facts} of every headline number: value, share of the teacher and both ends of its interval."""
    found = {}
    for row in story["headline"]:
        for column in COLUMNS:
            cell = row["cells"][column]
            if cell["value"] is None:
                continue
            facts = {"measure": row["label"], "model": column, "setting": story["main"][column], "unit": row["unit"]}
            name = macro(column, row["label"])
            found[name] = facts | {"value": cell["value"], "text": cell["text"]}
            if cell["interval"]:
                found[name + "Interval"] = facts | {"value": cell["interval"], "text": cell["interval"]}
            if cell["share"] is not None and column != "teacher":
                found[name + "Share"] = facts | {"value": cell["share"], "text": f"{100 * cell['share']:.0f} %"}
    return found | _gains(story)


def _gains(story):
    """The headline comparison of each benchmark: what distillation gained, its interval, its p, over how much."""
    found = {}
    for row in story["comparisons"]:
        if row["label"] != "headline":
            continue
        facts = {"measure": f"{row['benchmark']} {row['measure']}, distilled less fine-tuned alone"}
        facts |= {"model": "best distilled", "setting": row["setting"], "against": row["against"], "unit": "share"}
        name = macro("gain", row["benchmark"], row["measure"])
        interval = f"[{row['low']:+.3f}, {row['high']:+.3f}]"
        found[name] = facts | {"value": row["difference"], "text": f"{row['difference']:+.3f}"}
        found[name + "Interval"] = facts | {"value": interval, "text": interval}
        found[name + "P"] = facts | {"value": row["p"], "text": show_p(row["p"])}
        found[name + "Problems"] = facts | {"value": row["problems"], "text": f"{row['problems']:.0f}"}
    return found


def _lines_of_table(columns, rows, align=None):
    yield rf"\begin{{tabular}}{{{align or 'l' * len(columns)}}}"
    yield r"\toprule"
    yield " & ".join(map(escape, columns)) + r" \\"
    yield r"\midrule"
    for row in rows:
        yield " & ".join(map(escape, row)) + r" \\"
    yield r"\bottomrule"
    yield r"\end{tabular}"


def _table(columns, rows, align=None):
    return "\n".join(["% Needs \\usepackage{booktabs}.", *_lines_of_table(columns, rows, align), ""])


def results_table(story):
    """The headline table as LaTeX (booktabs)."""
    rows = []
    for row in story["headline"]:
        cells = [row["cells"][column] for column in COLUMNS]
        rows.append([row["title"], *[f"{cell['text']} {cell['interval']}".strip() for cell in cells]])
    return _table(["", *COLUMNS], rows, "lrrrr")


def experiments_table(story, label):
    """The experiments beside the controls as LaTeX (booktabs)."""
    rows = []
    for row in story["experiments"]:
        found = [row["measures"][name] for name in story["measures"]]
        texts = [f"{cell['text']} {cell['interval']}".strip() for cell in found]
        rows.append([row["name"], row["setting"], *texts])
    names = [label(name) for name in story["measures"]]
    return _table(["", "setting", *names], rows, "ll" + "r" * len(names))


def _pair(config, story):
    """Who taught whom."""
    sizes = next((row["cells"] for row in story["headline"] if row["label"] == "parameters"), None)
    told = []
    for part, column in (("teacher", "teacher"), ("student", "student before")):
        name = (config.get(part) or {}).get("name") or "a model built for the study"
        size = f" ({sizes[column]['text']} parameters)" if sizes and sizes[column]["value"] else ""
        told.append(f"the {part} was {name}{size}")
    return escape(f"In study {story['study']}, {' and '.join(told)}.")


def methods(story, results):
    """A methods paragraph, in which every figure is one of this study's."""
    config = results.study.get("config", {})
    sampling, training = config.get("generation", {}), config.get("training", {})
    seeds = config.get("seeds", [])
    parts = [
        _pair(config, story),
        r"Students were trained on $\alpha\,\mathrm{CE} + (1-\alpha)\,T^2\,\mathrm{KL}$, both averaged over target "
        r"tokens, with the teacher's distribution softened by $T$~\cite{hinton2015distilling}.",
        r"Controls were the student before training and the student fine-tuned alone ($\alpha = 1$).",
    ]
    if training:
        wanted = ("epochs", "batch_size", "gradient_accumulation_steps", "learning_rate", "weight_decay")
        told = ", ".join(f"{name.replace('_', ' ')} {training[name]}" for name in wanted if name in training)
        parts.append(escape(f"Training used AdamW ({told}) and {len(seeds)} seed{'s' * (len(seeds) != 1)}."))
    if sampling:
        parts.append(
            escape(
                f"Samples were drawn at temperature {sampling.get('temperature')}, top-p {sampling.get('top_p')}, "
                f"at most {sampling.get('max_new_tokens')} new tokens."
            )
        )
    counts = "; ".join(f"{name}: n = {entry.get('n')}" for name, entry in results.benchmarks.items())
    parts.append(
        escape(f"Programs were run against their tests and scored by the unbiased pass@k ({counts})")
        + r"~\cite{chen2021evaluating}."
    )
    parts += [escape(sentence) for sentence in (*story["selection"], story["unequal_tuning"]) if sentence]
    parts.append(
        r"Intervals are 95\,\% percentile bootstrap intervals over problems, paired between models, with seeds as an "
        r"outer level~\cite{miller2024adding}; other comparisons than that of the chosen settings are exploratory and "
        r"corrected by Holm's method~\cite{holm1979simple}."
    )
    return "\n".join(parts) + "\n"


def write(story, results, tables, folder):
    """Write numbers.tex (with numbers.json, its passport), the LaTeX tables, methods.tex and references.bib."""
    from codestill.report.page import measure_label

    found = numbers(story)
    texts = {
        "numbers.tex": "".join(
            f"\\newcommand{{\\{name}}}{{{escape(facts['text'])}}}\n" for name, facts in found.items()
        ),
        "table.tex": results_table(story),
        "experiments.tex": experiments_table(story, measure_label),
        "hyperparameters.tex": _table(["part", "field", "value"], story["hyperparameters"]),
        "data.tex": _table(["", "what", "count"], [(a, b, f"{c:,}") for a, b, c in story["data"] if c], "llr"),
        "compute.tex": _table(["what", "jobs", "seconds"], story["compute"], "lrr"),
        "methods.tex": methods(story, results),
        "references.bib": BIBLIOGRAPHY,
    }
    for name, text in texts.items():
        with atomic(folder / name) as handle:
            handle.write(text)
    write_json(folder / "numbers.json", {name: _with_sources(results, facts) for name, facts in found.items()})


def _with_sources(results, facts):
    """The number's facts and the models whose files it was computed from."""
    from codestill.report.table import setting_label

    models = [model.name for model in results.models if setting_label(results, model) == facts["setting"]]
    return facts | {"models": models, "passport": "passport.json"}
