"""Training with TRL's GRPOTrainer: its optimiser steps on a transcript, without what prepares them."""

import time
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from tests.benchmarks.peers.protocol import answer, task, wait
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

STEPS = 1000  # more than are asked for


class TimedTrainer(GRPOTrainer):
    """Notes when a step has its micro-batches."""

    prepared = 0.0

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        first = self._step % self.args.gradient_accumulation_steps == 0
        inputs = super()._prepare_inputs(generation_batch)
        if first:
            self.prepared = time.process_time()
        return inputs


class Answer(TrainerCallback):
    """Answers after every optimiser step."""

    def __init__(self) -> None:
        self.trainer: TimedTrainer | None = None

    def on_optimizer_step(self, *_: Any, **__: Any) -> None:
        assert self.trainer is not None
        answer(time.process_time() - self.trainer.prepared)


def main() -> None:
    """Repeat until no more is asked for."""
    torch.set_num_threads(1)
    model, work = task()
    rows, starts = len(work["tokens"]), [positions[0] for positions in work["positions"]]
    completions = [ids[start:] for ids, start in zip(work["tokens"], starts, strict=True)]
    drawn = [{*positions} for positions in work["positions"]]
    transcript = {
        "prompt_ids": [ids[:start] for ids, start in zip(work["tokens"], starts, strict=True)],
        "completion_ids": completions,
        "logprobs": [[0.0] * len(ids) for ids in completions],
        "env_mask": [
            [int(start + i in its) for i in range(len(ids))]
            for ids, start, its in zip(completions, starts, drawn, strict=True)
        ],
    }

    def roll_out(prompts: list[Any], trainer: GRPOTrainer) -> dict[str, Any]:
        wait()
        return transcript

    def reward(prompts: list[Any], **_: Any) -> list[float]:
        return torch.randn(len(prompts)).tolist()

    callback = Answer()
    trainer = TimedTrainer(
        model=model,
        reward_funcs=reward,
        rollout_func=roll_out,
        train_dataset=Dataset.from_dict({"prompt": [""] * rows}),
        peft_config=LoraConfig(
            r=work["rank"],
            lora_alpha=work["alpha"],
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        args=GRPOConfig(
            output_dir=f"{model}-trl",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            per_device_train_batch_size=min(work["micro_batch"], rows),
            gradient_accumulation_steps=max(1, rows // work["micro_batch"]),
            num_generations=2,
            max_steps=STEPS,
            beta=0.0,
            loss_type="dr_grpo",
            scale_rewards="none",
            temperature=work["temperature"],
            learning_rate=work["learning_rate"],
            lr_scheduler_type="constant",
            weight_decay=0.0,
            max_grad_norm=work["max_grad_norm"],
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        ),
        callbacks=[callback],
    )
    callback.trainer = trainer
    trainer.train()


if __name__ == "__main__":
    main()
