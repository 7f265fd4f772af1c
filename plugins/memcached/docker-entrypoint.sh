#!/bin/sh
# Starts Memcached, as the official image does.
set -e

if [ "${1#-}" != "$1" ]; then
    set -- memcached "$@"
fi
exec "$@"
