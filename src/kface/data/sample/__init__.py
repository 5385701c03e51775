"""The procedural sample: synthetic people in K-Face's layout, for use without K-Face.

Nothing is downloaded and no photograph was used. Heads are lofted grids with Gaussian features, rendered as surfels
through K-Face's 20 cameras, under its 30 lights, with its accessories and expressions.
"""

from kface.data.sample.identity import Identity, subject_names
from kface.data.sample.scene import Scene, develop, render
from kface.data.sample.tree import SampleReport, plan, write_sample

__all__ = ["Identity", "SampleReport", "Scene", "develop", "plan", "render", "subject_names", "write_sample"]
