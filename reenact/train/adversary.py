"""The adversary of stage 1's last phase: a discriminator that learns to tell drawn pictures from true ones.

StyleGAN2's residual discriminator (Karras et al. 2020) without its last dense layers: it answers for each patch of the
picture, so windows of any size will do. What it sees in the true picture is also the feature loss, as no pretrained
network can be had.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.encoders import LEAK
from reenact.train import losses
from reenact.train.run import descend, mixed_precision, prepare

R1_EVERY = 16  # steps: the gradient penalty is dear and changes slowly ("lazy regularisation")


class Down(nn.Module):
    """Two convolutions beside a shortcut, half the size: [N,I,S,S] -> [N,O,S/2,S/2]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, 1, 1)
        self.conv2 = nn.Conv2d(inputs, outputs, 3, 2, 1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.conv2(F.leaky_relu(self.conv1(x), LEAK)), LEAK)
        shortcut: Tensor = self.shortcut(F.avg_pool2d(x, 2))
        return (y + shortcut) / math.sqrt(2)


class Discriminator(nn.Module):
    """Pictures [N,3,S,S] -> one answer per patch of 16 px [N,1,S/16,S/16], and the features on the way."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width, 4 * width)
        self.begin = nn.Conv2d(12, width, 3, 1, 1)
        self.steps = nn.ModuleList(
            Down(inputs, outputs) for inputs, outputs in zip(widths, widths[1:], strict=False)
        )
        self.answer = nn.Conv2d(widths[-1], 1, 3, 1, 1)

    def forward(self, picture: Tensor) -> tuple[Tensor, list[Tensor]]:
        # 2x2 pixels as channels: a quarter of the work where pictures are largest
        features = [F.leaky_relu(self.begin(F.pixel_unshuffle(picture, 2)), LEAK)]
        for step in self.steps:
            features.append(step(features[-1]))
        return self.answer(features[-1]), features


class Adversary(nn.Module):
    """A discriminator that learns beside the generator."""

    def __init__(self, width: int, rate: float) -> None:
        super().__init__()
        self.network = prepare(Discriminator(width))
        self.optimizer = torch.optim.Adam(self.network.parameters(), rate, (0.0, 0.99), fused=True)

    def judge(self, drawn: Tensor, true: Tensor) -> Tensor:
        """L_adv + L_feat of drawn pictures [N,3,S,S] against the true ones; gradients reach `drawn`."""
        with mixed_precision():
            answer, features = self.network(drawn)
            with torch.no_grad():
                _, wanted = self.network(true)
        return losses.adversarial(answer.float()) + losses.feature(features, wanted)

    def learn(self, drawn: Tensor, true: Tensor, step: int) -> Tensor:
        """One update from drawn and true pictures; returns L_D."""
        with mixed_precision():
            answers = self.network(torch.cat([drawn.detach(), true]))[0].float()
        loss = losses.discriminator(*answers.chunk(2))
        penalty = loss.new_zeros(())
        if step % R1_EVERY == 0:
            true = true.detach().requires_grad_()
            penalty = R1_EVERY * losses.gradient_penalty(self.network(true)[0], true)
        descend(loss + penalty, self.optimizer)
        return loss.detach()
