# A student for each cell of the grid, and the two that validation chooses.


rule distill:
    """Train the student of one cell: alpha CE + (1 - alpha) T^2 KL. Alpha 1 needs no teacher."""
    input:
        student=PLACE.model("student"),
        train=PLACE.tokens("train"),
        validation=PLACE.tokens("validation"),
        teacher=lambda wildcards: PLACE.teacher_of(cell_of(wildcards)),
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
        code=code_of("distill"),
        launch=COMMANDS.launcher(STUDY.training),
        cell=lambda wildcards: COMMANDS.cell(cell_of(wildcards)),
        student=lambda wildcards, input: folder_of(input.student),
        train=lambda wildcards, input: folder_of(input.train),
        validation=lambda wildcards, input: folder_of(input.validation),
        folder=lambda wildcards, output: folder_of(output.model),
        work=f"{PLACE.results}/work/distill/{{cell}}",
        machine=machine_of("distill"),
    shell:
        "{params.launch} {params.script:q} --student_model_path {params.student} --train_data {params.train} "
        "--validation_data {params.validation} --output_dir {params.folder} --work_dir {params.work} "
        "{params.cell} {params.machine} > {log} 2>&1"


rule choose:
    """Choose among the cells by validation loss, before any benchmark is read."""
    input:
        lambda wildcards: PLACE.candidate_files(wildcards.chosen),
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
        cells=lambda wildcards: [
            f"{PLACE.results}/models/{cell}"
            for cell in PLACE.candidates(wildcards.chosen)
        ],
        folder=lambda wildcards, output: folder_of(output.model),
    shell:
        "python {params.script:q} --cells {params.cells} --output {params.folder} > {log} 2>&1"
