"""Faults under load: `make chaos`. Not part of `make test`, because it takes minutes and the whole machine."""
