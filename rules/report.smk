# What was found, and one target for each experiment and sweep.


rule resolve_study:
    """Write down the study as it was resolved: its models, experiments and benchmarks."""
    output:
        f"{PLACE.results}/study.json",
    log:
        log_of("resolve_study"),
    benchmark:
        benchmark_of("resolve_study")
    conda:
        "../envs/report.yaml"
    params:
        script=program("resolve_study"),
        code=code_of("resolve_study"),
        # A price, a limit of the plan or a machine's setting changes no result, so it reruns nothing.
        # A function, since Snakemake looks for wildcards in a text.
        config=lambda wildcards: json.dumps(science_of(STUDY), sort_keys=True),
    shell:
        "python {params.script:q} --config {params.config:q} --output {output} > {log} 2>&1"


rule report:
    """Tables, figures and a page from everything that was measured, and each cell's losses."""
    input:
        PLACE.measured(),
        PLACE.inputs("manifest.json"),
        study=rules.resolve_study.output,
    output:
        [path for files in PLACE.figures().values() for path in files[1:]],
        scores=report(
            f"{PLACE.results}/report/scores.csv",
            caption="../report/scores.rst",
            category="Tables",
        ),
        page=report(
            f"{PLACE.results}/report/index.html",
            caption="../report/page.rst",
            category="The page",
        ),
        table=f"{PLACE.results}/report/table.md",
        passport=f"{PLACE.results}/report/passport.json",
        pictures=[
            report(
                files[0],
                caption=f"../report/{name}.rst",
                category="Figures",
                labels={"figure": name},
            )
            for name, files in PLACE.figures().items()
        ],
        curves=[
            report(
                path,
                caption="../report/cell.rst",
                category="Cells",
                labels=PLACE.labels(GRID.cells[cell]),
            )
            for cell, path in PLACE.curves().items()
        ],
    log:
        log_of("report"),
    benchmark:
        benchmark_of("report")
    conda:
        "../envs/report.yaml"
    params:
        script=program("report"),
        code=code_of("report", TEMPLATES),
        results=lambda wildcards, input: folder_of(input.study),
        folder=lambda wildcards, output: folder_of(output.page),
        measured=beside(PLACE.benchmarks),
    shell:
        "python {params.script:q} --study {input.study} --results {params.results} --output {params.folder} "
        "--benchmarks {params.measured} > {log} 2>&1"


rule report_now:
    """Tell the story from whatever files exist, into report-now/."""
    input:
        study=rules.resolve_study.output,
    log:
        log_of("report_now"),
    benchmark:
        benchmark_of("report_now")
    conda:
        "../envs/report.yaml"
    params:
        script=program("report"),
        code=code_of("report", TEMPLATES),
        results=lambda wildcards, input: folder_of(input.study),
        folder=lambda wildcards, input: f"{folder_of(input.study)}/report-now",
        measured=lambda wildcards, input: prefix_of(input.study) + PLACE.benchmarks,
    shell:
        "python {params.script:q} --study {input.study} --results {params.results} --output {params.folder} "
        "--benchmarks {params.measured} > {log} 2>&1"


rule figures:
    """Draw the report's figures and each cell's losses again, from its tables alone."""
    input:
        tables=rules.report.output.scores,
    log:
        log_of("figures"),
    benchmark:
        benchmark_of("figures")
    conda:
        "../envs/report.yaml"
    params:
        script=program("figures"),
        code=code_of("figures"),
        tables=lambda wildcards, input: folder_of(input.tables),
    shell:
        "python {params.script:q} --tables {params.tables} > {log} 2>&1"


rule model_card:
    """Write the card of a model, so that its folder can be pushed to a hub as it is."""
    input:
        PLACE.measured(),
        study=rules.resolve_study.output,
    output:
        f"{PLACE.results}/models/{{model}}/README.md",
    log:
        log_of("model_card", "{model}"),
    benchmark:
        benchmark_of("model_card", "{model}")
    conda:
        "../envs/report.yaml"
    params:
        script=program("model_card"),
        code=code_of("model_card", TEMPLATES),
        results=lambda wildcards, input: folder_of(input.study),
    shell:
        "python {params.script:q} --study {input.study} --results {params.results} --model {wildcards.model} "
        "--output {output} > {log} 2>&1"


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
