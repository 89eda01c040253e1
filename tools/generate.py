"""Generates `gen/` from `protos/`, checks that it is current, and writes descriptor sets.

python -m tools.generate                 write gen/
python -m tools.generate --check         exit with 1 when gen/ differs from what protos/ generates
python -m tools.generate --image FILE    descriptor set with comments, for buf and the documentation
python -m tools.generate --edge FILE     descriptor set without comments, for Envoy's transcoder
"""

from __future__ import annotations

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from google.protobuf import descriptor_pb2
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GEN = ROOT / "gen"
VALIDATE_PROTO = "buf/validate/validate.proto"
# Details of errors travel as Any: a reader of the set must know their types though no contract imports them.
ERROR_PROTOS = ["google/rpc/error_details.proto", "google/rpc/status.proto"]


def list_contracts() -> list[str]:
    return sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))


def run_protoc(*arguments: str) -> None:
    """Runs protoc on the contracts. Exits with the error of protoc when they are invalid."""
    with tempfile.TemporaryDirectory() as scratch:
        # The wheel of protovalidate contains its options as a descriptor, not as a .proto file.
        rules = descriptor_pb2.FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
        rule_set = Path(scratch) / "validate.binpb"
        rule_set.write_bytes(descriptor_pb2.FileDescriptorSet(file=[rules]).SerializeToString())
        google_apis = Path(str(files("google.api") / "annotations.proto")).parent.parent.parent
        well_known = Path(str(files("grpc_tools"))) / "_proto"
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"-I{google_apis}", f"-I{well_known}"]
        # protoc finds the mypy plugins beside this interpreter by the PATH.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        run = subprocess.run(
            [*command, f"--descriptor_set_in={rule_set}", *arguments], env={**os.environ, "PATH": path}, check=False
        )
    if run.returncode != 0:
        raise SystemExit(run.returncode)


def write_python(target: Path) -> None:
    target.mkdir(parents=True)
    services = [name for name in list_contracts() if name.endswith("_service.proto")]
    run_protoc(f"--python_out={target}", f"--mypy_out=quiet:{target}", VALIDATE_PROTO, *list_contracts())
    if services:
        run_protoc(f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet:{target}", *services)


def write_image(target: Path, *, comments: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source_info = ["--include_source_info"] if comments else []
    run_protoc("--include_imports", *source_info, f"--descriptor_set_out={target}", *list_contracts(), *ERROR_PROTOS)


def refresh(*, write: bool) -> list[str]:
    """Returns the files of gen/ that are missing, superfluous or stale; with `write` also updates them.

    Only stale files are replaced, so that running processes always find every file of gen/.
    """
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch) / "gen"
        write_python(fresh)
        names = {path.relative_to(tree) for tree in (fresh, GEN) for path in tree.rglob("*.py*") if path.is_file()}
        names = {name for name in names if "__pycache__" not in name.parts}
        stale = sorted(name for name in names if not _is_same(fresh / name, GEN / name))
        for name in stale if write else ():
            _replace(fresh / name, GEN / name)
        return [str(name) for name in stale]


def _replace(source: Path, target: Path) -> None:
    if not source.exists():
        target.unlink()
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch_file = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, scratch_file)
    scratch_file.replace(target)


def _is_same(left: Path, right: Path) -> bool:
    return left.is_file() and right.is_file() and filecmp.cmp(left, right, shallow=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--image", type=Path)
    parser.add_argument("--edge", type=Path)
    options = parser.parse_args()
    if options.image:
        write_image(options.image, comments=True)
    elif options.edge:
        write_image(options.edge, comments=False)
    elif options.check:
        stale = refresh(write=False)
        if stale:
            raise SystemExit("gen/ is stale; run `make gen`. Stale files: " + ", ".join(stale))
    else:
        refresh(write=True)


if __name__ == "__main__":
    main()
