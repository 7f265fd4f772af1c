# Builds with Maven. To be sourced by bin/compile.
# shellcheck shell=bash disable=SC2154 # BUILD, CACHE, LOG and TRUST_AND_PROXY are bin/compile's.

# The settings file that the app names, or its own.
maven_settings() {
    if [ -n "${MAVEN_SETTINGS_PATH-}" ]; then
        [ -f "$MAVEN_SETTINGS_PATH" ] || fail "MAVEN_SETTINGS_PATH names $MAVEN_SETTINGS_PATH, which does not exist" \
            "Commit it, or change the config var"
        echo "$MAVEN_SETTINGS_PATH"
    elif [ -n "${MAVEN_SETTINGS_URL-}" ]; then
        local reason
        reason=$(bounded_curl "$CACHE/settings.xml" "$MAVEN_SETTINGS_URL") \
            || fail "MAVEN_SETTINGS_URL cannot be fetched: $reason" "Check the config var"
        echo "$CACHE/settings.xml"
    elif [ -f settings.xml ]; then
        echo settings.xml
    fi
}

# The wrapper if the app has one, else Debian's Maven.
maven_program() {
    [ -f mvnw ] || { echo mvn && return; }
    local properties=.mvn/wrapper/maven-wrapper.properties
    [ -f "$properties" ] || fail "mvnw is there, but not $properties" "Commit it (check .gitignore), or remove mvnw"
    chmod +x mvnw
    check_wrapper "$properties" "$MAVEN_USER_HOME/wrapper/dists"
    echo ./mvnw
}

# Sees to it that what a wrapper downloads can be had, before it tries for minutes in its own way.
check_wrapper() {
    local url reason
    [ ! -d "$2" ] || return 0
    url=$(sed --quiet 's/^distributionUrl *= *//p' "$1" | tr --delete '\r\134')
    [[ $url == http* ]] || return 0
    reason=$(curl --fail --silent --show-error --location --head --connect-timeout 15 --max-time 60 --output /dev/null "$url" 2>&1) \
        || fail "The wrapper's $url cannot be fetched: $reason" "Check that this host reaches it, or write a mirror's address to $1"
}

run_maven() {
    local begun=$EPOCHREALTIME settings program options
    export MAVEN_USER_HOME=$CACHE/maven
    export MAVEN_OPTS="${MAVEN_JAVA_OPTS:-${MAVEN_OPTS-}} $TRUST_AND_PROXY"
    settings=$(maven_settings)
    program=$(maven_program)
    options=(--batch-mode --no-transfer-progress -Dstyle.color=never
        -Dmaven.wagon.http.retryHandler.count=1 -Dmaven.wagon.rto=30000 -Daether.connector.http.retryHandler.count=1
        -Daether.connector.connectTimeout=15000 -Daether.connector.requestTimeout=30000)
    # An app may bring a repository of its own.
    grep --quiet --no-messages 'maven\.repo\.local' .mvn/maven.config || options+=("-Dmaven.repo.local=$CACHE/repository")
    [ -z "$settings" ] || options+=(--settings "$settings")
    # As the goal clean does, which would need a plugin more.
    find . -name pom.xml -execdir rm -rf target \;
    # What could not be fetched the last time is asked for again.
    [ ! -d "$CACHE/repository" ] || find "$CACHE/repository" -name '*.lastUpdated' -delete
    # shellcheck disable=SC2206 # Several words each.
    local goals=(${MAVEN_CUSTOM_OPTS:--DskipTests} ${MAVEN_CUSTOM_GOALS:-package})
    step "Building: $program ${goals[*]}"
    logged "$LOG" "$program" "${options[@]}" "${goals[@]}" || explain "$1" "$program ${goals[*]}"
    detail "done in $(seconds_since "$begun")"
}
