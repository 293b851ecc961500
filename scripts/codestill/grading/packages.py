"""The packages beside the standard library that programs may import: recorded with each score, and chosen.

`environment`: whatever is installed; `none`; or a file of requirements (`name`, `name==version`), which must be
installed in these versions; what they need themselves comes along.
"""

import re
from importlib.metadata import distributions, packages_distributions

from codestill.kit.program import UserError

CHOICES = "environment, none, or a file of requirements (name or name==version a line)"
_LINE = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:==\s*([^\s;#]+))?\s*(?:[;#].*)?$")


def _key(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed():
    """{name: (version, distribution)}; the facts of each are read once, since that takes most of the time."""
    facts = [(found.metadata, found) for found in distributions()]
    return {_key(fields["Name"]): (fields["Version"], found) for fields, found in facts if fields["Name"]}


def allowed(packages):
    """{name: version} of the distributions that programs may import from. Raises UserError on a file that misfits."""
    installed = _installed()
    if packages == "environment":
        return {name: version for name, (version, _) in sorted(installed.items())}
    wanted = [] if packages == "none" else _required(packages, installed)
    taken = {}
    while wanted:
        name = wanted.pop()
        if name in installed and name not in taken:
            taken[name], found = installed[name]
            needs = [need for need in found.requires or () if "extra ==" not in need]
            wanted += [_key(re.match(r"[A-Za-z0-9._-]+", need).group()) for need in needs]
    return dict(sorted(taken.items()))


def _required(path, installed):
    names = []
    try:
        with open(path, encoding="utf-8") as lines:
            text = lines.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--packages: {path}: {error}; give {CHOICES}") from None
    for number, line in enumerate(text, 1):
        if not line.split("#")[0].strip():
            continue
        found = _LINE.match(line)
        if not found:
            raise UserError(f"{path}:{number}: {line.strip()!r} is neither name nor name==version")
        name, version = _key(found.group(1)), found.group(2)
        here = installed[name][0] if name in installed else None
        if here is None or version not in (None, here):
            raise UserError(f"{path}:{number}: {line.strip()} is wanted, {here or 'nothing'} is installed; install it")
        names.append(name)
    return names


def hidden(packages, taken):
    """The modules that programs may not import, where `taken` of the installed distributions are allowed."""
    if packages == "environment":
        return []
    modules = packages_distributions()
    return sorted(name for name, owners in modules.items() if not any(_key(owner) in taken for owner in owners))
