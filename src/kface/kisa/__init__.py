"""The KISA certification test of face recognition (K-NBTC): its data base, its comparisons and its report.

A workstation's room: it imports kface's core and kface.data, and nothing of train, export or deploy.
"""
