"""How much reading one file may take."""

from dataclasses import dataclass

MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one parse.

    Attributes:
        memory_mb: Address space of the child, 40 to 160 MB of libraries included; of each program it
            starts (OCR) again as much. macOS does not enforce it.
        cpu_s: Computing time of the child in seconds, rounded up to whole ones; of each program it starts
            at least as much.
        wall_s: Time on the clock in seconds, for the child and all it starts.
        output_mb: The document as it crosses the pipe: its text in UTF-8, headings and other spans as JSON.
    """

    memory_mb: int = 1024
    cpu_s: float = 120
    wall_s: float = 180
    output_mb: int = 64
