# The teacher learns the corpus before it may teach.


rule teach:
    """Fine-tune the teacher on the study's tokens (0 epochs leave it as it is)."""
    input:
        PLACE.model("teacher", "inputs/models"),
        PLACE.model("student"),
        PLACE.tokens("train"),
        PLACE.tokens("validation"),
        script=program("teach"),
        library=imports_of("teach"),
    output:
        PLACE.model("teacher", trained=True),
    log:
        log_of("teach"),
    benchmark:
        benchmark_of("teach")
    conda:
        "../envs/torch.yaml"
    threads: STUDY.teacher.training.threads
    params:
        model=PLACE.inputs("models", "teacher"),
        tokenizer=f"{PLACE.results}/models/student",
        tokens=f"{PLACE.results}/tokens",
        folder=f"{PLACE.results}/models/teacher",
        work=f"{PLACE.results}/work/teach/teacher",
        training=PLACE.training_flags(STUDY.teacher.training),
        seed=STUDY.seeds[0],
    shell:
        "python {input.script} --model_path {params.model} --tokenizer_path {params.tokenizer} "
        "--train_data {params.tokens}/train --validation_data {params.tokens}/validation --output_dir {params.folder} "
        "--work_dir {params.work} {params.training} --seed {params.seed} > {log} 2>&1"
