"""What a Jetson Nano would do, estimated on a workstation: operations are counted, times are derived and never measured.

What is measured, on a board as on a workstation, is :mod:`deploy.bench`.
"""
