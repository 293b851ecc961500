# What the training text gives away of a benchmark: near copies of its problems, and what is solved without a model.


rule near_copies:
    """Find the problems whose near copy is in the training text, so that scores tell them apart."""
    input:
        tasks=PLACE.inputs("benchmarks", "{benchmark}.jsonl"),
        train=PLACE.corpus("train.jsonl"),
    output:
        PLACE.inputs("benchmarks", "{benchmark}.near_copies.json"),
    log:
        log_of("near_copies", "{benchmark}"),
    benchmark:
        benchmark_of("near_copies", "{benchmark}")
    conda:
        "../envs/torch.yaml"
    resources:
        runtime=minutes_of("near_copies"),
        mem_mb=megabytes_of("near_copies"),
    params:
        script=program("near_copies"),
        code=code_of("near_copies"),
    shell:
        "python {params.script:q} --benchmark {input.tasks} --train {input.train} --output {output} > {log} 2>&1"


rule complete_without_model:
    """Complete a benchmark's problems by looking them up in the training functions: what needs no model to solve."""
    input:
        tasks=PLACE.inputs("benchmarks", "{benchmark}.jsonl"),
        train=PLACE.corpus("train.jsonl"),
    output:
        samples=f"{PLACE.results}/samples/{{benchmark}}/{{model}}.jsonl",
        protocol=f"{PLACE.results}/samples/{{benchmark}}/{{model}}.protocol.json",
    log:
        log_of("complete_without_model", "{benchmark}/{model}"),
    benchmark:
        benchmark_of("complete_without_model", "{benchmark}/{model}")
    wildcard_constraints:
        model=PLACE.one_of(PLACE.without_model),
    conda:
        "../envs/torch.yaml"
    resources:
        runtime=minutes_of("complete_without_model"),
        mem_mb=megabytes_of("complete_without_model"),
    params:
        script=program("baselines"),
        code=code_of("baselines"),
    shell:
        "python {params.script:q} --baseline {wildcards.model} --train {input.train} --benchmark {input.tasks} "
        "--output {output.samples} --protocol {output.protocol} > {log} 2>&1"
