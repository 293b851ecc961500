# Completions of a model on a benchmark.


rule generate:
    """Sample n completions for each problem."""
    input:
        model=PLACE.model("{model}"),
        script=program("generate"),
        library=imports_of("generate"),
        tasks=PLACE.inputs("benchmarks", "{benchmark}.jsonl"),
    output:
        samples=f"{PLACE.results}/samples/{{benchmark}}/{{model}}.jsonl",
        protocol=f"{PLACE.results}/samples/{{benchmark}}/{{model}}.protocol.json",
    log:
        log_of("generate", "{benchmark}/{model}"),
    benchmark:
        benchmark_of("generate", "{benchmark}/{model}")
    conda:
        "../envs/torch.yaml"
    threads: STUDY.generation.threads
    resources:
        runtime=minutes_of("generate"),
        mem_mb=megabytes_of("generate"),
    params:
        model=lambda wildcards, input: folder_of(input.model),
        work=f"{PLACE.results}/work/generate/{{benchmark}}/{{model}}",
        protocol=lambda wildcards: PLACE.generation_flags(wildcards.benchmark),
    shell:
        "python {input.script} --model {params.model} --benchmark {input.tasks} --output {output.samples} "
        "--protocol {output.protocol} --work_dir {params.work} {params.protocol} > {log} 2>&1"
