#!/bin/bash
# Starts MariaDB, and makes its data directory if there is none: as the official images do, with MARIADB_ROOT_PASSWORD,
# MARIADB_DATABASE, MARIADB_USER, MARIADB_PASSWORD or the same names with MYSQL_.
set -Eeuo pipefail

data=/var/lib/mysql

# A text as SQL has it between quotes.
quoted() {
    local text="${1//\\/\\\\}"
    printf "'%s'" "${text//\'/\\\'}"
}

# What the new server is told, a statement a line.
statements() {
    local root user
    root="$(quoted "$1")"
    echo 'USE mysql;'
    mysql_tzinfo_to_sql /usr/share/zoneinfo 2> /dev/null
    # Those which were made without a password.
    echo "DELETE FROM global_priv WHERE User IN ('', 'root') AND Host <> 'localhost';"
    echo "DELETE FROM proxies_priv WHERE Host <> 'localhost';"
    echo 'FLUSH PRIVILEGES;'
    echo "ALTER USER root@localhost IDENTIFIED BY $root;"
    echo "CREATE USER root@'%' IDENTIFIED BY $root;"
    echo "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;"
    if [ -n "$2" ]; then
        echo "CREATE DATABASE IF NOT EXISTS \`${2//\`/\`\`}\`;"
    fi
    if [ -n "$3" ]; then
        user="$(quoted "$3")@'%'"
        echo "CREATE USER $user IDENTIFIED BY $(quoted "$4");"
        if [ -n "$2" ]; then
            echo "GRANT ALL ON \`${2//\`/\`\`}\`.* TO $user;"
        fi
    fi
}

initialise() {
    local password="${MARIADB_ROOT_PASSWORD:-${MYSQL_ROOT_PASSWORD:-}}"
    if [ -z "$password" ]; then
        echo 'MARIADB_ROOT_PASSWORD is not set' >&2
        exit 1
    fi
    # In a directory of its own, so that one which was left half-way is not taken for the real one. No server listens
    # meanwhile: the statements are read by one that does nothing else.
    local new="$data/.initialising"
    rm -rf "$new"
    mkdir "$new"
    mariadb-install-db --datadir="$new" --auth-root-authentication-method=normal --skip-test-db \
        --default-time-zone=SYSTEM > /dev/null
    statements "$password" "${MARIADB_DATABASE:-${MYSQL_DATABASE:-}}" "${MARIADB_USER:-${MYSQL_USER:-}}" \
        "${MARIADB_PASSWORD:-${MYSQL_PASSWORD:-}}" |
        mariadbd --datadir="$new" --bootstrap --skip-log-bin
    mv "$new/mysql" "$data/.mysql"
    find "$new" -mindepth 1 -maxdepth 1 -exec mv --target-directory="$data" {} +
    rmdir "$new"
    sync "$data"
    mv "$data/.mysql" "$data/mysql"
}

if [ "${1:0:1}" = '-' ]; then
    set -- mariadbd "$@"
fi
if [ "$1" = mariadbd ] || [ "$1" = mysqld ]; then
    if [ "$(id -u)" = 0 ]; then
        install --directory --owner=mysql --group=mysql "$data" /run/mysqld
        find "$data" \! -user mysql -exec chown mysql: {} +
        exec setpriv --reuid=mysql --regid=mysql --clear-groups "$0" "$@"
    fi
    if [ ! -d "$data/mysql" ]; then
        initialise
    fi
fi
exec "$@"
