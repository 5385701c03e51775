"""Verification of networks: reports, plots, and Table 5. Modern Python: a workstation's."""
