"""What ends a deployment before its end.

DeliveryError
|-- RefusedError      nothing was changed
`-- FailedError       what was changed has to be put back
InterruptedDelivery   the process was told to end; what was changed has to be put back, quickly
"""


class DeliveryError(Exception):
    """The message is for whoever deploys."""


class RefusedError(DeliveryError):
    pass


class FailedError(DeliveryError):
    pass


class InterruptedDelivery(BaseException):
    """Raised by a signal anywhere, so also in libraries that wrap or repeat what is an `Exception`."""
