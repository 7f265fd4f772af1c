#!/bin/bash
# Starts PostgreSQL, and makes its data directory if there is none: as the official image does, with POSTGRES_USER,
# POSTGRES_PASSWORD, POSTGRES_DB, POSTGRES_INITDB_ARGS and PGDATA.
set -Eeuo pipefail

initialise() {
    local user="${POSTGRES_USER:-postgres}" database="${POSTGRES_DB:-${POSTGRES_USER:-postgres}}"
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo 'POSTGRES_PASSWORD is not set' >&2
        exit 1
    fi
    # In a directory of its own, so that one which was left half-way is not taken for the real one.
    local new="$PGDATA/.initialising"
    rm -rf "$new"
    # The arguments are words, as in the official image.
    # shellcheck disable=SC2086
    initdb --pgdata="$new" --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") ${POSTGRES_INITDB_ARGS:-}
    printf '\nhost all all all scram-sha-256\n' >> "$new/pg_hba.conf"
    pg_ctl --pgdata="$new" --options="-c listen_addresses=''" --wait start
    if [ "$database" != postgres ]; then
        psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$user" --dbname=postgres --set=database="$database" \
            <<< 'CREATE DATABASE :"database";'
    fi
    pg_ctl --pgdata="$new" --mode=fast --wait stop
    mv "$new/PG_VERSION" "$PGDATA/.PG_VERSION"
    find "$new" -mindepth 1 -maxdepth 1 -exec mv --target-directory="$PGDATA" {} +
    rmdir "$new"
    sync "$PGDATA"
    mv "$PGDATA/.PG_VERSION" "$PGDATA/PG_VERSION"
}

if [ "${1:0:1}" = '-' ]; then
    set -- postgres "$@"
fi
if [ "$1" = postgres ]; then
    if [ "$(id -u)" = 0 ]; then
        install --directory --owner=postgres --group=postgres --mode=0700 "$PGDATA"
        install --directory --owner=postgres --group=postgres --mode=3775 /run/postgresql
        find "$PGDATA" \! -user postgres -exec chown postgres: {} +
        exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
    fi
    if [ ! -s "$PGDATA/PG_VERSION" ]; then
        initialise
    fi
fi
exec "$@"
