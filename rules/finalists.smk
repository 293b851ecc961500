# The best settings on more seeds before one is chosen, and the chosen ones on seeds that did not choose.


rule shortlist:
    """Rank the candidates of a side; the first few are trained on all of the study's seeds."""
    input:
        cells=lambda wildcards: PLACE.files_of(PLACE.candidates(wildcards.chosen)),
        measures=lambda wildcards: PLACE.measures_of(PLACE.candidates(wildcards.chosen)),
    output:
        f"{PLACE.results}/shortlist/{{chosen}}.json",
    log:
        log_of("shortlist", "{chosen}"),
    benchmark:
        benchmark_of("shortlist", "{chosen}")
    wildcard_constraints:
        chosen=PLACE.one_of(PLACE.shortlisted),
    conda:
        "../envs/torch.yaml"
    params:
        script=program("choose"),
        code=code_of("choose"),
        cells=lambda wildcards, input: folders_of(input.cells),
        by=COMMANDS.shortlist(),
        measures=lambda wildcards, input: COMMANDS.measures(input.measures),
    shell:
        "python {params.script:q} --cells {params.cells} {params.measures} {params.by} --output {output} > {log} 2>&1"


rule distill_later:
    """Train a setting that others' measures named; one that is a cell of the grid already is taken as it is."""
    input:
        axes=lambda wildcards: PLACE.axes_of(wildcards.later),
        student=PLACE.model("student"),
        train=PLACE.tokens("train"),
        validation=PLACE.tokens("validation"),
        teachers=lambda wildcards: PLACE.teachers_of(wildcards.later)[0],
        audits=lambda wildcards: PLACE.teachers_of(wildcards.later)[1],
        texts=lambda wildcards: PLACE.texts_of(wildcards.later),
        states=lambda wildcards: TEACHER_PASS.states_of_later(wildcards.later),
        same_seed=lambda wildcards: PLACE.files_of(PLACE.same_seed(wildcards.later)),
    output:
        model=PLACE.model("{later}", trained=True),
    log:
        log_of("distill_later", "{later}"),
    benchmark:
        benchmark_of("distill_later", "{later}")
    conda:
        "../envs/torch.yaml"
    threads: STUDY.training.threads * STUDY.training.processes
    resources:
        gpu=PLACE.gpus(STUDY.training),
        runtime=minutes_of("distill_later"),
        mem_mb=megabytes_of("distill_later"),
    params:
        script=program("distill"),
        code=lambda wildcards: code_of_training(GRID.graph.later[wildcards.later].cells),
        launch=COMMANDS.launcher(STUDY.training),
        setting=lambda wildcards: COMMANDS.later(wildcards.later),
        sources=lambda wildcards, input: COMMANDS.later_sources(
            wildcards.later, input.teachers, input.states, input.texts
        ),
        same_seed=lambda wildcards, input: flags(
            same_seed=folders_of(input.same_seed) or None
        ),
        student=lambda wildcards, input: folder_of(input.student),
        train=lambda wildcards, input: folder_of(input.train),
        validation=lambda wildcards, input: folder_of(input.validation),
        folder=lambda wildcards, output: folder_of(output.model),
        work=beside(f"{PLACE.results}/work/distill_later/{{later}}"),
        machine=machine_of("distill"),
    shell:
        "{params.launch} {params.script:q} --student_model_path {params.student} --train_data {params.train} "
        "--validation_data {params.validation} --output_dir {params.folder} --work_dir {params.work} "
        "--axes_from {input.axes} {params.setting} {params.sources} {params.same_seed} {params.machine} "
        "> {log} 2>&1"
