# One vocabulary for teacher and student, then rows of its tokens.


rule match_vocabulary:
    """Give the student the token ids of the teacher by the study's policy, or stop with the reason."""
    input:
        teacher=PLACE.model("teacher", "inputs/models"),
        student=PLACE.model("student", "inputs/models"),
    output:
        model=PLACE.model("student"),
        report=PLACE.inputs("vocabulary.json"),
    log:
        log_of("match_vocabulary"),
    benchmark:
        benchmark_of("match_vocabulary")
    conda:
        "../envs/torch.yaml"
    resources:
        runtime=minutes_of("match_vocabulary"),
        mem_mb=megabytes_of("match_vocabulary"),
    params:
        script=program("match_vocabulary"),
        code=code_of("match_vocabulary"),
        vocabulary=COMMANDS.vocabulary(),
        teacher=lambda wildcards, input: folder_of(input.teacher),
        student=lambda wildcards, input: folder_of(input.student),
        folder=lambda wildcards, output: folder_of(output.model),
    shell:
        "python {params.script:q} --teacher {params.teacher} --student {params.student} {params.vocabulary} "
        "--output {params.folder} --report {output.report} > {log} 2>&1"


use rule match_vocabulary as match_student with:
    input:
        teacher=PLACE.model("teacher", "inputs/models"),
        student=lambda wildcards: PLACE.brought(wildcards.base),
    output:
        model=PLACE.model("{base}"),
        report=PLACE.inputs("vocabularies", "{base}.json"),
    log:
        log_of("match_student", "{base}"),
    benchmark:
        benchmark_of("match_student", "{base}")
    wildcard_constraints:
        base=PLACE.one_of(set(PLACE.matched_bases) - set(PLACE.trained_bases)),


use rule match_vocabulary as match_teacher with:
    input:
        teacher=PLACE.model("teacher", "inputs/models"),
        student=lambda wildcards: PLACE.brought(wildcards.base),
    output:
        model=PLACE.model("{base}", "inputs/matched"),
        report=PLACE.inputs("vocabularies", "{base}.json"),
    log:
        log_of("match_teacher", "{base}"),
    benchmark:
        benchmark_of("match_teacher", "{base}")
    wildcard_constraints:
        base=PLACE.one_of(set(PLACE.matched_bases) & set(PLACE.trained_bases)),


rule tokenize_corpus:
    """Turn each function, as HumanEval prompts it, into tokens that end with the end token."""
    input:
        model=PLACE.tokenizer,
        functions=[PLACE.corpus(f"{split}.jsonl") for split in SPLITS],
        matched=PLACE.matched,
    output:
        train=PLACE.tokens("train"),
        validation=PLACE.tokens("validation"),
        test=PLACE.tokens("test"),
        accounting=f"{PLACE.results}/tokens/accounting.json",
    log:
        log_of("tokenize_corpus"),
    benchmark:
        benchmark_of("tokenize_corpus")
    conda:
        "../envs/torch.yaml"
    threads: STUDY.corpus.workers
    resources:
        runtime=minutes_of("tokenize_corpus"),
        mem_mb=megabytes_of("tokenize_corpus"),
    params:
        script=program("tokenize_corpus"),
        code=code_of("tokenize_corpus"),
        tokenizer=lambda wildcards, input: folder_of(input.model),
        folders=lambda wildcards, output: [folder_of(output[split]) for split in SPLITS],
        layout=COMMANDS.tokens(),
        matched=lambda wildcards, input: COMMANDS.matched(input.matched),
        work=beside(f"{PLACE.results}/work/tokenize_corpus"),
    shell:
        "python {params.script:q} --tokenizer {params.tokenizer} --inputs {input.functions} --outputs {params.folders} "
        "--accounting {output.accounting} {params.matched} {params.layout} "
        "--work_dir {params.work} --workers {threads} > {log} 2>&1"
