"""Machine code of ``entries``: compiled once on a machine (some ten seconds), kept in a file, called through ctypes.

Kept in ``$ATOM_HOME/cache`` (without it in the user's own cache folder), under a name that is the hash of the source,
the compiler and the processor: another version of the project has another place. Where nothing can be written, each
process compiles for itself. Only the compiler's loader is imported here; numba takes half a second, and is imported
only to compile.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt

from atom_pipeline.errors import ProgramError

_log = logging.getLogger(__name__)
_loading = Lock()
_SOURCE = ("cells.py", "codes.py", "entries.py", "intrinsics.py", "numbers.py", "text.py")
_NATIVE = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.POINTER(ctypes.c_int64), ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p
)
_NEVER_CALLED = "NRT_MemInfo_call_dtor"  # frees what the loops allocate, which is nothing


class Function:
    """A compiled function over arrays. Several threads may call it at once; it does not hold the interpreter's lock."""

    def __init__(self, name: str, code: tuple[str, bytes]) -> None:
        symbol, machine_code = code
        self._name = name
        self._engine = _engine()
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(machine_code))
        self._engine.finalize_object()
        self._native = _NATIVE(self._engine.get_function_address(symbol))

    def __call__(self, arrays: Sequence[npt.NDArray[Any]]) -> int:
        """Call with these arrays, each of which must be contiguous and of the type that the function expects."""
        told = np.array([number for array in arrays for number in (array.ctypes.data, *array.shape)], dtype=np.int64)
        given, fault = ctypes.c_int64(), ctypes.c_void_p()
        if self._native(ctypes.byref(given), ctypes.byref(fault), told.ctypes.data):
            raise ProgramError(f"the compiled function {self._name} failed")
        return given.value


@lru_cache
def _load(name: str) -> Function:
    return Function(name, _code(name))


def function(name: str) -> Function:
    """One of the functions of ``entries``, made once per process."""
    with _loading:
        return _load(name)


@lru_cache
def _engine_parts() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    nothing = ctypes.cast(ctypes.pythonapi.PyErr_Clear, ctypes.c_void_p).value
    llvm.add_symbol(_NEVER_CALLED, nothing)
    return llvm.Target.from_default_triple()


def _engine() -> Any:
    target = _engine_parts()
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), target.create_target_machine(jit=True))


def _code(name: str) -> tuple[str, bytes]:
    """Symbol and object code, from the file where they are kept, or compiled and kept."""
    path = folder() / f"{name}.o"
    try:
        digest, symbol, machine_code = path.read_bytes().split(b"\n", 2)
        if hashlib.sha256(machine_code).hexdigest().encode() == digest:
            return symbol.decode(), machine_code
    except (OSError, ValueError):
        pass
    from atom_pipeline.layout.compiled.entries import compiled

    symbol_name, machine_code = compiled(name)
    kept = b"\n".join([hashlib.sha256(machine_code).hexdigest().encode(), symbol_name.encode(), machine_code])
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as stream:
            stream.write(kept)
        Path(stream.name).replace(path)
    except OSError:
        _log.warning("%s cannot be written: each process compiles the loops for itself", path.parent)
    return symbol_name, machine_code


def folder() -> Path:
    """Where the machine code of this version, for this processor, is kept."""
    home = os.environ.get("ATOM_HOME")
    base = Path(home) / "cache" if home else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return base / "atom-pipeline" / _version()


@lru_cache
def _version() -> str:
    """A hash of the source that is compiled, of what compiles it, and of the processor it is for."""
    source = b"".join((Path(__file__).parent / name).read_bytes() for name in _SOURCE)
    features = llvm.get_host_cpu_features().flatten()
    told = [version("numba"), version("llvmlite"), llvm.get_default_triple(), llvm.get_host_cpu_name(), features]
    return hashlib.sha256(source + "\n".join(told).encode()).hexdigest()[:16]
