"""The way onto a Jetson: an archive packed on a workstation, and the installer that runs on the board."""
