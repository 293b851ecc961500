"""Runs of the sampler as tests make them."""

from codestill.sampling.sampler import LoadedModel, sample
from codestill.sampling.settings import Settings

STOPS = ["\nclass", "\ndef", "zq"]


def settings_for(folder, **changes):
    usual = {"model_dir": str(folder), "n": 7, "max_new_tokens": 24, "stop": STOPS, "device": "cpu", "seed": 3}
    return Settings(**usual | changes)


def draw(settings, benchmark, folder, name="run", shard="1/1"):
    """(samples as bytes, protocol) of one run."""
    files = [folder / f"{name}.jsonl", folder / f"{name}.json"]
    facts = sample(LoadedModel(settings), settings, str(benchmark), *files, folder / "work" / name, shard)
    return files[0].read_bytes(), facts


def changed(settings, **changes):
    """The settings with some of them changed."""
    return settings.model_copy(update=changes)
