# What Java needs in the environment, in the build as in the app. To be sourced.
# shellcheck shell=bash

# Java's options for a bundle of certificates, as SSL_CERT_FILE names it: Java does not read PEM files. The truststore
# that the build made is used if it was made of the same bundle; otherwise one is made.
java_trust() {
    local folder=$1 bundle=${SSL_CERT_FILE-} sum store
    [ -n "$bundle" ] && [ -r "$bundle" ] || return 0
    sum=$(sha256sum <"$bundle" | cut -c -64)
    store=$folder/truststore-$sum
    if [ ! -f "$store" ]; then
        [ -w "$folder" ] || folder=${TMPDIR:-/tmp}
        store=$folder/truststore-$sum
        if [ ! -f "$store" ]; then
            "$JAVA_HOME/bin/java" -cp "$2" Truststore "$bundle" "$store.$$" && mv "$store.$$" "$store" || return 0
        fi
    fi
    echo "-Djavax.net.ssl.trustStore=$store -Djavax.net.ssl.trustStorePassword=changeit -Djavax.net.ssl.trustStoreType=PKCS12"
}

# Java's options for a proxy, which it does not read from the variables that all others do.
java_proxy() {
    local scheme url rest hosts
    for scheme in http https; do
        case $scheme in
            http) url=${http_proxy:-${HTTP_PROXY-}} ;;
            https) url=${https_proxy:-${HTTPS_PROXY-}} ;;
        esac
        [ -n "$url" ] || continue
        rest=${url#*://}
        rest=${rest##*@}
        rest=${rest%%/*}
        printf ' -D%s.proxyHost=%s' "$scheme" "${rest%:*}"
        [[ $rest != *:* ]] || printf ' -D%s.proxyPort=%s' "$scheme" "${rest##*:}"
    done
    hosts=${no_proxy:-${NO_PROXY-}}
    [ -z "$hosts" ] || sed 's/ //g; s/,\./,*./g; s/^\./*./; s/,/|/g; s/^/ -Dhttp.nonProxyHosts=/' <<<"$hosts"
}

# Java's options for the memory that the container has: by itself it takes a quarter. Without a limit the memory is the
# host's, and a quarter of that is more than enough.
java_memory() {
    local limit
    limit=$(cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null)
    # Without a limit the one file says "max", the other a number beyond all memory.
    [[ $limit =~ ^[0-9]+$ ]] && [ "${#limit}" -lt 15 ] || return 0
    if [ "$limit" -le $((512 << 20)) ]; then
        echo "-XX:MaxRAMPercentage=58.0 -Xss512k -XX:CICompilerCount=2"
    elif [ "$limit" -le $((1024 << 20)) ]; then
        echo "-XX:MaxRAMPercentage=65.0 -XX:CICompilerCount=2"
    else
        echo "-XX:MaxRAMPercentage=80.0"
    fi
}
