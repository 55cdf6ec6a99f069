"""Sampling with vLLM: every moment of a transcript is one call, and the prefix cache holds what was said before."""

import time

from tests.benchmarks.peers.protocol import answer, task, wait
from vllm import LLM, SamplingParams, TokensPrompt


def main() -> None:
    """Repeat until no more is asked for."""
    model, work = task()
    llm = LLM(
        model=model,
        dtype="float32",
        enforce_eager=True,
        enable_prefix_caching=True,
        block_size=32,
        max_num_seqs=len(work["tokens"]),
        skip_tokenizer_init=True,
        generation_config="vllm",
    )
    while True:
        wait()
        llm.reset_prefix_cache()
        begin = time.process_time()
        for moment in work["moments"]:
            llm.generate(
                [
                    TokensPrompt(prompt_token_ids=work["tokens"][row][:end])
                    for row, end, _ in moment
                ],
                [
                    SamplingParams(max_tokens=count, ignore_eos=True, detokenize=False)
                    for *_, count in moment
                ],
                use_tqdm=False,
            )
        answer(time.process_time() - begin)


if __name__ == "__main__":
    main()
