"""The paper's one equation, between its networks (Oorloff & Yacoob 2023, pipeline figure).

    styles[i] = A_i(W_ID[i]) + S_F[i]    i = 1..10: the first ten convolutions
    styles[i] = A_i(W_ID[i])             all other layers
    picture   = G(styles)

W_ID is the portrait's identity in W+, S_F the driver frame's deformation in StyleSpace.
"""

import torch
from torch import Tensor, nn

from reenact import spaces
from reenact.encoders import Deform, DeformationEncoder, EncoderDims, IdentityEncoder, Pyramid
from reenact.foreign_encoder import CROP, PortraitDims, PortraitEncoder
from reenact.generator import Generator
from reenact.spaces import Dims


class Puppeteer(nn.Module):
    """Generator and encoders. Crops are [N, 3, crop, crop] in -1..1, pictures [N, 3, R, R].

    `portrait`: W_ID comes from an imported portrait encoder, which has a backbone of its own and
    sees a crop of `portrait_crop` px.
    """

    def __init__(
        self, dims: Dims, encoder: EncoderDims, portrait: PortraitDims | None = None
    ) -> None:
        super().__init__()
        self.dims, self.encoder, self.portrait = dims, encoder, portrait
        self.generator = Generator(dims)
        self.pyramid = Pyramid(encoder)
        self.identity_encoder = (
            IdentityEncoder(dims, encoder) if portrait is None else PortraitEncoder(dims, portrait)
        )
        self.deformation_encoder = DeformationEncoder(encoder)
        self.deform_head = Deform(dims, encoder)
        self.deformed: Tensor
        places = torch.tensor(spaces.deformed_channels(dims))
        self.register_buffer("deformed", places, persistent=False)

    @property
    def portrait_crop(self) -> int:
        """Side of the crop that `identify` takes, px."""
        return self.encoder.crop if self.portrait is None else CROP

    def identify(self, crop: Tensor) -> Tensor:
        """W_ID of a portrait: [N, rows, w_dim]."""
        if isinstance(self.identity_encoder, PortraitEncoder):
            w_id: Tensor = self.identity_encoder(crop, self.generator)
            return w_id
        offsets: Tensor = self.identity_encoder(self.pyramid(crop))
        return self.generator.w_avg + offsets.float()

    def motion(self, crop: Tensor) -> Tensor:
        """Motion code of a driver frame: [N, M]."""
        motion: Tensor = self.deformation_encoder(self.pyramid(crop))
        return motion

    def deform(self, crop: Tensor) -> Tensor:
        """S_F of a driver frame: [N, D]."""
        deformation: Tensor = self.deform_head(self.motion(crop))
        return deformation

    @torch.no_grad()
    def rest_at(self, motion: Tensor) -> None:
        """Make a motion code [M] the neutral face, S_F = 0; pictures of drivers stay as they are.

        A(W_ID) takes over what S_F said of that face.
        """
        shift = torch.zeros(spaces.style_count(self.dims), device=motion.device)
        shift[self.deformed] = self.deform_head(motion[None])[0]
        for affine, layer in zip(
            self.generator.affines.layers, spaces.layers(self.dims), strict=True
        ):
            bias = affine.get_parameter("bias")  # its gain is 1
            bias.add_(shift[layer.styles])
        self.deform_head.rest.copy_(motion)

    def styles(self, w_id: Tensor, s_f: Tensor) -> Tensor:
        """A(W_ID), with S_F added in the slices of the first ten convolutions: [N, S]."""
        return self.generator.identity_styles(w_id).index_add(1, self.deformed, s_f.float())

    def render(self, styles: Tensor) -> Tensor:
        """G(styles): about -1..1, not clamped."""
        picture: Tensor = self.generator.synthesis(styles)
        return picture

    def forward(self, portrait: Tensor, frame: Tensor) -> Tensor:
        """The portrait's person doing what the driver does in the frame."""
        return self.render(self.styles(self.identify(portrait), self.deform(frame)))
