# pass@k: each completion is run against its tests, alone and locked in.


rule grade:
    """Run every sample in a process of its own and estimate pass@k."""
    input:
        tasks=PLACE.inputs("benchmarks", "{benchmark}.jsonl"),
        samples=rules.generate.output.samples,
        protocol=rules.generate.output.protocol,
    output:
        verdicts=f"{PLACE.results}/verdicts/{{benchmark}}/{{model}}.jsonl",
        scores=f"{PLACE.results}/scores/{{benchmark}}/{{model}}.json",
    log:
        log_of("grade", "{benchmark}/{model}"),
    benchmark:
        benchmark_of("grade", "{benchmark}/{model}")
    conda:
        "../envs/grade.yaml"
    threads: STUDY.grading.workers
    resources:
        runtime=minutes_of("grade"),
        mem_mb=megabytes_of("grade"),
    params:
        script=program("grade"),
        code=code_of("grade"),
        judging=lambda wildcards: COMMANDS.grading(wildcards.benchmark),
        machine=machine_of("grade"),
    shell:
        "python {params.script:q} --benchmark {input.tasks} --samples {input.samples} --protocol {input.protocol} "
        "--verdicts {output.verdicts} --scores {output.scores} {params.judging} {params.machine} > {log} 2>&1"
