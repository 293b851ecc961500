"""The commands of README and docs as a reader types them: each is parsed by the program that it names, as it stands."""

import re
import shlex
import shutil
import subprocess
import sys

import networkx
import pytest
import yaml
from running import ROOT, snakemake
from test_tutorials import TUTORIALS

# The tutorials are typed in order, by test_tutorials.py.
DOCS = [page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in TUTORIALS]
PAGES = [ROOT / "README.md", *DOCS, ROOT / "config/README.md"]
LINES = [
    (page.name, found.strip())
    for page in PAGES
    for found in re.findall(r"^    ((?:snakemake|make|codestill|python) (?:[^\n\\]|\\\n)*)$", page.read_text(), re.M)
]
# They need a cluster, a finished study, or packages that are not pinned here.
ELSEWHERE = ("--profile slurm", "--logger", "--report ", "--touch")


def words_of(line):
    return shlex.split(line.replace("\\\n", " "), comments=True)


@pytest.mark.parametrize("line", [line for _, line in LINES if line.startswith("snakemake")])
def test_a_command_of_snakemake_plans_what_it_says(tmp_path, line):
    if any(word in line for word in ELSEWHERE):
        pytest.skip("needs a cluster, a finished study or another package")
    words = words_of(line)[1:]
    shutil.copytree(ROOT / "config", tmp_path / "config")
    done = snakemake(tmp_path, "--dry-run", *words)
    valued = [word.startswith("-") and word != "--" for word in words]  # a flag, whose value may follow it
    target = "all" if valued[-1] or valued[-2] else words[-1]
    assert re.search(rf"^{target} +1$", done.stdout, re.M), done.stdout[-500:]
    named = re.search(r"config/([\w-]+)\.yaml", " ".join(words))
    study = yaml.safe_load((ROOT / named[0]).read_text())["study"] if named else "codegpt-distilgpt2"
    assert f"results/{study}" in done.stdout or "--quiet" in words


@pytest.mark.parametrize("line", [line for _, line in LINES if line.startswith("make")])
def test_a_target_of_make_exists(line):
    words = [word for word in words_of(line)[1:] if word not in ("&&", "source", ".venv/bin/activate")]
    done = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", [line for _, line in LINES if line.startswith("codestill")])
def test_a_program_of_codestill_takes_its_flags(line):
    program, *flags = words_of(line)[1:]
    text = (ROOT / f"scripts/{program}.py").read_text()
    for flag in (word for word in flags if word.startswith("--") and word != "--"):
        assert f'"{flag}"' in text, line


@pytest.mark.parametrize("line", [line for _, line in LINES if line.startswith("python scripts/")])
def test_a_program_takes_its_flags(line):
    program, *flags = words_of(line)[1:]
    told = subprocess.run(
        [sys.executable, program, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for flag in (word for word in flags if word.startswith("--") and word != "--"):
        assert re.search(rf"{flag}\b", told), line


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_a_test_that_a_page_names_is_there(page):
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text()):
        assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


def test_links_between_pages_lead_somewhere():
    """Files, and headings as GitHub names them."""
    for page in [*PAGES, *(ROOT / "docs" / name for name in TUTORIALS)]:
        for target in re.findall(r"\]\((?!http)([^)]+)\)", page.read_text()):
            path, _, heading = target.partition("#")
            there = (page.parent / path).resolve() if path else page
            assert there.exists(), f"{page.name}: {target}"
            if heading and there.suffix == ".md":
                heads = re.findall(r"^#+ (.*)$", there.read_text(), re.M)
                assert heading in [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads], target


def test_the_drawn_rules_are_the_home_studys(tmp_path):
    """docs/developers.md draws what Snakemake's own --rulegraph says, less the arrows that others imply."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    told = snakemake(tmp_path, "--rulegraph", "dot", "--configfile", "config/config.yaml").stdout
    names = dict(re.findall(r'(\d+)\[label = "(\w+)"', told))
    graph = networkx.DiGraph((names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", told))
    for edge in sorted(graph.edges):  # rules may form circles, which jobs never do
        graph.remove_edge(*edge)
        if not networkx.has_path(graph, *edge):
            graph.add_edge(*edge)
    wanted = sorted(f"    {a} --> {b}" for a, b in graph.edges)
    page = (ROOT / "docs/developers.md").read_text()
    (block,) = re.findall(r"^```mermaid\nflowchart LR\n(.*?)^```$", page, re.M | re.S)
    assert block.splitlines() == wanted, "docs/developers.md: draw the rules anew:\n" + "\n".join(wanted)
