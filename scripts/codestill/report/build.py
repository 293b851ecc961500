"""The report as a whole: tables first, then figures from the tables, then pages from both."""

from pathlib import Path

from codestill.report import figures, page, paper, passports, table
from codestill.report.compared import comparison_frame
from codestill.report.results import Results
from codestill.report.settings import setting_frame
from codestill.report.story import tell
from codestill.report.timeline import timeline_frame


def write_tables(results, folder, benchmarks=None):
    """Write every table of the report; returns those that figures are drawn from, as read back from the files."""
    frames = {
        "scores": table.score_frame(results),
        "settings": setting_frame(results),
        "comparisons": comparison_frame(results),
        "curves": table.curve_frame(results),
        "problems": table.problem_frame(results),
        "timeline": timeline_frame(benchmarks),
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
    story = tell(results, tables)
    text = page.write_markdown(story, output / "table.md")
    page.write_page(story, results, tables, output, passports.summary(passport))
    paper.write(story, results, tables, output)
    passports.write(passport, output, figures.FIGURES)
    return text, story["missing"], story["damaged"]


def redraw(folder, output=None, names=None, cell=None):
    """Draw figures again from the tables of a report alone; returns the paths written.

    `names` are figures (default: all); with `cell`, the curves of that model alone are drawn, as curves.*.
    """
    tables, note = figures.load_tables(folder), passports.note(passports.load(folder))
    target = Path(output) if output else Path(folder) / "figures"
    if cell:
        return figures.draw_cell(tables, cell, target, note=note)
    made = figures.draw(tables, target, names, note)
    return [path for paths in made.values() for path in paths]
