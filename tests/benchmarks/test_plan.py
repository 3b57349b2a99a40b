"""The plan of a step for a GPU: the counts from XLA's text of a compiled program."""

import pytest

from benchmarks import hlo

PROGRAM = """HloModule jit_step, is_scheduled=true

%fused (p.1: bf16[2,8,8,4]) -> f32[2,4] {
  %p.1 = bf16[2,8,8,4]{3,2,1,0} parameter(0)
  ROOT %reduced = f32[2,4]{1,0} reduce(%p.1), dimensions={1,2}
}

ENTRY %main (x: bf16[2,10,10,4], w: bf16[16,3,3,4]) -> f32[2,4] {
  %x = bf16[2,10,10,4]{3,2,1,0} parameter(0)
  %w = bf16[16,3,3,4]{3,2,1,0} parameter(1)
  %conv.1 = (bf16[2,8,8,16]{3,2,1,0}, u8[0]{0}) custom-call(%x, %w), custom_call_target="__cudnn$convForward"
  %y = bf16[2,8,8,16]{3,2,1,0} get-tuple-element(%conv.1), index=0
  %conv.2 = (bf16[2,10,10,4]{3,2,1,0}, u8[0]{0}) custom-call(%y, %w), custom_call_target="__cudnn$convBackwardInput"
  %conv.3 = (bf16[16,3,3,4]{3,2,1,0}, u8[0]{0}) custom-call(%x, %y), custom_call_target="__cudnn$convBackwardFilter"
  %slice.1 = bf16[2,8,8,4]{3,2,1,0} slice(%x), slice={[0:2], [1:9], [1:9], [0:4]}
  %sum = f32[16,3,3,4]{3,2,1,0} all-reduce-start(%w), to_apply=%add
  ROOT %reduce_fusion = f32[2,4]{1,0} fusion(%slice.1), kind=kInput, calls=%fused
}
"""


def test_a_programs_kernels_are_counted():
    found = list(hlo.kernels(PROGRAM))
    assert [kernel.kind for kernel in found] == [
        "convolution, forward",
        "convolution, input",
        "convolution, weights",
        "slice",
        "all-reduce",
        "fusion, reduce",
    ]
    x, w, y = 2 * 2 * 10 * 10 * 4, 2 * 16 * 3 * 3 * 4, 2 * 2 * 8 * 8 * 16
    part = 2 * 2 * 8 * 8 * 4
    assert [kernel.bytes for kernel in found] == [x + w + y, x + w + y, x + w + y, 2 * part, w, part + 4 * 2 * 4]
    # All three passes of a convolution have the same arithmetic: output pixels times 9 taps times pairs of channels.
    assert [kernel.flops for kernel in found] == pytest.approx([2 * (2 * 8 * 8) * 9 * 4 * 16] * 3 + [0] * 3)
