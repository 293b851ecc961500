"""The funnel: how far a sample came on its way to passing, step by step."""

FUNNEL = ("finished", "parses", "compiles", "defines", "runs", "passes")
_REACHED = {"starts": (), "syntax": (), "parses": ("parses",), "compiles": ("parses", "compiles")}
_DEFINED = ("parses", "compiles", "defines")


def funnel(outcome, finish):
    """{step: reached} of FUNNEL. finished: the model ended by itself; None where the sample does not say.

    runs: no exception and no limit hit, whatever the tests thought of the result.
    """
    kind = outcome["kind"]
    reached = set(_REACHED.get(outcome["stage"], _DEFINED))
    if kind in ("passed", "assertion"):
        reached.add("runs")
    if kind == "passed":
        reached.add("passes")
    steps = {step: step in reached for step in FUNNEL}
    steps["finished"] = None if finish is None else finish in ("end", "stop")
    return steps
