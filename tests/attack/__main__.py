"""``make attack``: the attack campaigns, seeded and bounded, with their counts printed.

A campaign is a module of this folder with ``campaign(seed, count) -> (tried, failed)``, where failed lists what went wrong.
Exit status 1 where anything failed. Servers run on 127.0.0.1 only.
"""

import argparse
import importlib
import sys
import time
from pathlib import Path

#: By module, how many attacks one run makes at scale 1.
COUNTS = {
    "http_requests": 2000,
    "json_commands": 500,
    "gallery_tampering": 200,
    "gallery_kills": 10,
    "bundle_mutations": 400,
    "image_mutations": 500,
    "video_mutations": 100,
    "builder_kills": 5,
}


def main() -> int:
    """Run the campaigns and return the exit status."""
    parser = argparse.ArgumentParser(prog="make attack", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="same seed, same attacks (default: 0)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of attacks (default: 1)")
    parser.add_argument("campaigns", nargs="*", metavar="CAMPAIGN", help=f"by default all: {', '.join(COUNTS)}")
    options = parser.parse_args()
    unknown = set(options.campaigns) - set(COUNTS)
    if unknown:
        parser.error(f"{unknown.pop()}: unknown campaign; choose from {', '.join(COUNTS)}")
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    failures = 0
    for name in options.campaigns or COUNTS:
        count = max(1, round(COUNTS[name] * options.scale))
        started = time.monotonic()
        tried, failed = importlib.import_module(name).campaign(options.seed, count)
        seconds = time.monotonic() - started
        print(f"{name:18} {tried:6} tried, {len(failed):4} failed  ({seconds:.0f} s, seed {options.seed})", flush=True)
        for line in list(failed)[:10]:
            print(f"    {line}", flush=True)
        failures += len(failed)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
