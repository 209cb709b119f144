"""What can go wrong in the domain. No HTTP here: `app.problems` maps these to problem+json.

GroundworkError
├── InvalidInputError          the caller's input is wrong; the message says what
│   ├── UnsupportedTypeError   no parser for this kind of file
│   └── UnreadableFileError    the right kind of file, but broken, encrypted or empty
├── UnauthenticatedError       the caller doesn't say who they are, or can't prove it
├── ForbiddenError             the caller may not do this
├── NotFoundError              no such object for this tenant
├── ConflictError              the object is in a state that forbids the call
├── QuarantinedError           a document needs a person's look before it is taken in
├── LimitExceededError         the tenant has used up one of its quotas
│   └── RateLimitedError       more requests come than may in a time
├── BlockedError               a guardrail refuses the question or the answer
├── ModelError                 a model failed; says which stage
└── UnavailableError           something that a request needs is not there now
    └── OverloadedError        more is asked than can be done now; says when to come again
        └── ThrottledError     more than the provider's quota allows
"""

from datetime import datetime


class GroundworkError(Exception):
    """Root of every error that Groundwork raises on purpose."""


class InvalidInputError(GroundworkError):
    """The caller's input is wrong; the message says what, and is safe to show."""


class UnsupportedTypeError(InvalidInputError):
    """No parser reads this kind of file."""


class UnreadableFileError(InvalidInputError):
    """A supported kind of file that is broken, encrypted or holds no text."""


class UnauthenticatedError(GroundworkError):
    """The caller doesn't say who they are, or can't prove it.

    Attributes:
        was_refused: Credentials were shown, and are not good.
    """

    def __init__(self, message: str, *, was_refused: bool = True) -> None:
        super().__init__(message)
        self.was_refused = was_refused


class ForbiddenError(GroundworkError):
    """The caller is known, and may not do this; the message says what is missing."""


class NotFoundError(GroundworkError):
    """No such object for this tenant."""


class ConflictError(GroundworkError):
    """The object is in a state that forbids the call."""


class QuarantinedError(GroundworkError):
    """A document is readable but looks wrong; the message says how, and is safe to show."""


class LimitExceededError(GroundworkError):
    """The tenant has used up one of its quotas; the message says which, and is safe to show.

    Attributes:
        scope: The quota's name.
        limit: How much of it there is.
        used: How much was used or is reserved.
        reset: When there will be more; None if time alone brings none.
    """

    def __init__(
        self,
        message: str,
        *,
        scope: str | None = None,
        limit: float | None = None,
        used: float | None = None,
        reset: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.scope = scope
        self.limit = limit
        self.used = used
        self.reset = reset


class RateLimitedError(LimitExceededError):
    """More requests come than may in a time."""


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
