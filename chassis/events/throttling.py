"""Background throttling: relays and consumers leave processor time to requests.

Events cost least when many are handled in one batch, and requests come first. So after each batch the worker pauses in
proportion to the time that the batch took; events that arrive meanwhile form the next batch. The first event after an
idle period is handled immediately, and a backlog is handled without pauses.
"""

from __future__ import annotations

import asyncio

# At most a fifth of the time goes to background work.
_PAUSE_RATIO = 4.0
_LONGEST_SECONDS = 0.25


def pause_seconds(worked: float) -> float:
    """The pause after `worked` seconds of work, at most a quarter of a second."""
    return min(_PAUSE_RATIO * worked, _LONGEST_SECONDS)


async def pause_after(worked: float) -> None:
    """Pauses after `worked` seconds of work."""
    await asyncio.sleep(pause_seconds(worked))
