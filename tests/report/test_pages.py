"""The pages in a real browser: nothing logged, nothing fetched, everything visible, tables that sort."""

import json
import re
import subprocess
import sys
from pathlib import Path

import browser
import pytest
import yaml
from made_study import COMMIT

from codestill.kit.files import read_json
from codestill.report.figures import FIGURES
from codestill.report.measures import show
from codestill.report.page import TEMPLATES
from codestill.report.table import read_csv
from codestill.study.config import load_study
from codestill.study.grid import build_grid
from codestill.study.layout import Layout

ROOT = Path(__file__).resolve().parents[2]

SNAKEFILE = """
report: "{root}/report/workflow.rst"
CELLS = {{
    "T-2.0_alpha-0.5_seed-0": {{"T": "2.0", "alpha": "0.5"}},
    "alpha-1.0_seed-0": {{"T": "none", "alpha": "1.0"}},
}}
rule curves:
    output:
        [report(f"cells/{{cell}}/curves.svg", caption="{root}/report/cell.rst", category="Cells", labels=labels)
         for cell, labels in CELLS.items()],
        report("figures/heat_map.png", caption="{root}/report/heat_map.rst", category="Figures")
    params: cells=list(CELLS)
    shell: "{python} {root}/scripts/figures.py --tables {tables} --figure heat_map --cell {{params.cells}} --output ."
"""


def test_the_page_is_whole_by_itself_and_works(whole, tmp_path):
    found, console = browser.probe(whole / "report/index.html", tmp_path)
    assert console == [] and found["errors"] == [] and found["requests"] == []
    assert [shown for _, shown in found["images"]] == [True] * len(FIGURES)
    assert len(found["sorted"]) > 20
    for table, head, asked, state, values in found["sorted"]:
        assert state == asked, (table, head)
        assert values == in_order(values, asked == "ascending"), (table, head, asked)
    for visible, promised, total in found["filters"]:
        assert visible == promised < total


def test_another_seed_shows_its_own_completions_and_which_problems_they_solve(whole, tmp_path):
    """Under the filter `gained`: of each seed the problems that its distilled student alone solved, as verdicts say."""
    found, _ = browser.probe(whole / "report/index.html", tmp_path)
    (pocket,) = found["seeds"]
    for seed, pressed, panels, count in pocket:
        names = ("alpha-1.0_seed-", "T-2.0_alpha-0.5_seed-")
        passed = [read_json(whole / f"scores/pocket/{name}{seed}.json")["per_problem"] for name in names]
        gained = [task for task in passed[0] if passed[1][task]["c"] and not passed[0][task]["c"]]
        assert pressed == "true" and count == len(panels) == len(gained), seed
        for text, task in zip(panels, gained, strict=True):
            number = int(task.split("/")[1])
            assert f"fine-tuned alone, seed {seed} failed 0 of 5" in text and f"distilled, seed {seed} passed" in text
            assert f"assertion: assert f(1) == {number + 1}" in text
            assert re.search(rf"^[ +]     return x \+ {number}$", text, re.M)
    assert len({panels[0] for _, _, panels, _ in pocket if panels}) > 1


def test_the_ladder_speaks_when_pointed_at_and_when_tabbed_to_and_leads_to_the_row(whole, tmp_path):
    found, _ = browser.probe(whole / "report/index.html", tmp_path)
    assert len(found["ladder"]) > 8
    for words, focused, pointed, row in found["ladder"]:
        assert focused == pointed == words and "MB of weights" in words and "hours of training" in words
        assert words.startswith(row) and ("pass@1" not in words or re.search(r"\[\d", words))


def test_each_number_leads_to_its_row_and_each_row_to_its_origin(whole):
    page = (whole / "report/index.html").read_text()
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))
    answers = page.split('<section id="answers">')[1].split("</section>")[0]
    scores = read_csv(whole / "report/settings.csv")
    for setting, model in {"T 2, alpha 0.5": "T-2.0_alpha-0.5_seed-0", "teacher": "teacher"}.items():
        (row,) = scores[(scores["setting"] == setting) & (scores["measure"] == "bits_per_byte")].to_dict("records")
        assert f'<a href="#model-{model}">{show(row["value"], row["unit"])}</a>' in answers
    row = page.split('<tr id="model-alpha-1.0_seed-1">')[1].split("</tr>")[0]
    assert 'href="#origin-alpha-1.0_seed-1"' in row
    assert COMMIT[:12] in page.split('<tr id="origin-alpha-1.0_seed-1">')[1].split("</tr>")[0]


def test_every_table_has_a_head_and_every_row_a_name(whole):
    """As who hears the page needs them. Two tables stand in the pages of other studies alone (claims, loss by part):
    so the template, which holds all, is read too."""
    page, template = (whole / "report/index.html").read_text(), (TEMPLATES / "page.html.j2").read_text()
    tables = re.findall(r'aria-label="([^"]+)"><table[^>]*>(.*?)</table>', page, re.DOTALL)
    assert len(tables) == page.count("<table") == template.count("<table") - 2
    for name, table in tables:
        (head,) = re.findall(r"<thead><tr>(.*?)</tr></thead>", table, re.DOTALL)
        columns = re.findall(r"<t[hd][^>]*>", head)
        assert len(columns) > 1 and set(columns) == {'<th scope="col">'}, name
        rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table.split("<tbody>")[1], re.DOTALL)
        assert rows and all(row.startswith('<th scope="row"') for row in rows), name
        assert {len(re.findall(r"<t[hd][ >]", row)) for row in rows} == {len(columns)}, name
    for table in re.findall(r"<table.*?</table>", template, re.DOTALL):
        assert "<thead><tr>" in table and '<th scope="col">' in table and 'scope="row"' in table, table


def in_order(values, up):
    """As the page promises: numbers by size, text by name, what is missing last."""
    present = [value for value in values if value != ""]
    try:
        ordered = sorted(present, key=float, reverse=not up)
    except ValueError:
        ordered = sorted(present, key=lambda text: text.lower(), reverse=not up)
    return ordered + [""] * (len(values) - len(present))


@pytest.mark.parametrize(
    "view", [{"width": 1280}, {"width": 1280, "dark": True}, {"width": 390}, {"width": 688, "printed": True}]
)
def test_every_view_is_accessible_and_nothing_is_cut_or_empty(view, whole, tmp_path):
    """axe-core's rules (WCAG 2.1 A and AA, best practice), contrast included, in a real browser; A4 is 688 px wide."""
    found = browser.audit(whole / "report/index.html", tmp_path, **view)
    assert (found["width"], found["dark"]) == (view["width"], view.get("dark", False)) and found["checked"] > 30
    assert (found["background"] == "rgb(255, 255, 255)") != found["dark"]
    assert found["violations"] == [] and found["wide"] == [] and found["empty"] == [] and found["unseen"] == []


def test_paper_shows_what_the_screen_folds_and_one_problem_gained_and_lost(whole, tmp_path):
    """Of each benchmark the first of a kind; a reader who chose to see another kind prints one of that. What the
    reader had opened stays open, the rest is folded again."""
    page, text = tmp_path / "page.html", (whole / "report/index.html").read_text()
    lists = re.findall(r'<div id="(problems-[^"]+)">(.*?)</details>\n</div>', text, re.DOTALL)
    kinds = {name: re.findall(r'<details class="problem" data-kind="([a-z]+)"', inside) for name, inside in lists}
    assert len(kinds) > 1 and {"gained", "lost"} <= {kind for found in kinds.values() for kind in found}
    changed = {name: [kind for kind in ("gained", "lost") if kind in found] for name, found in kinds.items()}
    first = [changed[name] or found[:1] for name, found in kinds.items()]
    found = browser.audit(whole / "report/index.html", tmp_path, 688, printed=True)
    folded = [""] * len(re.findall("<details><summary>", text))
    assert sorted(found["opened"]) == sorted(sum(first, folded)) and len(folded) > 1 and found["left"] == []
    chosen = "for (const one of document.querySelectorAll('.filters [data-kind=both]')) one.click();"
    read = "document.querySelector('#methods details').open = true;"
    page.write_text(text.replace("</body>", f"<script>{chosen}{read}</script></body>"))
    found = browser.audit(page, tmp_path, 688, printed=True)
    shown = ["both" for found in kinds.values() if "both" in found]
    assert shown and sorted(found["opened"]) == sorted(folded + shown) and found["left"] == [""]


def test_a_page_that_lacks_contrast_width_and_words_is_found_out(whole, tmp_path):
    page = tmp_path / "bad.html"
    text = (whole / "report/index.html").read_text().replace("--soft: #5b616b", "--soft: #b5b9c0")
    line = "<section id=void><h2>x</h2></section><p style='white-space:pre'>" + "w" * 200 + "</p></main>"
    page.write_text(text.replace("</main>", line))
    found = browser.audit(page, tmp_path, 390)
    assert any(one.startswith("color-contrast") for one in found["violations"])
    assert found["empty"] == ["void"] and any(one.startswith("P#") for one in found["wide"])


def test_a_screenshot_is_not_blank(whole, tmp_path):
    picture = tmp_path / "page.png"
    assert browser.screenshot((whole / "report/index.html").as_uri(), picture) == []
    count, commonest = browser.colours(picture)
    assert count > 500 and commonest < 0.97


def test_code_that_models_wrote_stays_text(whole):
    page = (whole / "report/index.html").read_text()
    assert "return x </script><b>" not in page
    assert "return x &lt;/script&gt;&lt;b&gt;" in page


def test_snakemakes_own_report_opens_too(whole, tmp_path):
    text = SNAKEFILE.format(root=ROOT, python=sys.executable, tables=whole / "report")
    (tmp_path / "Snakefile").write_text(text)
    for more in (["--cores", "1"], ["--report", "report.html"]):
        done = subprocess.run([sys.executable, "-m", "snakemake", *more], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    page = tmp_path / "report.html"
    text = page.read_text(encoding="utf-8")
    found = re.findall(r'"cells/([^"/]+)/curves\.svg": \{[^{}]*"labels": (\{[^}]*\})[^{}]*Losses of one cell', text)
    assert {cell: json.loads(labels) for cell, labels in found} == {
        "T-2.0_alpha-0.5_seed-0": {"T": "2.0", "alpha": "0.5"},
        "alpha-1.0_seed-0": {"T": "none", "alpha": "1.0"},
    }
    log = tmp_path / "net.json"
    dom, console = browser.chromium("--virtual-time-budget=15000", f"--log-net-log={log}", "--dump-dom", page.as_uri())
    assert not [line for line in console if "error" in line.lower()]
    assert "Cells" in dom and "Figures" in dom
    # The browser asks its own makers for updates; the page asks nobody.
    asked = set(re.findall(r'"url":"https?://([^"/]+)', log.read_text()))
    assert not [host for host in asked if not host.endswith((".googleapis.com", ".google.com", ".gvt1.com"))]
    browser.screenshot(page.as_uri(), tmp_path / "report.png", wait=15000)
    assert browser.colours(tmp_path / "report.png")[0] > 50


def test_captions_in_snakemakes_report_are_the_pages_own():
    for name, caption in ((name, one.caption) for name, one in FIGURES.items()):
        assert " ".join((ROOT / "report" / f"{name}.rst").read_text().split()) == caption


@pytest.mark.parametrize("name", ["demo", "config"])
def test_labels_tell_every_cell_of_a_study_from_the_others(name):
    study = load_study(yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text()), name)
    grid = build_grid(study, study.study)
    place = Layout(study, grid)
    labels = [place.labels(grid.cells[cell]) for cell in place.curves()]
    assert len(labels) > 3 and all(set(one) >= {"T", "alpha", "seed"} for one in labels)
    assert len({tuple(one.items()) for one in labels}) == len(labels)
