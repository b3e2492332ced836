"""Write the decoder for the page "Nine numbers": the weights of `lines-1-4` as a script that a page loads on demand.

The script calls `microtutor.weights` with a safetensors file, packed by gzip and written in base64, because a page that
was opened from a folder may load a script, but no other file. It holds the decoder in float16, as it is stored in the
package, the prior of the latents, and some held-out images with their latents. It is made when the book is built, at
`_static/live`; this module is an extension of Sphinx (`local_extensions` in `_config.yml`).
`book/_static/live/decoder.js` reads it.
"""

import base64
import gzip
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from microtutor.microstructures import LineImages, LineSample
from microtutor.models import VAE

WEIGHTS = "lines-1-4"
FILE = "decoder_weights.js"
HELD_OUT, SEED = 12, 3  # images of the split "test", which no training draws


def held_out() -> LineSample:
    """The images that the page begins with."""
    return LineImages(count=(1, 4)).sample(HELD_OUT, seed=SEED, split="test")


def title(vertical: bool, count: int) -> str:
    """What the page calls an image.

    >>> title(True, 1), title(False, 3)
    ('1 vertical line', '3 horizontal lines')
    """
    return f"{count} {'vertical' if vertical else 'horizontal'} line{'s' if count > 1 else ''}"


@torch.no_grad()
def content() -> bytes:
    """The safetensors file: decoder, prior, and held-out images in canonical form, eight pixels in a byte."""
    vae, sample = VAE.from_pretrained(WEIGHTS), held_out()
    images = vae.in_form(sample.images)
    tensors = {name: value.half() for name, value in vae.state_dict().items() if name.startswith("decoder.")}
    tensors |= {name: value for name, value in vae.state_dict().items() if name.startswith("prior.")}
    tensors["held_out.latents"] = vae.encode(images)[0].contiguous()
    tensors["held_out.images"] = torch.from_numpy(np.packbits(images.bool().flatten(1).numpy(), axis=1))
    names = [title(bool(v), int(c)) for v, c in zip(sample.vertical, sample.count, strict=True)]
    return save(tensors, metadata={"titles": json.dumps(names)})


def write(static: Path) -> Path:
    """Write the script into the folder `live` of a folder of static files."""
    path = static / "live" / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    text = base64.b64encode(gzip.compress(content(), mtime=0)).decode()
    path.write_text(f'microtutor.weights("{text}");\n', encoding="ascii")
    return path


# --- the extension of Sphinx ------------------------------------------------------------------------------------------
def add_weights(app, error) -> None:
    if error is None and app.builder.format == "html":
        write(Path(app.outdir) / "_static")


def setup(app) -> dict:
    app.connect("build-finished", add_weights)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
