"""`python -m bench.baseline orm|raw`: serves one variant until SIGTERM."""

from __future__ import annotations

import argparse
import os

import uvicorn

# uvicorn imports it in each worker.
APP = "bench.baseline.app:create"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.baseline", description=__doc__)
    parser.add_argument("variant", choices=["orm", "raw"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes; default: one per core")
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--jwks", required=True, help="file with the JSON Web Key Set that verifies access tokens")
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--audience", required=True)
    options = parser.parse_args()
    os.environ.update(
        BASELINE_VARIANT=options.variant,
        BASELINE_DATABASE_URL=options.database_url,
        BASELINE_JWKS=options.jwks,
        BASELINE_TOKEN_ISSUER=options.issuer,
        BASELINE_TOKEN_AUDIENCE=options.audience,
    )
    # uvicorn uses uvloop and httptools when installed. The access log is on, because the platform logs requests too.
    uvicorn.run(
        APP,
        factory=True,
        port=options.port,
        workers=options.workers,
        # uvicorn must not kill a worker that is slow under load.
        timeout_worker_healthcheck=60,
    )


if __name__ == "__main__":
    main()
