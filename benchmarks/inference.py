"""Time a generator's forward pass: ours, the PyTorch reference, and the reference tuned, taking turns.

    python -m benchmarks.inference --size 128 256 --blocks 6

Needs jax, flax, optax, orbax, pillow and torch. The last line is JSON.
"""

import argparse

from cyclegan_jax.devices import backend

backend.set_xla_flags()

import jax

from benchmarks import arithmetic, sides, turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sides.add_arguments(parser)
    args = parser.parse_args()
    jax.config.update("jax_platforms", {"cpu": "cpu", "gpu": "cuda"}[args.device])
    print(turns.describe(args.device))
    peak_rate = turns.matrix_rate(args.dtype, args.device)

    results = []
    for size in args.size:
        for batch in args.batch:
            config = sides.make_config(args, size, batch)
            images = sides.images(config)
            measured = {
                "ours": sides.our_forward(config, images),
                "torch_eager": sides.torch_forward(config, images, args.device, tuned=False),
            }
            if not args.no_compiled:
                measured["torch_compiled"] = sides.torch_forward(config, images, args.device, tuned=True)
            times = turns.milliseconds(measured, args.rounds)
            name = f"generator, {size} px, width {args.width}, {args.blocks} blocks, batch {batch}, {args.dtype}"
            flops = batch * arithmetic.generator(config.generator, size)
            results.append(turns.report(name, measured, times, batch=batch, flops=flops, peak_rate=peak_rate))
            del measured
    turns.print_json(results)


if __name__ == "__main__":
    main()
