"""Composition root: `python -m services.review`."""

from chassis import Service
from services.identity import IDENTITY
from services.review.events import HANDLERS
from services.review.servicer import ReviewServicer

SERVICE = Service("review", identity=IDENTITY, servicers=[ReviewServicer], handlers=HANDLERS)

if __name__ == "__main__":
    SERVICE.run()
