"""JAX's service of a training on several hosts, as a process of its own beside the first host's; run by file, not imported.

JAX's clients abort their processes in the moment in which the service is gone. Here it outlives the first host by some seconds,
in which the other hosts notice the end by their own connection to it and end with one line.
"""

import os
import sys
import time

#: Seconds that the service outlives the first host.
LINGER = 10.0


def main(address: str, count: int, heartbeat: int) -> None:
    """Serve until standard input ends, and a little longer."""
    from jaxlib import _jax

    service = _jax.get_distributed_runtime_service(
        address, count, heartbeat_timeout=heartbeat, shutdown_timeout=300, recoverable=False
    )
    print("ready", flush=True)
    sys.stdin.read()
    time.sleep(LINGER)
    del service
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
