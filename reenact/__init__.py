"""One-shot face re-enactment with hybrid latent spaces of StyleGAN2: the paper, and only the paper."""

__version__ = "0.1.0"
