# Texts that a model writes to be learnt from: completions of training prompts, all or those that pass, as tokens.

RECIPE = PLACE.one_of(RECIPES[1:])


rule write_text:
    """Make a text of a model's completions, by a recipe, free of what the corpus is kept free of."""
    input:
        unpack(lambda wildcards: PLACE.completed(wildcards.recipe, wildcards.author)),
        audit=lambda wildcards: PLACE.audit(wildcards.author),
        held_out=benchmarks_held_out(),
    output:
        text=PLACE.text("{recipe}/{author}")[0],
        accounting=PLACE.text("{recipe}/{author}")[1],
    log:
        log_of("write_text", "{recipe}/{author}"),
    benchmark:
        benchmark_of("write_text", "{recipe}/{author}")
    wildcard_constraints:
        recipe=RECIPE,
        author=MODEL,
    conda:
        "../envs/torch.yaml"
    resources:
        runtime=minutes_of("write_text"),
        mem_mb=megabytes_of("write_text"),
    params:
        script=program("write_text"),
        code=code_of("write_text"),
        drawn=COMMANDS.text(),
    shell:
        "python {params.script:q} --recipe {wildcards.recipe} --prompts {input.prompts} --samples {input.samples} "
        "--protocols {input.protocols} --held_out {input.held_out} --output {output.text} "
        "--accounting {output.accounting} {params.drawn} > {log} 2>&1"


use rule tokenize_corpus as tokenize_text with:
    input:
        model=PLACE.tokenizer,
        functions=PLACE.text("{recipe}/{author}")[0],
        matched=PLACE.matched,
    output:
        tokens=PLACE.train_tokens("{recipe}/{author}"),
        accounting=PLACE.text("{recipe}/{author}")[2],
    log:
        log_of("tokenize_text", "{recipe}/{author}"),
    benchmark:
        benchmark_of("tokenize_text", "{recipe}/{author}")
    wildcard_constraints:
        recipe=RECIPE,
        author=MODEL,
    resources:
        runtime=minutes_of("tokenize_text"),
        mem_mb=megabytes_of("tokenize_text"),
    params:
        folders=lambda wildcards, output: folder_of(output.tokens),
        work=beside(f"{PLACE.results}/work/tokenize_text/{{recipe}}/{{author}}"),
