"""Complete a prompt in the terminal, several models side by side.

    python scripts/try.py demo       # or `codestill try demo`; a study: its teacher, its control and its student
    codestill try results/demo/models/student --prompt 'def add(a, b):\\n    return'

Without --prompt it asks for one on a terminal, again and again (an empty line ends a prompt, end of file the
program), and else reads one from standard input.
"""

import sys
from pathlib import Path

from codestill.kit.program import UserError, parser, run
from codestill.study.flags import add_flags, checked, names_of, unescaped
from codestill.study.model_graph import CHOSEN
from codestill.study.sections.generation import Generation

OF_A_STUDY = ("teacher", *reversed(CHOSEN))
COLUMN = 26  # characters that a model needs beside others: three in a terminal of 80
DEFAULTS = {"temperature": 0.0, "max_new_tokens": 128, "threads": 0}


def arguments():
    cli = parser(__doc__)
    cli.add_argument("models", nargs="+", metavar="MODEL", help="model folders, or the name of a study in results/")
    cli.add_argument("--prompt", type=unescaped, help="text to complete; \\n is a line break")
    cli.add_argument("--n", type=int, default=1, help="completions of each model; they differ above temperature 0")
    add_flags(cli, Generation, **DEFAULTS)
    return cli.parse_args()


def folders_of(name):
    """The model folders that a word of the command line names: one, or those of a study that are there."""
    if (Path(name) / "config.json").is_file():
        return [Path(name)]
    study = Path("results", name, "models")
    found = [study / one for one in OF_A_STUDY if (study / one / "config.json").is_file()]
    if not found:
        raise UserError(f"{name}: neither a model's folder (with config.json) nor a study in results/ with models")
    return found


def prompts(args):
    """Yield the prompts: the flag's, standard input's, or those that are typed."""
    if args.prompt is not None:
        yield args.prompt
    elif not sys.stdin.isatty():
        yield sys.stdin.read()
    else:
        print("A prompt, for example a function's head and docstring; an empty line ends it, Ctrl-D the program.")
        lines = []
        for line in sys.stdin:
            if line.strip():
                lines.append(line)
            elif lines:
                yield "".join(lines)
                lines = []
        if lines:
            yield "".join(lines)


def label(folder, folders):
    """What a model is called: its folder's name where that tells it from the others."""
    return folder.name if [one.name for one in folders].count(folder.name) == 1 else str(folder)


def show(answers):
    """Print {name of a model: its completions}, side by side where a terminal is wide enough."""
    from rich.console import Console
    from rich.syntax import Syntax
    from rich.table import Table

    console = Console()
    if not console.is_terminal or console.width < COLUMN * len(answers):
        for name, texts in answers.items():
            for number, text in enumerate(texts, 1):
                print(f"--- {name}{f' ({number})' if len(texts) > 1 else ''}\n{text.rstrip()}")
        return
    table = Table(*answers, expand=True, show_lines=True)
    for texts in zip(*answers.values(), strict=True):
        table.add_row(*(Syntax(text.rstrip(), "python", theme="ansi_dark") for text in texts))
    console.print(table)


def main():
    args = arguments()
    folders = list(dict.fromkeys(folder for word in args.models for folder in folders_of(word)))
    from codestill.sampling.completing import complete  # heavy: after the arguments are known to be good
    from codestill.sampling.sampler import LoadedModel
    from codestill.sampling.settings import Settings

    models = {}
    for folder in folders:
        values = {name: getattr(args, name) for name in names_of(Generation)}
        settings = checked(Settings, values | {"model_dir": str(folder), "n": args.n})
        models[folder] = LoadedModel(settings), settings
    for prompt in prompts(args):
        try:
            show({label(folder, folders): complete(*models[folder], prompt) for folder in folders})
        except UserError as error:
            if args.prompt is not None or not sys.stdin.isatty():
                raise
            print(f"error: {error}", file=sys.stderr, flush=True)  # the next prompt may be a better one


if __name__ == "__main__":
    run(main)
