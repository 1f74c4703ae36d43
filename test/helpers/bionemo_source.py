"""BioNeMo's packages from a checkout of NVIDIA/bionemo-framework at 1fb789ba^, for measuring and comparing."""

import sys
import types
from pathlib import Path


def use(checkout, *packages):
    """Makes `bionemo.<package>` importable. nemo only gives the tokenizer a base class: a stub does."""
    for package in packages:
        sys.path.insert(0, str(Path(checkout, "sub-packages", f"bionemo-{package}", "src")))
    for name in ["nemo", "nemo.lightning", "nemo.lightning.io"]:
        module = sys.modules[name] = types.ModuleType(name)
        module.__path__ = []
        module.IOMixin = type("IOMixin", (), {})
