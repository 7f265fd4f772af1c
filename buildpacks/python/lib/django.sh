# Django's static files.
# shellcheck shell=bash

has_module() {
    "$PYTHON/bin/python" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$1') is None)"
}

collect_static() {
    local manage begun=$EPOCHREALTIME
    has_module django || return 0
    manage=$(find . -maxdepth 3 -name manage.py -type f -not -path './.heroku/*' -printf '%d\t%P\n' | sort -n | head -n 1 | cut -f 2)
    [ -n "$manage" ] || return 0
    if [ "${DISABLE_COLLECTSTATIC:-0}" != 0 ]; then
        step "Not collecting static files, as DISABLE_COLLECTSTATIC says"
        return
    fi
    step "Collecting static files: python $manage collectstatic --noinput"
    PYTHONPATH=${PYTHONPATH:-.} run_logged python "$manage" collectstatic --noinput --traceback \
        || fail "The static files could not be collected" \
            "Mend what is said above (STATIC_ROOT must be set); or switch it off with the config var DISABLE_COLLECTSTATIC=1"
    detail "($(seconds_since "$begun"))"
}
