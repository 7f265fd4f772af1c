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

for server in account container object; do
    "swift-$server-server" "/etc/swift/$server-server.conf" --verbose &
done
for port in 6202 6201 6200; do
    until answers "$port"; do
        [ "$(jobs -pr | wc -l)" = 3 ]
        sleep 0.1
    done
done
# What could not be listed before the last end is listed before anybody asks, unless it is more than a minute's work.
if compgen -G '/data/async_pending*/*/*' > /dev/null; then
    timeout 60 swift-object-updater /etc/swift/object-server.conf --once --verbose > /dev/null || true
fi
# What cannot be listed at once is listed later by these.
swift-object-updater /etc/swift/object-server.conf --verbose > /dev/null &
swift-container-updater /etc/swift/container-server.conf --verbose > /dev/null &
swift-proxy-server /etc/swift/proxy-server.conf --verbose &
wait -n
