"""Time one training step in turns: ours, the PyTorch reference, and the reference tuned.

    python -m benchmarks.train_step --size 128 --blocks 6
    python -m benchmarks.train_step --device gpu --dtype bfloat16 --size 256 --blocks 9 --batch 1 16

Needs jax, flax, optax, orbax, pillow and torch. The last line is JSON.
"""

import argparse

from cyclegan_jax.devices import backend

backend.set_xla_flags()

import jax

from benchmarks import arithmetic, forms, sides, turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sides.add_arguments(parser)
    parser.add_argument(
        "--without", nargs="*", choices=(*forms.FORMS, "all"), default=[], help="also time our step without a form"
    )
    parser.add_argument("--scan", type=int, default=0, help="also time our step with this many steps per dispatch")
    args = parser.parse_args()
    jax.config.update("jax_platforms", {"cpu": "cpu", "gpu": "cuda"}[args.device])
    print(turns.describe(args.device))
    peak_rate = turns.matrix_rate(args.dtype, args.device)

    results = []
    for size in args.size:
        for batch in args.batch:
            config = sides.make_config(args, size, batch)
            images = sides.images(config)
            measured = {"ours": sides.our_step(config, images)}
            if args.scan:
                measured["ours_scan"] = sides.our_step(config, images, args.scan)
            for form in args.without:
                measured[f"ours_without_{form}"] = sides.our_step(config, images, kernels=forms.without([form]))
            measured["torch_eager"] = sides.torch_step(config, images, args.device, tuned=False)
            if not args.no_compiled:
                measured["torch_compiled"] = sides.torch_step(config, images, args.device, tuned=True)
            times = turns.milliseconds(measured, args.rounds)
            if args.scan:
                times["ours_scan"] /= args.scan
            name = (
                f"{args.recipe} step, {size} px, width {args.width}, {args.blocks} blocks, batch {batch}, {args.dtype}"
            )
            flops = arithmetic.train_step(config)
            results.append(turns.report(name, measured, times, batch=batch, flops=flops, peak_rate=peak_rate))
            del measured
    turns.print_json(results)


if __name__ == "__main__":
    main()
