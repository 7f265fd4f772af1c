#!/bin/bash
# Starts Swift's servers, the one for clients last, and ends when one of them does. ROOT_ACCESS_KEY and ROOT_SECRET_KEY
# are the administrator's.
set -Eeuo pipefail

# Options are meant for the store that stands in service.toml, which is another one.
if [ "${1:0:1}" = '-' ]; then
    set -- swift
fi
if [ "$1" != swift ]; then
    exec "$@"
fi
if [ "$(id -u)" = 0 ]; then
    install --directory --owner=swift --group=swift /data /var/cache/swift /var/lock/swift
    find /data \! -user swift -exec chown swift: {} +
    exec setpriv --reuid=swift --regid=swift --clear-groups "$0" "$@"
fi

answers() {
    (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null
}

trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
trap 'exit 0' TERM INT

for server in account:6202 container:6201 object:6200; do
    "swift-${server%:*}-server" "/etc/swift/${server%:*}-server.conf" --verbose &
    until answers "${server#*:}"; do
        kill -0 $!
        sleep 0.1
    done
done
# What could not be listed before the last end is listed before anybody asks, and what cannot be from now on is later.
if compgen -G '/data/async_pending*/*/*' > /dev/null; then
    swift-object-updater /etc/swift/object-server.conf --once --verbose > /dev/null
fi
swift-object-updater /etc/swift/object-server.conf --verbose > /dev/null &
swift-container-updater /etc/swift/container-server.conf --verbose > /dev/null &
swift-proxy-server /etc/swift/proxy-server.conf --verbose &
wait -n
