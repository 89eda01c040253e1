"""How fast the platform is: side by side with what most teams would build, and with what its parts can do at most.

python -m bench --fast          (or make bench FAST=1)

stack       a stack of its own with raised rate limits, its key set and its logins
material    the same catalogue, customers and stock for every contender
baseline/   the contenders that are not the platform: a FastAPI monolith, with an ORM and with SQL by hand
floors      what the parts can do at most; recording makes pgbench's part of an order from the platform's own log
contest     contenders in turns, rounds, medians, spread, ratios
load, cpu   wrk through the front door; what each process used, as the operating system counts it
measures/   what is measured, a module each
findings    sections, figures and goals
report      a table on screen, JSON in results/, the chart of the README
"""
