"""How much memory the recogniser takes: measured in a process of its own, which has opened nothing else.

``python -m deploy.bench.footprint BUNDLE WIDTH HEIGHT RUNTIME BEGAN`` prints a line of JSON; BEGAN is when it was started,
in seconds, from which on the first result is timed.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any, Dict, List, Optional

import numpy as np

from deploy import launch
from deploy.bench import machine, scenes
from deploy.bench.streaming import StrangerGallery, pipeline
from kface.recognizer import FaceRecognizer

#: Frames of noise, and frames of a room, that the child looks at; noise gives the cascade many candidates.
FRAMES = 20
#: Seconds that the child may take; on a board it may have to build engines.
PATIENCE = 1800.0


def measure(bundle: str, width: int, height: int, runtime: str = "auto", patience: float = PATIENCE) -> Dict[str, Any]:
    """Start the child and return what it says, or the reason why it says nothing.

    Args:
        bundle: The bundle's directory.
        width: Of the frames, in pixels.
        height: The same.
        runtime: Of the networks.
        patience: Seconds to wait.
    """
    paths = [path for path in sys.path if path]
    # Not -m: the current directory may be anyone's, and would come first.
    began = repr(time.time())
    command = [sys.executable, launch.__file__, __name__, bundle, str(width), str(height), runtime, began]
    try:
        out = subprocess.check_output(
            command, stderr=subprocess.PIPE, timeout=patience, env=dict(os.environ, PYTHONPATH=os.pathsep.join(paths))
        )
        figures: Dict[str, Any] = json.loads(out.decode("utf-8").splitlines()[-1])
        return figures
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode("utf-8", "replace").strip().splitlines()
        return {"reason": lines[-1] if lines else "status {}".format(error.returncode)}
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        return {"reason": str(error)}


def main(argv: Optional[List[str]] = None) -> int:
    """Run frames through a pipeline and print what memory that took."""
    directory, width, height, runtime, began = sys.argv[1:] if argv is None else argv
    start = machine.resident_mb()
    size = (int(width), int(height))
    recognizer = FaceRecognizer.load(directory, runtime, match={"recognised": 0.5, "unknown": 0.3})
    made = pipeline(recognizer, StrangerGallery(recognizer.embedder.size), True)
    random = np.random.RandomState(1)
    room = scenes.background(size)
    made.process(room)
    first = time.time() - float(began)
    for number in range(FRAMES):
        made.process(noise(random, size) if number % 2 else room)
        recognizer.embedder.run(random.randint(0, 256, (6, 112, 112, 3)).astype(np.uint8))
    # What it takes is measured before it is given back.
    print(
        json.dumps(
            {
                "first_result_s": round(first, 3),
                "start_mb": start,
                "resident_mb": machine.resident_mb(),
                "peak_mb": machine.peak_mb(),
                "gpu_mb": machine.gpu_mb(),
                "size": list(size),
                "runtime": [recognizer.detector.runtime, recognizer.embedder.runtime],
            }
        )
    )
    recognizer.close()
    return 0


def noise(random: np.random.RandomState, size: scenes.Size) -> np.ndarray:
    """Return coarse noise, uint8 (h, w, 3): more candidates than faces ever give."""
    coarse = random.randint(0, 256, (size[1] // 8, size[0] // 8, 3)).astype(np.uint8)
    return np.ascontiguousarray(np.kron(coarse, np.ones((8, 8, 1), np.uint8)))


if __name__ == "__main__":
    sys.exit(main())
