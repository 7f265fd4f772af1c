# Runs PHP's FPM and a web server as one: both, or none. To be sourced, by a script that has a function web_server which
# becomes the server, and the variables SERVER (its name) and QUIT (the signal on which it ends when its requests are done).
# shellcheck shell=bash

HERE=$(dirname "${BASH_SOURCE[0]}")
NAME=${0##*/}

usage() {
    cat <<EOF
$NAME [-C FILE] [-F FILE] [-i FILE] [-p PORT] [-t] [-v] [WEB_ROOT]

Runs PHP behind $SERVER, for the files below WEB_ROOT (else all of the app).
  -C FILE   configuration of $SERVER for the app, in the place of the default one
  -F FILE   configuration of FPM's pool, after the default one
  -i FILE   a php.ini, in the place of the default one
  -p PORT   in the place of the variable PORT
  -t        tests the configuration and ends
  -v        says what is started
EOF
}

refuse() {
    echo "$NAME: $1${2:+; $2}" >&2
    exit 2
}

# Full paths, so that they hold wherever they are read from.
existing_file() {
    [ -f "$1" ] || refuse "there is no file $1"
    realpath "$1"
}

read_options() {
    local option
    INCLUDE="" POOL="" INI="" TEST="" VERBOSE=""
    while getopts ":C:F:i:p:tvhc:f:l:" option; do
        case $option in
            C) INCLUDE=$(existing_file "$OPTARG") || exit ;;
            F) POOL=$(existing_file "$OPTARG") || exit ;;
            i) INI=$(existing_file "$OPTARG") || exit ;;
            p) PORT=$OPTARG ;;
            t) TEST=yes ;;
            v) VERBOSE=yes ;;
            h) usage && exit ;;
            c) refuse "-c, a configuration for the whole of $SERVER, is not had here; -C FILE is, for the app" ;;
            f) refuse "-f, a configuration for the whole of FPM, is not had here; -F FILE is, for the pool" ;;
            l) refuse "-l, a log to follow, is not had here; write to /dev/stderr" ;;
            :) refuse "-$OPTARG wants a value" ;;
            *) refuse "-$OPTARG is no option" "$NAME -h tells which there are" ;;
        esac
    done
    shift $((OPTIND - 1))
    [ $# -le 1 ] || refuse "one web root only, not: $*"
    PORT=${PORT:-8080}
    ROOT=$(realpath "${1:-.}")
    [ -d "$ROOT" ] || refuse "there is no directory $1 to be the web root"
    command -v "$SERVER" >/dev/null || refuse "$SERVER is not in this image" \
        "it is there if the Procfile of the source names $NAME"
}

# ---- how many workers

# 128M -> 134217728
bytes() {
    case $1 in
        *[gG]) echo $((${1%?} << 30)) ;;
        *[mM]) echo $((${1%?} << 20)) ;;
        *[kK]) echo $((${1%?} << 10)) ;;
        *) echo "$1" ;;
    esac
}

# What this container may use; half a gigabyte if nothing says.
memory() {
    local file limit
    for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
        limit=$(cat "$file" 2>/dev/null) && [[ $limit =~ ^[0-9]{1,15}$ ]] && echo "$limit" && return
    done
    bytes 512M
}

# memory_limit of the web: that of php.ini, unless the pool or .user.ini sets another.
memory_limit() {
    local limit pool=${POOL:-/dev/null}
    limit=$({
        grep php_value "$pool"
        cat "$ROOT/.user.ini"
        grep php_admin_value "$pool"
    } 2>/dev/null | sed -n 's/^[^;]*memory_limit]\?[[:space:]]*=[[:space:]]*"\?\(-\?[0-9]*[kKmMgG]\?\).*/\1/p' | tail -n 1)
    bytes "${limit:-$(php -c "${INI:-/etc/php/8.2/fpm/php.ini}" -r 'echo ini_get("memory_limit");')}"
}

# As many as fit into the memory if each takes all it may; WEB_CONCURRENCY overrides.
workers() {
    local limit fit
    if [[ ${WEB_CONCURRENCY-} =~ ^[1-9][0-9]*$ ]]; then
        echo "$WEB_CONCURRENCY"
        return
    fi
    limit=$(memory_limit)
    [ "$limit" -gt 0 ] || limit=$(bytes 128M)
    fit=$(($(memory) / limit))
    echo $((fit < 1 ? 1 : fit > 64 ? 64 : fit))
}

# ---- configuration

# fill TEMPLATE INCLUDE: writes it to RUN with its placeholders filled in.
fill() {
    local text
    text=$(cat "$HERE/etc/$1")
    text=${text//@RUN@/$RUN} text=${text//@PORT@/$PORT} text=${text//@ROOT@/$ROOT} text=${text//@WORKERS@/$WEB_CONCURRENCY}
    text=${text//@INCLUDE@/$2} text=${text//@FALLBACK@/$FALLBACK}
    printf '%s\n' "$text" >"$RUN/$1"
}

configure() {
    RUN=$(mktemp --directory --tmpdir "$NAME.XXXXXX")
    export RUN PORT DOCUMENT_ROOT=$ROOT
    WEB_CONCURRENCY=$(workers)
    export WEB_CONCURRENCY
    # What is no file is the front controller's, if there is one.
    FALLBACK=$FALLBACK_NONE
    [ ! -f "$ROOT/index.php" ] || FALLBACK=$FALLBACK_INDEX
    fill fpm.conf "${POOL:+include = $POOL}"
    [ -n "$INCLUDE" ] || fill "$SERVER-default.conf" ""
    fill "$SERVER.conf" "${INCLUDE:-$RUN/$SERVER-default.conf}"
}

fpm() {
    exec php-fpm8.2 --nodaemonize --fpm-config "$RUN/fpm.conf" ${INI:+--php-ini "$INI"} "$@"
}

# ---- together

stop() {
    STOPPING=yes
    [ -z "${WEB_PID-}" ] || kill -s "$QUIT" "$WEB_PID" 2>/dev/null
}

wait_for_fpm() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        [ ! -S "$RUN/fpm.sock" ] && kill -0 "$FPM_PID" 2>/dev/null || return 0
        sleep 0.05
    done
}

# Ends with the first of the two that ends; on SIGTERM, when the requests that are under way are done.
together() {
    local ended="" status=0 which=$SERVER readers=()
    STOPPING=""
    # Through pipes of its own, which both can open again as /dev/stdout and /dev/stderr.
    exec > >(trap '' TERM INT && exec cat)
    readers+=($!)
    exec 2> >(trap '' TERM INT && exec cat >&2)
    readers+=($!)
    trap stop TERM INT
    (fpm) &
    FPM_PID=$!
    wait_for_fpm
    (web_server) &
    WEB_PID=$!
    [ -z "$STOPPING" ] || stop
    wait -n -p ended "$FPM_PID" "$WEB_PID" || status=$?
    if [ -z "$STOPPING" ]; then
        [ "$ended" != "$FPM_PID" ] || which=php-fpm
        echo "$NAME: $which has ended with status $status, and with it all of this" >&2
        status=1
    else
        status=0
    fi
    kill -s "$QUIT" "$WEB_PID" 2>/dev/null
    wait "$WEB_PID"
    kill -s QUIT "$FPM_PID" 2>/dev/null
    wait "$FPM_PID"
    exec >&- 2>&-
    # A worker whose master was killed may still hold the other end.
    (sleep 1 && exec kill -s KILL "${readers[@]}") &
    wait "${readers[@]}"
    exit "$status"
}

serve() {
    read_options "$@"
    configure
    trap 'rm -rf "$RUN"' EXIT
    if [ -n "$TEST" ]; then
        (fpm --test) && (web_server -t)
        exit
    fi
    [ -z "$VERBOSE" ] || echo "$NAME: $SERVER on port $PORT for $ROOT, $WEB_CONCURRENCY PHP workers" >&2
    together
}
