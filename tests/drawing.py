"""Runs of the sampler as tests make them."""

from dataclasses import replace

from codestill.sampling.sampler import Model, Settings, sample

STOPS = ("\nclass", "\ndef", "zq")


def settings_for(folder, **changes):
    return replace(Settings(str(folder), n=7, max_new_tokens=24, stops=STOPS, device="cpu", seed=3), **changes)


def draw(settings, benchmark, folder, name="run", shard="1/1"):
    """(samples as bytes, protocol) of one run."""
    files = [folder / f"{name}.jsonl", folder / f"{name}.json"]
    facts = sample(Model(settings), settings, str(benchmark), *files, folder / "work" / name, shard)
    return files[0].read_bytes(), facts
