"""The one error that users are meant to read."""


class UserError(Exception):
    """Something the user gave is wrong; the message is one sentence that says what, where and what is allowed."""
