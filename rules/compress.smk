# Models made smaller, each a folder that is judged, measured and carded as any other.


rule compress:
    """Quantise, cast or prune a finished model."""
    input:
        model=lambda wildcards: PLACE.model(
            GRID.graph.variants[wildcards.variant].needs[0]
        ),
        train=PLACE.tokens("train"),
    output:
        model=PLACE.model("{variant}"),
        facts=f"{PLACE.results}/models/{{variant}}/compression.json",
    log:
        log_of("compress", "{variant}"),
    benchmark:
        benchmark_of("compress", "{variant}")
    conda:
        "../envs/torch.yaml"
    threads: STUDY.generation.threads
    resources:
        runtime=minutes_of("compress"),
        mem_mb=megabytes_of("compress"),
    params:
        script=program("compress"),
        code=code_of("compress"),
        model=lambda wildcards, input: folder_of(input.model),
        train=lambda wildcards, input: folder_of(input.train),
        folder=lambda wildcards, output: folder_of(output.model),
        how=lambda wildcards: COMMANDS.compress(wildcards.variant),
    shell:
        "python {params.script:q} --model {params.model} --train_data {params.train} --output_dir {params.folder} "
        "{params.how} > {log} 2>&1"
