"""The command line of a service, beside serving."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from google.protobuf import json_format
from jainshikanji.operations.v1 import dead_letter_service_pb2 as pb
from jainshikanji.operations.v1.dead_letter_service_pb2_grpc import DeadLetterServiceStub
from rich.console import Console
from sqlalchemy import MetaData

from chassis.database import migrations
from chassis.errors import DomainError
from chassis.process.settings import MeshSettings
from chassis.rpc.channels import Channels
from chassis.security import key_rotation
from chassis.security.tls import IdentityFiles

if TYPE_CHECKING:
    from chassis.process.service import Service

console = Console()


def command_line(service: Service) -> typer.Typer:
    """Commands of every service, and those it adds itself."""
    line = typer.Typer(no_args_is_help=True, add_completion=False, help=f"The {service.name} service.")
    load = service.app.settings_class.load

    @line.command()
    def migrate(
        patience: Annotated[float, typer.Option(help="seconds to wait for a database that does not answer yet")] = 0.0,
    ) -> None:
        """Bring the database to this build's schema. Does nothing when a later build has been here."""
        settings = load(service.name)
        # The lock belongs to a session, which a pooler would share with others.
        url = (settings.listen_url or settings.database_url).get_secret_value()
        migrations.wait_until_reachable(url, patience)
        migrations.migrate(service.name, url)
        console.print(f"{service.name}: schema {migrations.head(service.name)}")

    if service.tables is not None:
        line.command("rotate-keys")(_rotate_keys(service, service.tables))
    line.add_typer(_dead_letters(service), name="dead-letters")
    for name, command in service.commands.items():
        line.command(name)(command)
    return line


def _rotate_keys(service: Service, tables: MetaData) -> Callable[[], None]:
    def rotate_keys() -> None:
        """Seal and index anew, with the newest keys, what older keys did. May run beside replicas, and again."""
        settings = service.app.settings_class.load(service.name)

        async def run() -> bool:
            app = service.app(service.name, settings)
            await app.db.open()
            try:
                return await key_rotation.rotate(app.db, app.cipher, tables, tell)
            finally:
                await app.db.close()

        def tell(table: key_rotation.Rotated) -> None:
            console.print(f"{service.name}: {table.table}: {table.rows} rows renewed")
            if table.broken:
                console.print(f"{service.name}: {table.table}: [red]{table.broken} rows open with no key[/red]")

        if not asyncio.run(run()):
            console.print(f"{service.name}: not all is renewed; see above, or replicas still write with the old keys")
            raise typer.Exit(1)

    return rotate_keys


def _dead_letters(service: Service) -> typer.Typer:
    line = typer.Typer(no_args_is_help=True, help="Events that a consumer gave up on. Asks a running replica.")

    def ask(method: Callable[[Any], Awaitable[Any]]) -> Any:
        settings = MeshSettings.load(service.name)

        async def call() -> Any:
            peers = Channels(IdentityFiles(settings.tls_dir), settings.peers, settings.peer_target)
            try:
                return await method(peers.stub(service.name, DeadLetterServiceStub))
            finally:
                await peers.close()

        try:
            return asyncio.run(call())
        except DomainError as refusal:
            console.print(f"[red]{refusal.message}[/red]")
            raise typer.Exit(1) from refusal

    @line.command("list")
    def list_letters(page_size: int = 50, page_token: str = "") -> None:
        """Newest first."""
        request = pb.ListDeadLettersRequest(page_size=page_size, page_token=page_token)
        answer = ask(lambda stub: stub.ListDeadLetters(request))
        _show(answer)

    @line.command()
    def show(event_id: str) -> None:
        """One dead letter with its payload."""
        letter = ask(lambda stub: stub.GetDeadLetter(pb.GetDeadLetterRequest(event_id=event_id)))
        console.print_json(json_format.MessageToJson(letter))

    @line.command()
    def replay(event_id: str) -> None:
        """Handle the event once more, now."""
        ask(lambda stub: stub.ReplayDeadLetter(pb.ReplayDeadLetterRequest(event_id=event_id)))
        console.print("handled")

    @line.command()
    def discard(event_id: str, reason: Annotated[str, typer.Option(help="kept in the log")]) -> None:
        """Drop the event for good."""
        ask(lambda stub: stub.DiscardDeadLetter(pb.DiscardDeadLetterRequest(event_id=event_id, reason=reason)))
        console.print("discarded")

    return line


def _show(page: pb.ListDeadLettersResponse) -> None:
    for letter in page.dead_letters:
        console.print(letter.event_id, letter.type, letter.dead_at.ToJsonString(), letter.error, soft_wrap=True)
    if not page.dead_letters:
        console.print("no dead letters")
    if page.next_page_token:
        console.print(f"next page: --page-token {page.next_page_token}", soft_wrap=True)
