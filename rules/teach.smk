# The teacher learns the corpus before it may teach.


rule teach:
    """Fine-tune the teacher on the study's tokens (0 epochs leave it as it is)."""
    input:
        model=PLACE.model("teacher", "inputs/models"),
        tokenizer=PLACE.model("student"),
        train=PLACE.tokens("train"),
        validation=PLACE.tokens("validation"),
        script=program("teach"),
        library=imports_of("teach"),
    output:
        model=PLACE.model("teacher", trained=True),
    log:
        log_of("teach"),
    benchmark:
        benchmark_of("teach")
    conda:
        "../envs/torch.yaml"
    threads: STUDY.teacher.training.threads * STUDY.teacher.training.processes
    resources:
        gpu=PLACE.gpus(STUDY.teacher.training),
        runtime=minutes_of("teach"),
        mem_mb=megabytes_of("teach"),
    params:
        launch=PLACE.launcher(STUDY.teacher.training),
        model=lambda wildcards, input: folder_of(input.model),
        tokenizer=lambda wildcards, input: folder_of(input.tokenizer),
        train=lambda wildcards, input: folder_of(input.train),
        validation=lambda wildcards, input: folder_of(input.validation),
        folder=lambda wildcards, output: folder_of(output.model),
        work=f"{PLACE.results}/work/teach/teacher",
        training=PLACE.training_flags(STUDY.teacher.training),
        seed=STUDY.seeds[0],
    shell:
        "{params.launch} {input.script} --model_path {params.model} --tokenizer_path {params.tokenizer} "
        "--train_data {params.train} --validation_data {params.validation} --output_dir {params.folder} "
        "--work_dir {params.work} {params.training} --seed {params.seed} > {log} 2>&1"
