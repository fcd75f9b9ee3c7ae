"""What stands at `/` for a browser that has no token: a form that asks for it, without any other file."""

from starlette.responses import HTMLResponse

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>seesay: the token</title>
<main>
<h1>The service wants its token</h1>
<p role="status">{said}</p>
<form action="/" method="get">
<p><label>Token <input type="password" name="token" autocomplete="current-password" required autofocus></label></p>
<p><label><input type="checkbox" name="keep" value="1"> remember it here</label></p>
<p><button>Go on</button></p>
</form>
<p>A program sends it as <code>Authorization: Bearer TOKEN</code>.</p>
</main>
</html>
"""
_WHAT = "It is what the service was started with (<code>--token</code>)."


def token_page(*, is_wrong: bool) -> HTMLResponse:
    """The form, with status 401.

    Args:
        is_wrong: a token was given, and is another one.
    """
    said = f"That is not the token. {_WHAT}" if is_wrong else _WHAT
    return HTMLResponse(_PAGE.format(said=said), status_code=401, headers={"WWW-Authenticate": "Bearer"})
