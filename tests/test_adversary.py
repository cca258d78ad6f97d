"""The discriminator tells drawn from true, and its judgement makes pictures truer."""

import pytest

torch = pytest.importorskip("torch", reason='needs torch: pip install -e ".[train]"')

from reenact.train import losses  # noqa: E402
from reenact.train.adversary import Adversary  # noqa: E402


def stripes(count: int) -> "torch.Tensor":
    """Crisp vertical stripes [count,3,32,32], each begun at another column."""
    x = torch.arange(32)[None] + torch.randint(0, 4, (count, 1))
    return ((x // 2 % 2) * 2.0 - 1)[:, None, None].expand(count, 3, 32, 32).contiguous()


def test_discriminator_tells_crisp_from_blurred_of_any_size() -> None:
    torch.manual_seed(0)
    adversary = Adversary(4, 1e-3)
    for step in range(40):
        true = stripes(8)
        adversary.learn(torch.nn.functional.avg_pool2d(true, 3, 1, 1), true, step)
    true = torch.cat([stripes(8), stripes(8)], 2)  # twice as high as what it learnt from
    blurred = torch.nn.functional.avg_pool2d(true, 3, 1, 1)
    with torch.no_grad():
        told = adversary.network(true)[0].mean() - adversary.network(blurred)[0].mean()
    assert float(told) > 1


def test_judgement_pulls_a_picture_towards_the_true_ones() -> None:
    torch.manual_seed(0)
    adversary, true = Adversary(4, 1e-3), stripes(4)
    drawn = torch.nn.functional.avg_pool2d(true, 3, 1, 1)
    for step in range(30):
        adversary.learn(drawn, true, step)
    moved = drawn.clone().requires_grad_()
    for _ in range(5):
        (gradient,) = torch.autograd.grad(adversary.judge(moved, true), moved)
        moved = (moved - 0.05 * gradient.sign()).detach().requires_grad_()
    assert float((moved.detach() - true).abs().mean()) < float((drawn - true).abs().mean())


def test_gradient_penalty_is_half_the_squared_gradient() -> None:
    true = torch.ones(2, 3, 4, 4, requires_grad=True)
    answer = 2 * true.sum((1, 2, 3)).view(2, 1, 1, 1)
    assert float(losses.gradient_penalty(answer, true)) == pytest.approx(0.5 * 4 * 48)


def test_saturated_discriminator_still_teaches_the_generator() -> None:
    answer = torch.full((1, 1, 2, 2), -20.0, requires_grad=True)
    losses.adversarial(answer).backward()
    assert float(answer.grad.abs().sum()) == pytest.approx(1, abs=1e-3)
