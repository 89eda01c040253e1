"""Commands of this service beside the chassis's."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from chassis.database import migrations
from chassis.errors import DomainError, InvalidArgument
from services.customer.app import CustomerApp
from services.customer.settings import CustomerSettings
from services.customer.usecases import accounts


def bootstrap_admin(
    email: Annotated[str, typer.Option(help="the administrator's mailbox")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="read the password from the standard input")
    ] = False,
    patience: Annotated[float, typer.Option(help="seconds to wait for a schema that is not there yet")] = 0.0,
) -> None:
    """Make an administrator. The only way to the first one; one that is there already stays as it is."""
    settings = CustomerSettings.load("customer")
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif settings.admin_password is not None:
        password = settings.admin_password.get_secret_value()
    else:
        typer.echo("give the password on the standard input with --password-stdin, or as CUSTOMER_ADMIN_PASSWORD")
        raise typer.Exit(2)
    migrations.wait_until_migrated(
        "customer", (settings.listen_url or settings.database_url).get_secret_value(), patience
    )
    try:
        made = asyncio.run(_make(settings, email, password))
    except InvalidArgument as refusal:
        typer.echo("; ".join(f"{field} {problem}" for field, problem in refusal.violations), err=True)
        raise typer.Exit(1) from refusal
    except DomainError as refusal:
        typer.echo(refusal.message, err=True)
        raise typer.Exit(1) from refusal
    typer.echo("the administrator is made" if made else "the account administers the platform already")


async def _make(settings: CustomerSettings, email: str, password: str) -> bool:
    app = CustomerApp("customer", settings)
    await app.open()
    try:
        return await accounts.make_administrator(app, email, password)
    finally:
        await app.close()
