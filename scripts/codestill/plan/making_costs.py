"""What it takes to bring and make what is trained and judged: corpora, tokens, models, and the pages of a report."""

from codestill.plan.work import PLAIN_START, TORCH_BYTES, TORCH_START, Work

RANKING_ROWS, COMPARED_ROWS = 64, 4  # of a model made smaller: what ranks its units, and on what it is compared


class MakingCosts:
    """The part of `codestill.plan.costs.Costs` for rules that bring, make and tell."""

    def _write_text(self, recipe, author):
        """Each completion is read, parsed and searched for problems."""
        count = self.amounts.completions(f"{recipe}/{author}")
        return Work("write_text", recipe, PLAIN_START, count * 5e-4, disk=count * 600)

    def _tokenize_text(self, recipe, author):
        tokens = self.amounts.text_tokens(f"{recipe}/{author}")
        return self._tokenised("tokenize_text", "all", tokens, self.study.corpus.workers)

    def _compress(self, variant):
        """On the CPU the parent is read and what is left of it written; the rows that rank pass through the parent, and
        a few more through both.
        """
        node, threads = self.layout.graph.variants[variant], self.study.generation.threads
        length = self.study.tokens.max_seq_length
        parent, one, size = self.architecture_of(node.needs[0]), self.models[variant], self._model_bytes(variant)
        rows = RANKING_ROWS if node.part.ranked_by == "activation" else 0
        operations = length * ((rows + COMPARED_ROWS) * parent.forward(100) + COMPARED_ROWS * one.forward(100))
        seconds = (parent.bytes + size) / 3e8 + self.seconds(operations, 0, "cpu", "float32", threads)
        memory = TORCH_BYTES + 2 * parent.held() + one.held() + 3 * 4 * length * one.vocabulary
        return Work("compress", node.part.operation, TORCH_START, seconds, 0, threads, memory, size)

    def _download_model(self, base):
        size = self._model_bytes(base)
        return Work("download_model", base, 10.0, size / 3e7, memory=TORCH_BYTES + 2 * size, disk=size)

    def _download_corpus(self, source):
        amounts = [self.amounts, *self.amounts.tasks.values()]
        mine = next(one for one in amounts if source in one.corpus.sources)
        count = sum(mine.functions.values()) / len(mine.corpus.sources)
        start = 10.0 if self.study.sources[source].kind == "hub" else PLAIN_START
        return Work("download_corpus", source, start, count * 2e-4, memory=1e9 + count * 2e3, disk=count * 600)

    def _download_benchmark(self, benchmark):
        tested = self.study.drawn[benchmark].kind == "pocket_training"  # their tests are made here
        return Work("download_benchmark", benchmark, PLAIN_START, 30.0 if tested else 0.5, disk=2e5)

    def _prepare_corpus(self, task=None, rule="prepare_corpus"):
        count = sum((self.amounts.tasks[task] if task else self.amounts).functions.values())
        workers = self.study.corpora[task].workers
        memory, lines = 0.1e9 * (1 + workers) + count * 120, count * 1800
        return Work(rule, task or "all", PLAIN_START, count * 8e-4 / workers, 0, workers, memory, lines, lines)

    def _prepare_task(self, task):
        return self._prepare_corpus(task, "prepare_task")

    def _build_model(self, base):
        trains = base == "teacher"
        work = min(self.amounts.functions["train"], 1e5) * 2e-4 if trains else 1.0
        size = self._model_bytes(base)
        return Work("build_model", base, TORCH_START, work, memory=TORCH_BYTES + 2 * size, disk=size)

    def _match_vocabulary(self, base="student", rule="match_vocabulary"):
        size = self._model_bytes(base)
        memory = TORCH_BYTES + 2 * size + self._model_bytes("teacher")
        work = self.architecture_of(base).vocabulary * 2e-4
        return Work(rule, "all" if base == "student" else base, TORCH_START, work, memory=memory, disk=size)

    def _match_student(self, base):
        return self._match_vocabulary(base, "match_student")

    def _match_teacher(self, base):
        return self._match_vocabulary(base, "match_teacher")

    def _tokenize_corpus(self, task=None, rule="tokenize_corpus"):
        tokens = sum((self.amounts.tasks[task] if task else self.amounts).tokens.values())
        return self._tokenised(rule, task or "all", tokens, self.study.corpora[task].workers)

    @staticmethod
    def _tokenised(rule, variant, tokens, workers):
        """Memory does not grow with the tokens: what waits to be packed lies on disk."""
        memory, seconds = 0.7e9 + 0.15e9 * workers, tokens * 3e-6 / workers
        return Work(rule, variant, TORCH_START, seconds, 0, workers, memory, tokens * 12, tokens * 4)

    def _tokenize_task(self, task):
        return self._tokenize_corpus(task, "tokenize_task")

    def _manifest(self):
        return Work("manifest", "all", PLAIN_START, 0.5)

    def _resolve_study(self):
        return Work("resolve_study", "all", PLAIN_START, 0.1, memory=0.2e9)

    def _report(self):
        models = len(self.layout.models)
        return Work("report", "all", 3.0, 5 + 0.3 * models, memory=1e9, disk=5e6 + 2e5 * models)

    def _model_card(self, model):
        return Work("model_card", "all", PLAIN_START, 0.5)
