# pass@k: each completion is run against its tests, alone and locked in; a benchmark's own solutions come first.


rule check_benchmark:
    """Run a benchmark's own solutions: a problem whose own fails would fail every sample."""
    input:
        tasks=PLACE.inputs("benchmarks", "{benchmark}.jsonl"),
    output:
        check=PLACE.inputs("benchmarks", "{benchmark}.check.json"),
    log:
        log_of("check_benchmark", "{benchmark}"),
    benchmark:
        benchmark_of("check_benchmark", "{benchmark}")
    conda:
        "../envs/grade.yaml"
    threads: STUDY.grading.workers
    resources:
        runtime=minutes_of("check_benchmark"),
        mem_mb=megabytes_of("check_benchmark"),
    params:
        script=program("check_benchmark"),
        code=code_of("check_benchmark"),
        judging=lambda wildcards: COMMANDS.checking(wildcards.benchmark),
        machine=machine_of("check_benchmark"),
    shell:
        "python {params.script:q} --benchmark {input.tasks} --output {output.check} "
        "{params.judging} {params.machine} > {log} 2>&1"


rule grade:
    """Run every sample in a process of its own and estimate pass@k."""
    input:
        tasks=PLACE.inputs("benchmarks", "{benchmark}.jsonl"),
        check=rules.check_benchmark.output.check,
        near_copies=rules.near_copies.output[0],
        samples=rules.generate.output.samples,
        protocol=rules.generate.output.protocol,
    output:
        verdicts=f"{PLACE.results}/verdicts/{{benchmark}}/{{model}}.jsonl",
        scores=f"{PLACE.results}/scores/{{benchmark}}/{{model}}.json",
    log:
        log_of("grade", "{benchmark}/{model}"),
    benchmark:
        benchmark_of("grade", "{benchmark}/{model}")
    wildcard_constraints:
        model=f"{MODEL}|{PLACE.one_of(PLACE.without_model)}",
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
        "--checked {input.check} --near_copies {input.near_copies} "
        "--verdicts {output.verdicts} --scores {output.scores} {params.judging} {params.machine} > {log} 2>&1"
