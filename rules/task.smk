# A finished model learns a task: text of its own, prepared, tokenised and trained on as the study's is.


use rule prepare_corpus as prepare_task with:
    input:
        sources=lambda wildcards: expand(
            PLACE.inputs("sources", "{source}.jsonl.gz"),
            source=STUDY.tasks[wildcards.task].corpus.sources,
        ),
        tasks=lambda wildcards: benchmarks_held_out(wildcards.task),
    output:
        train=PLACE.corpus("train.jsonl", "{task}"),
        validation=PLACE.corpus("validation.jsonl", "{task}"),
        test=PLACE.corpus("test.jsonl", "{task}"),
        accounting=PLACE.corpus("accounting.json", "{task}"),
    log:
        log_of("prepare_task", "{task}"),
    benchmark:
        benchmark_of("prepare_task", "{task}")
    threads: workers_of_task
    params:
        split=lambda wildcards: COMMANDS.corpus(wildcards.task),
        work=beside(f"{PLACE.results}/work/prepare_task/{{task}}"),


use rule tokenize_corpus as tokenize_task with:
    input:
        model=PLACE.tokenizer,
        functions=[PLACE.corpus(f"{split}.jsonl", "{task}") for split in SPLITS],
        matched=PLACE.matched,
    output:
        train=PLACE.tokens("train", "{task}"),
        validation=PLACE.tokens("validation", "{task}"),
        test=PLACE.tokens("test", "{task}"),
        accounting=f"{PLACE.token_home('{task}')}/accounting.json",
    log:
        log_of("tokenize_task", "{task}"),
    benchmark:
        benchmark_of("tokenize_task", "{task}")
    threads: workers_of_task
    params:
        work=beside(f"{PLACE.results}/work/tokenize_task/{{task}}"),


use rule teach as learn_task with:
    input:
        model=lambda wildcards: PLACE.model(GRID.graph.tasks[wildcards.base].needs[0]),
        tokenizer=PLACE.tokenizer,
        train=lambda wildcards: PLACE.tokens(
            "train", GRID.graph.tasks[wildcards.base].section
        ),
        validation=lambda wildcards: PLACE.tokens(
            "validation", GRID.graph.tasks[wildcards.base].section
        ),
    output:
        model=PLACE.model("{base}", trained=True),
    log:
        log_of("learn_task", "{base}"),
    benchmark:
        benchmark_of("learn_task", "{base}")
    wildcard_constraints:
        base=PLACE.one_of(GRID.graph.tasks),
