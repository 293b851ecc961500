"""The end of a training: its model folder, its results, and nothing else left behind."""

import shutil
from pathlib import Path

from codestill.distill.diagnosis import diagnose
from codestill.distill.diverged import RECORD, refuse_diverged
from codestill.distill.teacher_pass import OWN
from codestill.kit.files import sha256, write_json
from codestill.kit.folders import whole_folder
from codestill.kit.model_files import ADAPTER
from codestill.kit.program import log
from codestill.kit.provenance import provenance
from codestill.models import adapters, folders
from codestill.models.quantisation import bits_of
from codestill.models.weights import weights_checksum

KINDS = ("eval_loss", "eval_loss_ce", "eval_loss_kl", "eval_loss_total")


def finish(run):
    """Write everything of a `codestill.distill.training` run; returns its eval_results."""
    options, trainer = run.options, run.trainer
    history = trainer.state.log_history
    results = {kind: run.metrics.get(kind) for kind in KINDS}
    # The trainer numbers epochs by steps; without a training there is none.
    results |= {"epoch": run.metrics.get("epoch", 0.0) or 0.0, "step": run.metrics.get("step", 0)}
    results["targets"] = run.validation_data.all_targets()
    trained = _train_results(run)
    if run.steps:
        refuse_diverged(run, results["eval_loss"], results["step"], trained["train_loss_ce"])
    results["diagnosis"] = diagnose(history, run.steps) if run.steps else "not trained"
    if run.main:
        log(f"eval_loss {results['eval_loss']:.4f} nats a token at step {results['step']}")
        log(f"diagnosis: {results['diagnosis']}")
        _write(run, results, trained)
        for folder in Path(options.work_dir).glob("checkpoint-*"):
            shutil.rmtree(folder)
        shutil.rmtree(Path(options.work_dir) / OWN, ignore_errors=True)
        for name in ("run.json", RECORD):
            (Path(options.work_dir) / name).unlink(missing_ok=True)
    return results


def _train_results(run):
    """Mean losses of the last tenth of the logs, steps, rows, seconds over all attempts; the CPU's of this process."""
    trainer = run.trainer
    logs = [row for row in trainer.state.log_history if "loss_total" in row and "eval_loss" not in row]
    tail = logs[-max(1, len(logs) // 10) :]
    results = {}
    for kind in ("loss_total", "loss_ce", "loss_kl"):
        values = [row[kind] for row in tail if kind in row]
        results[f"train_{kind}"] = sum(values) / len(values) if values else None
    results["train_loss"] = results["train_loss_total"]
    seconds, cpu_seconds = trainer.spent() if run.steps else (0.0, 0.0)
    epochs = run.options.epochs if run.steps else 0.0
    targets = run.train_data.all_targets() * epochs
    own = trainer.own_text
    if own:
        targets = own.told["corpus_targets"] + own.told["tokens"]
        results["own_text"] = {name: own.told[name] for name in ("batches", "tokens", "seconds")}
    return results | {
        "epoch": epochs,
        "steps": run.steps,
        "rows": len(run.train_data),
        "targets": int(targets),
        "train_runtime": seconds,
        "train_cpu_seconds": cpu_seconds,
        "targets_per_second": targets / seconds if seconds else None,
        "attempts": trainer.attempts,
    }


def _write(run, eval_results, train_results):
    options, job = run.options, run.job
    with whole_folder(options.output_dir, within=[ADAPTER]) as folder:
        if run.steps == 0 and job.init == "weights" and folders.can_copy(job.model_path):
            folders.copy_model(job.model_path, folder)
        else:
            folders.save_weights(adapters.merged(run.model) if options.adapter else run.model, folder)
        kept = _keep_adapter(run, folder) if options.adapter and options.adapter.keep and run.steps else {}
        folders.copy_tokenizer(job.tokenizer_path, folder)
        run.trainer.state.save_to_json(str(folder / "trainer_state.json"))
        write_json(folder / "train_results.json", train_results)
        write_json(folder / "eval_results.json", eval_results)
        record = provenance(
            cell=job.cell,
            facts=run.facts,
            teacher=run.teacher_facts,
            tokenizer=str(job.tokenizer_path),
            weights=weights_checksum(folder),
            device=_device_name(run.device),
            dropout=run.dropouts(),
            **kept,
        )
        write_json(folder / "provenance.json", record)


def _keep_adapter(run, folder):
    """Write the adapter beside the merged model; what the provenance says of it."""
    place, base = folder / ADAPTER, run.job.model_path
    adapters.save_for_peft(run.model, base, place)
    held = run.options.load_in or bits_of(base) or "full precision"
    files = {one.name: sha256(one) for one in sorted(place.iterdir())}
    return {"adapter": {"base": str(base), "base_in": held, "files": files}}


def _device_name(device):
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(device)
    return "cpu"
