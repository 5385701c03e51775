"""The realtime recogniser: streams, tracking, gallery and the Jetson installation. Imports kface alone."""
