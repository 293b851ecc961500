"""From config files to a checked study: the one way of the workflow, the plan, the doctor and `codestill run`."""

from codestill.kit.program import UserError
from codestill.study.config import load_study
from codestill.study.config_files import ConfigFiles
from codestill.study.grid import build_grid
from codestill.study.layout import Layout
from codestill.study.local_paths import check_local
from codestill.study.shape_trial import try_shapes


def open_study(paths, values=None):
    """(study, grid, layout) of config files, each laid over those before it, with `values` over all.

    Raises UserError of one line where a file cannot be read, a field is wrong, or a model of that shape cannot be.
    """
    files = ConfigFiles(paths, values)
    raw = {}
    for one in files.files.values():
        raw = merged(raw, one)
    return checked(raw, files)


def checked(raw, files, trial=True):
    """The same of a config that was merged already; `trial`: shapes are tried, too."""
    study = load_study(raw, files)
    grid = build_grid(study, files)
    layout = Layout(study, grid)
    check_local(study, layout.inputs(), files)
    if trial:
        try_shapes(study, files)
    return study, grid, layout


def merged(below, above):
    """`above` laid over `below`, mapping by mapping, as Snakemake lays config files over each other."""
    found = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if both else value
    return found


def options_of(words):
    """{field: value} of words FIELD=VALUE, as --config takes them."""
    import yaml

    found = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not sign:
            raise UserError(f"--config {word}: write FIELD=VALUE")
        try:
            found[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise UserError(f"--config {word}: its value is not YAML") from None
    return found
