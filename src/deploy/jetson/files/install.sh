#!/bin/sh
# Installs kface on this board: see README.txt, or ./install.sh --help.
set -eu
# Nothing of root's is to be found in a directory that the caller chose, nor loaded from one.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
unset IFS CDPATH ENV BASH_ENV LD_PRELOAD LD_AUDIT LD_LIBRARY_PATH
here=$(cd -- "$(dirname -- "$0")" && pwd -P)
# The system's Python comes first: apt's OpenCV, TensorRT and others are for that one alone.
for python in "${KFACE_PYTHON:-/usr/bin/python3}" /usr/local/bin/python3; do
    case $python in
    /*) ;;
    *)
        echo "install.sh: KFACE_PYTHON: must be the full path of a Python; set KFACE_PYTHON=/usr/bin/python3" >&2
        exit 2
        ;;
    esac
    if "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
        # By path, and isolated (-I): python3 -m would run what lies in the current directory, as root.
        exec "$python" -I -B "$here/src/deploy/launch.py" --guard deploy.jetson.install --archive "$here" "$@"
    fi
done
echo "install.sh: there is no Python 3.6 or newer; install it: sudo apt-get install python3" >&2
exit 2
