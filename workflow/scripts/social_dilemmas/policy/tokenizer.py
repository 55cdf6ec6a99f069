"""The embedded model's tokenizer: whole sentences of the games are single tokens.

On a CPU, time goes with the number of tokens. The games' text is split at what varies in it: tags such as `<A>`,
numbers, and phrases that the games name. Each of these, and each constant segment in between, is one entry of the
vocabulary, matched before anything else. Any other text is encoded by byte-level BPE trained on the same text.

The segments are added tokens of an ordinary `Qwen2Tokenizer`: it is what `AutoTokenizer` loads for every model of type
qwen2, and it would silently replace a pre-tokenizer of our own.
"""

import json
import re
from collections.abc import Iterable

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer

USER, ASSISTANT, END, PAD = "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"

# A control token opens every turn; only replies are closed by one.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role not in ['user', 'assistant'] %}"
    "{{ raise_exception('this model knows the roles user and assistant only') }}"
    "{% endif %}"
    "{{ '<|' + message.role + '|>' + message.content }}"
    "{% if message.role == 'assistant' %}{{ '<|end|>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def train_tokenizer(corpus: Iterable[str], varying: Iterable[str], merges: int) -> Qwen2Tokenizer:
    """A tokenizer for the games' text.

    Every segment of the corpus becomes a token, and so do the phrases that vary within otherwise constant sentences.
    `merges` is the number of byte-level merges for any other text.
    """
    phrases = sorted(set(varying), key=lambda phrase: (-len(phrase), phrase))
    varies = re.compile("|".join([r"<[^<>]*>", *map(re.escape, phrases), r"[0-9]+"]))
    segments: dict[str, None] = {}  # in order of first appearance
    for text in corpus:
        segments |= dict.fromkeys(varies.findall(text) + varies.split(text))
    vocabulary, learned = train_bpe(segments, merges)
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary,
        merges=learned,
        unk_token=None,
        eos_token=END,
        pad_token=PAD,
        extra_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
    )
    entries = [segment for segment in segments if len(segment) > 1]
    tokenizer.add_tokens([AddedToken(segment, normalized=False) for segment in entries])
    return tokenizer


def train_bpe(texts: Iterable[str], merges: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of a byte-level BPE model."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + merges, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]
