"""What is wrong with a config, in words: pydantic's errors as one field and one remedy."""

import datetime
import difflib
import re
from itertools import filterfalse

from codestill.study.section import Section

# pydantic's words: ours, those of someone who writes YAML
_WORDS = (
    (r"^(Value|Assertion) error, ", ""),
    (r"^Input should be", "must be"),
    (r"a valid (dictionary or instance of \w+|dictionary)", "a mapping of fields"),
    (r"a valid string", "text"),
    (r"^(List|Dictionary) should have at least (\d+) items? after validation, not \d+", r"must have at least \2 item"),
    (r"^String should have at (most|least) (\d+) characters?", r"must have at \1 \2 characters"),
    (r"^String should match pattern.*", "must be letters, digits, dots, dashes and plus signs, joined by single _"),
)


def first_mistake(error, top):
    """(location, remedy, how many more) of a ValidationError of the section `top`."""
    found = {}
    for one in filterfalse(_of_another_type, error.errors(include_url=False)):
        found.setdefault(_location(one), one)
    # The training of a teacher starts from `training`: an error there shows twice, and is named at its source.
    heads = {("teacher",), *(location[:2] for location in found if location[:1] == ("models",))}
    echoed = {(*head, *location) for head in heads for location in found if location[:1] == ("training",)}
    (location, first), *more = [(location, one) for location, one in found.items() if location not in echoed]
    return location, remedy(first, top), len(more)


def _of_another_type(one):
    """Whether a value of two types, a name or names, a share or shares by part, was meant as the other of the two."""
    place, kind, value = one["loc"][2:3], one["type"], one["input"]
    if place == ("of",):
        return kind == ("string_type" if isinstance(value, list) else "list_type")
    if place == ("prune",) and len(one["loc"]) > 3:
        return kind == "model_type" if one["loc"][3] == "KeptParts" else isinstance(value, dict)
    return False


def _location(one):
    """Where an error is, as the user's file has it: without pydantic's branches of a choice of types."""
    location = tuple(part for part in one["loc"] if part != "[key]")
    if _unquoted(one):
        location = location[:-1]  # what pydantic makes of the name, the user's file has nowhere
    if location[:1] in (("experiments",), ("sweeps",)):
        depth = {"grid": 4, "zip": 4, "exclude": 5}.get(location[2] if len(location) > 2 else None)
        location = location[:depth]
    elif location[:1] == ("variants",) and location[2:3] == ("heal",):
        location = location[:4]
    elif location[:1] in (("variants",), ("tasks",)) and location[2:3] == ("of",):
        location = location[:3]
    elif location[2:3] == ("prune",):
        location = location[:3] + location[4:]
    elif "shape" in location[1:3]:
        location = location[: location.index("shape") + 2]
    return location + tuple(one.get("ctx", {}).get("field", "").split(".")) if one["type"] == "wrong" else location


def remedy(one, top):
    """What to do about one of pydantic's errors, as the end of a sentence."""
    kind, location = one["type"], one["loc"]
    if _unquoted(one):
        truth = " (as yes, no, on and off are)" if isinstance(one["input"], bool) else ""
        return f"YAML reads a name here as {_as_yaml(one['input'])}{truth}; quote it"
    if kind == "extra_forbidden":
        known = _allowed(location[:-1], top)
        near = difflib.get_close_matches(str(location[-1]), known, 1)
        return f"unknown field; did you mean {near[0]}?" if near else f"unknown field; known here: {', '.join(known)}"
    if kind == "missing":
        return "missing; add it (config/README.md has an example)"
    if location[-1:] == ("bool",):  # the first branch of an axis's value
        kind = "one value" if {"exclude", "heal"} & set(location) else "a value, or a list of values,"
        return f"must be {kind} of the axis: finite numbers, text or null{_shown(one)}"
    if "shape" in location[1:3] and len(location) == location.index("shape") + 3:  # likewise of a shape's value
        return f"must be text, a number, true or false{_shown(one)}"
    message = one["msg"]
    for pattern, ours in _WORDS:
        message = re.sub(pattern, ours, message)
    return message + (_shown(one) if message.startswith(("must be ", "must have ")) else "")


def _unquoted(one):
    """Whether YAML took a name for something else: 1 for a number, off for false, 2024-01-01 for a date."""
    return (one["type"] == "invalid_key" or one["loc"][-1:] == ("[key]",)) and not isinstance(one["input"], str)


def _shown(one):
    value = _as_yaml(one["input"])
    meant = one["type"] == "string_type" and isinstance(one["input"], bool | int | float)
    quote = "; quote it" if meant or isinstance(one["input"], datetime.date) else ""
    return f", not {value}{quote}" if len(value) < 60 else ""


def _as_yaml(value):
    if isinstance(value, datetime.date):
        return f"the date {value}"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else repr(value)


def _allowed(location, top):
    """The fields that a config may have at `location`, a path of field names and of names given by the user."""
    model, named = top, False
    for part in location:
        if named:  # a name of the user's own, as in experiments.NAME.grid
            named = False
            continue
        field = model.model_fields.get(part)
        if field is None:
            return []
        inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next((one for one in inner if isinstance(one, type) and issubclass(one, Section)), Section)
        named = getattr(field.annotation, "__origin__", None) is dict
    return list(model.model_fields)
