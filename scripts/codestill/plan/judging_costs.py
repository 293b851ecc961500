"""What it takes to judge models: samples, their verdicts, and measures of language and speed."""

import math
from dataclasses import replace

from codestill.kit.shards import read_shard
from codestill.plan.work import GIB, PLAIN_START, TORCH_BYTES, TORCH_START, Work

FLOAT_BYTES = {"float32": 4, "bf16": 2, "fp16": 2}


class JudgingCosts:
    """The part of `codestill.plan.costs.Costs` for rules that judge."""

    def _audit(self, base="teacher", rule="audit"):
        """200 validation functions, or as many as rows are measured, in three layouts, and 32 greedy completions of 96
        tokens, side by side."""
        settings, one = self.study.generation, self.models[base]
        functions = min(self.study.measures.max_rows or 200, self.amounts.functions["validation"])
        tokens = 3 * functions * self.study.plan.tokens_per_function
        gpu = self.on_gpu(settings.device)
        least = 96 * one.layers * (self.plan.gpu if gpu else self.plan.core).layer_ms / 1e3
        operations = (tokens + 32 * 96) * one.forward(150)
        seconds = least + self.seconds(operations, 0, settings.device, "float32", settings.threads)
        return Work(rule, base, TORCH_START, seconds, int(gpu), settings.threads, TORCH_BYTES + 2 * one.held())

    def _audit_teacher(self, base):
        return self._audit(base, "audit_teacher")

    def _generate(self, benchmark, model, jobs=1):
        """Samples are drawn in lanes side by side: one pass over the weights serves a token of every lane."""
        settings, one = self.study.generation, self.architecture_of(model)
        problems = self.amounts.problems(benchmark) / jobs
        samples = problems * self.study.drawn[benchmark].n
        item = FLOAT_BYTES[settings.precision]
        lane = one.cache_bytes(settings.max_new_tokens + 200, item) + 12 * one.vocabulary
        lanes = min(samples, max(1, min(256, settings.memory * GIB // 2 / lane)))
        steps = math.ceil(samples / lanes) * settings.max_new_tokens * self.plan.written
        gpu = self.on_gpu(settings.device)
        least = one.layers * (self.plan.gpu if gpu else self.plan.core).layer_ms / 1e3
        operations, moved = lanes * one.forward(context=300), one.held(item)
        step = least + self.seconds(operations, moved, settings.device, settings.precision, settings.threads)
        prompts = problems * 150 * one.forward(75)
        prefill = self.seconds(prompts, 0, settings.device, settings.precision, settings.threads)
        memory = TORCH_BYTES + 2 * one.held() + (0 if gpu else min(2 * lanes * lane, settings.memory * GIB))
        variant = f"{benchmark}/{self._kind_of(model)}"
        return Work(
            "generate" if jobs == 1 else "generate_part",
            variant,
            TORCH_START,
            steps * step + prefill,
            int(gpu),
            settings.threads,
            memory,
            samples * 500.0,
            0.0,
        )

    def _generate_part(self, benchmark, model, part):
        return self._generate(benchmark, model, read_shard(part)[1])

    def _gather_samples(self, benchmark, model):
        samples = self.amounts.problems(benchmark) * self.study.drawn[benchmark].n
        return Work("gather_samples", "all", PLAIN_START, 0.1 + samples * 1e-5, disk=samples * 500.0)

    def _complete_without_model(self, benchmark, model):
        count = self.amounts.functions["train"]
        return Work("complete_without_model", model, PLAIN_START, count * 2e-3, memory=0.3e9 + count * 2e4, disk=2e5)

    def _check_benchmark(self, benchmark):
        grading = self.study.grading
        seconds = self.amounts.problems(benchmark) * 0.01 / grading.workers
        memory = 0.5e9 + 0.2e9 * grading.workers
        return Work("check_benchmark", benchmark, 2.0, seconds, 0, grading.workers, memory, 1e4)

    def _near_copies(self, benchmark):
        count = self.amounts.functions["train"]
        return Work("near_copies", benchmark, PLAIN_START, count * 5e-4, disk=1e4)

    def _grade(self, benchmark, model):
        grading = self.study.grading
        samples = self.amounts.problems(benchmark) * self.study.benchmarks[benchmark].n
        role = self._kind_of(model)
        seconds = samples * (0.004 + 0.001 * grading.timeout) / grading.workers
        return Work(
            "grade",
            f"{benchmark}/{role}",
            2.0,
            seconds,
            0,
            grading.workers,
            0.5e9 + 0.2e9 * grading.workers,
            samples * 600,
        )

    def _measure_language(self, model):
        settings, one = self.study.generation, self.architecture_of(model)
        alone, teacher = model == "teacher", self.models["teacher"]
        rows = self.study.measures.max_rows or math.inf
        tokens = min(self.amounts.tokens["test"], rows * self.study.tokens.max_seq_length)
        operations = tokens * (one.forward(100) + (0 if alone else teacher.forward(100)))
        seconds = self.seconds(operations, 0, settings.device, settings.precision, settings.threads)
        gpu = self.on_gpu(settings.device)
        memory = TORCH_BYTES + (one.held() + teacher.held()) * 1.5 + (0 if gpu else 2e9)
        return Work(
            "measure_language",
            "teacher" if alone else self._kind_of(model),
            TORCH_START,
            seconds,
            int(gpu),
            settings.threads,
            memory,
        )

    def _measure_validation(self, model):
        return replace(self._measure_language("teacher"), rule="measure_validation", variant="cell")

    def _measure_efficiency(self):
        settings, models = self.study.generation, [self.architecture_of(model) for model in self.layout.timed]
        operations = 20_000 * sum(one.forward(100) for one in models)
        seconds = self.seconds(operations, 0, settings.device, settings.precision, settings.threads)
        memory = TORCH_BYTES + 2 * sum(one.held() for one in models)
        gpu = self.on_gpu(settings.device)
        return Work("measure_efficiency", "", TORCH_START, 4 + seconds, int(gpu), settings.threads, memory)

    def _shortlist(self, chosen):
        return Work("shortlist", "all", PLAIN_START, 0.1)

    def _choose(self, chosen):
        return Work("choose", "all", PLAIN_START, self._model_bytes("student") / 3e8, disk=self._model_bytes("student"))
