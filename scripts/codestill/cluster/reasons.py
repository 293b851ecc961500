"""Why a job will run, in words: what its last run recorded, beside what it would be given now.

Snakemake names the first kind of reason that it meets and stops there. A plan wants all of them, also of jobs that
would run anyway since something before them runs, so that "only code changed" can be told from "code changed too".
"""

import ast
import json
import shlex
from functools import cache
from pathlib import Path

from codestill.kit.files import sha256
from codestill.plan.causes import CODE, FORCED, INCOMPLETE, INPUT, MISSING, PARAMETER, SOFTWARE, UPSTREAM, Cause


class Explainer:
    """Explains the jobs of one graph. `checksum_limit`: larger inputs are told apart by time."""

    def __init__(self, dag):
        self.dag = dag
        self.persistence = dag.workflow.persistence
        self.checksum_limit = dag.workflow.dag_settings.max_checksum_file_size
        self.made = {str(path) for job in dag.needrun_jobs() for path in job.output}

    def __call__(self, job):
        """The `Cause`s of a Snakemake job that will run; the upstream one stands last and alone says least."""
        reason = self.dag.reason(job)
        if reason.forced:
            return [Cause(FORCED)]
        absent = [str(path) for path in job.output if not Path(path).exists()]
        causes = []
        if absent:
            some = "" if len(absent) == len(job.output) else ", ".join(absent[:3])
            causes.append(Cause(MISSING, some))
        else:
            causes += self._changes(job)
        if reason._incomplete_output:
            causes.append(Cause(INCOMPLETE, "an earlier run was cut off"))
        if reason._updated_input_run:
            rules = sorted({need.rule.name for need in self.dag.dependencies[job] if self.dag.needrun(need)})
            causes.append(Cause(UPSTREAM, ", ".join(rules)))
        return causes or [Cause(INPUT, str(reason))]

    def _changes(self, job):
        """What differs from the record of a job whose outputs all exist."""
        record = self.persistence.metadata(job.output[0])
        causes = self._updated(job, record)
        if record is None:
            return causes
        if record.code is not None and record.code != self.persistence._code(job.rule):
            causes.append(Cause(CODE, f"the command of rule {job.rule.name}"))
        causes += self._inputs(set(record.input or ()), {str(path) for path in job.input})
        causes += changed_params(record.params or [], self.persistence._params(job))
        if record.software_stack_hash and any(self.persistence.software_stack_changed(job)):
            causes.append(Cause(SOFTWARE, f"the environment of rule {job.rule.name}"))
        return causes

    def _updated(self, job, record):
        """Inputs newer than the outputs and, where that can be told, of other content."""
        oldest = min(Path(path).stat().st_mtime for path in job.output)
        recorded = (record.input_checksums or {}) if record else {}
        found = []
        for path in map(str, job.input):
            size, time = _stat(path)
            if time is None or time <= oldest or path in self.made:
                continue
            if size <= self.checksum_limit and recorded.get(path) == _digest(path):
                continue
            found.append(Cause(INPUT, f"{path} changed"))
        return found

    def _inputs(self, before, now):
        """Inputs that came or went."""
        found = [Cause(INPUT, f"{path} read now") for path in sorted(now - before)]
        return found + [Cause(INPUT, f"{path} read no more") for path in sorted(before - now)]


@cache
def _stat(path):
    try:
        entry = Path(path).stat()
    except OSError:
        return 0, None
    return entry.st_size, entry.st_mtime


@cache
def _digest(path):
    return f"sha256:{sha256(path)}"


def changed_params(before, now):
    """The `Cause`s that tell two lists of params apart (as Snakemake records them: each a repr)."""
    old, new = [_value(one) for one in before if one not in now], [_value(one) for one in now if one not in before]
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
    if not causes and sorted(before) != sorted(now):
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
