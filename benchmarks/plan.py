"""What XLA makes of a training step for accelerators that are not at hand: kernels, memory, and a bound for its time.

    pip install -e '.[cuda]'
    python -m benchmarks.plan --size 256 --blocks 9 --batch 16 --without doubling norm all
    pip install -e '.[tpu]'
    python -m benchmarks.plan --chip v5e --devices 4 --batch 1

A plan, not a measurement. For an H200, it counts for each kernel the time of its bytes or its arithmetic at the rates
below, which no kernel reaches; XLA selects convolution kernels on a GPU only, and the time of launches is not counted.
The plan shows what a change saves, and finds the layers for which the GPU has no kernel. For a TPU it reports the
memory, and XLA's own count of operations and bytes; its compiler takes ten minutes or more for a whole step.
"""

import argparse
import collections
import os
from typing import Any

# The plugins look for their devices when they are loaded, and compile without any.
os.environ |= {"JAX_PLATFORMS": "cpu", "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1", "CUDA_VISIBLE_DEVICES": "-1"}
os.environ |= {"TPU_SKIP_MDS_QUERY": "1", "TPU_ACCELERATOR_TYPE": "v5litepod-4", "TPU_WORKER_HOSTNAMES": "localhost"}
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_gpu_autotune_level=0"

import jax
import numpy as np
from jax.experimental import topologies

from benchmarks import arithmetic, forms, hlo
from cyclegan_jax import optimizer, recipes, state
from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.devices.collectives import OverMesh
from cyclegan_jax.devices.mesh import make_mesh, replicated, split
from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.train_step import make_train_step

BYTES_A_SECOND = 4.3e12
"""The rate that a copy reaches, of the 4.8 TB/s that the maker publishes."""
FLOPS = {"bfloat16": 790e12, "float32": 395e12}
"""The rate that a large matrix product reaches, in float32 with TF32's digits."""
H200 = """
platform_name: "CUDA"
device_description_str: "NVIDIA H200"
dnn_version_info { major: 9 minor: 10 }
runtime_version { major: 12 minor: 8 patch: 0 }
gpu_device_info {
  cuda_compute_capability { major: 9 }
  core_count: 132
  fpus_per_core: 128
  clock_rate_ghz: 1.98
  threads_per_warp: 32
  threads_per_block_limit: 1024
  threads_per_core_limit: 2048
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  shared_memory_per_block: 49152
  shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  l2_cache_size: 62914560
  memory_bandwidth: 4800000000000
  device_memory_size: 150754820096
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chip", choices=("h200", "v5e"), default="h200")
    parser.add_argument("--recipe", choices=("paper", "simplified"), default="paper")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--batch", type=int, default=16, help="pairs of images per device")
    parser.add_argument("--devices", type=int, default=1, help="H200s of one machine, or 4, 8 or 64 TPU chips")
    parser.add_argument("--dtype", choices=FLOPS, default="bfloat16")
    parser.add_argument("--without", nargs="*", choices=(*forms.FORMS, "all"), default=[])
    args = parser.parse_args()

    recipe = recipes.paper() if args.recipe == "paper" else recipes.simplified()
    config = TrainConfig(
        loss=recipe.loss,
        optimizer=recipe.optimizer,
        update_first=recipe.update_first,
        data=DataConfig(image_size=args.size),
        generator=GeneratorConfig(args.blocks, 64, recipe.generator.upsample),
        discriminator=DiscriminatorConfig(recipe.discriminator.kind),
        batch_size=args.batch * args.devices,
        dtype=args.dtype,
    )
    needed = arithmetic.train_step(config) / args.devices
    print(
        f"{args.recipe} step, {args.size} px, {args.blocks} blocks, {args.dtype}, {args.batch} pairs a device, ", end=""
    )
    print(f"{args.devices} {args.chip}, jax {jax.__version__}: needs {needed / 1e12:.2f} TFLOP a device")
    for form in ("", *args.without):
        kernels = forms.without([form], "gpu" if args.chip == "h200" else "tpu")
        compiled = plan(config, args.chip, args.devices, kernels)
        print(f"\n{'without ' + form if form else 'as it is'}\n")
        if args.chip == "h200":
            report_kernels(compiled, args.dtype)
        report_memory(compiled)


def devices_of(chip: str, number: int) -> list[jax.Device]:
    """Descriptions of devices, for which programs can be compiled but not run."""
    if chip == "h200":
        return list(topologies.get_topology_desc("", "cuda", target_config=H200, topology=f"1x1x{number}").devices)
    shape = {4: "2x2", 8: "2x4", 64: "8x8"}[number]
    return list(topologies.get_topology_desc(f"{chip}:{shape}", "tpu").devices)


def plan(config: TrainConfig, chip: str, devices: int, kernels: Kernels) -> jax.stages.Compiled:
    """The training step as `train.py` compiles it, with the forms that `kernels` chooses."""
    mesh = make_mesh(devices_of(chip, devices))
    transform = optimizer.adam(config.optimizer)
    networks = cyclegan.define(config, kernels=kernels)
    step = make_train_step(config, networks, transform, epoch_images=1000, collectives=OverMesh(mesh))
    current = jax.eval_shape(lambda: state.create(config, transform))
    shape = (config.batch_size, *config.data.crop_size, 3)
    batch = {domain: jax.ShapeDtypeStruct(shape, np.uint8) for domain in "AB"}
    whole, parts = replicated(mesh), split(mesh)
    jitted = jax.jit(step, donate_argnums=0, in_shardings=(whole, parts), out_shardings=whole)
    return jitted.lower(current, batch).compile()


def report_kernels(compiled: jax.stages.Compiled, dtype: str) -> None:
    """Print a Markdown table of the kernels by kind."""
    rows: dict[str, list[float]] = collections.defaultdict(lambda: [0, 0.0, 0.0, 0.0])
    for kernel in hlo.kernels(compiled.as_text() or ""):
        exchanged = kernel.kind.startswith(("all-", "collective"))
        seconds = 0.0 if exchanged else max(kernel.bytes / BYTES_A_SECOND, kernel.flops / FLOPS[dtype])
        for row in (kernel.kind, "all but communication" if not exchanged else None):
            if row:
                added = (1, kernel.bytes / 1e9, kernel.flops / 1e12, seconds * 1e3)
                rows[row] = [old + new for old, new in zip(rows[row], added, strict=True)]
    print("| | kernels | GB | TFLOP | ms at least |\n|---|---:|---:|---:|---:|")
    for row, (number, moved, flops, least) in sorted(rows.items(), key=lambda item: -item[1][3]):
        print(f"| {row} | {number:.0f} | {moved:.2f} | {flops:.2f} | {least:.2f} |")


def report_memory(compiled: jax.stages.Compiled) -> None:
    """Print what one device holds, and where XLA counts them, the operations and bytes of a step."""
    memory: Any = compiled.memory_analysis()
    held = memory.argument_size_in_bytes + memory.generated_code_size_in_bytes
    print(f"\nstate, batch and program take {held / 2**30:.2f} GiB of a device's memory, ", end="")
    print(f"the rest of the step {memory.temp_size_in_bytes / 2**30:.2f} GiB")
    cost = compiled.cost_analysis()
    if cost is not None:
        print(f"XLA counts {cost['flops'] / 1e12:.2f} TFLOP and {cost['bytes accessed'] / 1e9:.1f} GB a device")


if __name__ == "__main__":
    main()
