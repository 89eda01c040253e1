"""Generates the OpenAPI 3.1 document of the public REST routes from the contracts."""

from __future__ import annotations

import json
import re
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from tools.image import Image, Rpc, is_personal, rules_of

Schema = dict[str, Any]
F = FieldDescriptorProto

STATUS = "google.rpc.Status"
HTTP_BODY = ".google.api.HttpBody"
EVENT_STREAM = "text/event-stream"

_INT32 = {F.TYPE_INT32, F.TYPE_UINT32, F.TYPE_SINT32, F.TYPE_FIXED32, F.TYPE_SFIXED32}
_INT64 = {F.TYPE_INT64, F.TYPE_UINT64, F.TYPE_SINT64, F.TYPE_FIXED64, F.TYPE_SFIXED64}
_WELL_KNOWN: dict[str, Schema] = {
    ".google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    ".google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d+)?s$"},
    ".google.protobuf.FieldMask": {"type": "string"},
    ".google.protobuf.Struct": {"type": "object"},
    ".google.protobuf.Value": {},
    ".google.protobuf.Any": {"type": "object", "properties": {"@type": {"type": "string"}}},
}
_PARAMETER = re.compile(r"{(\w+)}")


class Document:
    """Builds the document; schemas are added when a route refers to them."""

    def __init__(self, image: Image, version: str) -> None:
        self._image, self._version = image, version
        self._schemas: dict[str, Schema] = {}

    def build(self) -> dict[str, Any]:
        paths: dict[str, dict[str, Any]] = {}
        for rpc in self._image.routes():
            assert rpc.route is not None
            verb, path, _ = rpc.route
            paths.setdefault(_PARAMETER.sub(lambda found: "{" + _camel(found[1]) + "}", path), {})[verb] = (
                self._operation(rpc)
            )
        self._reference(f".{STATUS}")
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Jain Shikanji",
                "version": self._version,
                "description": DESCRIPTION,
                "license": {"name": "Proprietary", "identifier": "LicenseRef-Proprietary"},
            },
            "servers": [{"url": "http://localhost:8080", "description": "`make up`"}],
            "security": [{"bearer": []}, {"cookie": []}],
            "tags": [{"name": name} for name in sorted({_tag(rpc) for rpc in self._image.routes()})],
            "paths": paths,
            "components": {
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                    "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-at"},
                },
                "schemas": dict(sorted(self._schemas.items())),
            },
        }

    def _operation(self, rpc: Rpc) -> Schema:
        assert rpc.route is not None
        _, path, body = rpc.route
        request = self._image.messages.get(rpc.method.input_type[1:])
        in_path = set(_PARAMETER.findall(path))
        operation: Schema = {
            "operationId": f"{rpc.service}_{rpc.method.name}",
            "tags": [_tag(rpc)],
            "summary": _first_sentence(rpc.comment),
            "description": f"{rpc.comment}\n\n{_describe_callers(rpc)}",
            "x-callers": rpc.callers,
            "parameters": self._parameters(rpc, in_path, with_query=not body),
            "responses": {"200": self._success_response(rpc), "default": self._error_response()},
        }
        if "PUBLIC" in rpc.callers:
            operation["security"] = []
        if body:
            operation["requestBody"] = self._body(rpc, request, in_path)
        if not operation["parameters"]:
            del operation["parameters"]
        return operation

    def _parameters(self, rpc: Rpc, in_path: set[str], *, with_query: bool) -> list[Schema]:
        request = self._image.messages.get(rpc.method.input_type[1:])
        found: list[Schema] = []
        for field in request.field if request is not None and rpc.method.input_type != HTTP_BODY else ():
            where = "path" if field.name in in_path else "query"
            if where == "query" and not with_query:
                continue
            found.extend(self._parameter(rpc.method.input_type[1:], field, where, prefix=""))
        if rpc.needs_key:
            found.append(
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": True,
                    "description": "A repeated request with the same key gets the first response, for 48 hours.",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                }
            )
        return found

    def _parameter(self, message: str, field: F, where: str, prefix: str) -> list[Schema]:
        nested = self._image.messages.get(field.type_name[1:])
        if field.type == F.TYPE_MESSAGE and field.type_name not in _WELL_KNOWN and nested is not None:
            return [
                parameter
                for inner in nested.field
                for parameter in self._parameter(field.type_name[1:], inner, where, f"{prefix}{_camel(field.name)}.")
            ]
        schema = self._field(message, field)
        description = schema.pop("description", "")
        return [
            {
                "name": prefix + _camel(field.name),
                "in": where,
                "required": where == "path" or (_is_required(field) and not prefix),
                "description": description,
                "schema": schema,
            }
        ]

    def _body(self, rpc: Rpc, request: DescriptorProto | None, in_path: set[str]) -> Schema:
        if rpc.method.input_type == HTTP_BODY or request is None:
            return {"required": True, "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
        schema = self._message(rpc.method.input_type[1:], request, without=in_path)
        return {"required": True, "content": {"application/json": {"schema": schema}}}

    def _success_response(self, rpc: Rpc) -> Schema:
        if rpc.method.output_type == HTTP_BODY:
            media = EVENT_STREAM if rpc.method.server_streaming else "*/*"
            return {"description": "The content.", "content": {media: {"schema": {"type": "string"}}}}
        schema = self._reference(rpc.method.output_type)
        return {"description": "Success.", "content": {"application/json": {"schema": schema}}}

    @staticmethod
    def _error_response() -> Schema:
        schema = {"$ref": f"#/components/schemas/{_schema_name(STATUS)}"}
        return {
            "description": "Error. `details` contains an ErrorInfo with a stable `reason`.",
            "content": {"application/json": {"schema": schema}},
        }

    def _reference(self, type_name: str) -> Schema:
        name = _schema_name(type_name[1:])
        if name not in self._schemas:
            self._schemas[name] = {}
            self._schemas[name] = self._message(type_name[1:], self._image.messages[type_name[1:]])
        return {"$ref": f"#/components/schemas/{name}"}

    def _message(self, name: str, message: DescriptorProto, without: set[str] | None = None) -> Schema:
        fields = [field for field in message.field if field.name not in (without or set())]
        schema: Schema = {
            "type": "object",
            "description": self._image.comments.get(name, ""),
            "properties": {_camel(field.name): self._field(name, field) for field in fields},
        }
        required = [_camel(field.name) for field in fields if _is_required(field)]
        if required:
            schema["required"] = required
        return schema

    def _field(self, message: str, field: F) -> Schema:
        rules = rules_of(field)
        repeated = field.label == F.LABEL_REPEATED
        schema = self._value(field, rules.repeated.items if repeated else rules)
        if repeated:
            entry = self._image.messages.get(field.type_name[1:])
            if entry is not None and entry.options.map_entry:
                schema = {"type": "object", "additionalProperties": self._field(field.type_name[1:], entry.field[1])}
            else:
                schema = {"type": "array", "items": schema, **_limits(rules.repeated, _ARRAY)}
        comment = self._image.comments.get(f"{message}.{field.name}", "")
        if comment:
            schema = {**schema, "description": comment}
        if is_personal(field):
            schema = {**schema, "x-pii": True}
        return schema

    def _value(self, field: F, rules: Any) -> Schema:
        if field.type == F.TYPE_MESSAGE:
            return dict(_WELL_KNOWN.get(field.type_name) or self._reference(field.type_name))
        if field.type == F.TYPE_ENUM:
            values = self._image.enums[field.type_name[1:]].value
            allowed, rejected = getattr(rules.enum, "in"), rules.enum.not_in
            return {
                "type": "string",
                "enum": [
                    value.name
                    for value in values
                    if value.number and value.number not in rejected and (not allowed or value.number in allowed)
                ],
            }
        if field.type == F.TYPE_STRING:
            return {"type": "string", **_string_rules(rules.string)}
        if field.type in _INT32:
            return {"type": "integer", "format": "int32", **_limits(rules.int32, _NUMBER)}
        if field.type in _INT64:
            return {"type": "string", "format": "int64"}
        if field.type == F.TYPE_BOOL:
            return {"type": "boolean"}
        if field.type == F.TYPE_BYTES:
            return {"type": "string", "format": "byte"}
        return {"type": "number", "format": "double", **_limits(rules.double, _NUMBER)}


DESCRIPTION = """Back end of a restaurant group. Successful responses have status 200. Errors have one format,
`google.rpc.Status`: a `code`, a readable `message`, and `details` with an `ErrorInfo` whose `reason` is stable
(docs/api/reasons.md).
Amounts are `Money`: whole minor units (paise) as a string. Unknown JSON fields are ignored, unknown query parameters
are rejected."""

_NUMBER = {"gte": "minimum", "lte": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_ARRAY = {"min_items": "minItems", "max_items": "maxItems", "unique": "uniqueItems"}
_NUMBERS = ("int32", "int64", "uint32", "uint64", "double", "float")
_FORMS = ("uuid", "email", "uri")
_STRING = {"min_len": "minLength", "max_len": "maxLength", "pattern": "pattern"}


def _limits(rules: Any, names: dict[str, str]) -> Schema:
    return {json_name: getattr(rules, name) for name, json_name in names.items() if rules.HasField(name)}


def _string_rules(rules: Any) -> Schema:
    schema = _limits(rules, _STRING)
    if rules.uuid:
        schema["format"] = "uuid"
    if rules.email:
        schema["format"] = "email"
    if rules.uri:
        schema["format"] = "uri"
    if getattr(rules, "in"):
        schema["enum"] = list(getattr(rules, "in"))
    return schema


def _is_required(field: F) -> bool:
    """Whether a request without the field is rejected: its zero value violates a rule."""
    rules = rules_of(field)
    if rules.required:
        return True
    may_be_absent = field.proto3_optional or (field.type == F.TYPE_MESSAGE and field.label != F.LABEL_REPEATED)
    return not may_be_absent and not rules.ignore and _rejects_zero(rules)


def _rejects_zero(rules: Any) -> bool:
    string, number = rules.string, next((getattr(rules, kind) for kind in _NUMBERS if rules.HasField(kind)), None)
    return bool(
        string.min_len
        or any(getattr(string, form) for form in _FORMS)
        or (string.HasField("pattern") and not re.search(string.pattern, ""))
        or (getattr(string, "in") and "" not in getattr(string, "in"))
        or rules.repeated.min_items
        or 0 in rules.enum.not_in
        or (getattr(rules.enum, "in") and 0 not in getattr(rules.enum, "in"))
        or (number is not None and not _allows_zero(number))
    )


def _allows_zero(rules: Any) -> bool:
    return not (
        (rules.HasField("gt") and rules.gt >= 0)
        or (rules.HasField("gte") and rules.gte > 0)
        or (rules.HasField("lt") and rules.lt <= 0)
        or (rules.HasField("lte") and rules.lte < 0)
        or 0 in rules.not_in
        or (getattr(rules, "in") and 0 not in getattr(rules, "in"))
    )


def _describe_callers(rpc: Rpc) -> str:
    if "PUBLIC" in rpc.callers:
        return "**Callers:** everyone."
    narrowed = {
        "FIELD": "; only for themselves or their stores, as named in the request",
        "RESOURCE": "; only their own objects",
    }
    return f"**Callers:** {', '.join(rpc.callers)}{narrowed.get(rpc.scope, '')}."


def _tag(rpc: Rpc) -> str:
    return rpc.package.split(".")[1]


def _schema_name(full_name: str) -> str:
    """The name of a schema: `order.Order` for `jainshikanji.order.v1.Order`."""
    parts = full_name.split(".")
    if parts[0] == "jainshikanji":
        return ".".join([parts[1], *parts[3:]])
    return full_name


def _first_sentence(comment: str) -> str:
    return comment.replace("\n", " ").split(". ")[0].rstrip(".")


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def render(image: Image, version: str) -> str:
    return json.dumps(Document(image, version).build(), indent=1, ensure_ascii=False) + "\n"
