"""What a paper takes in: a macro per headline number, LaTeX tables, a methods paragraph and its bibliography."""

import re

from codestill.kit.files import atomic, write_json
from codestill.report.measures import show_p
from codestill.report.objectives import objectives_that_ran
from codestill.report.study_facts import rows_used, states_of
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
@article{clark1973language,
  title = {The language-as-fixed-effect fallacy: A critique of language statistics in psychological research},
  author = {Clark, Herbert H.},
  journal = {Journal of Verbal Learning and Verbal Behavior},
  volume = {12}, number = {4}, pages = {335--359}, year = {1973}
}
@article{korn1998confidence,
  title = {Confidence Intervals for Proportions with Small Expected Number of Positive Counts
    Estimated from Survey Data},
  author = {Korn, Edward L. and Graubard, Barry I.},
  journal = {Survey Methodology}, volume = {24}, number = {2}, pages = {193--201}, year = {1998}
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
                text = f"{100 * cell['share']:.0f} % {cell['share_interval']}".strip()
                found[name + "Share"] = facts | {"value": cell["share"], "text": text}
    return found | _gains(story)


def _gains(story):
    """The headline comparison of each benchmark: what distillation gained, its interval, its p, over how much."""
    found = {}
    for row in story["comparisons"]:
        if row["label"] != "headline" or not row["benchmark"]:
            continue
        facts = {"measure": f"{row['benchmark']} {row['measure']}, distilled less fine-tuned alone"}
        facts |= {"model": "best distilled", "setting": row["setting"], "against": row["against"], "unit": "share"}
        name = macro("gain", row["benchmark"], row["measure"])
        interval = f"[{row['low']:+.3f}, {row['high']:+.3f}]"
        found[name] = facts | {"value": row["difference"], "text": f"{row['difference']:+.3f}"}
        found[name + "Interval"] = facts | {"value": interval, "text": interval}
        found[name + "P"] = facts | {"value": row["p"], "text": show_p(row["p"])}
        found[name + "Problems"] = facts | {"value": row["units"], "text": f"{row['units']:.0f}"}
        found[name + "Seeds"] = facts | {"value": row["seeds"], "text": str(row["seeds"])}
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
    """The headline table as LaTeX (booktabs): seeds stand in a column's head, or in its cells where they differ."""
    rows, shared = [], story["shared_seeds"]
    for row in story["headline"]:
        cells = [(row["cells"][column], shared[column]) for column in COLUMNS]
        rows.append([row["title"], *[_with_seeds_named(cell, known) for cell, known in cells]])
    heads = [f"{column} ({shared[column]})" if shared[column] else column for column in COLUMNS]
    return _table(["", *heads], rows, "lrrrr")


def _with_seeds_named(cell, known):
    text = f"{cell['text']} {cell['interval']}".strip()
    return f"{text}, {cell['note']}" if cell["note"] and not known else text


def experiments_table(story, label):
    """The experiments beside the controls as LaTeX (booktabs)."""
    rows = []
    for row in story["experiments"]:
        found = [row["measures"][name] for name in story["measures"]]
        texts = [f"{cell['text']} {cell['interval']}".strip() for cell in found]
        rows.append([row["name"], row["setting"], row["seeds"], *texts])
    names = [label(name) for name in story["measures"]]
    return _table(["", "setting", "seeds", *names], rows, "lll" + "r" * len(names))


def _pair(config, story):
    """Who taught whom, and what each began as."""
    sizes = next((row["cells"] for row in story["headline"] if row["label"] == "parameters"), None)
    told = []
    for part, column in (("teacher", "teacher"), ("student", "student before")):
        origin = config.get(part) or {}
        size = f" ({sizes[column]['text']} parameters)" if sizes and sizes[column]["value"] else ""
        told.append(f"the {part} was {_origin(origin)}{size}")
    return escape(f"In study {story['study']}, {' and '.join(told)}.")


def _origin(origin):
    if origin.get("name"):
        return origin["name"] + (f" at {origin['revision']}" if origin.get("revision") else "")
    if origin.get("every_layer_of_teacher"):
        return f"built from one in {origin['every_layer_of_teacher']} of the teacher's layers, from the first on"
    shape = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in (origin.get("shape") or {}).items())
    return f"trained from random weights ({shape})" if shape else "a model built for the study"


def _trained(who, training, seeds, rows=()):
    """The sentence on one side's training. rows: (used, there) of its models."""
    wanted = ("epochs", "batch_size", "gradient_accumulation_steps", "learning_rate", "weight_decay", "warmup_steps")
    told = ", ".join(f"{name.replace('_', ' ')} {training[name]}" for name in wanted if name in training)
    used = ", or ".join(f"{some} rows of {there}" for some, there in dict.fromkeys(rows))
    told += f"; {used}" if told and used else ""
    return escape(f"{who} trained by AdamW with linear warm-up and decay ({told}){seeds}.") if told else ""


STATES = {"cache": "stored once and read", "online": "computed for each batch"}


def _states(found):
    """The sentence on where the states of students' teachers were; empty where no training says so."""
    ways = ", or ".join(STATES.get(one, one) for one in dict.fromkeys(found))
    return escape(f"The teacher's states were {ways}.") if ways else ""


def _with_seeds(seeds, fresh):
    """With which seeds the students were trained, and how settings may differ from the study's training, in words."""
    told = " where a setting's name says nothing else"
    if len(seeds) > 1:
        told += f", with those of the seeds {_listed(seeds)} that the tables name"
    elif seeds:
        told += f", with the seed {seeds[0]}"
    return told + (f", and the chosen settings with {_listed(fresh)}, which did not choose" if fresh else "")


def _listed(values):
    return ", ".join(map(str, values))


def methods(story, results):
    """A methods paragraph, in which every figure is one of this study's."""
    config = results.study.get("config", {})
    sampling, seeds = config.get("generation", {}), config.get("seeds", [])
    ran = [latex for _, latex in objectives_that_ran(results)] or ["nothing yet"]
    rows = (results.optional("tokens/accounting.json") or {}).get("splits", {}).get("train") or {}
    sources = ", ".join(_source(name, one) for name, one in ((config.get("corpus") or {}).get("sources") or {}).items())
    counts = "; ".join(f"{name}: n = {entry.get('n')}" for name, entry in results.benchmarks.items())
    fresh = (config.get("selection") or {}).get("fresh_seeds") or []
    several = max(len(seeds), len(fresh)) > 1
    students = [model for model in results.models if model.role == "cell"]
    used = {
        role: [rows for rows in (rows_used(results, m) for m in results.models if m.role == role) if rows]
        for role in ("teacher", "cell")
    }
    parts = [
        _pair(config, story),
        escape(
            f"The text was {sources}"
            + (f": {rows['functions']:,} functions to train on." if "functions" in rows else ".")
        )
        if sources
        else "",
        _trained("The teacher was", (config.get("teacher") or {}).get("training") or {}, "", used["teacher"]),
        f"Students were trained on ${'$, $'.join(ran)}$, averaged over target tokens, with the distributions of "
        r"teacher ($p_T$) and student ($q_T$) softened by $T$~\cite{hinton2015distilling}.",
        r"Controls were the student before training and the student fine-tuned alone ($\alpha = 1$).",
        _trained("Students were", config.get("training", {}), _with_seeds(seeds, fresh), used["cell"]),
        _states(filter(None, (states_of(results, model) for model in students))),
        escape(
            f"Samples were drawn at temperature {sampling.get('temperature')}, top-p {sampling.get('top_p')}, "
            f"at most {sampling.get('max_new_tokens')} new tokens."
        )
        if sampling
        else "",
        escape(f"Programs were run against their tests and scored by the unbiased pass@k ({counts})")
        + r"~\cite{chen2021evaluating}.",
        *[escape(sentence) for sentence in (*story["selection"], *(doubt for _, doubt in story["doubts"]))],
        (
            r"Problems, and seeds where a setting has several, are random in every interval (95\,\%): differences by "
            r"Clark's min $F'$ with the variance of seeds pooled over the study's settings~\cite{clark1973language}"
            if several
            else r"Problems alone are random in every interval (95\,\%), which so speaks of these models and of no "
            r"method: differences are paired by problem"
        )
        + r"~\cite{miller2024adding}, rates by "
        r"Korn and Graubard's exact interval~\cite{korn1998confidence}, quantities that cannot be negative on the "
        r"log scale, shares of the teacher by Fieller's. Other comparisons than that of the chosen settings are "
        r"exploratory and corrected by Holm's method~\cite{holm1979simple}.",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _source(name, one):
    return f"{name} ({one.get('name') or one.get('kind')})"


def write(story, results, folder):
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
        "data.tex": _table(
            ["", "what", "count"],
            [(a, b, c if isinstance(c, str) else f"{c:,}") for a, b, c in story["data"] if c],
            "llr",
        ),
        "compute.tex": _table(["what", "jobs", "seconds", "held"], story["compute"], "lrrl"),
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
