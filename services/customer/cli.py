"""Commands of this service beside those of the chassis."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from chassis.database import migrations
from chassis.errors import DomainError, InvalidArgument
from services.customer import wire
from services.customer.app import CustomerApp
from services.customer.settings import CustomerSettings
from services.customer.usecases import accounts


def bootstrap_admin(
    email: Annotated[str, typer.Option(help="email address of the administrator")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="read the password from standard input")
    ] = False,
    patience: Annotated[float, typer.Option(help="seconds to wait for the database schema")] = 0.0,
) -> None:
    """Create an administrator. The only way to create the first one; an existing administrator is not changed."""
    settings = CustomerSettings.load("customer")
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif settings.admin_password is not None:
        password = settings.admin_password.get_secret_value()
    else:
        typer.echo("pass the password on standard input with --password-stdin, or in CUSTOMER_ADMIN_PASSWORD")
        raise typer.Exit(2)
    migrations.wait_until_migrated(
        "customer", (settings.listen_url or settings.database_url).get_secret_value(), patience
    )
    try:
        is_new = asyncio.run(_create(settings, email, password))
    except InvalidArgument as error:
        typer.echo("; ".join(f"{field} {problem}" for field, problem in error.violations), err=True)
        raise typer.Exit(1) from error
    except DomainError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(1) from error
    typer.echo("the administrator was created" if is_new else "the account is an administrator already")


async def _create(settings: CustomerSettings, email: str, password: str) -> bool:
    app = CustomerApp("customer", settings)
    await app.open()
    try:
        return await accounts.create_administrator(app, wire.parse_email(email), password)
    finally:
        await app.close()
