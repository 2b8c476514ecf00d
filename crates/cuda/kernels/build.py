#!/usr/bin/env python3
"""Builds the kernels: every kernels/*.cu becomes kernels/prebuilt/*.fatbin.

  build.py            builds; fails where registers or spills are not those of expected_registers.txt
  build.py --accept   builds, and writes expected_registers.txt anew
  build.py --check    builds elsewhere, and fails where a byte differs from what kernels/prebuilt has

The compiler is the one that .ci/cuda-toolchain installs (--toolkit names another folder with bin/nvcc);
its output depends on its version and the sources, on nothing else. --only NAME builds one file.

A file says in a comment for which GPUs it is, "// targets: sm_90a"; without it, it is built for all:
machine code for sm_80 (that and 8.6 to 8.9) and sm_90a (Hopper), and PTX for what lies between and after.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

KERNELS = Path(__file__).resolve().parent
PREBUILT = KERNELS / "prebuilt"
TABLE = KERNELS / "expected_registers.txt"
ALL_TARGETS = ["sm_80", "sm_90a", "compute_80"]
# All files together, compressed: they lie in the repository.
LARGEST_TOTAL = 2 << 20
HEADER = """\
# What ptxas says of each kernel: registers, bytes of stack, bytes of spill stores and loads.
# Written by build.py --accept, compared by every other build.
"""


def targets_of(source: Path) -> list[str]:
    found = re.search(r"^// targets: (.+)$", source.read_text(), re.MULTILINE)
    targets = found[1].split() if found else ALL_TARGETS
    unknown = set(targets) - set(ALL_TARGETS)
    if unknown:
        sys.exit(f"{source.name}: unknown targets {sorted(unknown)}; there are {ALL_TARGETS}")
    return targets


def code_of(target: str) -> str:
    return f"-gencode=arch={target.replace('sm_', 'compute_')},code={target}"


def build(nvcc: Path, source: Path, output: Path) -> str:
    """Compiles one file; returns what the compiler says."""
    with tempfile.TemporaryDirectory() as temporary:
        command = [nvcc, "-fatbin", "-O3", "-std=c++17", "--compress-mode=size", "-Xptxas=-v"]
        command += [code_of(target) for target in targets_of(source)]
        # A relative name, because names become part of the output.
        command += ["-o", output.resolve(), source.name]
        done = subprocess.run(
            command, cwd=KERNELS, env={**os.environ, "TMPDIR": temporary}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
    if done.returncode != 0:
        sys.exit(f"{source.name}:\n{done.stdout}")
    return done.stdout


def resources_of(log: str) -> dict[tuple[str, str], str]:
    """(kernel, target) -> the rest of a line of the table."""
    result, kernel = {}, None
    for line in log.splitlines():
        if found := re.search(r"Compiling entry function '(\w+)' for '(\w+)'", line):
            kernel = found[1], found[2]
        elif found := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
            memory = found.groups()
        elif found := re.search(r"Used (\d+) registers", line):
            result[kernel] = f"{found[1]} registers, stack {memory[0]}, spills {memory[1]} {memory[2]}"
        elif "warning" in line:
            print(line)
    return result


def read_table() -> dict[tuple[str, str], str]:
    result = {}
    lines = TABLE.read_text().splitlines() if TABLE.exists() else []
    for line in lines:
        if line and not line.startswith("#"):
            kernel, target, rest = line.split(maxsplit=2)
            result[kernel, target] = rest
    return result


def write_table(table: dict[tuple[str, str], str]) -> None:
    width = max(len(kernel) for kernel, _ in table)
    lines = [f"{kernel:{width}} {target:6} {rest}\n" for (kernel, target), rest in sorted(table.items())]
    TABLE.write_text(HEADER + "".join(lines))


def differences(found: dict[tuple[str, str], str], expected: dict[tuple[str, str], str]) -> list[str]:
    return [
        f"{kernel} for {target}: {found.get((kernel, target), 'not built')}; "
        f"expected {expected.get((kernel, target), 'nothing: it is new')}"
        for kernel, target in sorted(found.keys() | expected.keys())
        if found.get((kernel, target)) != expected.get((kernel, target))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--accept", action="store_true")
    mode.add_argument("--check", action="store_true")
    parser.add_argument("--only", metavar="NAME")
    parser.add_argument("--toolkit", type=Path, metavar="DIR")
    arguments = parser.parse_args()

    toolkit = arguments.toolkit
    if toolkit is None:
        script = KERNELS.parents[2] / ".ci/cuda-toolchain"
        toolkit = Path(subprocess.run([script], check=True, text=True, stdout=subprocess.PIPE).stdout.strip())
    sources = sorted(KERNELS.glob("*.cu"))
    if arguments.only:
        sources = [source for source in sources if source.stem == arguments.only] or sys.exit("no such file")

    problems, found = [], {}
    with tempfile.TemporaryDirectory() as elsewhere:
        folder = Path(elsewhere) if arguments.check else PREBUILT
        folder.mkdir(exist_ok=True)
        for source in sources:
            output = folder / f"{source.stem}.fatbin"
            found |= resources_of(build(toolkit / "bin/nvcc", source, output))
            print(f"{source.name:16} {output.stat().st_size >> 10:5} KB  {' '.join(targets_of(source))}", flush=True)
            prebuilt = PREBUILT / output.name
            if arguments.check and not (prebuilt.exists() and prebuilt.read_bytes() == output.read_bytes()):
                problems.append(f"prebuilt/{output.name} is not what the sources make")
    for old in PREBUILT.glob("*.fatbin"):
        if not (KERNELS / f"{old.stem}.cu").exists():
            if arguments.check:
                problems.append(f"prebuilt/{old.name} has no source")
            else:
                old.unlink()
    total = sum(binary.stat().st_size for binary in PREBUILT.glob("*.fatbin"))
    print(f"prebuilt: {total >> 10} KB")
    if total > LARGEST_TOTAL:
        problems.append(f"prebuilt has {total} bytes, more than {LARGEST_TOTAL}")

    expected = read_table()
    if arguments.accept:
        write_table(expected | found if arguments.only else found)
    else:
        if arguments.only:
            expected = {key: rest for key, rest in expected.items() if key in found}
        problems += differences(found, expected)
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
