"""The report as a whole: tables first, then figures from the tables, then pages from both."""

from pathlib import Path

from codestill.kit.program import UserError
from codestill.report import figures, latex, page, passports, table
from codestill.report.comparisons import comparison_frame
from codestill.report.family import family_frame
from codestill.report.ladder import ladder_frame
from codestill.report.page_data import tell
from codestill.report.results import Results
from codestill.report.settings import evidence_of, setting_frame
from codestill.report.timeline import timeline_frame


def write_tables(results, folder, benchmarks=None):
    """Write every table of the report; returns those that figures are drawn from, as read back from the files."""
    scores, problems = table.score_frame(results), table.problem_frame(results)
    evidence = evidence_of(results, scores, problems)
    frames = {
        "scores": scores,
        "settings": setting_frame(results, evidence, scores),
        "comparisons": comparison_frame(results, evidence),
        "ladder": ladder_frame(results, evidence),
        "family": family_frame(results),
        "curves": table.curve_frame(results),
        "problems": problems,
        "timeline": timeline_frame(benchmarks, results),
    }
    for name, frame in frames.items():
        table.write_csv(frame, folder / f"{name}.csv")
    return figures.load_tables(folder)


def build(study_file, results_folder, output, benchmarks=None):
    """Write the report of a study into `output`; returns (its Markdown, what is missing, what cannot be read)."""
    results, output = Results.load(study_file, results_folder), Path(output)
    place = Path(benchmarks) if benchmarks else Path("benchmarks") / results.name
    tables = write_tables(results, output, place if place.is_dir() else None)
    passport = passports.study_passport(results, output)
    figures.draw(tables, output / "figures", note=passports.note(passport))
    cells = [name for name, entry in results.study["models"].items() if entry["role"] == "cell"]
    figures.draw_cells(tables, cells, output / "cells", note=passports.note(passport))
    story = tell(results, tables)
    text = page.write_markdown(story, output / "table.md")
    page.write_page(story, results, tables, output, passport)
    latex.write(story, results, output)
    passports.write(passport, output, {name: figure.reads for name, figure in figures.FIGURES.items()})
    return text, story["missing"], story["damaged"]


def redraw(folder, output=None, names=None, cells=None):
    """Draw figures again from the tables of a report alone; returns the paths written.

    `names` are figures, `cells` models whose losses are drawn as <cell>/curves.svg; without either, everything is
    drawn. Figures go to figures/ and cells/ in the report's folder, or in `output`.
    """
    tables, passport = figures.load_tables(folder), passports.load(folder)
    note, target = passports.note(passport), Path(output or folder)
    known = [name for name, facts in passport["models"].items() if facts["axes"]]
    unknown = sorted(set(cells or ()) - set(known))
    if unknown:
        raise UserError(f"--cell {unknown[0]}: no cell of study {passport['study']}; it has {', '.join(known)}")
    everything = not names and not cells
    made = figures.draw(tables, target / "figures", names, note) if names or everything else {}
    curves = figures.draw_cells(tables, known if everything else cells or [], target / "cells", note)
    return [path for paths in made.values() for path in paths] + curves
