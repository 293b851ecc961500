# A student for each cell of the grid, taught by states that are stored once, and the two that validation chooses.


rule cache_teacher:
    """Run a teacher over a text once, the corpus or its own, and store its final hidden states for all cells."""
    input:
        model=lambda wildcards: PLACE.model(PLACE.model_of(wildcards.teacher)),
        audit=lambda wildcards: PLACE.audit(PLACE.model_of(wildcards.teacher)),
        train=lambda wildcards: PLACE.stored_tokens(wildcards.teacher),
        validation=PLACE.tokens("validation"),
    output:
        states=[kept_or_temp(path) for path in PLACE.states("{teacher}")],
    log:
        log_of("cache_teacher", "{teacher}"),
    benchmark:
        benchmark_of("cache_teacher", "{teacher}")
    wildcard_constraints:
        teacher=PLACE.one_of(PLACE.stored),
    conda:
        "../envs/torch.yaml"
    threads: STUDY.training.threads
    resources:
        gpu=0 if PLACE.states_device == "cpu" else 1,
        runtime=minutes_of("cache_teacher"),
        mem_mb=megabytes_of("cache_teacher"),
    params:
        script=program("cache_teacher"),
        code=code_of("cache_teacher"),
        model=lambda wildcards, input: folder_of(input.model),
        train=lambda wildcards, input: folder_of(input.train),
        validation=lambda wildcards, input: folder_of(input.validation),
        folder=lambda wildcards, output: folder_of(output.states),
        work=beside(f"{PLACE.results}/work/cache_teacher/{{teacher}}"),
        states=lambda wildcards: COMMANDS.states(
            TEACHER_PASS.limit[wildcards.teacher], PLACE.model_of(wildcards.teacher)
        ),
        machine=machine_of("cache_teacher"),
    shell:
        "python {params.script:q} --teacher_model_path {params.model} --train_data {params.train} "
        "--validation_data {params.validation} --output_dir {params.folder} --work_dir {params.work} "
        "{params.states} {params.machine} > {log} 2>&1"


rule distill:
    """Train the student of one cell: alpha CE + (1 - alpha) T^2 KL. Alpha 1 needs no teacher."""
    input:
        student=lambda wildcards: PLACE.student_of(cell_of(wildcards)),
        train=lambda wildcards: PLACE.train_tokens(text_of(wildcards)),
        validation=PLACE.tokens("validation"),
        teacher=lambda wildcards: PLACE.teacher_of(cell_of(wildcards)),
        states=states_of,
    output:
        model=PLACE.model("{cell}", trained=True),
    log:
        log_of("distill", "{cell}"),
    benchmark:
        benchmark_of("distill", "{cell}")
    conda:
        "../envs/torch.yaml"
    threads: STUDY.training.threads * STUDY.training.processes
    resources:
        gpu=PLACE.gpus(STUDY.training),
        runtime=minutes_of("distill"),
        mem_mb=megabytes_of("distill"),
    params:
        script=program("distill"),
        code=lambda wildcards: code_of_training([cell_of(wildcards)]),
        launch=COMMANDS.launcher(STUDY.training),
        cell=lambda wildcards: COMMANDS.cell(cell_of(wildcards)),
        teacher=lambda wildcards, input: COMMANDS.taught_by(input.teacher, input.states),
        student=lambda wildcards, input: folder_of(input.student),
        train=lambda wildcards, input: folder_of(input.train),
        validation=lambda wildcards, input: folder_of(input.validation),
        folder=lambda wildcards, output: folder_of(output.model),
        work=beside(f"{PLACE.results}/work/distill/{{cell}}"),
        machine=machine_of("distill"),
    shell:
        "{params.launch} {params.script:q} --student_model_path {params.student} --train_data {params.train} "
        "--validation_data {params.validation} --output_dir {params.folder} --work_dir {params.work} "
        "{params.cell} {params.teacher} {params.machine} > {log} 2>&1"


rule choose:
    """Choose among the cells as the config's `selection` says, before any reported benchmark is read."""
    input:
        shortlist=lambda wildcards: PLACE.shortlist(wildcards.chosen),
        cells=lambda wildcards: PLACE.files_of(PLACE.contenders(wildcards.chosen)),
        measures=lambda wildcards: PLACE.measures_of(PLACE.contenders(wildcards.chosen)),
    output:
        model=PLACE.model("{chosen}"),
        choice=f"{PLACE.results}/models/{{chosen}}/chosen.json",
    log:
        log_of("choose", "{chosen}"),
    benchmark:
        benchmark_of("choose", "{chosen}")
    wildcard_constraints:
        chosen=PLACE.one_of(PLACE.chosen),
    conda:
        "../envs/torch.yaml"
    params:
        script=program("choose"),
        code=code_of("choose"),
        cells=lambda wildcards, input: folders_of(input.cells),
        folder=lambda wildcards, output: folder_of(output.model),
        by=COMMANDS.selection(),
        measures=lambda wildcards, input: COMMANDS.measures(input.measures),
        among=lambda wildcards, input: COMMANDS.among(input.shortlist),
    shell:
        "python {params.script:q} --cells {params.cells} {params.measures} {params.by} {params.among} "
        "--output {params.folder} > {log} 2>&1"
