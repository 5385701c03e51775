"""What `make bench` runs: speed is measured here, side by side, and never in a test."""
