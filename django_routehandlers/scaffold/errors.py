"""What is wrong with a request for a new route file, as the one error of this room."""


class CannotStart(ValueError):
    """No file can be started as asked for; nothing was changed. The message says where, what and the remedy."""
