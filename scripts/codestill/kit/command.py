"""The command `codestill`: the programs of scripts/ by their names, from any folder.

    codestill plan --configfile config/demo.yaml

It becomes the program, which then runs as if it had been started by its path.
"""

import ast
import difflib
import importlib.metadata
import os
import sys
import tomllib

from codestill.kit.imports import SCRIPTS

PROJECT = SCRIPTS.parent / "pyproject.toml"


def programs():
    """{name: path} of the programs, by name."""
    return {path.stem: path for path in sorted(SCRIPTS.glob("*.py"))}


def version():
    """The version of the checkout that this lies in, else of the installed package."""
    if PROJECT.is_file():
        return tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"]
    return importlib.metadata.version("codestill")


def contents():
    """The programs as a table: names and the first lines of their headers."""
    found = programs()
    width = max(map(len, found), default=0)
    lines = [f"  {name:<{width}}  {_summary(path)}" for name, path in found.items()]
    head = ["usage: codestill PROGRAM [flags]; codestill PROGRAM --help tells its flags; codestill --version", ""]
    return "\n".join([*head, *lines])


def _summary(path):
    header = ast.get_docstring(ast.parse(path.read_bytes())) or ""
    return header.split("\n\n")[0].replace("\n", " ")


def main():
    """Become the program that the first word names."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        print(contents())
        return
    if words[0] == "--version":
        print(f"codestill {version()}")
        return
    found = programs()
    if not PROJECT.is_file():
        print("error: the programs lie in the workflow's folder: install it there, by make install", file=sys.stderr)
        sys.exit(2)
    name = words[0].replace("-", "_")
    if name not in found:
        near = difflib.get_close_matches(name, found, 1)
        remedy = f"did you mean {near[0]}?" if near else "codestill --help lists them"
        print(f"error: {words[0]}: no such program; {remedy}", file=sys.stderr)
        sys.exit(2)
    os.execv(sys.executable, [sys.executable, str(found[name]), *words[1:]])
