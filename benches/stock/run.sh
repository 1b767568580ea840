#!/usr/bin/env bash
# Runs the cases of main.rs against a PostgreSQL of its own and against SQLite files, in a folder that is removed afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
"${CARGO:-cargo}" build --quiet
stock=${CARGO_TARGET_DIR:-target}/debug/stock
tools=$(dirname "$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | tail -n 1)")
port=${PORT:-5598}
folder=$(mktemp -d)
as_server() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; fi
(cd / && as_server "$tools/initdb" -D "$folder/data" -U postgres -A trust >/dev/null &&
    as_server "$tools/pg_ctl" -D "$folder/data" -o "-p $port -k $folder -h 127.0.0.1" -l "$folder/log" -w start >/dev/null)
trap '(cd / && as_server "$tools/pg_ctl" -D "$folder/data" -m fast stop >/dev/null); rm -rf "$folder"' EXIT
admin=postgres://postgres@127.0.0.1:$port

# on <database> <name>: DATABASE_URL of an empty database
on() {
    if [ "$1" = sqlite ]; then
        export DATABASE_URL=sqlite:$folder/$2.db
    else
        "$tools/psql" -q "$admin/postgres" -c "CREATE DATABASE $2"
        export DATABASE_URL=$admin/$2
    fi
}

for database in postgres sqlite; do
    echo "== stock apalis-$database"
    for case in timeout retries unreadable; do
        on "$database" "$case"
        "$stock" "$case" 2>&1 | cut -c 1-300
    done
    # Jobs of 100 ms, 20 at once, fetched 200 at a time; kill -9 after some seconds, then another process.
    on "$database" killed
    "$stock" push 1000
    "$stock" worker "$folder/$database.done" 2>/dev/null &
    sleep 3
    kill -9 $!
    wait $! 2>/dev/null || true
    "$stock" worker "$folder/$database.done" 2>/dev/null &
    second=$!
    sleep 40
    kill -9 $second
    wait $second 2>/dev/null || true
    twice=$(sort "$folder/$database.done" | uniq -d | wc -l)
    echo "kill -9 of 20 running jobs: $(sort -u "$folder/$database.done" | wc -l) of 1000 finished, $twice of them twice; $("$stock" states)"
done
