"""What every command-line program of the workflow shares: its parser, its errors, its log and progress bars."""

import argparse
import gc
import io
import json
import logging
import os
import re
import shutil
import sys
import time
from pathlib import Path

from tqdm import tqdm

from codestill.kit import attempts


class UserError(Exception):
    """What only the user can mend. The message is one line that names the file, the field and the remedy.

    `cause` is its class, of attempts.HOPELESS: the same command would end so again.
    """

    def __init__(self, message, cause=attempts.BAD_INPUT):
        super().__init__(message)
        self.cause = cause


class ManualFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the header's own line breaks; says of each flag what kind of value it takes, and its default or need."""

    def __init__(self, prog):
        super().__init__(prog, max_help_position=36, width=min(110, shutil.get_terminal_size((110, 24)).columns - 2))

    def _get_default_metavar_for_optional(self, action):
        return {int: "N", float: "X"}.get(action.type) or action.dest.rpartition("_")[2].upper()

    def _get_help_string(self, action):
        text, default = action.help or "", action.default
        if action.required and action.option_strings:
            return f"{text} (required)"
        if "default" in text or default is None or default is False or default in ([], argparse.SUPPRESS):
            return text
        shown = " ".join(map(str, default)) if isinstance(default, list) else str(default)
        return f"{text} (default: {shown.replace('%', '%%')})"


def parser(doc):
    """An argument parser whose `--help` is the program's header `doc`, with the default of every flag."""
    return argparse.ArgumentParser(description=doc, formatter_class=ManualFormatter, allow_abbrev=False)


def run(main):
    """Call `main()` as a program: a UserError ends in one clear line and exit code 2, never a traceback.

    Within a run of the workflow, what would only end the same way again is not begun (codestill.kit.attempts).
    """
    # Importing torch and transformers makes 600,000 objects that stay: looked through at every 700th, as Python would,
    # they cost .5 of 3.3 s of each job's start.
    gc.set_threshold(10_000, 10, 10)
    # Transformers imports it wherever peft is installed, and it tells of kernels that no model here needs.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    attempt = attempts.Attempt()
    if attempt.previous:
        attempt.refuse()
        sys.exit(2)
    try:
        code = main()
    except UserError as error:
        message = as_fields(str(error))
        print(f"error: {message}", file=sys.stderr, flush=True)
        attempt.end(error.cause, message)
        sys.exit(2)
    except SystemExit as error:  # argparse: its message is in the log
        attempt.end(attempts.BAD_INPUT if error.code == 2 else None, "flags that the program does not take")
        raise
    except KeyboardInterrupt:
        attempt.end(attempts.SIGNAL, "interrupted")
        raise
    except Exception as error:
        attempt.end(attempts.cause_of(error), *attempts.last_words(error))
        raise
    if code:
        attempt.end(attempts.SIGNAL if code == attempts.INTERRUPTED else attempts.MACHINE, f"exit code {code}")
    else:
        attempt.end()
    sys.exit(code)


FIELDS = "CODESTILL_FIELDS"  # set within a study: JSON {program: {flag: [field of the config, the words it takes]}}
_FLAG = re.compile(r"(?:scripts/\w+\.py )?--([a-z][a-z_]*)(?: ([\w.+-]*\w))?")


def as_fields(message):
    """A message whose remedies name fields of the config in place of flags, where this program runs within a study."""
    known = json.loads(os.environ.get(FIELDS, "{}"))
    program = Path(sys.argv[0]).stem
    fields = {**known.get("", {}), **known.get(program, {}), **known.get(" ".join([program, *sys.argv[1:2]]), {})}

    def field(found):
        if found[1] not in fields:
            return found[0]
        (name, words), value = fields[found[1]], found[2] or ""
        if words == ["true"]:
            return f"{name}: true {value}".rstrip()
        return f"{name}: {value}" if value in words or _is_number(value) else f"{name} {value}".rstrip()

    return _FLAG.sub(field, message)


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def log(message):
    """Print one time-stamped line at once, so that a log followed from elsewhere is never behind."""
    print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)


SAY_EVERY = 60.0  # seconds between two lines of a log
_LINE = "{desc}: {n_fmt} of {total_fmt}{unit}, {rate_fmt}, {remaining} left{postfix}"
_OPEN_LINE = "{desc}: {n_fmt}{unit}, {rate_fmt}{postfix}"  # of what nobody counted before


class _LogLines(tqdm):
    """Progress in a log that is no terminal: a time-stamped line a minute, none of what is done sooner."""

    @staticmethod
    def status_printer(_file):
        return lambda line: log(line) if line.strip() else None


def progress(iterable=None, unit="it", desc="", **options):
    """A tqdm progress bar on standard error; where that is not a terminal (a job's log), a line a minute."""
    options |= {"iterable": iterable, "unit": f" {unit.strip()}", "desc": desc or "done"}
    if sys.stderr.isatty():
        return tqdm(dynamic_ncols=True, **options)
    known = options.get("total") is not None or hasattr(iterable, "__len__")
    shape = _LINE if known else _OPEN_LINE
    options |= {"bar_format": shape, "mininterval": SAY_EVERY, "delay": SAY_EVERY, "leave": False}
    return _LogLines(file=io.StringIO(), **options)  # what clears a line of a terminal goes nowhere
