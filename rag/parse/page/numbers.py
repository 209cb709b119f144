"""Page numbers in words."""

from collections.abc import Sequence


def named_pages(numbers: Sequence[int], shown: int = 10) -> str:
    """`page 3`, `pages 1, 2`; of many, the first ones and how many more."""
    listed = ", ".join(map(str, numbers[:shown]))
    rest = f" and {len(numbers) - shown} more" if len(numbers) > shown else ""
    return f"page{'s' if len(numbers) > 1 else ''} {listed}{rest}"


def were(numbers: Sequence[int]) -> str:
    """The verb after them."""
    return "was" if len(numbers) == 1 else "were"
