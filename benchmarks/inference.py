"""Time a generator's forward pass in this package and other runtimes, which take turns.

    python -m benchmarks.inference --size 128 256 --blocks 6

The other runtimes are PyTorch in eager mode, `torch.compile`, and on CPU in float32 ONNX Runtime and OpenVINO. All get
the same weights, and their outputs are compared before the timing. Needs `pip install -e '.[benchmarks]'`. The
last line is JSON.
"""

import argparse
from importlib.metadata import version

from cyclegan_jax.devices import backend

backend.set_xla_flags()

import jax

from benchmarks import arithmetic, forward, sides, turns


def competitors(args: argparse.Namespace, work: forward.Work) -> dict[str, forward.Forward]:
    """All runtimes by name, ours first."""
    found = {"ours": forward.ours(work), "torch_eager": forward.pytorch(work, tuned=False)}
    if not args.no_compiled:
        found["torch_compiled"] = forward.pytorch(work, tuned=True)
    if args.device == "cpu" and args.dtype == "float32":
        found |= {"onnxruntime": forward.onnxruntime(work), "openvino": forward.openvino(work)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sides.add_arguments(parser)
    args = parser.parse_args()
    jax.config.update("jax_platforms", {"cpu": "cpu", "gpu": "cuda"}[args.device])
    print(turns.describe(args.device))
    print(", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "openvino")))
    peak_rate = turns.matrix_rate(args.dtype, args.device)
    print(f"a matrix product runs at {peak_rate / 1e9:,.0f} GFLOP/s")

    results = []
    for size in args.size:
        for batch in args.batch:
            config = sides.make_config(args, size, batch)
            forwards = competitors(args, forward.make_work(config, args.device))
            forward.check(forwards, args.dtype)
            measured = {name: one.side for name, one in forwards.items()}
            times = turns.milliseconds(measured, args.rounds)
            name = f"generator, {size} px, width {args.width}, {args.blocks} blocks, batch {batch}, {args.dtype}"
            flops = batch * arithmetic.generator(config.generator, size)
            results.append(turns.report(name, measured, times, batch=batch, flops=flops, peak_rate=peak_rate))
            del forwards, measured
    turns.print_json(results)


if __name__ == "__main__":
    main()
