"""What every command-line program of the workflow shares: its parser, its errors, its log and progress bars."""

import argparse
import sys
import time

from tqdm import tqdm


class UserError(Exception):
    """Bad input. The message is one line that names the file, the field and the remedy."""


class _ManualFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the header's own line breaks and shows each default."""


def parser(doc):
    """An argument parser whose `--help` is the program's header `doc`, with the default of every flag."""
    return argparse.ArgumentParser(description=doc, formatter_class=_ManualFormatter, allow_abbrev=False)


def run(main):
    """Call `main()` as a program: a UserError ends in one clear line and exit code 2, never a traceback."""
    try:
        code = main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        code = 2
    sys.exit(code)


def log(message):
    """Print one time-stamped line at once, so that a log followed from elsewhere is never behind."""
    print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)


def progress(iterable=None, **options):
    """A tqdm progress bar on standard error, silent where that is not a terminal (a job's log file)."""
    return tqdm(iterable, disable=not sys.stderr.isatty(), dynamic_ncols=True, **options)
