"""The C++ library as a Windows DLL, cross-built with MinGW-w64 and tried under wine: ``make kisa-windows``.

Nothing of it is needed for anything else. OpenCV's sources come from the source distribution of opencv-python-headless, through
pip; what is built of them stays in the user's cache, and every step that is done is skipped the next time.
"""
