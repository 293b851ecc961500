"""The files of a model's folder in Hugging Face format, as every program writes and expects them."""

CONFIG_AND_WEIGHTS = ("config.json", "generation_config.json", "model.safetensors")
MODEL_FILES = (*CONFIG_AND_WEIGHTS, "tokenizer.json", "tokenizer_config.json")
# A tokenizer may have more: what older readers or chat prompts need.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
)
# The folder within, where an adapter is kept: at the top, transformers would take the whole for one.
ADAPTER = "adapter"
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
PACKAGE = "package:"  # begins the name of a model that an installed Python package ships
