"""Files, bytes and strings in; arrays out. Knows pictures and tokens, no model and no torch.

Tables here name what a bundle's configuration may ask for; nothing is imported until it is used.
"""

# What is done to a text before its tokenizer sees it: str -> str. What most models need (lower case,
# Unicode normal form) is said in tokenizer.json itself; this is for what that file cannot say.
CLEANERS = {
    "none": "seesay.inputs.tokenizer:leave",
    "lower": "seesay.inputs.cleaners:lower",
    "whitespace": "seesay.inputs.cleaners:whitespace",
    "canonicalize": "seesay.inputs.cleaners:canonicalize",
}
