"""The service: the library and the model over HTTP, and the page that uses them.

    app ── security (who may ask, and how much) ── routes ─┬─ libraries (threads that search)
                                                           └─ batching (the model, for all who ask at once)

Nothing below this room knows of the web.
"""
