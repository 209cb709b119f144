"""What can go wrong in the domain. No HTTP here: `app.problems` maps these to problem+json.

GroundworkError
├── InvalidInputError          the caller's input is wrong; the message says what
│   ├── UnsupportedTypeError   no parser for this kind of file
│   └── UnreadableFileError    the right kind of file, but broken, encrypted or empty
├── NotFoundError              no such object for this tenant
├── ConflictError              the object is in a state that forbids the call
├── QuarantinedError           a document needs a person's look before it is taken in
├── BlockedError               a guardrail refuses the question or the answer
├── ModelError                 a model failed; says which stage
└── UnavailableError           something that a request needs is not there now
    └── OverloadedError        more is asked than can be done now; says when to come again
        └── ThrottledError     more than the provider's quota allows
"""


class GroundworkError(Exception):
    """Root of every error that Groundwork raises on purpose."""


class InvalidInputError(GroundworkError):
    """The caller's input is wrong; the message says what, and is safe to show."""


class UnsupportedTypeError(InvalidInputError):
    """No parser reads this kind of file."""


class UnreadableFileError(InvalidInputError):
    """A supported kind of file that is broken, encrypted or holds no text."""


class NotFoundError(GroundworkError):
    """No such object for this tenant."""


class ConflictError(GroundworkError):
    """The object is in a state that forbids the call."""


class QuarantinedError(GroundworkError):
    """A document is readable but looks wrong; the message says how, and is safe to show."""


class BlockedError(GroundworkError):
    """A guardrail refuses the question or the answer; the message says which, and is safe to show."""


class ModelError(GroundworkError):
    """A chat, embedding or rerank model failed."""


class UnavailableError(GroundworkError):
    """Something that every request needs, such as the database, cannot be reached now."""


class OverloadedError(UnavailableError):
    """More is asked of a model than it can do now, or it is given time to recover.

    Attributes:
        retry_after_s: When it is worth asking again.
    """

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ThrottledError(OverloadedError):
    """The provider's quota is used up, and waiting within the request's time did not help."""
