#!/bin/sh
# Installs kface on this board: see README.txt, or ./install.sh --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
# The system's Python comes first: apt's OpenCV, TensorRT and others are for that one alone.
for python in "${KFACE_PYTHON:-/usr/bin/python3}" python3; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
        PYTHONPATH="$here/src" PYTHONDONTWRITEBYTECODE=1 exec "$python" -s -m deploy.jetson.install --archive "$here" "$@"
    fi
done
echo "install.sh: there is no Python 3.6 or newer; install it: sudo apt-get install python3" >&2
exit 2
