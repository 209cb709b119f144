"""What the scripts share: how they end when something is in their way, and arguments that many take."""

import argparse
import sys
from collections.abc import Callable

from pydantic import ValidationError

from rag.errors import GroundworkError, InvalidInputError, NotFoundError

USAGE_ERROR = 2  # as argparse's; scripts whose 2 is a verdict say another


def exit_code(work: Callable[[], int], *, failing_to: str, usage_error: int = USAGE_ERROR) -> int:
    """What `work` returns; or, with the reason on standard error, the code of what was in its way.

    Args:
        work: All that the script does.
        failing_to: The verb of "Cannot … : reason".
        usage_error: For what the caller has to put right; 1 stands for everything else.
    """
    try:
        return work()
    except (InvalidInputError, NotFoundError) as exc:
        reason, code = str(exc), usage_error
    except ValidationError as exc:
        reason, code = str(exc.errors()[0]["msg"]).removeprefix("Value error, "), usage_error
    except (GroundworkError, TimeoutError) as exc:
        reason, code = str(exc) or "it took too long", 1
    print(f"Cannot {failing_to}: {reason}", file=sys.stderr)
    return code


def positive(text: str) -> int:
    """A whole number from 1, as the type of an argument."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
