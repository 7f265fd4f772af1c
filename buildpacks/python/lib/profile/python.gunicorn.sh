# shellcheck shell=bash
# Requests come from the proxy alone, whose headers are to be believed; its access log goes where logs go.
export FORWARDED_ALLOW_IPS="${FORWARDED_ALLOW_IPS:-*}"
export GUNICORN_CMD_ARGS="${GUNICORN_CMD_ARGS:---access-logfile -}"
