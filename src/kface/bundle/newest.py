"""Which bundle is meant where none is named."""

import os
from pathlib import Path
from typing import List, Optional


def bundle_manifests() -> List[Path]:
    """Return the manifests of all bundles under ``outputs`` and ``bundles`` of the working directory."""
    return list(Path("outputs").glob("*/*/bundle/manifest.json")) + list(Path("bundles").glob("*/manifest.json"))


def newest_bundle() -> Optional[str]:
    """Return the bundle that was exported last under ``outputs`` and ``bundles`` of the working directory, if any."""
    newest = max(bundle_manifests(), key=lambda path: path.stat().st_mtime, default=None)
    return None if newest is None else str(newest.parent)


def chosen_bundle(named: Optional[str] = None) -> Optional[str]:
    """Return the bundle that is named, by the setting or else by KFACE_BUNDLE, or the newest; None where there is none."""
    return named or os.environ.get("KFACE_BUNDLE") or newest_bundle()
