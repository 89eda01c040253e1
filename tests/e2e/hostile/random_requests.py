"""Random requests to the routes of the OpenAPI document, with valid and invalid content.

The seed determines the requests, so that a failure can be repeated.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import UUID

from devstack.run_directory import ROOT

DESCRIPTION = ROOT / "docs" / "api" / "openapi.json"
VERBS = ("get", "post", "put", "patch", "delete")
# Probabilities that a part of a request is valid. High ones pass the first checks, low ones test them.
VALID_SHARES = (0.75, 0.95, 0.99)
_DEEPEST = 6

TEXTS = (
    "", " ", "a", "\u0000", "x\u0000y", "' OR '1'='1", "'; DROP TABLE orders; --", "%", "_", "%%", "\\", "a\\%",
    "${jndi:ldap://x}", "{{7*7}}", "<script>alert(1)</script>", "../../etc/passwd", "\r\nX-Injected: 1", "null",
    "true", "NaN", "Infinity", "-1", "1e400", "0x10", "आशा 🍋", "e\u0301", "\u202eabc", "\ufeff", "a" * 300, "b" * 5000,
    "0001-01-01", "9999-12-31", "2026-02-30", "2026-13-01", "24:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "2026-01-01T00:00:00+25:00", "10000-01-01T00:00:00Z", "+919820000000", "someone@example.com", "@", "A@" + "b" * 300,
    "*", "(", "[a-", "a & b | !", "a:*", "' & '", "INR", "en-IN", "Asia/Kolkata", "CUSTOMER", "ADMIN", "UNSPECIFIED",
)  # fmt: skip
NUMBERS = (0, -1, 1, 2, 100, 101, 2**31 - 1, 2**31, -(2**31), 2**53, 2**63 - 1, 2**63, 1.5, -0.0, 1e-9, 1e308, 90.0001)
# Bodies that lenient JSON parsers accept, and bodies that a parser must reject without failing.
RAW_BODIES = (
    b"", b"{", b"null", b"[]", b'"x"', b"NaN", b"1e999999", b'{"a":1,"a":2}', b"\xff\xfe{}", b'{"a":"\\ud800"}',
    b"{}{}", b"\xef\xbb\xbf{}", b"[" * 2000, b'{"a":' * 2000,
)  # fmt: skip
HEADERS: Mapping[str, Sequence[str]] = {
    "accept": ("*/*", "application/xml", "text/event-stream", "x" * 500),
    "if-none-match": ("*", '"x"', "W/" + '"' * 20),
    "last-event-id": ("0", "-1", "x", "9" * 40),
    "x-request-id": ("x", "y" * 500, "{}"),
    "x-forwarded-for": ("127.0.0.1", "unknown", "1.2.3.4, " * 20 + "5.6.7.8"),
    "x-jwt-payload": ("e30", "x"),
    "cookie": ("at=x", "rt=", "=;=;", "at=\xff"),
    "authorization": ("Bearer", "Bearer x", "Bearer a.b.c", "Basic YTpi", "bearer  x"),
    "idempotency-key": ("", "k", "ключ", "k" * 300),
    "content-type": ("application/json; charset=utf-16", "text/plain", "application/grpc", "multipart/form-data"),
    "range": ("bytes=0-1", "bytes=-1"),
    "expect": ("100-continue", "x"),
}


@dataclass(frozen=True)
class Attempt:
    """One request."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None

    def __str__(self) -> str:
        body = "" if self.body is None else f" {self.body[:600]!r}"
        return f"{self.method} {self.path[:600]} {self.headers}{body}"


class Generator:
    """Generates requests. Path and query variables often are one of `ids`, which exist."""

    def __init__(self, seed: int, ids: Sequence[str], *, excluded: str = "") -> None:
        """`excluded`: a pattern of `VERB /path` templates that are not used."""
        self._random = random.Random(seed)
        self._valid_share = VALID_SHARES[0]
        self._ids = list(ids)
        self._description: dict[str, Any] = json.loads(DESCRIPTION.read_text())
        self._operations = [
            (verb.upper(), path, operation)
            for path, item in self._description["paths"].items()
            for verb, operation in item.items()
            if verb in VERBS and not (excluded and re.search(excluded, f"{verb.upper()} {path}"))
        ]

    def attempt(self) -> Attempt:
        chance = self._random
        self._valid_share = chance.choice(VALID_SHARES)
        method, template, operation = chance.choice(self._operations)
        path = re.sub(r"\{[^}]*\}", lambda _: quote(self._variable(), safe=""), template)
        if chance.random() < 0.05:
            path = self._distort(path)
        query = self._query(operation)
        headers = {"idempotency-key": str(UUID(int=chance.getrandbits(128), version=4))}
        for _ in range(chance.choice((0, 0, 0, 1, 2))):
            name = chance.choice(list(HEADERS))
            headers[name] = chance.choice(HEADERS[name])
        if chance.random() < 0.03:
            method = chance.choice(("HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY"))
        body = self._body(operation)
        if body is not None:
            headers.setdefault("content-type", "application/json")
        return Attempt(method, path + query, headers, body)

    def _variable(self) -> str:
        if self._ids and self._random.random() < self._valid_share:
            return self._random.choice(self._ids)
        uuid = str(UUID(int=self._random.getrandbits(128), version=4))
        return self._random.choice((uuid, self._random.choice(TEXTS) or "-"))

    def _distort(self, path: str) -> str:
        bent = (f"{path}/", f"/{path}", path.replace("/api", "/api/.", 1), path.upper(), f"{path}%00", f"{path}%ff",
                f"{path};a=b", f"{path}#x", path.replace("/api/", "/api%2f", 1), f"{path}/../../..")  # fmt: skip
        return self._random.choice(bent)

    def _query(self, operation: dict[str, Any]) -> str:
        pairs = []
        for parameter in operation.get("parameters", ()):
            if parameter.get("in") == "query" and self._random.random() < 0.4:
                value = self._value(parameter.get("schema", {}), 0)
                for item in value if isinstance(value, list) else [value]:
                    text = str(item).lower() if isinstance(item, bool) else str(item)
                    pairs.append(f"{quote(parameter['name'])}={quote(text, errors='replace')}")
        if self._random.random() < 0.05:
            pairs.append(self._random.choice(("x=1", "%ff=%fe", "=", "a[b]=1", "a.b.c=1", "&&&")))
        return "?" + "&".join(pairs) if pairs else ""

    def _body(self, operation: dict[str, Any]) -> bytes | None:
        content = operation.get("requestBody", {}).get("content", {})
        if not content or self._random.random() < 0.02:
            return None
        if self._random.random() < 0.08:
            return self._random.choice(RAW_BODIES)
        schema = next(iter(content.values())).get("schema", {})
        return json.dumps(self._value(schema, 0)).encode()

    def _value(self, schema: dict[str, Any], depth: int) -> Any:
        chance = self._random
        if chance.random() > self._valid_share:
            return self._junk(depth)
        if "$ref" in schema:
            return self._value(self._resolve(schema["$ref"]), depth + 1)
        for group in ("allOf", "oneOf", "anyOf"):
            if group in schema:
                return self._value(chance.choice(schema[group]), depth + 1)
        if "enum" in schema:
            return chance.choice(schema["enum"])
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = chance.choice(kind)
        return self._of_kind(kind, schema, depth)

    def _of_kind(self, kind: str, schema: dict[str, Any], depth: int) -> Any:
        chance = self._random
        if kind == "object":
            if depth > _DEEPEST:
                return {}
            required = set(schema.get("required", ()))
            return {
                name: self._value(part, depth + 1)
                for name, part in schema.get("properties", {}).items()
                if name in required or chance.random() < 0.5
            }
        if kind == "array":
            size = chance.choice((0, 1, 1, 2, 3, 120))
            return [self._value(schema.get("items", {}), depth + 1) for _ in range(size)]
        if kind == "boolean":
            return chance.random() < 0.5
        if kind in {"integer", "number"}:
            return chance.choice(
                (schema.get("minimum", 1), schema.get("maximum", 5), chance.randint(0, 50), chance.choice(NUMBERS))
            )
        return self._text(schema)

    def _text(self, schema: dict[str, Any]) -> str:
        chance = self._random
        samples = {
            "uuid": lambda: chance.choice(self._ids) if self._ids else self._variable(),
            "email": lambda: f"fuzz-{chance.getrandbits(40):x}@guests.example",
            "date-time": lambda: (
                f"20{chance.randint(20, 40)}-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}T10:00:00Z"
            ),
            "int64": lambda: str(chance.choice((0, 1, 100, 25000, -1, 2**63 - 1, 2**63, 10**12))),
        }
        if (wanted := schema.get("format", "")) in samples:
            return str(samples[wanted]())
        if "pattern" in schema and chance.random() < 0.8:
            return self._fitting(schema["pattern"])
        return chance.choice(
            (*TEXTS, "Lemon", "kilo", f"word {chance.randint(0, 999)}", chance.choice(self._ids or [""]))
        )

    def _fitting(self, pattern: str) -> str:
        """A usual text that the pattern accepts; any text if there is none."""
        usual = (
            "2026-01-01",
            "10:30",
            "+919820012345",
            "400050",
            "INR",
            "en",
            "a-slug",
            "ABCD1234",
            "a",
            "12.5",
            "0001-01-01",
        )
        found = [text for text in usual if re.search(pattern, text)]
        return self._random.choice(found) if found else self._random.choice(TEXTS)

    def _junk(self, depth: int) -> Any:
        chance = self._random
        deep: Any = chance.choice(TEXTS)
        for _ in range(chance.choice((1, 3, 40))):
            deep = {"a": deep} if chance.random() < 0.5 else [deep]
        choices = (None, True, chance.choice(NUMBERS), chance.choice(TEXTS), [], {}, deep if depth else {"x": 1})
        return chance.choice(choices)

    def _resolve(self, reference: str) -> dict[str, Any]:
        found: Any = self._description
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return dict(found)
