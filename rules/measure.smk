# What can be measured without running a model's programs.


rule measure_language:
    """Bits per byte, and distance from the teacher, on held-out functions at T = 1."""
    input:
        model=PLACE.model("{model}"),
        teacher=PLACE.model("teacher"),
        tokens=PLACE.tokens("test"),
    output:
        f"{PLACE.results}/language/{{model}}.json",
    log:
        log_of("measure_language", "{model}"),
    benchmark:
        benchmark_of("measure_language", "{model}")
    conda:
        "../envs/torch.yaml"
    threads: STUDY.generation.threads
    resources:
        runtime=minutes_of("measure_language"),
        mem_mb=megabytes_of("measure_language"),
    params:
        script=program("measure"),
        code=code_of("measure"),
        model=lambda wildcards, input: folder_of(input.model),
        teacher=lambda wildcards, input: folder_of(input.teacher),
        tokens=lambda wildcards, input: folder_of(input.tokens),
        settings=COMMANDS.language(),
        machine=machine_of("measure"),
    shell:
        "python {params.script:q} language --model {params.model} --teacher {params.teacher} --tokens {params.tokens} "
        "--output {output} {params.settings} {params.machine} > {log} 2>&1"


rule measure_validation:
    """How many bodies of validation functions a candidate predicts to the last token: what chooses by default."""
    input:
        model=PLACE.model("{model}"),
        tokens=PLACE.tokens("validation"),
    output:
        f"{PLACE.results}/validation/{{model}}.json",
    log:
        log_of("measure_validation", "{model}"),
    benchmark:
        benchmark_of("measure_validation", "{model}")
    conda:
        "../envs/torch.yaml"
    threads: STUDY.generation.threads
    resources:
        runtime=minutes_of("measure_validation"),
        mem_mb=megabytes_of("measure_validation"),
    params:
        script=program("measure"),
        code=code_of("measure"),
        model=lambda wildcards, input: folder_of(input.model),
        tokens=lambda wildcards, input: folder_of(input.tokens),
        settings=COMMANDS.language(),
        machine=machine_of("measure"),
    shell:
        "python {params.script:q} language --model {params.model} --tokens {params.tokens} --output {output} "
        "{params.settings} {params.machine} > {log} 2>&1"


rule measure_efficiency:
    """Parameters, bytes, latency, tokens per second and memory of all architectures, in turns, in one process."""
    input:
        models=[path for model in PLACE.timed for path in PLACE.model(model)],
    output:
        PLACE.efficiency(),
    log:
        log_of("measure_efficiency"),
    benchmark:
        benchmark_of("measure_efficiency")
    conda:
        "../envs/torch.yaml"
    # All the cores of this machine; on a cluster there is no such number, and the profile gives one.
    threads: snakemake_view.cores(workflow) or STUDY.generation.threads
    resources:
        runtime=minutes_of("measure_efficiency"),
        mem_mb=megabytes_of("measure_efficiency"),
    params:
        script=program("measure"),
        code=code_of("measure"),
        models=lambda wildcards, input: folders_of(input.models),
        settings=COMMANDS.efficiency(),
        machine=machine_of("measure"),
    shell:
        "python {params.script:q} efficiency --model {params.models} --output {output} {params.settings} "
        "{params.machine} > {log} 2>&1"
