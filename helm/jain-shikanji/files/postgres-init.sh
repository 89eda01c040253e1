#!/bin/sh
# Creates a login and a database for each service; runs once, on an empty data directory. Only this login may connect to
# the database. Each line of DATABASES is `login database`; the password is in /etc/logins/<login>/password.
set -eu

while read -r login database; do
  [ -n "$login" ] || continue
  psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres \
    --set=login="$login" --set=database="$database" --set=password="$(cat "/etc/logins/$login/password")" <<'SQL'
CREATE ROLE :"login" LOGIN PASSWORD :'password';
CREATE DATABASE :"database" OWNER :"login";
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
SQL
done <<LIST
$DATABASES
LIST
psql --no-psqlrc --quiet --username=postgres --dbname=postgres --command='REVOKE ALL ON DATABASE postgres FROM PUBLIC'
