# shellcheck shell=bash
# Python of the app, as its buildpack installed it.
export PATH="/app/.heroku/python/bin:$PATH"
export PYTHONUNBUFFERED=true
export PYTHONHASHSEED="${PYTHONHASHSEED:-random}"
export LANG="${LANG:-C.UTF-8}"
# Modules of the source are found from every directory.
export PYTHONPATH="${PYTHONPATH:-/app}"
