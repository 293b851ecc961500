"""What changed among the params of a job, in words: a flag's old and new value, or the file of code that was edited."""

import ast
import json
import shlex

from codestill.plan.causes import CODE, PARAMETER, Cause


def changed_params(before, now):
    """The `Cause`s that tell two lists of params apart: each a repr, as Snakemake records it, and in one list."""
    old, new = [_value(one) for one in before], [_value(one) for one in now]
    causes = _changed_code(old, new)
    flags_old, rest_old = _flags(old)
    flags_new, rest_new = _flags(new)
    for name in dict.fromkeys([*flags_old, *flags_new]):
        was, is_now = flags_old.get(name, "absent"), flags_new.get(name, "absent")
        if was != is_now:
            causes.append(Cause(PARAMETER, f"{name} {was} -> {is_now}"))
    if rest_old or rest_new:
        shown = [" ".join(str(one) for one in rest) or "absent" for rest in (rest_old, rest_new)]
        causes.append(Cause(PARAMETER, " -> ".join(text if len(text) < 80 else f"{text[:77]}..." for text in shown)))
    if not causes:
        causes.append(Cause(PARAMETER, "the same values, written otherwise"))
    return causes


def _changed_code(old, new):
    """The `Cause`s of files whose digests differ, came or went; digests are taken out of the two lists of params."""
    before, now = {}, {}
    for values, digests in ((old, before), (new, now)):
        for value in [one for one in values if isinstance(one, dict)]:
            digests |= value
            values.remove(value)
    causes = []
    for name in sorted(before.keys() | now.keys()) if before and now else ():
        was, is_now = before.get(name), now.get(name)
        if was != is_now:
            what = "run now" if was is None else "run no more" if is_now is None else "edited"
            causes.append(Cause(CODE, f"scripts/{name} {what}"))
    return causes or [Cause(CODE, "what it runs was not recorded")] * (before != now)


def _value(text):
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _flags(values):
    """({flag or config field: value}, values that are neither) of params that changed."""
    flags, rest = {}, []
    for value in values:
        if isinstance(value, str) and value.startswith("--"):
            flags |= _command_line(value)
        elif isinstance(value, str) and value.startswith("{"):
            flags |= _config(value)
        else:
            rest.append(value)
    return flags, rest


def _command_line(text):
    found, name = {}, None
    for word in shlex.split(text):
        if word.startswith("--"):
            name = word[2:]
            found[name] = "on"
        elif word.startswith("{") and found.get(name) == "on":
            del found[name]
            found |= _config(word, name)
        elif name:
            found[name] = word if found[name] == "on" else f"{found[name]} {word}"
    return found


def _config(text, name=""):
    """A config in JSON, or the part of it that a flag `name` takes, as {dotted field: value}."""
    try:
        return dict(_fields(json.loads(text), name))
    except ValueError:
        return {name or "config": text}


def _fields(value, path=""):
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _fields(inner, f"{path}.{name}" if path else name)
    else:
        yield path, json.dumps(value)
