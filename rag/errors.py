"""What can go wrong in the domain. No HTTP here: `app.problems` maps these to problem+json.

GroundworkError
├── InvalidInputError          the caller's input is wrong; the message says what
│   ├── UnsupportedTypeError   no parser for this kind of file
│   └── UnreadableFileError    the right kind of file, but broken, encrypted or empty
├── NotFoundError              no such object for this tenant
├── ConflictError              the object is in a state that forbids the call
├── QuarantinedError           a document needs a person's look before it is taken in
├── ModelError                 a model failed; says which stage
└── UnavailableError           something that a request needs is not there now
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


class ModelError(GroundworkError):
    """A chat, embedding or rerank model failed."""


class UnavailableError(GroundworkError):
    """Something that every request needs, such as the database, cannot be reached now."""
