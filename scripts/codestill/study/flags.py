"""Both ends of a command line from the one declaration of a field: what a program takes, and what a rule passes."""

import argparse
import re
import shlex
import typing

from pydantic import ValidationError

from codestill.kit.program import UserError
from codestill.study.mistakes import remedy
from codestill.study.section import known_of, parts_of


def flag_of(section, name):
    """The name of a field's flag, without its dashes; None where no program takes it."""
    flag = known_of(section.model_fields[name]).get("flag", name)
    return None if flag is False else flag


def names_of(section, machine=None, taught=None):
    """The fields of a section that have a flag; machine, taught: only those (True), only the others (False)."""
    found = []
    for name, info in section.model_fields.items():
        known = known_of(info)
        wanted = all(
            asked in (None, known.get(key, False)) for key, asked in (("machine", machine), ("taught", taught))
        )
        if wanted and flag_of(section, name):
            found.append(name)
    return found


def add_flags(parser, section, only=None, **defaults):
    """Give `parser` a flag for each field of `section`, or for those in `only`; the parsed value is named as the field.

    `defaults` stand in for the section's where a program that runs alone has better ones.
    """
    for name in only or names_of(section):
        info = section.model_fields[name]
        required = info.is_required() and name not in defaults
        value = defaults[name] if name in defaults else info.get_default(call_default_factory=True)
        flag, words = f"--{flag_of(section, name)}", re.sub("; null:? ?(means )?", "; left out: ", info.description)
        if bool in parts_of(info.annotation):
            parser.add_argument(flag, dest=name, action="store_true", help=words)
            continue
        parser.add_argument(
            flag, dest=name, help=words, required=required, default=None if required else value,
            **_shape(info.annotation, known_of(info)),
        )  # fmt: skip


def _shape(annotation, known):
    """What argparse must know of a type: its converter, its choices, whether it takes many."""
    origins = {typing.get_origin(one): one for one in (annotation, *typing.get_args(annotation))}
    if dict in origins:
        return {"nargs": "+", "type": _pair, "action": _Pairs, "metavar": "FIELD=NAME"}
    many = {"nargs": "*"} if list in origins else {}
    if typing.Literal in origins and not many:
        return {"choices": typing.get_args(origins[typing.Literal])}
    kinds = [one for one in (int, float) if one in parts_of(annotation)]
    return many | {"type": kinds[-1] if kinds else unescaped if known.get("escaped") else str}


def _pair(text):
    ours, _, theirs = text.partition("=")
    if not theirs:
        raise argparse.ArgumentTypeError(f"{text}: write FIELD=NAME, e.g. code=whole_func_string")
    return ours, theirs


class _Pairs(argparse.Action):
    def __call__(self, parser, namespace, values, option=None):
        setattr(namespace, self.dest, dict(values))


def unescaped(text):
    """The text that a flag spells with \\n and \\t."""
    return text.replace("\\n", "\n").replace("\\t", "\t")


def section_of(options, section, only=None):
    """The `section` that parsed flags describe. Raises UserError that names the flag and the remedy."""
    return checked(section, {name: getattr(options, name) for name in only or names_of(section)})


def checked(section, values):
    """The `section` of these values. Raises UserError that names the flag and the remedy."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = first.get("ctx", {}).get("field") or (first["loc"] or ("",))[0]
        flag = f"--{flag_of(section, name)}: " if name in section.model_fields else ""
        raise UserError(f"{flag}{remedy(first, section)}") from None


def flags(**values):
    """`--name value` for a shell, quoted. None and False leave a flag out, True gives it bare, lists give many."""
    words = []
    for name, value in values.items():
        if value is None or value is False:
            continue
        words.append(f"--{name}")
        if value is not True:
            words += [shlex.quote(str(one)) for one in (value if isinstance(value, list | tuple) else [value])]
    return " ".join(words)


def flags_of(part, machine=None, leave_out=(), **over):
    """The flags of a section with its values, of science or of the machine alone; `over` replaces some values."""
    section, values = type(part), {}
    for name in names_of(section, machine):
        if name in leave_out:
            continue
        value = over.get(name, getattr(part, name))
        if known_of(section.model_fields[name]).get("escaped"):
            value = [one.replace("\n", "\\n") for one in value]
        elif isinstance(value, dict):
            value = [f"{ours}={theirs}" for ours, theirs in value.items()] or None
        values[flag_of(section, name)] = value
    return flags(**values)
