# A teacher learns the corpus before it may teach.


rule teach:
    """Fine-tune a teacher on the study's tokens (0 epochs leave it as it is)."""
    input:
        model=lambda wildcards: PLACE.before_teaching(wildcards.base),
        tokenizer=PLACE.tokenizer,
        train=PLACE.tokens("train"),
        validation=PLACE.tokens("validation"),
    output:
        model=PLACE.model("{base}", trained=True),
    log:
        log_of("teach", "{base}"),
    benchmark:
        benchmark_of("teach", "{base}")
    wildcard_constraints:
        base=PLACE.one_of(PLACE.trained_bases),
    conda:
        "../envs/torch.yaml"
    threads:
        lambda wildcards: PLACE.teaching_of(wildcards.base).threads
        * PLACE.teaching_of(wildcards.base).processes
    resources:
        gpu=lambda wildcards: PLACE.gpus(PLACE.teaching_of(wildcards.base)),
        runtime=minutes_of("teach"),
        mem_mb=megabytes_of("teach"),
    params:
        script=program("teach"),
        code=code_of("teach"),
        launch=lambda wildcards: COMMANDS.launcher(PLACE.teaching_of(wildcards.base)),
        model=lambda wildcards, input: folder_of(input.model),
        tokenizer=lambda wildcards, input: folder_of(input.tokenizer),
        train=lambda wildcards, input: folder_of(input.train),
        validation=lambda wildcards, input: folder_of(input.validation),
        folder=lambda wildcards, output: folder_of(output.model),
        work=beside(f"{PLACE.results}/work/teach/{{base}}"),
        training=lambda wildcards: COMMANDS.teaching(wildcards.base),
        machine=lambda wildcards, input: COMMANDS.teach_machine(wildcards.base),
    shell:
        "{params.launch} {params.script:q} --model_path {params.model} --tokenizer_path {params.tokenizer} "
        "--train_data {params.train} --validation_data {params.validation} --output_dir {params.folder} "
        "--work_dir {params.work} {params.training} {params.machine} > {log} 2>&1"


rule audit:
    """Judge the teacher before anyone learns from it: has it learned code, with its layout?"""
    input:
        model=PLACE.model("teacher"),
        functions=PLACE.corpus("validation.jsonl"),
    output:
        PLACE.inputs("audit.json"),
    log:
        log_of("audit"),
    benchmark:
        benchmark_of("audit")
    conda:
        "../envs/torch.yaml"
    threads: STUDY.generation.threads
    resources:
        runtime=minutes_of("audit"),
        mem_mb=megabytes_of("audit"),
    params:
        script=program("audit"),
        code=code_of("audit"),
        model=lambda wildcards, input: folder_of(input.model),
        audit=COMMANDS.audit(),
        machine=machine_of("audit"),
    shell:
        "python {params.script:q} --model {params.model} --functions {input.functions} --output {output} "
        "{params.audit} {params.machine} > {log} 2>&1"


use rule audit as audit_teacher with:
    input:
        model=PLACE.model("{base}"),
        functions=PLACE.corpus("validation.jsonl"),
    output:
        PLACE.inputs("audits", "{base}.json"),
    log:
        log_of("audit_teacher", "{base}"),
    benchmark:
        benchmark_of("audit_teacher", "{base}")
    wildcard_constraints:
        base=PLACE.one_of(PLACE.further_teachers),
