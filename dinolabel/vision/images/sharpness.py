"""How sharp a picture is, in one number that does not depend on its size.

A pure function of pixels; what counts as too blurred is decided by who asks, against pictures of the same video.
"""

from __future__ import annotations

import numpy as np
import PIL.Image

from dinolabel.vision.types import Pixels

SIDE = 128  # pixels the picture is brought to first, so that a large blurred one does not pass for a small sharp one


def sharpness(pixels: Pixels) -> float:
    """Variance of the Laplacian of the grey levels, 0 for a flat picture (Pech-Pacheco et al. 2000, Diatom autofocusing in brightfield
    microscopy). pixels: (H, W, 3) uint8 RGB. Only comparable between pictures of like things.
    """
    small = PIL.Image.fromarray(pixels).convert("L").resize((SIDE, SIDE), PIL.Image.Resampling.BILINEAR)
    grey = np.asarray(small, dtype=np.float64)
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(laplacian.var())
