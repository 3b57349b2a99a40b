"""The one exception type for a user's mistake."""


class UserError(ValueError):
    """A mistake in what the user gave: a config value, a path, a file.

    Its message is one sentence that says what is wrong, where, and what to do. Entry points print the message alone,
    without a traceback; as a library error it is an ordinary `ValueError`.
    """
