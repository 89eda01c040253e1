"""Benchmark: the platform compared with a FastAPI monolith and with the maximum rates of its components.

python -m bench --fast          (or make bench FAST=1)

stack         a local stack of its own with raised rate limits
dataset       the same products, customers and stock for every contender
baseline/     the contenders beside the platform: a FastAPI monolith, with an ORM and with handwritten SQL
context       what every measure uses: stack, baselines, dataset; waiting for background work
ceilings      maximum rates of single components; order_script records pgbench's part of an order from PostgreSQL's log
rounds        contenders in turns, rounds, medians, spread
load, cpu     load by wrk through the edge; processor time of each process, as the operating system counts it
measures/     what is measured, one module each
sections      sections of the report, figures and goals
report        tables on the terminal, JSON in results/, the chart of the README
"""
