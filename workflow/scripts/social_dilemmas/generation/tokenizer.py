"""The embedded model's tokenizer: whole sentences of the games are single tokens.

On a CPU the number of tokens is what costs. A pre-tokenizer sets apart only what varies (tags such as `<A>`,
numbers, and phrases that the games name); what stands between is constant, and each such segment becomes one
entry of the vocabulary. Any other text is still encoded, by byte-level BPE merges learned from the same words.
"""

import re
from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

USER, ASSISTANT, END, PAD = "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"

# One control token opens a turn; only replies are closed by one.
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


def train_tokenizer(
    corpus: Iterable[str], varying: Iterable[str], merges: int = 128
) -> PreTrainedTokenizerFast:
    """A tokenizer for this text.

    Args:
        corpus: prompts and replies of the games; every segment of them becomes a token.
        varying: phrases that vary inside otherwise constant sentences and stay tokens of their own.
        merges: number of byte-level merges for text outside the corpus.
    """
    phrases = sorted(set(varying), key=lambda phrase: (-len(phrase), phrase))
    varies = "|".join([r"<[^<>]*>", *map(re.escape, phrases), r"[0-9]+"])
    segmenter = pre_tokenizers.Split(Regex(varies), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)

    segments: dict[str, int] = {}  # how often each was seen, in order of first appearance
    for text in corpus:
        for segment, _ in segmenter.pre_tokenize_str(text):
            segments[segment] = segments.get(segment, 0) + 1

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + merges, initial_alphabet=alphabet, show_progress=False
    )
    words.train_from_iterator(segments, trainer)

    vocabulary = dict.fromkeys((PAD, END, USER, ASSISTANT))
    vocabulary |= dict.fromkeys(sorted(words.get_vocab(), key=words.get_vocab().__getitem__))
    vocabulary |= dict.fromkeys(byte_level.pre_tokenize_str(segment)[0][0] for segment in segments)
    tokenizer = Tokenizer(
        models.BPE(
            vocab={token: index for index, token in enumerate(vocabulary)},
            merges=_merges_of(words),
            ignore_merges=True,  # a segment that is an entry of its own is taken whole
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([segmenter, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in (PAD, END, USER, ASSISTANT)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        extra_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def _merges_of(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    import json

    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
