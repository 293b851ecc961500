"""The manual of the config: one table row a field, from the typed models, for config/README.md."""

import json
import re
import types
import typing

from codestill.study.config import Study
from codestill.study.section import Section

START, END = "<!-- fields: written by scripts/write_schema.py -->", "<!-- end of fields -->"


def _name(annotation):
    """A type as a reader of YAML would call it."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _name(inner[0])
    if origin is typing.Literal:
        return " / ".join(map(str, inner))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys("null" if one is type(None) else _name(one) for one in inner))
    if origin is list:
        return f"list of {_name(inner[0])}"
    if origin is dict:
        return f"name: {_name(inner[1])}"
    words = {"str": "text", "int": "whole number", "float": "number", "bool": "true / false"}
    return words.get(annotation.__name__, annotation.__name__)


def _sections(annotation):
    """The sections that an annotation speaks of."""
    inner = typing.get_args(annotation)
    found = [one for part in inner for one in _sections(part)]
    if isinstance(annotation, type) and issubclass(annotation, Section):
        found.append(annotation)
    return found


def _default(field):
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Section) or value == {}:
        return ""
    return f"`{json.dumps(value)}`"


def _table(title, model):
    lines = [f"### {title}", "", (model.__doc__ or "").strip().splitlines()[0], ""]
    lines += ["| field | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        kind = "one of these" if len(_name(field.annotation)) > 60 else _name(field.annotation)
        cells = [f"`{name}`", kind, _default(field), field.description or ""]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]


def fields():
    """Markdown tables of every section's fields, each section once, in the order of a config file."""
    lines, seen = _table("The study", Study), set()
    waiting = list(Study.model_fields.items())
    while waiting:
        name, field = waiting.pop(0)
        for model in _sections(field.annotation):
            if model not in seen:
                seen.add(model)
                lines += _table(f"{model.__name__} (`{name}`)", model)
                waiting = list(model.model_fields.items()) + waiting
    return "\n".join(lines).strip()


def with_fields(text):
    """The text of config/README.md with the tables between its two markers made anew."""
    return re.sub(
        f"{re.escape(START)}.*{re.escape(END)}", lambda _: f"{START}\n\n{fields()}\n\n{END}", text, flags=re.S
    )
