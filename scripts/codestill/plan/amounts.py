"""How much a study has to work through: functions, tokens, problems. Counted where files say so, else assumed."""

from functools import cached_property
from pathlib import Path

from codestill.kit.files import count_jsonl, read_json
from codestill.plan.token_lengths import told_lengths
from codestill.study.entries import source_kinds
from codestill.study.layout import SPLITS
from codestill.study.recipe_names import CORPUS_PROMPTS, TEACHER
from codestill.study.sampling_jobs import known_problems

# Records of train, validation and test, by the name of the hub's data set.
KNOWN_CORPORA = {
    "google/code_x_glue_ct_code_to_text": (251_820, 13_914, 14_918),
    "code_x_glue_ct_code_to_text": (251_820, 13_914, 14_918),
}
UNKNOWN_CORPUS = 100_000
PASSING = 0.5  # share of a teacher's completions that pass, until counted


class Amounts:
    """The amounts of one study, or of one of its tasks; `notes` says in words what was counted and what was assumed."""

    def __init__(self, study, layout, task=None):
        self.study, self.layout, self.corpus, self.notes = study, layout, study.corpora[task], []
        self._task = task

    @cached_property
    def tasks(self):
        """{task: its Amounts}; a task has none of its own."""
        return {} if self._task else {task: type(self)(self.study, self.layout, task) for task in self.study.tasks}

    def _counted(self):
        return counted(self.layout.results, self._task)

    @cached_property
    def functions(self):
        """{split: functions}."""
        found = self._counted().get("functions")
        if found:
            self.notes.append("functions: counted in the corpus")
        return found or self._assumed_functions()

    def _assumed_functions(self):
        corpus, totals, words = self.corpus, [0, 0, 0], "as the sources are known"
        for source in corpus.sources.values():
            counts, known = self._source(source)
            words = words if known else "assumed (give plan.functions)"
            totals = [total + count for total, count in zip(totals, counts, strict=True)]
        asked = None if self._task else self.study.plan.functions
        limit = asked or corpus.max_samples
        if asked or (limit and limit < totals[0]):
            totals, words = [count * limit / totals[0] for count in totals], "as the config limits or gives them"
        self.notes.append(f"functions: {round(totals[0]):,} to train on, {words}")
        return {split: max(1, round(count)) for split, count in zip(SPLITS, totals, strict=True)}

    def _source(self, source):
        """([functions of each split], whether they are known) of one source before it is read."""
        corpus = self.corpus
        found = KNOWN_CORPORA.get(source.name) or source_kinds()[source.kind].get("functions")
        lines = 0 if found else count_jsonl(source.path)
        known = bool(found or lines)
        if not found:
            rest = 1 - corpus.validation_fraction - corpus.test_fraction
            shares = (rest, corpus.validation_fraction, corpus.test_fraction)
            found = [(lines or UNKNOWN_CORPUS) * share for share in shares]
        scale = min(1, source.max_samples / sum(found)) if source.max_samples else 1
        return [count * scale for count in found], known

    @cached_property
    def tokens(self):
        """{split: tokens}, rows cut at max_seq_length."""
        found = self._counted().get("tokens")
        if found:
            self.notes.append("tokens: counted")
            accounts = read_json(f"{self.layout.results}/tokens/accounting.json")
            self.notes += [f"tokens by {whose}: {told}" for whose, told in told_lengths(accounts)]
            return found
        usual, sources = self.study.plan.tokens_per_function, self.corpus.sources.values()
        sizes = [(sum(self._source(source)[0]), source_kinds()[source.kind].get("tokens", usual)) for source in sources]
        mean = sum(count * tokens for count, tokens in sizes) / sum(count for count, _ in sizes)
        mean = min(mean, self.study.tokens.max_seq_length)
        self.notes.append(f"tokens: {mean:.0f} a function, assumed (plan.tokens_per_function)")
        return {split: count * mean for split, count in self.functions.items()}

    def rows(self, split, limit=None):
        """Rows of one split, at most `limit`."""
        length = self.study.tokens.max_seq_length
        packed = self.study.tokens.layout == "packed"
        rows = self.tokens[split] / length if packed else self.functions[split]
        return min(rows, limit) if limit else rows

    def trained_tokens(self, split, limit=None, text=None):
        """Tokens of one split, or of a `text` that a model writes, at most `limit` rows of them."""
        rows, tokens = self.rows(split), self.tokens[split]
        if text:  # its rows are as long as the corpus'
            rows, tokens = self.text_tokens(text) * rows / tokens, self.text_tokens(text)
        return tokens * (min(rows, limit) / rows if limit and rows else 1)

    def completions(self, text):
        """The completions that a text, by its name, is made of."""
        recipe = text.partition("/")[0]
        names = [CORPUS_PROMPTS] if recipe == TEACHER else self.study.tested
        return sum(self.problems(name) * self.study.drawn[name].n for name in names)

    def text_tokens(self, text):
        """Tokens of a text that a model writes: counted, else as long as functions of the corpus are."""
        share = 1 if text.startswith(f"{TEACHER}/") else PASSING
        mean = self.tokens["train"] / self.functions["train"]
        return self.texts.get(text) or self.completions(text) * share * mean

    @cached_property
    def texts(self):
        """{text: tokens} of those that are counted."""
        return self._counted().get("texts", {})

    def _brought(self, name):
        """Problems of a benchmark that is brought already; 0 before."""
        return count_jsonl(self.layout.inputs("benchmarks", f"{name}.jsonl")) or 0

    def problems(self, name):
        """Problems of a benchmark, prompts of what is completed to be learnt from."""
        benchmark = self.study.drawn[name]
        count = self._brought(name) or count_jsonl(benchmark.path)
        if name == CORPUS_PROMPTS:
            count = count or self.functions["train"]
        count = count or self.study.plan.problems.get(name) or known_problems(benchmark)
        return min(count, benchmark.problems or count)

    def counts(self):
        """All of them as plain data, for a record of what a plan was reckoned with."""
        problems = {name: self.problems(name) for name in self.study.drawn}
        found = {"functions": self.functions, "tokens": self.tokens, "problems": problems, "texts": self.texts}
        return found | ({"tasks": {name: one.counts() for name, one in self.tasks.items()}} if self.tasks else {})


class Assumed(Amounts):
    """The amounts by the config and the files that it names alone, whatever a run has counted meanwhile."""

    def _counted(self):
        return {}

    def _brought(self, name):
        return 0


class Recorded(Amounts):
    """The amounts that a record tells of (`Amounts.counts`)."""

    def __init__(self, study, layout, counts):
        super().__init__(study, layout)
        self.functions, self.tokens, self._problems = counts["functions"], counts["tokens"], counts["problems"]
        self.tasks = {name: Recorded(study, layout, one) for name, one in counts.get("tasks", {}).items()}
        self.texts = counts.get("texts", {})

    def problems(self, name):
        return self._problems[name]


def counted(results, task=None):
    """The functions and tokens that are counted in a study's folder, or of one of its tasks, as far as they are."""
    found = {}
    corpus = f"{results}/tasks/{task}/corpus" if task else f"{results}/inputs/corpus"
    tokens = f"{results}/tasks/{task}/tokens" if task else f"{results}/tokens"
    if Path(corpus, "accounting.json").is_file():
        kept = read_json(f"{corpus}/accounting.json")["kept"]
        found["functions"] = {split: kept[split] for split in SPLITS}
    if Path(tokens, "accounting.json").is_file():
        splits = read_json(f"{tokens}/accounting.json")["splits"]
        found["tokens"] = {split: splits[split]["tokens"] for split in SPLITS}
    for path in Path(f"{results}/recipes").glob("*/*/tokens.json"):
        text = path.parent.relative_to(f"{results}/recipes").as_posix()
        found.setdefault("texts", {})[text] = read_json(path)["splits"]["tokens"]["tokens"]
    return found
