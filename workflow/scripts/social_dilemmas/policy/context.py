"""Whether a game's conversations fit into a model's context."""

from social_dilemmas.errors import UserError
from social_dilemmas.games.game import SEATS
from social_dilemmas.games.grammar import Choice, Grammar, Literal, Text
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.policy import Policy


def check_context(policy: Policy, max_new_tokens: int, *, stranger: bool = False) -> None:
    """Raise UserError if a match takes more tokens (see `longest_conversation`) than `max_position_embeddings`."""
    config = policy.language_model.model.config.get_text_config()
    most = getattr(config, "max_position_embeddings", None)
    longest = longest_conversation(policy, max_new_tokens, stranger=stranger)
    if most is not None and longest > most:
        raise UserError(
            f"{policy.game.name}: a conversation may take {longest} tokens, but the model at "
            f"{policy.language_model.path} has a context of {most}: lower rounds (in games with messages "
            "max_new_tokens or message_limit), or choose another model"
        )


def longest_conversation(policy: Policy, max_new_tokens: int, *, stranger: bool = False) -> int:
    """Tokens of a seat's conversation over the most rounds, with messages of `max_new_tokens` and the longest choices.

    Messages of a `stranger`, another model behind an API, are limited by the game alone, and may have a token for every
    character. The conversation is that of one match: what chance draws in others may be said in a few tokens more or
    less.
    """
    chat, game = policy.chat, policy.game
    match = game.start(0)
    match.rounds = game.rounds
    tokens = [0 for _ in SEATS]
    while turns := match.turns():
        replies = {turn.seat: longest_reply(turn.grammar, chat) for turn in turns}
        for turn in turns:
            framed = chat.following(turn.prompt) if tokens[turn.seat] else chat.opening(turn.prompt)
            reply = policy.masks.encode(turn.grammar, replies[turn.seat])
            tokens[turn.seat] += len(framed) + len(reply)
            for part in turn.grammar.parts:
                if isinstance(part, Text):  # the speaker's and the listener's conversation hold it
                    longest = min(max_new_tokens, part.limit)
                    tokens[turn.seat] += longest
                    tokens[1 - turn.seat] += part.limit if stranger else longest
        match.take(replies)
    return max(tokens)


def longest_reply(grammar: Grammar, chat: ChatFormat) -> str:
    """The reply whose choices take the most tokens; free text is one letter."""

    def length(option: str) -> int:
        return len(chat.tokenizer.encode(option, add_special_tokens=False))

    return grammar.write(
        {
            part.name: max(part.options, key=length) if isinstance(part, Choice) else "x"
            for part in grammar.parts
            if not isinstance(part, Literal)
        }
    )
