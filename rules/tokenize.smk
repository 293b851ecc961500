# One vocabulary for teacher and student, then rows of its tokens.


rule match_vocabulary:
    """Give the student the token ids of the teacher by the study's policy, or stop with the reason."""
    input:
        PLACE.model("teacher", "inputs/models"),
        PLACE.model("student", "inputs/models"),
        script=program("match_vocabulary"),
        library=imports_of("match_vocabulary"),
    output:
        PLACE.model("student"),
        report=PLACE.inputs("vocabulary.json"),
    log:
        log_of("match_vocabulary"),
    benchmark:
        benchmark_of("match_vocabulary")
    conda:
        "../envs/torch.yaml"
    params:
        policy=STUDY.vocabulary.policy,
        embeddings=STUDY.vocabulary.embeddings,
        teacher=PLACE.inputs("models", "teacher"),
        student=PLACE.inputs("models", "student"),
        folder=f"{PLACE.results}/models/student",
    shell:
        "python {input.script} --teacher {params.teacher} --student {params.student} --policy {params.policy} "
        "--embeddings {params.embeddings} --output {params.folder} --report {output.report} > {log} 2>&1"


rule tokenize_corpus:
    """Turn each function, as HumanEval prompts it, into tokens that end with the end token."""
    input:
        PLACE.model("student"),
        script=program("tokenize_corpus"),
        library=imports_of("tokenize_corpus"),
        functions=[PLACE.inputs("corpus", f"{split}.jsonl") for split in SPLITS],
    output:
        [PLACE.tokens(split) for split in SPLITS],
        accounting=f"{PLACE.results}/tokens/accounting.json",
    log:
        log_of("tokenize_corpus"),
    benchmark:
        benchmark_of("tokenize_corpus")
    conda:
        "../envs/torch.yaml"
    params:
        tokenizer=f"{PLACE.results}/models/student",
        folders=[f"{PLACE.results}/tokens/{split}" for split in SPLITS],
        layout=flags(**STUDY.tokens.model_dump()),
    shell:
        "python {input.script} --tokenizer {params.tokenizer} --inputs {input.functions} --outputs {params.folders} "
        "--accounting {output.accounting} {params.layout} > {log} 2>&1"
