"""Time one training step: ours, the PyTorch reference, and the reference tuned, taking turns.

    python -m benchmarks.train_step --size 128 --blocks 6
    python -m benchmarks.train_step --device gpu --dtype bfloat16 --size 256 --blocks 9 --batch 1 16

Needs jax, flax, optax, orbax, pillow and torch. The last line is JSON.
"""

import argparse
import contextlib
from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest import mock

from cyclegan_jax import backend

backend.prepare()

import jax  # noqa: E402

from benchmarks import arithmetic, sides, turns  # noqa: E402
from cyclegan_jax.networks import convolution, layers  # noqa: E402


def _never(*shape: Any) -> bool:
    return False


def _nearest_then_conv(x: jax.Array, kernel: jax.Array, strides: Any, padding: Any, **options: Any) -> jax.Array:
    return convolution.conv_general_dilated(convolution.upsample_nearest(x), kernel, strides, padding, **options)


FORMS: dict[str, tuple[ModuleType, str, Callable[..., Any]]] = {
    "winograd": (convolution, "_winograd_is_faster", _never),
    "thin": (convolution, "_thin_is_faster", _never),
    "taps": (convolution, "_taps_are_faster", _never),
    "upsampling": (layers, "conv_of_nearest_upsampled", _nearest_then_conv),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sides.add_arguments(parser)
    parser.add_argument(
        "--without", nargs="*", choices=(*FORMS, "all"), default=[], help="add ours without a form of its own"
    )
    parser.add_argument("--scan", type=int, default=0, help="add ours with so many steps in one dispatch")
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
                with contextlib.ExitStack() as stack:
                    for module, name, plain in FORMS.values() if form == "all" else [FORMS[form]]:
                        stack.enter_context(mock.patch.object(module, name, plain))
                    measured[f"ours_without_{form}"] = sides.our_step(config, images)
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
