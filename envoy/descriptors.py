"""Writes the descriptor set for the transcoder from the generated code, so that the image needs no compiler.

python envoy/descriptors.py edge.binpb
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import jainshikanji
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FileDescriptor
from google.rpc import error_details_pb2, status_pb2


def collect() -> descriptor_pb2.FileDescriptorSet:
    """All contracts with their imports, each file after its dependencies; and the messages of error details."""
    root = Path(next(iter(jainshikanji.__path__)))
    modules = sorted(path.relative_to(root.parent).with_suffix("") for path in root.rglob("*_pb2.py"))
    files = [importlib.import_module(".".join(module.parts)).DESCRIPTOR for module in modules]
    found = descriptor_pb2.FileDescriptorSet()
    seen: set[str] = set()
    for file in [*files, error_details_pb2.DESCRIPTOR, status_pb2.DESCRIPTOR]:
        _add(file, found, seen)
    return found


def _add(file: FileDescriptor, found: descriptor_pb2.FileDescriptorSet, seen: set[str]) -> None:
    if file.name in seen:
        return
    seen.add(file.name)
    for dependency in file.dependencies:
        _add(dependency, found, seen)
    file.CopyToProto(found.file.add())


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(collect().SerializeToString())
