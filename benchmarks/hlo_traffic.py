"""Bytes that a compiled program moves: what its kernels read and write, from XLA's own text.

XLA's cost analysis leaves out what it hands to a library, as all convolutions on a GPU. Here every
kernel reads each of its operands once, whole, and writes its results once: what stays in a cache
between two kernels, or is read of an operand in part, is counted all the same.
"""

import re
from typing import NamedTuple

BITS = {"pred": 8, "bf16": 16, "token": 0, "opaque": 0}
# What runs no kernel of its own: names for what is there, and control.
FREE = {
    "parameter",
    "constant",
    "tuple",
    "get-tuple-element",
    "bitcast",
    "after-all",
    "partition-id",
    "replica-id",
    "opt-barrier",
}
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*?[\]}\)]) ([\w\-]+)\((.*)$")
COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
ARRAY = re.compile(r"\b(pred|token|opaque|bf16|[fsuc]\d+\w*)\[([\d,]*)\]")


class Instruction(NamedTuple):
    kind: str
    size: int  # bytes of its results
    operands: list[str]
    rest: str  # of its line


def bytes_moved(text: str) -> int:
    """By the kernels of a program, `text` as `Compiled.as_text()` gives it.

    Raises ValueError for a loop whose number of turns XLA does not tell.
    """
    computations, entry = parse(text)

    def of(name: str) -> int:
        instructions = computations[name]
        return sum(of_instruction(i, instructions) for i in instructions.values())

    def of_instruction(found: Instruction, instructions: dict[str, Instruction]) -> int:
        if found.kind in FREE or found.kind.endswith(("-done", "-update")):
            return 0
        if found.kind == "while":
            turns = re.search(r'"known_trip_count":\{"n":"(\d+)"', found.rest)
            if not turns:
                raise ValueError("a loop of an unknown number of turns; its traffic is not known")
            return int(turns[1]) * of(called(found.rest, "body"))
        if found.kind == "conditional":
            return max(map(of, branches(found.rest)))
        if found.kind == "call" or found.kind == "async-start":
            return of(called(found.rest, "to_apply|calls"))
        return found.size + sum(instructions[name].size for name in found.operands)

    return of(entry)


def parse(text: str) -> tuple[dict[str, dict[str, Instruction]], str]:
    """Computations by name, each its instructions by name; and the entry's name."""
    computations: dict[str, dict[str, Instruction]] = {}
    entry = here = ""
    for line in text.splitlines():
        if head := COMPUTATION.match(line):
            here = head[2]
            computations[here] = {}
            entry = here if head[1] else entry
        elif here and (found := INSTRUCTION.match(line)):
            name, result, kind, rest = found.groups()
            operands = re.findall(r"%([\w.\-]+)", arguments_of(rest))
            computations[here][name] = Instruction(kind, size_of(result), operands, rest)
    return computations, entry


def arguments_of(rest: str) -> str:
    """Up to the parenthesis that closes the operands."""
    depth = 1
    for place, letter in enumerate(rest):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return rest[:place]
    return rest


def size_of(kind: str) -> int:
    """Bytes of a type, of all parts of a tuple."""
    total = 0
    for name, sizes in ARRAY.findall(kind):
        bits = BITS.get(name) if name in BITS else int(re.search(r"\d+", name)[0])
        count = 1
        for size in filter(None, sizes.split(",")):
            count *= int(size)
        total += -(-bits * count // 8)
    return total


def called(rest: str, word: str) -> str:
    return re.search(rf"(?:{word})=%?([\w.\-]+)", rest)[1]


def branches(rest: str) -> list[str]:
    several = re.search(r"branch_computations=\{([^}]*)\}", rest)
    if several:
        return re.findall(r"%?([\w.\-]+)", several[1].replace("%", ""))
    return [called(rest, "true_computation"), called(rest, "false_computation")]
