"""`python -m bench.baseline orm|raw`: serves one variant until SIGTERM."""

from __future__ import annotations

import argparse
import os

import uvicorn


def main() -> None:
    line = argparse.ArgumentParser(prog="python -m bench.baseline", description=__doc__)
    line.add_argument("variant", choices=["orm", "raw"])
    line.add_argument("--port", type=int, required=True)
    line.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes; as many as cores when unset")
    line.add_argument("--database-url", required=True)
    line.add_argument("--jwks", required=True, help="a file with the key set that access tokens are verified with")
    line.add_argument("--issuer", required=True)
    line.add_argument("--audience", required=True)
    given = line.parse_args()
    os.environ.update(
        BASELINE_VARIANT=given.variant,
        BASELINE_DATABASE_URL=given.database_url,
        BASELINE_JWKS=given.jwks,
        BASELINE_TOKEN_ISSUER=given.issuer,
        BASELINE_TOKEN_AUDIENCE=given.audience,
    )
    # uvloop and httptools where installed; the access log stays on, as the platform logs its requests too.
    uvicorn.run(
        "bench.baseline.app:create",
        factory=True,
        port=given.port,
        workers=given.workers,
        # A worker that is slow under load is not to be killed for it.
        timeout_worker_healthcheck=60,
    )


if __name__ == "__main__":
    main()
