"""A small campaign of damaged bundles; ``python tests/attack/bundle_mutations.py`` runs a large one."""

from bundle_mutations import campaign


def test_damaged_bundles_end_in_one_line():
    tried, failed = campaign(seed=20, count=240)
    assert tried == 240
    assert not failed, "\n".join(failed)
