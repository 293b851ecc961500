"""What a study asks for that does not do what it says: no mistake that stops a run, but told before one."""

from codestill.study.grid import query_points


def remarks(study, grid):
    """Lines, each with the config's field: queries that collapse, exclusions without effect, copies of one sample."""
    found = []
    for part, queries in (("experiments", study.experiments), ("sweeps", study.sweeps)):
        cells = getattr(grid, part)
        for name, query in queries.items():
            where = f"{part}.{name}"
            points, idle = query_points(query, study, where)
            seeds = 1 if "seed" in {**query.grid, **query.zip} else len(query.seeds or study.seeds)
            if len(cells[name]) == seeds < points:
                axes = ", ".join({**query.grid, **query.zip})
                found.append(f"{where}: its {points // seeds} settings are one: {axes} do not act there")
            for number in idle:
                found.append(f"{where}.exclude: {query.exclude[number]} excludes nothing; correct or remove it")
    if study.generation.temperature == 0:
        for name, benchmark in study.benchmarks.items():
            if benchmark.n > 1:
                found.append(
                    f"benchmarks.{name}.n: greedy decoding (generation.temperature 0) gives {benchmark.n} times the "
                    "same sample; set n: 1 and k: [1], or a temperature above 0"
                )
    return found
