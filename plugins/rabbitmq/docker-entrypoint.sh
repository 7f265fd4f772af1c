#!/bin/bash
# Starts RabbitMQ as its own user, as the official image does; the server itself knows RABBITMQ_DEFAULT_USER and
# RABBITMQ_DEFAULT_PASS.
set -Eeuo pipefail

if [ "$1" = rabbitmq-server ] && [ "$(id -u)" = 0 ]; then
    find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq: {} +
    exec setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups "$0" "$@"
fi
exec "$@"
