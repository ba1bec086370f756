"""Errors that a user can mend. Anything else that is raised is a fault of this project."""


class UserError(Exception):
    """The message says what is wrong, where, and what to do; flows print it without a traceback."""
