"""Other people's checkpoints: how each source names the weights that we have under our names.

A source is one file whose `layout(config)` returns a `keymap.Layout` for an architecture, or refuses one
that it cannot hold. Adding one is that file and one line here.
"""

SOURCES: dict[str, str] = {
    "openai": "seesay.encoders.checkpoints.openai:layout",
    "open_clip": "seesay.encoders.checkpoints.open_clip:layout",
    "hf_clip": "seesay.encoders.checkpoints.hf_clip:layout",
    "hf_siglip": "seesay.encoders.checkpoints.hf_siglip:layout",
}
