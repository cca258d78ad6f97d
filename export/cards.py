"""What graphics cards should need for a picture: CALCULATED from data sheets, not measured.

The roofline (Williams et al. 2009) for each kernel: it takes as long as its arithmetic at a share
of the tensor cores' peak, or as its bytes at a share of the memory's bandwidth, whichever is longer.
Then comes what starting it costs inside a CUDA graph.
"""

from dataclasses import dataclass

from export.work import Step

COMPUTE_SHARE = 0.35
"""Of the peak: what good convolution kernels reach on feature maps that are not all wide."""
MEMORY_SHARE = 0.75
"""Of the bandwidth: what plain copies reach, rounded down. Caches are left out of account."""
KERNEL_S = 3e-6
"""Of a kernel's start in a CUDA graph, and of filling and draining the card."""


@dataclass(frozen=True)
class Card:
    """A card's data sheet.

    Attributes:
        name: as NVIDIA calls it.
        tensor: peak of the tensor cores in fp16 with sums in fp16, dense, TFLOP/s.
        exact: the same with sums in fp32.
        bandwidth: of its memory, GB/s.
        source: which public document of NVIDIA's.
    """

    name: str
    tensor: float
    exact: float
    bandwidth: float
    source: str


def _geforce(name: str, sms: int, boost_ghz: float, bandwidth: float) -> Card:
    """Since Ampere an SM does 1024 FLOP a clock with sums in fp16, half of it in fp32.

    The figures are those of the product pages; so computed, the whitepapers of GA102 (RTX 3080,
    3090), Ada (4090) and RTX Blackwell (5090) state the same peaks.
    """
    tensor = sms * boost_ghz * 1.024
    return Card(name, round(tensor, 1), round(tensor / 2, 1), bandwidth, "product page")


def _data_center(name: str, tensor: float, bandwidth: float) -> Card:
    return Card(name, tensor, tensor, bandwidth, "data sheet")


CARDS = (
    _geforce("RTX 3060 12 GB", 28, 1.777, 360),
    _geforce("RTX 3080 10 GB", 68, 1.71, 760),
    _geforce("RTX 3090", 82, 1.695, 936),
    _geforce("RTX 4060", 24, 2.46, 272),
    _geforce("RTX 4070", 46, 2.475, 504),
    _geforce("RTX 4090", 128, 2.52, 1008),
    _geforce("RTX 5070", 48, 2.512, 672),
    _geforce("RTX 5090", 170, 2.407, 1792),
    _data_center("T4", 65, 320),
    _data_center("L4", 121, 300),  # its sheet, as H100's and H200's, states twice that: sparse
    _data_center("A10", 125, 600),
    _data_center("A100 SXM 80 GB", 312, 2039),
    _data_center("H100 SXM", 989, 3350),
    _data_center("H200 SXM", 989, 4800),
)


def step_s(peak: float, bandwidth: float, step: Step) -> float:
    """Seconds of one kernel on a card of `peak` TFLOP/s and `bandwidth` GB/s."""
    compute = 2 * step.macs / (COMPUTE_SHARE * peak * 1e12)
    memory = step.bytes / (MEMORY_SHARE * bandwidth * 1e9)
    return max(compute, memory) + KERNEL_S


def picture_ms(card: Card, steps: list[Step]) -> tuple[float, float]:
    """Milliseconds of one picture, with sums in fp16 and in fp32."""
    peaks = (card.tensor, card.exact)
    fast, slow = (1000 * sum(step_s(p, card.bandwidth, step) for step in steps) for p in peaks)
    return fast, slow
