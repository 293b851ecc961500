# What was found, and one target for each experiment and sweep.


rule resolve_study:
    """Write down the study as it was resolved: its models, experiments and benchmarks."""
    input:
        script=program("resolve_study"),
        library=imports_of("resolve_study"),
    output:
        f"{PLACE.results}/study.json",
    log:
        log_of("resolve_study"),
    benchmark:
        benchmark_of("resolve_study")
    conda:
        "../envs/report.yaml"
    params:
        # A price or a limit of the plan changes no result, so it reruns nothing.
        config=json.dumps(
            {name: part for name, part in config.items() if name != "plan"}
        ),
    shell:
        "python {input.script} --config {params.config:q} --output {output} > {log} 2>&1"


rule report:
    """Tables, figures and a page from everything that was measured."""
    input:
        PLACE.measured(),
        PLACE.inputs("manifest.json"),
        script=program("report"),
        library=imports_of("report"),
        study=rules.resolve_study.output,
    output:
        scores=f"{PLACE.results}/report/scores.csv",
        table=f"{PLACE.results}/report/table.md",
        page=f"{PLACE.results}/report/index.html",
    log:
        log_of("report"),
    benchmark:
        benchmark_of("report")
    conda:
        "../envs/report.yaml"
    params:
        results=lambda wildcards, input: folder_of(input.study),
        folder=lambda wildcards, output: folder_of(output.page),
    shell:
        "python {input.script} --study {input.study} --results {params.results} --output {params.folder} > {log} 2>&1"


rule baselines:
    """The models without which no gain can be claimed."""
    input:
        PLACE.comparison([]),


for name, cells in GRID.experiments.items():

    rule:
        name:
            name
        input:
            PLACE.comparison(cells),


for name, cells in GRID.sweeps.items():

    rule:
        name:
            f"sweep_{name}"
        input:
            PLACE.comparison(cells),
