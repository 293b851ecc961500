# Completions of a model on a benchmark, by one job or, where the config says samples_per_job, by several.


rule generate:
    """Sample n completions for each problem."""
    input:
        model=PLACE.model("{model}"),
        tasks=PLACE.inputs("benchmarks", "{benchmark}.jsonl"),
    output:
        samples=f"{PLACE.results}/samples/{{benchmark}}/{{model}}.jsonl",
        protocol=f"{PLACE.results}/samples/{{benchmark}}/{{model}}.protocol.json",
    log:
        log_of("generate", "{benchmark}/{model}"),
    benchmark:
        benchmark_of("generate", "{benchmark}/{model}")
    wildcard_constraints:
        benchmark=PLACE.one_of(PLACE.drawn_whole),
    conda:
        "../envs/torch.yaml"
    threads: STUDY.generation.threads
    resources:
        runtime=minutes_of("generate"),
        mem_mb=megabytes_of("generate"),
    params:
        script=program("generate"),
        code=code_of("generate"),
        model=lambda wildcards, input: folder_of(input.model),
        work=beside(f"{PLACE.results}/work/generate/{{benchmark}}/{{model}}"),
        protocol=lambda wildcards: COMMANDS.generation(wildcards.benchmark),
        machine=machine_of("generate"),
    shell:
        "python {params.script:q} --model {params.model} --benchmark {input.tasks} --output {output.samples} "
        "--protocol {output.protocol} --work_dir {params.work} {params.protocol} {params.machine} > {log} 2>&1"


rule generate_part:
    """Sample one part of a model's completions; which part draws a sample does not change it."""
    input:
        model=PLACE.model("{model}"),
        tasks=PLACE.inputs("benchmarks", "{benchmark}.jsonl"),
    output:
        samples=temp(
            f"{PLACE.results}/work/generate/{{benchmark}}/{{model}}/{{part}}/samples.jsonl"
        ),
        protocol=temp(
            f"{PLACE.results}/work/generate/{{benchmark}}/{{model}}/{{part}}/protocol.json"
        ),
    log:
        log_of("generate_part", "{benchmark}/{model}/{part}"),
    benchmark:
        benchmark_of("generate_part", "{benchmark}/{model}/{part}")
    wildcard_constraints:
        benchmark=PLACE.one_of(PLACE.drawn_in_parts),
        part=SHARD,
    conda:
        "../envs/torch.yaml"
    threads: STUDY.generation.threads
    resources:
        runtime=minutes_of("generate_part"),
        mem_mb=megabytes_of("generate_part"),
    params:
        script=program("generate"),
        code=code_of("generate"),
        model=lambda wildcards, input: folder_of(input.model),
        work=beside(f"{PLACE.results}/work/generate/{{benchmark}}/{{model}}/{{part}}"),
        protocol=lambda wildcards: COMMANDS.generation(wildcards.benchmark),
        machine=machine_of("generate"),
    shell:
        "python {params.script:q} --model {params.model} --benchmark {input.tasks} --output {output.samples} "
        "--protocol {output.protocol} --work_dir {params.work} {params.protocol} --shard {wildcards.part} "
        "{params.machine} > {log} 2>&1"


rule gather_samples:
    """Join the parts, refused where they overlap, leave a sample out, or were drawn differently."""
    input:
        tasks=PLACE.inputs("benchmarks", "{benchmark}.jsonl"),
        samples=lambda wildcards: PLACE.parts(wildcards, "samples.jsonl"),
        protocols=lambda wildcards: PLACE.parts(wildcards, "protocol.json"),
    output:
        samples=f"{PLACE.results}/samples/{{benchmark}}/{{model}}.jsonl",
        protocol=f"{PLACE.results}/samples/{{benchmark}}/{{model}}.protocol.json",
    log:
        log_of("gather_samples", "{benchmark}/{model}"),
    benchmark:
        benchmark_of("gather_samples", "{benchmark}/{model}")
    wildcard_constraints:
        benchmark=PLACE.one_of(PLACE.drawn_in_parts),
    conda:
        "../envs/report.yaml"
    params:
        script=program("gather_samples"),
        code=code_of("gather_samples"),
    shell:
        "python {params.script:q} --benchmark {input.tasks} --samples {input.samples} --protocols {input.protocols} "
        "--output {output.samples} --protocol {output.protocol} > {log} 2>&1"
