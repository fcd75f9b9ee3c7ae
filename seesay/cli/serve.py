"""`seesay serve`: the library as a page in the browser, and as an HTTP service."""

import logging
import socket
from typing import Annotated

import typer

from seesay.base.errors import MissingExtraError, UsageError
from seesay.cli.console import LibraryOption, say


def serve(
    library: LibraryOption = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8421,
    token: Annotated[
        str | None,
        typer.Option(envvar="SEESAY_TOKEN", help="Who asks must know it; needed where other machines can ask."),
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A name under which the service may be asked, too.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="By default the one that made the library.")] = None,
) -> None:
    """Show the library in the browser, and answer over HTTP: search, classify, embeddings as OpenAI's clients ask.

    Only this machine can reach it, unless you name another --host and a --token.
    """
    try:
        import uvicorn

        from seesay.serve.app import app_of
        from seesay.serve.connections import Server, protocol_with
        from seesay.serve.service import start
    except ModuleNotFoundError as error:
        raise MissingExtraError("Serving", "serve") from error
    from seesay.serve.settings import Settings

    settings = Settings(library=library, host=host, port=port, token=token, hosts=tuple(allow_host or ()), model=model)
    service = start(settings)
    listening = _listen(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
    say(f"seesay is at {address}  (stop it with Ctrl-C)")
    logging.basicConfig(level=logging.WARNING)
    budget = settings.budget
    config = uvicorn.Config(
        app_of(service),
        http=protocol_with(budget),
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=round(budget.grace_s) + 5,  # to answer those that remain
        h11_max_incomplete_event_size=64 << 10,
    )
    Server(config, service.give_up, grace_s=budget.grace_s).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()  # from here on who comes waits, and is not turned away
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}; try another --port") from error
    return listening
