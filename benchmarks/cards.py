"""NVIDIA cards by their makers' numbers: what XLA must know of one to compile for it."""

from typing import NamedTuple


class Card(NamedTuple):
    name: str
    capability: tuple[int, int]
    cores: int  # streaming multiprocessors
    fpus_per_core: int
    clock_ghz: float
    threads_per_core: int
    shared_per_core: int  # bytes, as the next ones
    shared_per_block: int  # that a program may ask for
    l2: int
    memory: int
    bandwidth: float  # bytes a second
    # Dense products by type: float32 in TF32 where the card has it, exact without.
    teraflops: dict[str, float]

    def target(self) -> str:
        """XLA's GpuTargetConfigProto, as text."""
        major, minor = self.capability
        return f"""
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: {self.shared_per_core}
  threads_per_core_limit: {self.threads_per_core}
  core_count: {self.cores}
  fpus_per_core: {self.fpus_per_core}
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: {int(self.bandwidth)}
  l2_cache_size: {self.l2}
  clock_rate_ghz: {self.clock_ghz}
  device_memory_size: {self.memory}
  shared_memory_per_block_optin: {self.shared_per_block}
  cuda_compute_capability {{ major: {major} minor: {minor} }}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 }}
runtime_version {{ major: 13 minor: 0 }}
device_description_str: "{self.name}"
"""


MIB, GIB = 2**20, 2**30
CARDS = {
    "h100": Card(
        "NVIDIA H100 80GB HBM3",
        (9, 0),
        132,
        128,
        1.98,
        2048,
        233_472,
        232_448,
        50 * MIB,
        80 * GIB,
        3.35e12,
        {"exact": 67, "float32": 495, "bfloat16": 989, "float16": 989},
    ),
    "a100": Card(
        "NVIDIA A100-SXM4-80GB",
        (8, 0),
        108,
        64,
        1.41,
        2048,
        167_936,
        166_912,
        40 * MIB,
        80 * GIB,
        2.04e12,
        {"exact": 19.5, "float32": 156, "bfloat16": 312, "float16": 312},
    ),
    "rtx4090": Card(
        "NVIDIA GeForce RTX 4090",
        (8, 9),
        128,
        128,
        2.52,
        1536,
        102_400,
        101_376,
        72 * MIB,
        24 * GIB,
        1.01e12,
        {"exact": 83, "float32": 83, "bfloat16": 165, "float16": 165},
    ),
    "rtx3090": Card(
        "NVIDIA GeForce RTX 3090",
        (8, 6),
        82,
        128,
        1.7,
        1536,
        102_400,
        101_376,
        6 * MIB,
        24 * GIB,
        0.936e12,
        {"exact": 36, "float32": 36, "bfloat16": 71, "float16": 71},
    ),
    "t4": Card(
        "Tesla T4",
        (7, 5),
        40,
        64,
        1.59,
        1024,
        65_536,
        65_536,
        4 * MIB,
        15 * GIB,
        0.32e12,
        {"exact": 8.1, "float32": 8.1, "float16": 65},
    ),
}
