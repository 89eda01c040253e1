"""Work in the background leaves the process to requests.

Events of a busy minute cost least when many are handled at once, and people who wait come first. So whoever has worked
off what was there rests for a multiple of the time that it took; what arrives meanwhile is the next batch. The first
event after a quiet moment is never kept waiting, and a backlog is worked off without rest.
"""

from __future__ import annotations

import asyncio

# A fifth of the time at most goes to work that nobody waits for.
_REST = 4.0
_LONGEST_SECONDS = 0.25


def pause_seconds(worked: float) -> float:
    """How long to rest after so many seconds of work: in proportion, a quarter of a second at most."""
    return min(_REST * worked, _LONGEST_SECONDS)


async def pause_after(worked: float) -> None:
    """Rests after so many seconds of work."""
    await asyncio.sleep(pause_seconds(worked))
