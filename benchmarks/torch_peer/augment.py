"""The random views of a batch of uint8 pictures, on the device, without a loop over pictures."""

import torch
from torch import Tensor, nn

from pclhd_jax.method.augment import (
    ERASE_AREA,
    ERASE_ASPECT,
    ERASE_ATTEMPTS,
    ERASE_FILL,
    IMAGENET_MEAN,
    IMAGENET_STD,
    LUMA,
)


def nchw(images_BHWC: Tensor) -> Tensor:
    """The same memory, which is channels_last."""
    return images_BHWC.permute(0, 3, 1, 2)


def crop_and_mirror(images_BHWC: Tensor, pad: int) -> Tensor:
    """Black around, the old size cut out at random, mirrored with p 0.5: one gather."""
    B, H, W, _ = images_BHWC.shape
    device = images_BHWC.device
    padded_BHWC = nn.functional.pad(images_BHWC, (0, 0, pad, pad, pad, pad))
    top_B1, left_B1 = torch.randint(0, 2 * pad + 1, (2, B, 1), device=device)
    row_BH = top_B1 + torch.arange(H, device=device)
    column_W = torch.arange(W, device=device)
    mirror_B1 = torch.rand(B, 1, device=device) < 0.5
    column_BW = left_B1 + torch.where(mirror_B1, W - 1 - column_W, column_W)
    which_B = torch.arange(B, device=device)
    return padded_BHWC[which_B[:, None, None], row_BH[:, :, None], column_BW[:, None, :]]


def random_erase(images_BHWC: Tensor, fill_C: Tensor) -> Tensor:
    """With p 0.5 a rectangle is filled: the first of 16 drawn that fits, if one does."""
    B, H, W, _ = images_BHWC.shape
    device = images_BHWC.device

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(B, ERASE_ATTEMPTS, device=device)

    area_BT, aspect_BT = H * W * uniform(*ERASE_AREA), uniform(*ERASE_ASPECT)
    height_BT = (area_BT * aspect_BT).sqrt().round()
    width_BT = (area_BT / aspect_BT).sqrt().round()
    fits_BT = (height_BT < H) & (width_BT < W)
    first_B1 = fits_BT.int().argmax(1, keepdim=True)
    height_B1, width_B1 = height_BT.gather(1, first_B1), width_BT.gather(1, first_B1)
    place_2B1 = torch.rand(2, B, 1, device=device)
    top_B1 = (place_2B1[0] * (H - height_B1 + 1)).floor()
    left_B1 = (place_2B1[1] * (W - width_B1 + 1)).floor()
    row_H, column_W = torch.arange(H, device=device), torch.arange(W, device=device)
    in_rows_BH = (row_H >= top_B1) & (row_H < top_B1 + height_B1)
    in_columns_BW = (column_W >= left_B1) & (column_W < left_B1 + width_B1)
    erase_B1 = fits_BT.any(1, keepdim=True) & (torch.rand(B, 1, device=device) < 0.5)
    inside_BHW = (in_rows_BH & erase_B1)[:, :, None] & in_columns_BW[:, None, :]
    return torch.where(inside_BHW[..., None], fill_C, images_BHWC)


def copy_channel(images_BHWC: Tensor, channel_B: Tensor) -> Tensor:
    """One channel of each picture written into all three."""
    index_B1 = channel_B[:, None, None, None].expand(*images_BHWC.shape[:3], 1)
    return images_BHWC.gather(3, index_B1).expand_as(images_BHWC)


class Views(nn.Module):
    """forward(visible, infrared): the views of a step, (2B, 3, H, W) and (B, 3, H, W).

    A module for its constants, which are then on the device.
    """

    def __init__(self, pad: int):
        super().__init__()
        self.pad = pad
        mean_C, std_C = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        self.register_buffer("scale_C", 1 / (255 * std_C))
        self.register_buffer("shift_C", -mean_C / std_C)
        self.register_buffer("fill_C", torch.tensor(ERASE_FILL))
        self.register_buffer("luma_C", torch.tensor(LUMA))

    def forward(self, visible_BHWC: Tensor, infrared_BHWC: Tensor) -> tuple[Tensor, Tensor]:
        return nchw(self.visible(visible_BHWC)), nchw(self.infrared(infrared_BHWC))

    def normalise(self, images_BHWC: Tensor) -> Tensor:
        """uint8 to float32 with ImageNet's mean and deviation taken out."""
        return images_BHWC.float() * self.scale_C + self.shift_C

    def base(self, images_BHWC: Tensor) -> Tensor:
        cut_BHWC = crop_and_mirror(images_BHWC, self.pad)
        return random_erase(self.normalise(cut_BHWC), self.fill_C)

    def visible(self, images_BHWC: Tensor) -> Tensor:
        """A base view of every picture, then a channel-exchange view of every one."""
        B = len(images_BHWC)
        views_BHWC = self.base(torch.cat([images_BHWC, images_BHWC]))
        channel_B = torch.randint(0, 3, (B,), device=images_BHWC.device)
        return torch.cat([views_BHWC[:B], copy_channel(views_BHWC[B:], channel_B)])

    def infrared(self, images_BHWC: Tensor) -> Tensor:
        """A base view, then one of four: channel 0, 1 or 2 to all, or grey with p 0.5."""
        B, device = len(images_BHWC), images_BHWC.device
        views_BHWC = self.base(images_BHWC)
        choice_B = torch.randint(0, 4, (B,), device=device)
        copied_BHWC = copy_channel(views_BHWC, choice_B.clamp(max=2))
        luma_BHW1 = (views_BHWC * self.luma_C).sum(3, keepdim=True)
        is_grey_B = torch.rand(B, device=device) < 0.5
        fourth_BHWC = torch.where(is_grey_B[:, None, None, None], luma_BHW1, views_BHWC)
        return torch.where((choice_B == 3)[:, None, None, None], fourth_BHWC, copied_BHWC)


class PlainViews(Views):
    """In the place of `Views`, where two programs are to see the same pictures."""

    def visible(self, images_BHWC: Tensor) -> Tensor:
        return self.normalise(torch.cat([images_BHWC, images_BHWC]))

    def infrared(self, images_BHWC: Tensor) -> Tensor:
        return self.normalise(images_BHWC)
