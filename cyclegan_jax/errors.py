"""The exception for mistakes of the user."""


class UserError(ValueError):
    """A mistake in a config value, a path, a file or another input of the user.

    Its message is one sentence: what is wrong, where, and what to do. Commands print the message without a traceback;
    library callers catch it as a `ValueError`.
    """
