"""What licence a model or data set is under, as its source names it: never guessed, None where it names none."""

import importlib.metadata
from pathlib import Path

_NAMES = ("LICENSE", "LICENCE", "LICENSE.txt", "LICENSE.md", "COPYING")
_LONGEST = 80  # characters of a licence's first line that are kept


def licence_named(card):
    """The licence that a hub card's metadata names; several are joined, `other` by its name.

    card: a mapping, huggingface_hub's CardData (which iterates as none does), or None.
    """
    told = card.to_dict() if hasattr(card, "to_dict") else dict(card or {})
    found = told.get("license")
    if found == "other" and told.get("license_name"):
        found = told["license_name"]
    return ", ".join(map(str, found)) if isinstance(found, list) else found or None


def licence_of(folder):
    """The licence that a folder names: in its README's front matter, else by the first line of its licence's text.

    A file has none of its own, and what lies beside it may be another's.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return None
    named = licence_named(_front_matter(folder / "README.md"))
    if named:
        return named
    for path in (folder / name for name in _NAMES):
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            return next((line.strip()[:_LONGEST] for line in lines if line.strip()), None)
    return None


def package_origin(name):
    """(version as v1.2, licence) of the distribution that an importable package is of; None for what it does not tell.

    The licence by core metadata: License-Expression (PEP 639), else the classifiers, else the field's first line.
    """
    owner = next(iter(importlib.metadata.packages_distributions().get(name, ())), None)
    if owner is None:
        return None, None
    told = importlib.metadata.metadata(owner)
    named = [one.rpartition(" :: ")[2] for one in told.get_all("Classifier", ()) if one.startswith("License ::")]
    named = [one for one in named if one != "OSI Approved"]  # which names none
    first = next((line.strip()[:_LONGEST] for line in (told["License"] or "").splitlines() if line.strip()), "")
    first = None if first.upper() == "UNKNOWN" else first
    return f"v{told['Version']}", told["License-Expression"] or ", ".join(named) or first or None


def _front_matter(readme):
    """The metadata at the head of a README; None without any."""
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    parts = text.split("---", 2)
    if not text.startswith("---") or len(parts) < 3:
        return None
    import yaml

    try:
        found = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return None
    return found if isinstance(found, dict) else None
